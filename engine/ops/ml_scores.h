/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_scores.h - what the classifiers and regressors of ai.onnx.ml share: class labels and
 * the transforms of a row of scores. */
#ifndef ENGINE_OPS_ML_SCORES_H
#define ENGINE_OPS_ML_SCORES_H

#include "engine/op.h"

enum score_transform {
    TRANSFORM_NONE, TRANSFORM_SOFTMAX, TRANSFORM_LOGISTIC, TRANSFORM_SOFTMAX_ZERO, TRANSFORM_PROBIT
};

/* Labels of classes 0 .. count - 1: integers or strings, the other is NULL. */
struct class_labels {
    int64_t count;
    const int64_t *ints;
    const struct bytes *strings;
};

/* From the attribute post_transform. */
enum engine_status score_transform_read(const struct node *node, enum score_transform *ret,
                                        struct engine_error *err);
void score_transform_row(enum score_transform transform, double *scores, int64_t count);
/* One score of two classes as the two of them: transformed, its complement first. */
void score_transform_pair(enum score_transform transform, double score, double scores[2]);

/* From the attributes classlabels_strings and `ints_name`. */
enum engine_status class_labels_read(const struct node *node, const char *ints_name,
                                     struct class_labels *labels, struct engine_error *err);
enum dtype class_labels_dtype(const struct class_labels *labels);
/* Writes the label of class `class_index` as element `i`; `to` may be NULL: nobody wants it. */
void class_labels_store(const struct class_labels *labels, int64_t class_index, struct tensor *to,
                        int64_t i);

/* The first of the greatest. */
int64_t scores_best(const double *scores, int64_t count);
void scores_store(const double *scores, int64_t count, struct tensor *to, int64_t at);

/* Inputs of these operators are [N,C] or [C]: rows and columns of one, or a refusal. */
enum engine_status rows_and_columns(const struct op_infer *infer, int64_t *ret_rows,
                                    int64_t *ret_columns, struct engine_error *err);
/* Row `row` of input 0 as double. */
void load_row(const struct op_call *call, int64_t row, int64_t columns, double *to);

#endif
