# SPDX-License-Identifier: Apache-2.0
LEARNING_TEST_CPPFLAGS = $(SERVER_TEST_CPPFLAGS) $(SQLITE_CFLAGS) $(NETTLE_CFLAGS)
LEARNING_CASE = tests/support/learning_case.c tests/support/learning_case.h \
	tests/support/run_suite.c tests/support/run_suite.h

check_PROGRAMS += %D%/test_journal
%C%_test_journal_SOURCES = %D%/test_journal.c $(LEARNING_CASE)
%C%_test_journal_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_journal_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_journal_writer
%C%_test_journal_writer_SOURCES = %D%/test_journal_writer.c $(LEARNING_CASE)
%C%_test_journal_writer_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_journal_writer_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_recovery
%C%_test_recovery_SOURCES = %D%/test_recovery.c $(LEARNING_CASE)
%C%_test_recovery_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_recovery_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_storage_faults
%C%_test_storage_faults_SOURCES = %D%/test_storage_faults.c $(LEARNING_CASE) \
	tests/support/fault_calls.c tests/support/fault_calls.h \
	tests/support/fault_disk.c tests/support/fault_disk.h
%C%_test_storage_faults_CPPFLAGS = $(LEARNING_TEST_CPPFLAGS)
%C%_test_storage_faults_LDADD = $(SERVER_TEST_LIBS)
