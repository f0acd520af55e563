# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += %D%/test_initialise
%C%_test_initialise_SOURCES = %D%/test_initialise.c $(RUN_SUITE)
%C%_test_initialise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_initialise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_network
%C%_test_network_SOURCES = %D%/test_network.c $(RUN_SUITE)
%C%_test_network_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_network_LDADD = $(ENGINE_TEST_LIBS)
