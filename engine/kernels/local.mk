# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/activation.c %D%/activation.h \
	%D%/attention.c %D%/attention.h \
	%D%/bottleneck.c %D%/bottleneck.h \
	%D%/conv.c %D%/conv.h \
	%D%/conv_last.c %D%/conv_last.h \
	%D%/conv_places.c %D%/conv_places.h \
	%D%/conv_planes.c %D%/conv_planes.h \
	%D%/conv_weights.c %D%/conv_weights.h \
	%D%/convert.c %D%/convert.h \
	%D%/cpu.c %D%/cpu.h \
	%D%/depthwise.c %D%/depthwise.h %D%/depthwise_body.h \
	%D%/each_isa.h \
	%D%/fft.c %D%/fft.h \
	%D%/gemm.c %D%/gemm.h \
	%D%/integer.c %D%/integer.h \
	%D%/isa.h \
	%D%/move.c %D%/move.h \
	%D%/norm_grad.c %D%/norm_grad.h %D%/norm_grad_body.h \
	%D%/optimiser.c %D%/optimiser.h \
	%D%/packed.c %D%/packed.h \
	%D%/pool_last.c %D%/pool_last.h %D%/pool_last_body.h \
	%D%/pool_planes.c %D%/pool_planes.h \
	%D%/random.c %D%/random.h \
	%D%/rearrange.c %D%/rearrange.h \
	%D%/recurrent.c %D%/recurrent.h \
	%D%/recurrent_grad.c %D%/recurrent_grad.h \
	%D%/reduce.c %D%/reduce.h %D%/reduce_body.h \
	%D%/resample.c %D%/resample.h \
	%D%/softmax.c %D%/softmax.h \
	%D%/tile.c %D%/tile.h %D%/tile_body.h \
	%D%/tile_block.c %D%/tile_block.h \
	%D%/update.c %D%/update.h %D%/update_body.h \
	%D%/vec_math.c %D%/vec_math.h %D%/vec_math_body.h \
	%D%/window.c %D%/window.h \
	%D%/window_pool.c %D%/window_pool.h \
	%D%/winograd.c %D%/winograd.h \
	%D%/winograd_body.h \
	%D%/winograd_transform.c %D%/winograd_transform.h
