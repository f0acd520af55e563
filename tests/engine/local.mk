# SPDX-License-Identifier: Apache-2.0
ENGINE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
ENGINE_TEST_LIBS = $(ENGINE_LIBS) $(CHECK_LIBS)
RUN_SUITE = tests/support/run_suite.c tests/support/run_suite.h
CONV_REFERENCE = tests/support/conv_reference.c tests/support/conv_reference.h
GRAPH_CASE = tests/support/graph_case.c tests/support/graph_case.h
COUNT_ALLOCATIONS = tests/support/count_allocations.c tests/support/count_allocations.h
OP_CASE = tests/support/op_case.c tests/support/op_case.h

check_PROGRAMS += %D%/test_arena
%C%_test_arena_SOURCES = %D%/test_arena.c $(RUN_SUITE)
%C%_test_arena_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_arena_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_conv
%C%_test_conv_SOURCES = %D%/test_conv.c $(CONV_REFERENCE) $(OP_CASE) $(RUN_SUITE)
%C%_test_conv_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_conv_last
%C%_test_conv_last_SOURCES = %D%/test_conv_last.c $(CONV_REFERENCE) $(RUN_SUITE)
%C%_test_conv_last_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_conv_last_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_dtype
%C%_test_dtype_SOURCES = %D%/test_dtype.c $(RUN_SUITE)
%C%_test_dtype_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_dtype_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_dynamic
%C%_test_dynamic_SOURCES = %D%/test_dynamic.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_dynamic_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_dynamic_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_error
%C%_test_error_SOURCES = %D%/test_error.c $(RUN_SUITE)
%C%_test_error_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_error_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_gather
%C%_test_gather_SOURCES = %D%/test_gather.c $(OP_CASE) $(RUN_SUITE)
%C%_test_gather_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_gather_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_graph
%C%_test_graph_SOURCES = %D%/test_graph.c $(RUN_SUITE)
%C%_test_graph_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_graph_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_inference_mode
%C%_test_inference_mode_SOURCES = %D%/test_inference_mode.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_inference_mode_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_inference_mode_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_layout
%C%_test_layout_SOURCES = %D%/test_layout.c $(OP_CASE) $(RUN_SUITE)
%C%_test_layout_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_layout_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_matmul
%C%_test_matmul_SOURCES = %D%/test_matmul.c $(OP_CASE) $(RUN_SUITE)
%C%_test_matmul_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_matmul_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_ml
%C%_test_ml_SOURCES = %D%/test_ml.c $(OP_CASE) $(RUN_SUITE)
%C%_test_ml_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_ml_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_model
%C%_test_model_SOURCES = %D%/test_model.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_model_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_model_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_move
%C%_test_move_SOURCES = %D%/test_move.c $(OP_CASE) $(RUN_SUITE)
%C%_test_move_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_move_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_optimise
%C%_test_optimise_SOURCES = %D%/test_optimise.c $(CONV_REFERENCE) $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_optimise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_optimise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_packed
%C%_test_packed_SOURCES = %D%/test_packed.c $(CONV_REFERENCE) $(RUN_SUITE)
%C%_test_packed_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_packed_LDADD = $(ENGINE_TEST_LIBS)
check_PROGRAMS += %D%/test_memory_plan
%C%_test_memory_plan_SOURCES = %D%/test_memory_plan.c $(RUN_SUITE)
%C%_test_memory_plan_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_memory_plan_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_plan
%C%_test_plan_SOURCES = %D%/test_plan.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_plan_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_plan_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_pool
%C%_test_pool_SOURCES = %D%/test_pool.c $(RUN_SUITE)
%C%_test_pool_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_pool_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_pooling
%C%_test_pooling_SOURCES = %D%/test_pooling.c $(CONV_REFERENCE) $(OP_CASE) $(RUN_SUITE)
%C%_test_pooling_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_pooling_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_resize
%C%_test_resize_SOURCES = %D%/test_resize.c $(OP_CASE) $(RUN_SUITE)
%C%_test_resize_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_resize_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_runner
%C%_test_runner_SOURCES = %D%/test_runner.c $(COUNT_ALLOCATIONS) $(GRAPH_CASE) $(OP_CASE) \
	$(RUN_SUITE)
