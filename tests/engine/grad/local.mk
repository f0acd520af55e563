# SPDX-License-Identifier: Apache-2.0
GRAD_CASE = tests/support/grad_case.c tests/support/grad_case.h $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)

check_PROGRAMS += %D%/test_activation
%C%_test_activation_SOURCES = %D%/test_activation.c $(GRAD_CASE)
%C%_test_activation_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_activation_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_arith
%C%_test_arith_SOURCES = %D%/test_arith.c $(GRAD_CASE)
%C%_test_arith_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_arith_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_attention
%C%_test_attention_SOURCES = %D%/test_attention.c $(GRAD_CASE)
%C%_test_attention_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_attention_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_conv
%C%_test_conv_SOURCES = %D%/test_conv.c $(GRAD_CASE)
%C%_test_conv_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_conv_kernels
%C%_test_conv_kernels_SOURCES = %D%/test_conv_kernels.c $(CONV_REFERENCE) $(RUN_SUITE)
%C%_test_conv_kernels_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_kernels_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_dropout
%C%_test_dropout_SOURCES = %D%/test_dropout.c $(GRAD_CASE)
%C%_test_dropout_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_dropout_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_index
%C%_test_index_SOURCES = %D%/test_index.c $(GRAD_CASE)
%C%_test_index_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_index_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_large
%C%_test_large_SOURCES = %D%/test_large.c $(GRAD_CASE)
%C%_test_large_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_large_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_lines
%C%_test_lines_SOURCES = %D%/test_lines.c $(GRAD_CASE)
%C%_test_lines_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_lines_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_move
%C%_test_move_SOURCES = %D%/test_move.c $(GRAD_CASE)
%C%_test_move_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_move_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_networks
%C%_test_networks_SOURCES = %D%/test_networks.c %D%/network_cases.h $(RUN_SUITE)
EXTRA_DIST += %D%/make_networks.py
%C%_test_networks_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS) -DFIXTURES='"$(abs_top_srcdir)/tests/fixtures"'
%C%_test_networks_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_norm
%C%_test_norm_SOURCES = %D%/test_norm.c $(GRAD_CASE)
%C%_test_norm_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_norm_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_points
%C%_test_points_SOURCES = %D%/test_points.c %D%/points_cases.h $(GRAD_CASE)
EXTRA_DIST += %D%/make_points.py
%C%_test_points_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_points_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_pool
%C%_test_pool_SOURCES = %D%/test_pool.c $(GRAD_CASE)
%C%_test_pool_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_pool_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_product
%C%_test_product_SOURCES = %D%/test_product.c $(GRAD_CASE)
%C%_test_product_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_product_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_reduce
%C%_test_reduce_SOURCES = %D%/test_reduce.c $(GRAD_CASE)
%C%_test_reduce_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_reduce_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_resize
%C%_test_resize_SOURCES = %D%/test_resize.c $(GRAD_CASE)
%C%_test_resize_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_resize_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_rnn
%C%_test_rnn_SOURCES = %D%/test_rnn.c $(GRAD_CASE)
%C%_test_rnn_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_rnn_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_sample
%C%_test_sample_SOURCES = %D%/test_sample.c $(GRAD_CASE)
%C%_test_sample_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_sample_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_signal
%C%_test_signal_SOURCES = %D%/test_signal.c $(GRAD_CASE)
%C%_test_signal_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_signal_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_softmax
%C%_test_softmax_SOURCES = %D%/test_softmax.c $(GRAD_CASE)
%C%_test_softmax_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_softmax_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_table
%C%_test_table_SOURCES = %D%/test_table.c $(RUN_SUITE)
%C%_test_table_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_table_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_tape
%C%_test_tape_SOURCES = %D%/test_tape.c $(GRAD_CASE)
%C%_test_tape_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_tape_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_term
%C%_test_term_SOURCES = %D%/test_term.c $(RUN_SUITE)
%C%_test_term_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_term_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_unary
%C%_test_unary_SOURCES = %D%/test_unary.c $(GRAD_CASE)
%C%_test_unary_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_unary_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_where
%C%_test_where_SOURCES = %D%/test_where.c $(GRAD_CASE)
%C%_test_where_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_where_LDADD = $(ENGINE_TEST_LIBS)
