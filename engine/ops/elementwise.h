/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/elementwise.h - operators that compute each output element from one element of each
 * input, for all number types from at most four kernels: float, double, int64 and uint64. Other
 * types are converted at the edge, a chunk at a time, so only the first is tuned.
 *
 * A kernel is a row function (engine/ops/broadcast.h) on arrays of its type. */
#ifndef ENGINE_OPS_ELEMENTWISE_H
#define ENGINE_OPS_ELEMENTWISE_H

#include "engine/op.h"
#include "engine/ops/broadcast.h"

struct rows {
    row_fn *f32, *f64, *i64, *u64; /* NULL: the operator does not take that type */
    row_fn *f32_wide;              /* f32 compiled for AVX2 and FMA; NULL: f32 serves */
    row_fn *bools;                 /* on bytes of bool tensors; NULL: i64 serves */
    bool to_bool;                  /* the kernels write bool bytes, whatever the inputs */
    bool heavy;                    /* tens of instructions an element: worth threads earlier */
};

/* The types that `rows` has kernels for, as op_def.dtypes. */
#define DTYPES_FLOAT \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16))
#define DTYPES_SIGNED \
    (DTYPE_BIT(DTYPE_I8) | DTYPE_BIT(DTYPE_I16) | DTYPE_BIT(DTYPE_I32) | DTYPE_BIT(DTYPE_I64))
#define DTYPES_UNSIGNED \
    (DTYPE_BIT(DTYPE_U8) | DTYPE_BIT(DTYPE_U16) | DTYPE_BIT(DTYPE_U32) | DTYPE_BIT(DTYPE_U64))
#define DTYPES_INTEGER (DTYPES_SIGNED | DTYPES_UNSIGNED)
#define DTYPES_NUMBER (DTYPES_FLOAT | DTYPES_INTEGER)
#define DTYPES_ANY (DTYPES_NUMBER | DTYPE_BIT(DTYPE_BOOL) | DTYPE_BIT(DTYPE_STRING))

/* Runs the kernel for the type of inputs[0] over `output`. The other inputs may be of any number
 * type: they are read as the kernel's. The output is bool if rows->to_bool, else any number type.
 * `arg` is handed to the kernel. */
void elementwise_run(struct pool *pool, const struct rows *rows, int n_inputs,
                     const struct tensor *const *inputs, const struct tensor *output,
                     const void *arg);

/* The same with the kernel for `compute`, one of the types that compute_dtype() returns. */
void elementwise_run_as(enum dtype compute, struct pool *pool, const struct rows *rows,
                        int n_inputs, const struct tensor *const *inputs,
                        const struct tensor *output, const void *arg);

/* infer_broadcast() for operators whose inputs must all be of one type. */
enum engine_status infer_broadcast_one_type(struct op_infer *infer, struct engine_error *err);
/* The same with bool as the output's type. */
enum engine_status infer_broadcast_to_bool(struct op_infer *infer, struct engine_error *err);
/* The first input's shape, bool. */
enum engine_status infer_same_to_bool(struct op_infer *infer, struct engine_error *err);

#endif
