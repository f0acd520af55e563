/* SPDX-License-Identifier: Apache-2.0
 * NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. Scores are [N, C, d1 ...], classes
 * [N, d1 ...]. The mean is weighted by the classes' weights; an ignored class counts nowhere.
 * Written for float and double; sums are kept in double. */
#include "engine/kernels/convert.h"
#include "engine/kernels/softmax.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"
#include "engine/ops/widen.h"

#include <inttypes.h>
#include <string.h>

enum reduction { REDUCTION_NONE, REDUCTION_MEAN, REDUCTION_SUM };

struct loss_params {
    enum reduction reduction;
    bool ignores, of_scores;       /* of_scores: the log-softmax comes first */
    int64_t ignored;
};


static enum engine_status loss_init(const struct op_init *init, struct engine_error *err)
{
    struct loss_params *params = init->params;
    const char *reduction = node_string(init->node, "reduction", "mean");

    params->of_scores = strcmp(init->node->op_type, "SoftmaxCrossEntropyLoss") == 0;
    params->ignores = node_attribute(init->node, "ignore_index") != NULL;
    params->ignored = node_int(init->node, "ignore_index", 0);
    if (strcmp(reduction, "none") == 0)
        params->reduction = REDUCTION_NONE;
    else if (strcmp(reduction, "mean") == 0)
        params->reduction = REDUCTION_MEAN;
    else if (strcmp(reduction, "sum") == 0)
        params->reduction = REDUCTION_SUM;
    else
        return op_unsupported(init->node, err, "reduction '%.32s'", reduction);
    return ENGINE_OK;
}

static enum engine_status check_operands(const struct op_infer *infer, struct engine_error *err)
{
    const struct shape *x = &infer->inputs[0].shape;
    const struct tensor *classes = &infer->inputs[1];
    struct shape expected = {.rank = x->rank - 1};
    char text[SHAPE_TEXT_MAX], other[SHAPE_TEXT_MAX];

    if (x->rank < 2)
        return op_fail(infer->node, err, "scores have rank %d", x->rank);
    for (int d = 0; d < expected.rank; d++)
        expected.dims[d] = x->dims[d == 0 ? 0 : d + 1];
    if (classes->dtype != DTYPE_I32 && classes->dtype != DTYPE_I64)
        return op_fail(infer->node, err, "classes are %s", dtype_name(classes->dtype));
    if (!shape_equal(&classes->shape, &expected))
        return op_fail(infer->node, err, "classes have shape %s, expected %s",
                       shape_text(&classes->shape, text, sizeof(text)),
                       shape_text(&expected, other, sizeof(other)));
    if (operand_present(infer, 2) &&
        (infer->inputs[2].dtype != infer->inputs[0].dtype || infer->inputs[2].shape.rank != 1 ||
         infer->inputs[2].shape.dims[0] != x->dims[1]))
        return op_fail(infer->node, err, "weights are %s%s for %" PRId64 " classes",
                       dtype_name(infer->inputs[2].dtype),
                       shape_text(&infer->inputs[2].shape, text, sizeof(text)), x->dims[1]);
    return ENGINE_OK;
}

static enum engine_status loss_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct loss_params *params = infer->params;
    const struct tensor *x = &infer->inputs[0];
    const struct shape scalar = {0};
    enum engine_status status = check_operands(infer, err);

    if (status != ENGINE_OK)
        return status;
    infer_output(infer, 0, x->dtype,
                 params->reduction == REDUCTION_NONE ? &infer->inputs[1].shape : &scalar);
    if (infer->n_outputs > 1)
        infer_output(infer, 1, x->dtype, &x->shape);
    if (params->of_scores)             /* for when nobody wants the log-softmax itself */
        infer->scratch_bytes = (size_t)shape_elements(&x->shape) *
                               dtype_size(compute_dtype(x->dtype));
    widen_infer(infer);
    return ENGINE_OK;
}

static double number_at(const struct tensor *tensor, int64_t i)
{
    return tensor->dtype == DTYPE_F64 ? ((const double *)tensor->data)[i]
                                      : (double)((const float *)tensor->data)[i];
}

static void set_number(const struct tensor *tensor, int64_t i, double value)
{
    if (tensor->dtype == DTYPE_F64)
        ((double *)tensor->data)[i] = value;
    else
        ((float *)tensor->data)[i] = (float)value;
}

/* The loss from log-probabilities. Classes have been widened to int64. */
static enum engine_status likelihood(const struct op_call *call, const struct tensor *logs,
                                     struct engine_error *err)
{
    const struct loss_params *params = call->params;
    const struct tensor *weights = operand_given(call, 2) ? call->inputs[2] : NULL;
    const int64_t *classes = call->inputs[1]->data;
    int64_t n = logs->shape.dims[1], inner = shape_product(&logs->shape, 2, logs->shape.rank);
    double sum = 0.0, weight_sum = 0.0;

    for (int64_t i = 0; i < shape_elements(&call->inputs[1]->shape); i++) {
        int64_t class = classes[i];
        double weight = 0.0, loss = 0.0;

        if (!params->ignores || class != params->ignored) {
            if (class < 0 || class >= n)
                return op_fail(call->node, err, "class %" PRId64 " of %" PRId64, class, n);
            weight = weights != NULL ? number_at(weights, class) : 1.0;
            loss = -weight * number_at(logs, (i / inner * n + class) * inner + i % inner);
        }
        sum += loss;
        weight_sum += weight;
        if (params->reduction == REDUCTION_NONE && call->outputs[0] != NULL)
            set_number(call->outputs[0], i, loss);
    }
    if (params->reduction != REDUCTION_NONE && call->outputs[0] != NULL)
        set_number(call->outputs[0], 0,
                   params->reduction == REDUCTION_MEAN ? sum / weight_sum : sum);
    return ENGINE_OK;
}

static enum engine_status loss_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct loss_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    const struct shape *shape = &x->shape;
    struct tensor logs = *x;
    int64_t inner = shape_product(shape, 2, shape->rank);

    if (params->of_scores) {
        logs.data = call->n_outputs > 1 && call->outputs[1] != NULL ? call->outputs[1]->data
                                                                    : call->scratch;
        if (x->dtype == DTYPE_F64)
            softmax_f64(LOG_SOFTMAX, shape->dims[0], shape->dims[1], inner, x->data, logs.data);
        else
            softmax_f32(LOG_SOFTMAX, shape->dims[0], shape->dims[1], inner, x->data, logs.data);
    }
    return likelihood(call, &logs, err);
}

static enum engine_status loss_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, loss_run_wide, err);
}

const struct op_def ops_loss[] = {
    {.name = "NegativeLogLikelihoodLoss", .domain = "", .since = 13, .inputs_min = 2,
     .inputs_max = 3, .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct loss_params), .init = loss_init, .infer = loss_infer,
     .run = loss_run},
    {.name = "SoftmaxCrossEntropyLoss", .domain = "", .since = 13, .inputs_min = 2,
     .inputs_max = 3, .outputs_min = 1, .outputs_max = 2, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct loss_params), .init = loss_init, .infer = loss_infer,
     .run = loss_run},
    {0},
};
