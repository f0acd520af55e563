/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_linear.c - linear models of ai.onnx.ml: LinearClassifier, LinearRegressor. Sums are in
 * double precision, as in scikit-learn, where most of these models come from. */
#include "engine/ops/ml_scores.h"
#include "engine/ops/operands.h"

#include <inttypes.h>

struct linear_params {
    struct class_labels labels;
    enum score_transform transform;
    int64_t targets;               /* rows of coefficients */
    size_t n_coefficients;
    const float *coefficients;
    const float *intercepts;       /* or NULL */
    bool pair;                     /* one row of coefficients for two classes */
};

static enum engine_status linear_init(const struct op_init *init, int64_t targets,
                                      struct engine_error *err)
{
    struct linear_params *params = init->params;
    size_t count;

    params->targets = targets;
    params->coefficients = node_floats(init->node, "coefficients", &params->n_coefficients);
    params->intercepts = node_floats(init->node, "intercepts", &count);
    if (targets < 1 || params->n_coefficients == 0 ||
        params->n_coefficients % (size_t)targets != 0 || (count > 0 && count != (size_t)targets))
        return op_fail(init->node, err, "%zu coefficients and %zu intercepts for %" PRId64 " targets",
                       params->n_coefficients, count, targets);
    if (count == 0)
        params->intercepts = NULL;
    return score_transform_read(init->node, &params->transform, err);
}

static enum engine_status classifier_init(const struct op_init *init, struct engine_error *err)
{
    struct linear_params *params = init->params;
    size_t intercepts;
    enum engine_status status =
        class_labels_read(init->node, "classlabels_ints", &params->labels, err);

    if (status != ENGINE_OK)
        return status;
    node_floats(init->node, "intercepts", &intercepts);
    params->pair = params->labels.count == 2 && intercepts == 1;
    return linear_init(init, params->pair ? 1 : params->labels.count, err);
}

static enum engine_status regressor_init(const struct op_init *init, struct engine_error *err)
{
    return linear_init(init, node_int(init->node, "targets", 1), err);
}

static enum engine_status linear_infer(struct op_infer *infer, int64_t *ret_rows,
                                       struct engine_error *err)
{
    const struct linear_params *params = infer->params;
    int64_t columns;
    enum engine_status status = rows_and_columns(infer, ret_rows, &columns, err);

    if (status == ENGINE_OK && (uint64_t)columns != params->n_coefficients / (size_t)params->targets)
        status = op_fail(infer->node, err, "input has %" PRId64 " columns, there are %zu coefficients "
                         "for each target", columns, params->n_coefficients / (size_t)params->targets);
    infer->scratch_bytes = ((size_t)columns + (size_t)params->targets + 2) * sizeof(double);
    return status;
}

static enum engine_status classifier_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct linear_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = linear_infer(infer, &rows, err);
    const struct shape labels = {1, {rows}}, scores = {2, {rows, params->labels.count}};

    infer_output(infer, 0, class_labels_dtype(&params->labels), &labels);
    infer_output(infer, 1, DTYPE_F32, &scores);
    return status;
}

static enum engine_status regressor_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct linear_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = linear_infer(infer, &rows, err);
    const struct shape shape = {2, {rows, params->targets}};

    infer_output(infer, 0, DTYPE_F32, &shape);
    return status;
}

static void score_row(const struct linear_params *params, const double *row, int64_t columns,
                      double *scores)
{
    for (int64_t t = 0; t < params->targets; t++) {
        const float *coefficients = params->coefficients + t * columns;
        double sum = params->intercepts != NULL ? params->intercepts[t] : 0;

        for (int64_t c = 0; c < columns; c++)
            sum += row[c] * coefficients[c];
        scores[t] = sum;
    }
}

static enum engine_status classifier_run(const struct op_call *call, struct engine_error *err)
{
    const struct linear_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const int64_t columns = from->dims[from->rank - 1], classes = params->labels.count;
    const int64_t rows = from->rank == 2 ? from->dims[0] : 1;
    double *row = call->scratch, *scores = row + columns;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        int64_t best;

        load_row(call, r, columns, row);
        score_row(params, row, columns, scores);
        if (params->pair) {
            best = scores[0] > 0;
            score_transform_pair(params->transform, scores[0], scores);
        } else {
            best = scores_best(scores, classes);
            score_transform_row(params->transform, scores, classes);
        }
        class_labels_store(&params->labels, best, call->outputs[0], r);
        if (call->n_outputs > 1)
            scores_store(scores, classes, call->outputs[1], r * classes);
    }
    return ENGINE_OK;
}

static enum engine_status regressor_run(const struct op_call *call, struct engine_error *err)
{
    const struct linear_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const int64_t columns = from->dims[from->rank - 1];
    const int64_t rows = from->rank == 2 ? from->dims[0] : 1;
    double *row = call->scratch, *scores = row + columns;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        load_row(call, r, columns, row);
        score_row(params, row, columns, scores);
        score_transform_row(params->transform, scores, params->targets);
        scores_store(scores, params->targets, call->outputs[0], r * params->targets);
    }
    return ENGINE_OK;
}

const struct op_def ops_ml_linear[] = {
    {.name = "LinearClassifier", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 2,
     .params_size = sizeof(struct linear_params), .init = classifier_init,
     .infer = classifier_infer, .run = classifier_run},
    {.name = "LinearRegressor", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 1,
     .params_size = sizeof(struct linear_params), .init = regressor_init,
     .infer = regressor_infer, .run = regressor_run},
    {.name = NULL},
};
