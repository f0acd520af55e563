# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libengine.a
%C%_libengine_a_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
%C%_libengine_a_CFLAGS = $(AM_CFLAGS) $(ENGINE_OPTIMISE)
# What a program that links libengine.a needs besides.
ENGINE_LIBS = engine/libengine.a $(OPENBLAS_LIBS) -lm -lpthread
%C%_libengine_a_SOURCES = \
	%D%/arena.c %D%/arena.h \
	%D%/buffer.c %D%/buffer.h \
	%D%/describe.c %D%/describe.h \
	%D%/describe_ops.c \
	%D%/dtype.c %D%/dtype.h \
	%D%/dynamic.c %D%/dynamic.h \
	%D%/dynamic_private.h \
	%D%/engine.c %D%/engine.h \
	%D%/error.c %D%/error.h \
	%D%/evaluate.c %D%/evaluate.h \
	%D%/graph.c %D%/graph.h \
	%D%/graph_hoist.c %D%/graph_hoist.h \
	%D%/graph_resolve.c \
	%D%/graph_seal.c \
	%D%/memory_plan.c %D%/memory_plan.h \
	%D%/model.c %D%/model.h \
	%D%/model_export.c %D%/model_export.h \
	%D%/model_file.c %D%/model_file.h \
	%D%/model_load.c \
	%D%/model_private.h \
	%D%/model_probe.c \
	%D%/model_standardise.c %D%/model_standardise.h \
	%D%/node_attributes.c \
	%D%/op.h \
	%D%/plan.c %D%/plan.h \
	%D%/plan_check.c \
	%D%/plan_draft.c \
	%D%/plan_infer.c \
	%D%/plan_layout.c \
	%D%/plan_private.h \
	%D%/pool.c %D%/pool.h \
	%D%/runner.c %D%/runner.h \
	%D%/shape.c %D%/shape.h \
	%D%/tensor.c %D%/tensor.h \
	%D%/weights.c

include engine/build/local.mk
include engine/onnx/local.mk
include engine/grad/local.mk
include engine/ops/local.mk
include engine/kernels/local.mk
include engine/optimise/local.mk
include engine/learn/local.mk
include engine/train/local.mk
