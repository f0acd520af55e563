# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/conv.c \
	%D%/families.h \
	%D%/gemm.c \
	%D%/matmul.c \
	%D%/op_table.c \
	%D%/operands.c %D%/operands.h \
	%D%/pool.c \
	%D%/product.c %D%/product.h \
	%D%/transpose.c \
	%D%/view.c \
	%D%/window_form.c %D%/window_form.h
