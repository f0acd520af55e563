# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libengine.a
%C%_libengine_a_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
%C%_libengine_a_CFLAGS = $(AM_CFLAGS) -O3
# What a program that links libengine.a needs besides.
ENGINE_LIBS = engine/libengine.a $(OPENBLAS_LIBS) -lm -lpthread
%C%_libengine_a_SOURCES = \
	%D%/arena.c %D%/arena.h \
	%D%/dtype.c %D%/dtype.h \
	%D%/dynamic.h \
	%D%/engine.h \
	%D%/error.c %D%/error.h \
	%D%/graph.c %D%/graph.h \
	%D%/graph_resolve.c \
	%D%/graph_seal.c \
	%D%/model.h \
	%D%/node_attributes.c \
	%D%/op.h \
	%D%/plan.h \
	%D%/pool.c %D%/pool.h \
	%D%/runner.h \
	%D%/shape.c %D%/shape.h \
	%D%/tensor.c %D%/tensor.h

include engine/onnx/local.mk
include engine/ops/local.mk
include engine/kernels/local.mk
include engine/optimise/local.mk
