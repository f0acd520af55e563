# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/channels_last.c \
	%D%/fold_norm.c \
	%D%/fuse_attention.c \
	%D%/fuse_bottleneck.c \
	%D%/fuse_dense.c \
	%D%/fuse_epilogue.c \
	%D%/fuse_gelu.c \
	%D%/fuse_layer_norm.c \
	%D%/fuse_swish.c \
	%D%/inference_mode.c \
	%D%/optimise.c %D%/optimise.h \
	%D%/order.c %D%/order.h \
	%D%/pack_gemm.c \
	%D%/pack_recurrent.c \
	%D%/pattern.c %D%/pattern.h \
	%D%/remove_dead.c \
	%D%/remove_no_ops.c
