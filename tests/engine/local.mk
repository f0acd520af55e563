# SPDX-License-Identifier: Apache-2.0
ENGINE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
ENGINE_TEST_LIBS = $(ENGINE_LIBS) $(CHECK_LIBS)
RUN_SUITE = tests/support/run_suite.c tests/support/run_suite.h

check_PROGRAMS += %D%/test_arena
%C%_test_arena_SOURCES = %D%/test_arena.c $(RUN_SUITE)
%C%_test_arena_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_arena_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_dtype
%C%_test_dtype_SOURCES = %D%/test_dtype.c $(RUN_SUITE)
%C%_test_dtype_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_dtype_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_error
%C%_test_error_SOURCES = %D%/test_error.c $(RUN_SUITE)
%C%_test_error_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_error_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_graph
%C%_test_graph_SOURCES = %D%/test_graph.c $(RUN_SUITE)
%C%_test_graph_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_graph_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_pool
%C%_test_pool_SOURCES = %D%/test_pool.c $(RUN_SUITE)
%C%_test_pool_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_pool_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_shape
%C%_test_shape_SOURCES = %D%/test_shape.c $(RUN_SUITE)
%C%_test_shape_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_shape_LDADD = $(ENGINE_TEST_LIBS)
