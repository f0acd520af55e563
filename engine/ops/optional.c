/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/optional.c - a value or nothing: Optional, OptionalGetElement, OptionalHasElement. */
#include "engine/dynamic.h"
#include "engine/ops/operands.h"

#include <string.h>

static enum engine_status optional_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape shape = {.rank = 1, .dims = {operand_present(infer, 0)}};

    (void)err;
    infer_output(infer, 0, DTYPE_OPTIONAL, &shape);
    return ENGINE_OK;
}

static enum engine_status optional_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    if (operand_given(call, 0))
        *(struct tensor *)call->outputs[0]->data = *call->inputs[0];
    return ENGINE_OK;
}

/* Since opset 18 a plain tensor or sequence stands for an optional that has it. */
static const struct tensor *content(const struct tensor *tensor)
{
    if (tensor->dtype != DTYPE_OPTIONAL)
        return tensor;
    return tensor->shape.dims[0] > 0 ? tensor->data : NULL;
}

static enum engine_status get_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *element = content(&infer->inputs[0]);

    if (element == NULL)
        return op_fail(infer->node, err, "the optional is empty");
    infer_output(infer, 0, element->dtype, &element->shape);
    return ENGINE_OK;
}

static enum engine_status get_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *element = content(call->inputs[0]);
    const size_t bytes = tensor_bytes(call->outputs[0]);

    (void)err;
    if (bytes > 0)
        memcpy(call->outputs[0]->data, element->data, bytes);
    return ENGINE_OK;
}

static enum engine_status has_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape scalar = {0};

    (void)err;
    infer_output(infer, 0, DTYPE_BOOL, &scalar);
    return ENGINE_OK;
}

static enum engine_status has_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    *(uint8_t *)call->outputs[0]->data =
        operand_given(call, 0) && content(call->inputs[0]) != NULL;
    return ENGINE_OK;
}

const struct op_def ops_optional[] = {
    {.name = "Optional", .domain = "", .since = 15, .inputs_min = 0, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .infer = optional_infer,
     .run = optional_run},
    {.name = "OptionalGetElement", .domain = "", .since = 15, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .infer = get_infer, .run = get_run},
    {.name = "OptionalHasElement", .domain = "", .since = 15, .inputs_min = 0, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .infer = has_infer, .run = has_run},
    {.name = NULL},
};
