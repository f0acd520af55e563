# SPDX-License-Identifier: Apache-2.0
GRAD_CASE = tests/support/grad_case.c tests/support/grad_case.h $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)

check_PROGRAMS += %D%/test_conv
%C%_test_conv_SOURCES = %D%/test_conv.c $(GRAD_CASE)
%C%_test_conv_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_conv_kernels
%C%_test_conv_kernels_SOURCES = %D%/test_conv_kernels.c $(CONV_REFERENCE) $(RUN_SUITE)
%C%_test_conv_kernels_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_kernels_LDADD = $(ENGINE_TEST_LIBS)
