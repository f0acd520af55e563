/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/families.h - the operator families, one a file: X(name) for each array ops_<name>,
 * closed by an entry whose name is NULL. Alphabetical. A new family is one line here and its file
 * in local.mk. */
#ifndef ENGINE_OPS_FAMILIES_H
#define ENGINE_OPS_FAMILIES_H

#include "engine/op.h"

#define OP_FAMILY_MAP(X) \
    X(activation) \
    X(arg_extreme) \
    X(arith) \
    X(attention) \
    X(bottleneck) \
    X(cast) \
    X(compare) \
    X(control) \
    X(conv) \
    X(cumulative) \
    X(deform_conv) \
    X(detect) \
    X(dropout) \
    X(einsum) \
    X(expand) \
    X(fused_attention) \
    X(gather) \
    X(gemm) \
    X(generate) \
    X(grid_sample) \
    X(integer) \
    X(join) \
    X(loss) \
    X(matmul) \
    X(matrix) \
    X(ml_category) \
    X(ml_features) \
    X(ml_linear) \
    X(ml_svm) \
    X(ml_trees) \
    X(norm) \
    X(norm_axes) \
    X(optimiser) \
    X(optional) \
    X(packed_conv) \
    X(packed_gemm) \
    X(pad) \
    X(pool) \
    X(quantise) \
    X(random) \
    X(reduce) \
    X(resize) \
    X(rnn) \
    X(roi) \
    X(rotary) \
    X(scatter) \
    X(select) \
    X(sequence) \
    X(sequence_join) \
    X(signal) \
    X(signal_window) \
    X(slice) \
    X(softmax) \
    X(text) \
    X(text_match) \
    X(tfidf) \
    X(topk) \
    X(transpose) \
    X(unary) \
    X(unique) \
    X(unpool) \
    X(view) \
    X(where)

#define X(name) extern const struct op_def ops_##name[];
OP_FAMILY_MAP(X)
#undef X

#endif
