/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/families.h - the families of gradients, one a file: X(name) for each array grads_<name>,
 * closed by an entry whose name is NULL. Alphabetical. A new family is one line here and its file in
 * local.mk. */
#ifndef ENGINE_GRAD_FAMILIES_H
#define ENGINE_GRAD_FAMILIES_H

#include "engine/grad/grad.h"

#define GRAD_FAMILY_MAP(X) \
    X(activation) \
    X(arith) \
    X(attention) \
    X(batch_norm) \
    X(cast) \
    X(compare) \
    X(conv) \
    X(cumulative) \
    X(dropout) \
    X(einsum) \
    X(gather) \
    X(gemm) \
    X(generate) \
    X(grid_sample) \
    X(group_norm) \
    X(join) \
    X(loss) \
    X(lrn) \
    X(matmul) \
    X(matrix) \
    X(move) \
    X(norm) \
    X(norm_axes) \
    X(packed) \
    X(pool) \
    X(quantise) \
    X(reduce) \
    X(resize) \
    X(rnn) \
    X(roi) \
    X(rotary) \
    X(scatter) \
    X(select) \
    X(signal) \
    X(softmax) \
    X(stops) \
    X(unary) \
    X(unpool) \
    X(where)

#define X(name) extern const struct grad_def grads_##name[];
GRAD_FAMILY_MAP(X)
#undef X

#endif
