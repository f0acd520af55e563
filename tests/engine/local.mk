# SPDX-License-Identifier: Apache-2.0
ENGINE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
ENGINE_TEST_LIBS = $(ENGINE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/test_error
%C%_test_error_SOURCES = %D%/test_error.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_error_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_error_LDADD = $(ENGINE_TEST_LIBS)
