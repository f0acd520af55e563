/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/sequence.c - lists of tensors: SequenceConstruct, SequenceEmpty, SequenceAt,
 * SequenceInsert, SequenceErase, SequenceLength, SequenceMap. A sequence is an array of struct
 * tensor whose data belong to the run, so elements are shared, never copied. */
#include "engine/dynamic.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

static const struct tensor *elements_of(const struct tensor *sequence)
{
    return sequence->data;
}

static void infer_sequence(struct op_infer *infer, int output, int64_t length)
{
    const struct shape shape = {.rank = 1, .dims = {length}};

    infer_output(infer, output, DTYPE_SEQUENCE, &shape);
}

static enum engine_status check_sequence(const struct op_infer *infer, int input,
                                         struct engine_error *err)
{
    if (infer->inputs[input].dtype != DTYPE_SEQUENCE)
        return op_fail(infer->node, err, "input %d is no sequence", input);
    return ENGINE_OK;
}

/* Position `input` (absent: `fallback`), from [-length, length) or, `past`, [-length, length]. */
static enum engine_status read_position(const struct op_infer *infer, int input, bool past,
                                        int64_t fallback, int64_t *ret, struct engine_error *err)
{
    const int64_t length = infer->inputs[0].shape.dims[0];
    enum engine_status status;

    *ret = fallback;
    if (operand_present(infer, input)) {
        status = operand_int(infer, input, "position", ret, err);
        if (status != ENGINE_OK)
            return status;
    }
    if (*ret < -length || *ret >= length + past)
        return op_fail(infer->node, err, "position %" PRId64 " is outside a sequence of %" PRId64,
                       *ret, length);
    return ENGINE_OK;
}

/* The same when running: infer has checked it. */
static int64_t position_of(const struct op_call *call, int input, int64_t fallback)
{
    const int64_t position =
        operand_given(call, input) ? tensor_int_at(call->inputs[input], 0) : fallback;

    return position < 0 ? position + call->inputs[0]->shape.dims[0] : position;
}

static enum engine_status construct_infer(struct op_infer *infer, struct engine_error *err)
{
    for (int i = 1; i < infer->n_inputs; i++)
        if (infer->inputs[i].dtype != infer->inputs[0].dtype)
            return op_fail(infer->node, err, "element %d is of type %s, the first of %s", i,
                           dtype_name(infer->inputs[i].dtype), dtype_name(infer->inputs[0].dtype));
    infer_sequence(infer, 0, infer->n_inputs);
    return ENGINE_OK;
}

static enum engine_status construct_run(const struct op_call *call, struct engine_error *err)
{
    struct tensor *to = call->outputs[0]->data;

    (void)err;
    for (int i = 0; i < call->n_inputs; i++)
        to[i] = *call->inputs[i];
    return ENGINE_OK;
}

static enum engine_status empty_infer(struct op_infer *infer, struct engine_error *err)
{
    (void)err;
    infer_sequence(infer, 0, 0);
    return ENGINE_OK;
}

static enum engine_status empty_run(const struct op_call *call, struct engine_error *err)
{
    (void)call;
    (void)err;
    return ENGINE_OK;
}

static enum engine_status at_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *element;
    enum engine_status status = check_sequence(infer, 0, err);
    int64_t position;

    if (status == ENGINE_OK)
        status = read_position(infer, 1, false, 0, &position, err);
    if (status != ENGINE_OK)
        return status;
    element = &elements_of(&infer->inputs[0])
                  [position < 0 ? position + infer->inputs[0].shape.dims[0] : position];
    infer_output(infer, 0, element->dtype, &element->shape);
    return ENGINE_OK;
}

static enum engine_status at_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *element = &elements_of(call->inputs[0])[position_of(call, 1, 0)];
    const size_t bytes = tensor_bytes(element);

    (void)err;
    if (bytes > 0)
        memcpy(call->outputs[0]->data, element->data, bytes);
    return ENGINE_OK;
}

static enum engine_status insert_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *sequence = &infer->inputs[0];
    enum engine_status status = check_sequence(infer, 0, err);
    int64_t position;

    if (status == ENGINE_OK)
        status = read_position(infer, 2, true, sequence->shape.dims[0], &position, err);
    if (status != ENGINE_OK)
        return status;
    if (sequence->shape.dims[0] > 0 && elements_of(sequence)->dtype != infer->inputs[1].dtype)
        return op_fail(infer->node, err, "a tensor of type %s does not fit a sequence of %s",
                       dtype_name(infer->inputs[1].dtype), dtype_name(elements_of(sequence)->dtype));
    infer_sequence(infer, 0, sequence->shape.dims[0] + 1);
    return ENGINE_OK;
}

static void copy_elements(struct tensor *to, const struct tensor *from, int64_t count)
{
    if (count > 0)
        memcpy(to, from, (size_t)count * sizeof(*to));
}

static enum engine_status insert_run(const struct op_call *call, struct engine_error *err)
{
    const int64_t length = call->inputs[0]->shape.dims[0];
    const int64_t position = position_of(call, 2, length);
    const struct tensor *from = call->inputs[0]->data;
    struct tensor *to = call->outputs[0]->data;

    (void)err;
    copy_elements(to, from, position);
    to[position] = *call->inputs[1];
    copy_elements(to + position + 1, from + position, length - position);
    return ENGINE_OK;
}

