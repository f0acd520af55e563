# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/activation.c \
	%D%/arith.c \
	%D%/batch_norm.c \
	%D%/compare.c \
	%D%/conv.c \
	%D%/dropout.c \
	%D%/families.h \
	%D%/gemm.c \
	%D%/grad.h \
	%D%/grad_table.c \
	%D%/group_norm.c \
	%D%/matmul.c \
	%D%/norm.c \
	%D%/pool.c \
	%D%/reduce.c \
	%D%/save.c %D%/save.h \
	%D%/softmax.c \
	%D%/tape.c %D%/tape.h \
	%D%/tape_analyse.c \
	%D%/tape_bind.c %D%/tape_bind.h \
	%D%/tape_layout.c \
	%D%/tape_private.h \
	%D%/term.c %D%/term.h \
	%D%/term_rows.h \
	%D%/unary.c
