# SPDX-License-Identifier: Apache-2.0
LEARNING_TEST_CPPFLAGS = $(SERVER_TEST_CPPFLAGS) $(SQLITE_CFLAGS) $(NETTLE_CFLAGS)
LEARNING_CASE = tests/support/learning_case.c tests/support/learning_case.h \
	tests/support/run_suite.c tests/support/run_suite.h

check_PROGRAMS += %D%/test_journal
%C%_test_journal_SOURCES = %D%/test_journal.c %D%/journal_case.h $(LEARNING_CASE)
%C%_test_journal_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_journal_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_copies
%C%_test_copies_SOURCES = %D%/test_copies.c %D%/recovery_case.h $(LEARNING_CASE)
%C%_test_copies_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_copies_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_journal_damage
%C%_test_journal_damage_SOURCES = %D%/test_journal_damage.c %D%/journal_case.h $(LEARNING_CASE)
%C%_test_journal_damage_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_journal_damage_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_pace
%C%_test_pace_SOURCES = %D%/test_pace.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_pace_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_pace_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_prediction_log
%C%_test_prediction_log_SOURCES = %D%/test_prediction_log.c $(LEARNING_CASE)
%C%_test_prediction_log_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_prediction_log_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_recovery
%C%_test_recovery_SOURCES = %D%/test_recovery.c %D%/recovery_case.h $(LEARNING_CASE)
%C%_test_recovery_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_recovery_LDADD = $(SERVER_TEST_LIBS)

# Thousands of short lives in processes of one thread each: nothing for ThreadSanitizer.
if !SANITIZE_THREAD
check_PROGRAMS += %D%/test_storage_faults
%C%_test_storage_faults_SOURCES = %D%/test_storage_faults.c $(LEARNING_CASE) \
	tests/support/fault_calls.c tests/support/fault_calls.h \
	tests/support/fault_disk.c tests/support/fault_disk.h
%C%_test_storage_faults_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_storage_faults_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_storage_damage
%C%_test_storage_damage_SOURCES = %D%/test_storage_damage.c $(LEARNING_CASE)
%C%_test_storage_damage_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_storage_damage_LDADD = $(SERVER_TEST_LIBS)
endif

EXTRA_DIST += %D%/data %D%/mutate.py
check_PROGRAMS += %D%/test_checkpoint
%C%_test_checkpoint_SOURCES = %D%/test_checkpoint.c $(LEARNING_CASE)
%C%_test_checkpoint_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS) \
	-DPEER_FILE='"$(abs_top_srcdir)/%D%/data/peer.safetensors"'
%C%_test_checkpoint_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_history
%C%_test_history_SOURCES = %D%/test_history.c %D%/recovery_case.h $(LEARNING_CASE)
%C%_test_history_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_history_LDADD = $(SERVER_TEST_LIBS)
