# SPDX-License-Identifier: Apache-2.0
SERVER_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(MHD_CFLAGS) $(UV_CFLAGS) $(JANSSON_CFLAGS)
SERVER_TEST_LIBS = $(SERVER_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/test_metrics
%C%_test_metrics_SOURCES = %D%/test_metrics.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_metrics_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_metrics_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_batcher
%C%_test_batcher_SOURCES = %D%/test_batcher.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_batcher_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_batcher_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_repository
%C%_test_repository_SOURCES = %D%/test_repository.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_repository_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_repository_LDADD = $(SERVER_TEST_LIBS)
