# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	spec/layer_fields.h spec/network_spec.h \
	%D%/build_attention.c \
	%D%/build_dense.c \
	%D%/build_error.c \
	%D%/build_graph.c \
	%D%/build_image.c \
	%D%/build_recurrent.c \
	%D%/build_residual.c \
	%D%/build_shape_layers.c \
	%D%/initialise.c %D%/initialise.h \
	%D%/network.c %D%/network.h \
	%D%/network_build.h \
	%D%/preset_image.c \
	%D%/preset_maker.h \
	%D%/preset_sequence.c \
	%D%/presets.c %D%/presets.h