static enum engine_status erase_infer(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = check_sequence(infer, 0, err);
    int64_t position;

    if (status == ENGINE_OK)
        status = read_position(infer, 1, false, infer->inputs[0].shape.dims[0] - 1, &position, err);
    if (status == ENGINE_OK)
        infer_sequence(infer, 0, infer->inputs[0].shape.dims[0] - 1);
    return status;
}

static enum engine_status erase_run(const struct op_call *call, struct engine_error *err)
{
    const int64_t length = call->inputs[0]->shape.dims[0];
    const int64_t position = position_of(call, 1, length - 1);
    const struct tensor *from = call->inputs[0]->data;
    struct tensor *to = call->outputs[0]->data;

    (void)err;
    copy_elements(to, from, position);
    copy_elements(to + position, from + position + 1, length - 1 - position);
    return ENGINE_OK;
}

static enum engine_status length_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape scalar = {0};
    enum engine_status status = check_sequence(infer, 0, err);

    infer_output(infer, 0, DTYPE_I64, &scalar);
    return status;
}

static enum engine_status length_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    *(int64_t *)call->outputs[0]->data = call->inputs[0]->shape.dims[0];
    return ENGINE_OK;
}

struct map_params {
    const struct graph *body;
};

static enum engine_status map_init(const struct op_init *init, struct engine_error *err)
{
    struct map_params *params = init->params;
    const struct attribute *body = node_attribute(init->node, "body");

    if (body == NULL || body->g == NULL)
        return op_fail(init->node, err, "there is no body");
    params->body = body->g;
    if (params->body->n_outputs != init->node->n_outputs)
        return op_fail(init->node, err, "the body has %d outputs, the node %d",
                       params->body->n_outputs, init->node->n_outputs);
    return ENGINE_OK;
}

static enum engine_status map_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct map_params *params = infer->params;
    enum engine_status status = check_sequence(infer, 0, err);
    const int explicit_inputs = infer->node->n_explicit_inputs;

    if (status != ENGINE_OK)
        return status;
    if (params->body->n_inputs != explicit_inputs)
        return op_fail(infer->node, err, "the body has %d inputs, the node %d",
                       params->body->n_inputs, explicit_inputs);
    for (int i = 1; i < explicit_inputs; i++)
        if (infer->inputs[i].dtype == DTYPE_SEQUENCE &&
            infer->inputs[i].shape.dims[0] != infer->inputs[0].shape.dims[0])
            return op_fail(infer->node, err, "sequence %d has %" PRId64 " elements, the first %" PRId64,
                           i, infer->inputs[i].shape.dims[0], infer->inputs[0].shape.dims[0]);
    for (int i = 0; i < infer->n_outputs; i++)
        infer_sequence(infer, i, infer->inputs[0].shape.dims[0]);
    return ENGINE_OK;
}

static enum engine_status map_run(const struct op_call *call, struct engine_error *err)
{
    const struct map_params *params = call->params;
    const struct graph *body = params->body;
    const int64_t length = call->inputs[0]->shape.dims[0];
    enum engine_status status = ENGINE_OK;
    struct tensor *inputs, *outputs;

    inputs = dynamic_alloc(call->dynamic, (size_t)body->n_inputs * sizeof(*inputs), err);
    outputs = dynamic_alloc(call->dynamic, (size_t)body->n_outputs * sizeof(*outputs), err);
    if (inputs == NULL || outputs == NULL)
        return ENGINE_OVER_BUDGET;
    for (int64_t i = 0; i < length && status == ENGINE_OK; i++) {
        for (int k = 0; k < body->n_inputs; k++)
            inputs[k] = call->inputs[k]->dtype == DTYPE_SEQUENCE
                            ? elements_of(call->inputs[k])[i] : *call->inputs[k];
        status = dynamic_run_body(call, body, inputs, outputs, err);
        for (int k = 0; k < body->n_outputs && status == ENGINE_OK; k++)
            if (call->outputs[k] != NULL)
                ((struct tensor *)call->outputs[k]->data)[i] = outputs[k];
    }
    return status;
}

const struct op_def ops_sequence[] = {
    {.name = "SequenceConstruct", .domain = "", .since = 11, .inputs_min = 1,
     .inputs_max = OP_VARIADIC, .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC,
     .infer = construct_infer, .run = construct_run},
    {.name = "SequenceEmpty", .domain = "", .since = 11, .inputs_min = 0, .inputs_max = 0,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .infer = empty_infer,
     .run = empty_run},
    {.name = "SequenceAt", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0 | 1 << 1,
     .infer = at_infer, .run = at_run},
    {.name = "SequenceInsert", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0 | 1 << 2,
     .infer = insert_infer, .run = insert_run},
    {.name = "SequenceErase", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0 | 1 << 1,
     .infer = erase_infer, .run = erase_run},
    {.name = "SequenceLength", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .infer = length_infer, .run = length_run},
    {.name = "SequenceMap", .domain = "", .since = 17, .inputs_min = 1, .inputs_max = OP_VARIADIC,
     .outputs_min = 1, .outputs_max = OP_VARIADIC, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .params_size = sizeof(struct map_params), .init = map_init, .infer = map_infer,
     .run = map_run},
    {.name = NULL},
};
