/* SPDX-License-Identifier: Apache-2.0
 * Dropout. When predicting it passes its input on. When training it drops what the reference
 * implementation drops for the same seed: NumPy's legacy uniform numbers below the ratio. */
#include "engine/kernels/convert.h"
#include "engine/kernels/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <string.h>

struct dropout_params {
    bool seeded;
    uint32_t seed;
};

static enum engine_status dropout_init(const struct op_init *init, struct engine_error *err)
{
    struct dropout_params *params = init->params;

    (void)err;
    params->seeded = node_attribute(init->node, "seed") != NULL;
    params->seed = (uint32_t)node_int(init->node, "seed", 0);
    return ENGINE_OK;
}

static enum engine_status dropout_infer(struct op_infer *infer, struct engine_error *err)
{
    for (int i = 1; i < infer->n_inputs; i++)
        if (operand_present(infer, i) && shape_elements(&infer->inputs[i].shape) != 1)
            return op_fail(infer->node, err, "input %d has more than one element", i);
    if (operand_present(infer, 1) && !dtype_is_float(infer->inputs[1].dtype))
        return op_fail(infer->node, err, "the ratio is %s", dtype_name(infer->inputs[1].dtype));
    if (operand_present(infer, 2) && infer->inputs[2].dtype != DTYPE_BOOL)
        return op_fail(infer->node, err, "training_mode is %s", dtype_name(infer->inputs[2].dtype));
    if (infer->n_outputs > 1)
        infer_output(infer, 1, DTYPE_BOOL, &infer->inputs[0].shape);
    return infer_same_as_first(infer, err);
}

/* Drops elements of x by chance; `mask` may be NULL. */
static void drop(const struct dropout_params *params, const struct tensor *x, double ratio,
                 struct tensor *y, uint8_t *mask)
{
    struct mersenne mersenne;
    int64_t n = shape_elements(&x->shape);
    size_t size = dtype_size(x->dtype);

    mersenne_init(&mersenne, params->seeded ? params->seed : (uint32_t)random_fresh_seed());
    for (int64_t i = 0; i < n; i++) {
        bool keep = mersenne_uniform(&mersenne) >= ratio;
        double item;

        load_f64(x->dtype, 1, (const char *)x->data + (size_t)i * size, &item);
        item = keep ? item / (1.0 - ratio) : 0.0;
        store_f64(y->dtype, 1, &item, (char *)y->data + (size_t)i * size);
        if (mask != NULL)
            mask[i] = keep;
    }
}

static enum engine_status dropout_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    struct tensor *y = call->outputs[0];
    uint8_t *mask = call->n_outputs > 1 && call->outputs[1] != NULL ? call->outputs[1]->data : NULL;
    double ratio = operand_given(call, 1) ? tensor_double_at(call->inputs[1], 0) : 0.5;
    bool training = operand_given(call, 2) && tensor_int_at(call->inputs[2], 0) != 0;

    if (!(ratio >= 0.0 && ratio <= 1.0))
        return op_fail(call->node, err, "ratio %g is not in [0, 1]", ratio);
    if (training && ratio > 0.0) {
        drop(call->params, x, ratio, y, mask);
        return ENGINE_OK;
    }
    memmove(y->data, x->data, tensor_bytes(y));
    if (mask != NULL)
        memset(mask, 1, (size_t)shape_elements(&x->shape));
    return ENGINE_OK;
}

const struct op_def ops_dropout[] = {
    {.name = "Dropout", .domain = "", .since = 12, .inputs_min = 1, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 2, .flags = OP_RANDOM | OP_INPLACE, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct dropout_params), .init = dropout_init, .infer = dropout_infer,
     .run = dropout_run},
    {0},
};
