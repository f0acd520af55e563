/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/ml_scores.h"

#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"

#include <math.h>
#include <string.h>

static const char *const transform_names[] = {
    "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT",
};

enum engine_status score_transform_read(const struct node *node, enum score_transform *ret,
                                        struct engine_error *err)
{
    const char *name = node_string(node, "post_transform", transform_names[0]);

    for (int i = TRANSFORM_NONE; i <= TRANSFORM_PROBIT; i++) {
        if (strcmp(name, transform_names[i]) == 0) {
            *ret = (enum score_transform)i;
            return ENGINE_OK;
        }
    }
    return op_unsupported(node, err, "post_transform '%.32s'", name);
}

static double logistic(double x)
{
    const double e = exp(-fabs(x));

    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

/* The inverse of the normal distribution: S. Winitzki's start (2008) for the inverse of erf, then
 * three of Newton's steps. */
static double probit(double p)
{
    const double y = 2 * p - 1, a = 0.147;
    const double l = log(1 - y * y), b = 2 / (M_PI * a) + l / 2;
    double x = copysign(sqrt(sqrt(b * b - l / a) - b), y);

    if (!(p > 0 && p < 1))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    for (int i = 0; i < 3; i++)
        x -= (erf(x) - y) * exp(x * x) * sqrt(M_PI) / 2;
    return sqrt(2) * x;
}

/* SOFTMAX_ZERO leaves zeros out of it: they stay zero, and the others share one. */
static void softmax(double *scores, int64_t count, bool keep_zeros)
{
    double most = -INFINITY, sum = 0;

    for (int64_t i = 0; i < count; i++)
        most = scores[i] > most ? scores[i] : most;
    for (int64_t i = 0; i < count; i++) {
        if (keep_zeros && fabs(scores[i]) <= 1e-7)
            scores[i] = 0;
        else
            scores[i] = exp(scores[i] - most);
        sum += scores[i];
    }
    for (int64_t i = 0; i < count && sum > 0; i++)
        scores[i] /= sum;
}

void score_transform_row(enum score_transform transform, double *scores, int64_t count)
{
    switch (transform) {
    case TRANSFORM_SOFTMAX:
    case TRANSFORM_SOFTMAX_ZERO:
        softmax(scores, count, transform == TRANSFORM_SOFTMAX_ZERO);
        break;
    case TRANSFORM_LOGISTIC:
        for (int64_t i = 0; i < count; i++)
            scores[i] = logistic(scores[i]);
        break;
    case TRANSFORM_PROBIT:
        for (int64_t i = 0; i < count; i++)
            scores[i] = probit(scores[i]);
        break;
    default:
        break;
    }
}

void score_transform_pair(enum score_transform transform, double score, double scores[2])
{
    scores[1] = score;
    if (transform == TRANSFORM_LOGISTIC) {
        scores[0] = logistic(-score);
        scores[1] = logistic(score);
    } else if (transform == TRANSFORM_NONE || transform == TRANSFORM_PROBIT) {
        score_transform_row(transform, &scores[1], 1);
        scores[0] = 1 - scores[1];
    } else {
        scores[0] = -score;
        score_transform_row(transform, scores, 2);
    }
}

enum engine_status class_labels_read(const struct node *node, const char *ints_name,
                                     struct class_labels *labels, struct engine_error *err)
{
    size_t n_ints, n_strings;

    labels->ints = node_ints(node, ints_name, &n_ints);
    labels->strings = node_strings(node, "classlabels_strings", &n_strings);
    if (n_ints > 0 && n_strings > 0)
        return op_fail(node, err, "class labels are given as integers and as strings");
    labels->count = (int64_t)(n_strings > 0 ? n_strings : n_ints);
    if (n_strings == 0)
        labels->strings = NULL;
    if (labels->count == 0)
        return op_fail(node, err, "there are no class labels");
    return ENGINE_OK;
}

enum dtype class_labels_dtype(const struct class_labels *labels)
{
    return labels->strings != NULL ? DTYPE_STRING : DTYPE_I64;
}

void class_labels_store(const struct class_labels *labels, int64_t class_index, struct tensor *to,
                        int64_t i)
{
    if (to == NULL)
        return;
    if (labels->strings != NULL)
        ((struct bytes *)to->data)[i] = labels->strings[class_index];
    else
        ((int64_t *)to->data)[i] = labels->ints[class_index];
}

int64_t scores_best(const double *scores, int64_t count)
{
    int64_t best = 0;

    for (int64_t i = 1; i < count; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

void scores_store(const double *scores, int64_t count, struct tensor *to, int64_t at)
{
    if (to != NULL)
        store_f64(to->dtype, count, scores, (char *)to->data + (size_t)at * dtype_size(to->dtype));
}

enum engine_status rows_and_columns(const struct op_infer *infer, int64_t *ret_rows,
                                    int64_t *ret_columns, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0];
    char text[SHAPE_TEXT_MAX];

    if (!dtype_is_float(from->dtype) && !dtype_is_integer(from->dtype))
        return op_fail(infer->node, err, "input is of type %s, expected numbers",
                       dtype_name(from->dtype));
    if (from->shape.rank != 1 && from->shape.rank != 2)
        return op_fail(infer->node, err, "input has shape %s, expected [N,C] or [C]",
                       shape_text(&from->shape, text, sizeof(text)));
    *ret_rows = from->shape.rank == 2 ? from->shape.dims[0] : 1;
    *ret_columns = from->shape.dims[from->shape.rank - 1];
    return ENGINE_OK;
}

void load_row(const struct op_call *call, int64_t row, int64_t columns, double *to)
{
    const struct tensor *from = call->inputs[0];

    load_f64(from->dtype, columns,
             (const char *)from->data + (size_t)(row * columns) * dtype_size(from->dtype), to);
}