%C%_test_runner_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_runner_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_sequence
%C%_test_sequence_SOURCES = %D%/test_sequence.c $(OP_CASE) $(RUN_SUITE)
%C%_test_sequence_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_sequence_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_shape
%C%_test_shape_SOURCES = %D%/test_shape.c $(RUN_SUITE)
%C%_test_shape_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_shape_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_signal
%C%_test_signal_SOURCES = %D%/test_signal.c $(OP_CASE) $(RUN_SUITE)
%C%_test_signal_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_signal_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_text
%C%_test_text_SOURCES = %D%/test_text.c $(OP_CASE) $(RUN_SUITE)
%C%_test_text_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_text_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_vec_math
%C%_test_vec_math_SOURCES = %D%/test_vec_math.c $(RUN_SUITE)
%C%_test_vec_math_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_vec_math_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_softmax
%C%_test_softmax_SOURCES = %D%/test_softmax.c $(OP_CASE) $(RUN_SUITE)
%C%_test_softmax_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_softmax_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_norm
%C%_test_norm_SOURCES = %D%/test_norm.c $(OP_CASE) $(RUN_SUITE)
%C%_test_norm_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_norm_LDADD = $(ENGINE_TEST_LIBS)

ONNX_BYTES = tests/support/onnx_bytes.c tests/support/onnx_bytes.h \
	tests/support/onnx_load.c tests/support/onnx_load.h

check_PROGRAMS += %D%/test_describe
%C%_test_describe_SOURCES = %D%/test_describe.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_describe_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_describe_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_legalise
%C%_test_legalise_SOURCES = %D%/test_legalise.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_legalise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_legalise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_broken
%C%_test_onnx_broken_SOURCES = %D%/test_onnx_broken.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_broken_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_broken_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_external
%C%_test_onnx_external_SOURCES = %D%/test_onnx_external.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_external_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_external_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_model
%C%_test_onnx_model_SOURCES = %D%/test_onnx_model.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_model_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_model_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_mutations
%C%_test_onnx_mutations_SOURCES = %D%/test_onnx_mutations.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_mutations_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_mutations_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_splice
%C%_test_onnx_splice_SOURCES = %D%/test_onnx_splice.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_splice_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_splice_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_tensor
%C%_test_onnx_tensor_SOURCES = %D%/test_onnx_tensor.c $(ONNX_BYTES) $(RUN_SUITE)
%C%_test_onnx_tensor_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_tensor_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_onnx_writer
%C%_test_onnx_writer_SOURCES = %D%/test_onnx_writer.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_onnx_writer_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_onnx_writer_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_protobuf_reader
%C%_test_protobuf_reader_SOURCES = %D%/test_protobuf_reader.c $(RUN_SUITE)
%C%_test_protobuf_reader_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_protobuf_reader_LDADD = $(ENGINE_TEST_LIBS)
check_PROGRAMS += %D%/test_reduce
%C%_test_reduce_SOURCES = %D%/test_reduce.c $(OP_CASE) $(RUN_SUITE)
%C%_test_reduce_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_reduce_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_elementwise
%C%_test_elementwise_SOURCES = %D%/test_elementwise.c $(OP_CASE) $(RUN_SUITE)
%C%_test_elementwise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_elementwise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_einsum
%C%_test_einsum_SOURCES = %D%/test_einsum.c $(OP_CASE) $(RUN_SUITE)
%C%_test_einsum_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_einsum_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_broadcast
%C%_test_broadcast_SOURCES = %D%/test_broadcast.c $(OP_CASE) $(RUN_SUITE)
%C%_test_broadcast_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_broadcast_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_cast
%C%_test_cast_SOURCES = %D%/test_cast.c $(OP_CASE) $(RUN_SUITE)
%C%_test_cast_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_cast_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_loss
%C%_test_loss_SOURCES = %D%/test_loss.c $(OP_CASE) $(RUN_SUITE)
%C%_test_loss_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_loss_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_quantise
%C%_test_quantise_SOURCES = %D%/test_quantise.c $(OP_CASE) $(RUN_SUITE)
%C%_test_quantise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_quantise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_order
%C%_test_order_SOURCES = %D%/test_order.c $(OP_CASE) $(RUN_SUITE)
%C%_test_order_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_order_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_vision
%C%_test_vision_SOURCES = %D%/test_vision.c $(OP_CASE) $(RUN_SUITE)
%C%_test_vision_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_vision_LDADD = $(ENGINE_TEST_LIBS)

include tests/engine/build/local.mk
