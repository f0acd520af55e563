# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/activation.c \
	%D%/arg_extreme.c \
	%D%/arith.c \
	%D%/attention.c \
	%D%/attention_form.c %D%/attention_form.h \
	%D%/bottleneck.c \
	%D%/broadcast.c %D%/broadcast.h \
	%D%/cast.c \
	%D%/compare.c \
	%D%/control.c \
	%D%/conv.c \
	%D%/conv_form.c %D%/conv_form.h \
	%D%/cumulative.c \
	%D%/deform_conv.c \
	%D%/detect.c \
	%D%/dropout.c \
	%D%/einsum.c \
	%D%/einsum_form.c %D%/einsum_form.h \
	%D%/einsum_product.c %D%/einsum_product.h \
	%D%/elementwise.c %D%/elementwise.h \
	%D%/epilogue.c %D%/epilogue.h \
	%D%/expand.c \
	%D%/families.h \
	%D%/forest.c %D%/forest.h \
	%D%/fused_attention.c \
	%D%/gather.c \
	%D%/gemm.c \
	%D%/generate.c \
	%D%/grid_sample.c \
	%D%/integer.c \
	%D%/join.c \
	%D%/key_table.c %D%/key_table.h \
	%D%/loss.c \
	%D%/matmul.c \
	%D%/matrix.c %D%/matrix.h \
	%D%/ml_category.c \
	%D%/ml_features.c \
	%D%/ml_linear.c \
	%D%/ml_scores.c %D%/ml_scores.h \
	%D%/ml_svm.c \
	%D%/ml_trees.c \
	%D%/moves.c %D%/moves.h \
	%D%/norm.c %D%/norm_body.h \
	%D%/norm_axes.c \
	%D%/norm_form.h \
	%D%/op_table.c \
	%D%/operands.c %D%/operands.h \
	%D%/optimiser.c \
	%D%/optional.c \
	%D%/packed_conv.c \
	%D%/packed_gemm.c \
	%D%/pad.c \
	%D%/pool.c \
	%D%/pool_form.c %D%/pool_form.h \
	%D%/product.c %D%/product.h \
	%D%/quantise.c \
	%D%/quantise_form.c %D%/quantise_form.h \
	%D%/random.c \
	%D%/reduce.c \
	%D%/regex.h \
	%D%/regex_match.c \
	%D%/regex_parse.c \
	%D%/regex_program.h \
	%D%/resize.c \
	%D%/resize_form.c %D%/resize_form.h \
	%D%/rnn.c \
	%D%/rnn_form.c %D%/rnn_form.h \
	%D%/roi.c \
	%D%/roi_form.c %D%/roi_form.h \
	%D%/rotary.c \
	%D%/rotary_form.c %D%/rotary_form.h \
	%D%/rows.h \
	%D%/sample_form.c %D%/sample_form.h \
	%D%/scatter.c \
	%D%/select.c \
	%D%/sequence.c \
	%D%/sequence_join.c \
	%D%/signal.c \
	%D%/signal_window.c \
	%D%/slice.c \
	%D%/softmax.c \
	%D%/stacks.c %D%/stacks.h \
	%D%/text.c \
	%D%/text_case.c %D%/text_case.h \
	%D%/text_match.c \
	%D%/tfidf.c \
	%D%/topk.c \
	%D%/transpose.c \
	%D%/unary.c \
	%D%/unique.c \
	%D%/unpool.c \
	%D%/unpool_form.c %D%/unpool_form.h \
	%D%/view.c \
	%D%/where.c \
	%D%/widen.c %D%/widen.h \
	%D%/window_form.c %D%/window_form.h
