/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/einsum_form.h - reads an einsum equation ("bij,bjk->bik", "...ii->...i", "ij,jk"). A
 * label is a letter, or one of the dimensions that an ellipsis stands for. */
#ifndef ENGINE_OPS_EINSUM_FORM_H
#define ENGINE_OPS_EINSUM_FORM_H

#include "engine/op.h"

/* Letters are labels 0 to 51; dimensions of ellipses follow, counted so that they meet from the
 * right. Sets of labels fit a uint64_t. */
enum { EINSUM_LABELS = 52 + SHAPE_RANK_MAX, EINSUM_INPUTS_MAX = 8 };

struct einsum_term {
    int rank;
    int labels[SHAPE_RANK_MAX];
};

struct einsum_form {
    int n_inputs;
    struct einsum_term inputs[EINSUM_INPUTS_MAX], output;
    int64_t sizes[EINSUM_LABELS];  /* 1 for a label that is not used */
};

/* Reads `equation` for inputs of these shapes (NULL entries are refused). BAD_INPUT says what does
 * not fit. */
enum engine_status einsum_read(const struct node *node, const char *equation, int n_inputs,
                               const struct shape *const *shapes, struct einsum_form *ret_form,
                               struct engine_error *err);

#endif
