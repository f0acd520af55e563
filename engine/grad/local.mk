# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/activation.c \
	%D%/arith.c \
	%D%/attention.c \
	%D%/back.c %D%/back.h \
	%D%/batch_norm.c \
	%D%/cast.c \
	%D%/compare.c \
	%D%/conv.c \
	%D%/cumulative.c \
	%D%/dropout.c \
	%D%/einsum.c \
	%D%/families.h \
	%D%/gather.c \
	%D%/gemm.c \
	%D%/generate.c \
	%D%/grad.h \
	%D%/grad_table.c \
	%D%/grid_sample.c \
	%D%/group_norm.c \
	%D%/join.c \
	%D%/loss.c \
	%D%/lrn.c \
	%D%/matmul.c \
	%D%/matrix.c \
	%D%/move.c \
	%D%/norm.c \
	%D%/norm_axes.c \
	%D%/packed.c \
	%D%/picks.c %D%/picks.h \
	%D%/pool.c \
	%D%/quantise.c \
	%D%/reduce.c \
	%D%/resize.c \
	%D%/rnn.c \
	%D%/rnn_backward.c \
	%D%/rnn_forward.c \
	%D%/rnn_sweep.h \
	%D%/roi.c \
	%D%/rotary.c \
	%D%/save.c %D%/save.h \
	%D%/scatter.c \
	%D%/select.c \
	%D%/signal.c \
	%D%/softmax.c \
	%D%/stops.c \
	%D%/tape.c %D%/tape.h \
	%D%/tape_analyse.c \
	%D%/tape_bind.c %D%/tape_bind.h \
	%D%/tape_layout.c \
	%D%/tape_private.h \
	%D%/term.c %D%/term.h \
	%D%/term_rows.h \
	%D%/unary.c \
	%D%/unpool.c \
	%D%/where.c
