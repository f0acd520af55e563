# SPDX-License-Identifier: Apache-2.0
# What needs no server; inferctl and the Python module meet a real one in tests/http/test_clients.py.
check_PROGRAMS += %D%/test_npy
%C%_test_npy_SOURCES = %D%/test_npy.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_npy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%C%_test_npy_LDADD = $(CLIENT_LIBS) $(CHECK_LIBS)
