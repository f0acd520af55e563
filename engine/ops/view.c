/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/view.c - the same bytes under another shape: Reshape, Flatten, Squeeze, Unsqueeze,
 * and AlignAxis, which legalise.c makes. */
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

/* Only the prologue and the dynamic executor call it, with memory of the output's own. */
static enum engine_status run_view(const struct op_call *call, struct engine_error *err)
{
    const size_t bytes = tensor_bytes(call->outputs[0]);

    (void)err;
    if (bytes > 0 && call->outputs[0]->data != call->inputs[0]->data)
        memcpy(call->outputs[0]->data, call->inputs[0]->data, bytes);
    return ENGINE_OK;
}

struct reshape_params {
    bool allow_zero;
};

static enum engine_status reshape_init(const struct op_init *init, struct engine_error *err)
{
    struct reshape_params *params = init->params;

    (void)err;
    params->allow_zero = node_int(init->node, "allowzero", 0) != 0;
    return ENGINE_OK;
}

/* Replaces the zeros that mean "as in the input" and finds the one -1. */
static enum engine_status reshape_resolve(const struct op_infer *infer, bool allow_zero,
                                          struct shape *shape, int *ret_open,
                                          struct engine_error *err)
{
    const struct shape *from = &infer->inputs[0].shape;

    *ret_open = -1;
    for (int d = 0; d < shape->rank; d++) {
        if (shape->dims[d] == -1) {
            if (*ret_open >= 0)
                return op_fail(infer->node, err, "the new shape has two dimensions of -1");
            *ret_open = d;
            shape->dims[d] = 1;
        } else if (shape->dims[d] == 0 && !allow_zero) {
            if (d >= from->rank)
                return op_fail(infer->node, err, "dimension %d is to be copied from an input of "
                               "rank %d", d, from->rank);
            shape->dims[d] = from->dims[d];
        } else if (shape->dims[d] < 0) {
            return op_fail(infer->node, err, "dimension %d of the new shape is %" PRId64, d,
                           shape->dims[d]);
        }
    }
    return ENGINE_OK;
}

static enum engine_status reshape_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct reshape_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    const int64_t elements = shape_elements(&from->shape);
    char text[2][SHAPE_TEXT_MAX];
    struct shape shape = {0};
    enum engine_status status;
    size_t known = 0;
    int open;

    status = operand_ints(infer, 1, "the new shape", shape.dims, &shape.rank, err);
    if (status == ENGINE_OK)
        status = reshape_resolve(infer, params->allow_zero, &shape, &open, err);
    if (status != ENGINE_OK)
        return status;
    if (!shape_check(&shape, 1, &known))
        return op_fail(infer->node, err, "the new shape %s is too large",
                       shape_text(&shape, text[0], sizeof(text[0])));
    if (open >= 0 && known > 0 && elements % (int64_t)known == 0)
        shape.dims[open] = elements / (int64_t)known;
    else if (open >= 0 && known == 0)
        return op_fail(infer->node, err, "-1 beside a dimension of 0 stands for no number");
    if (!shape_check(&shape, 1, &known) || (int64_t)known != elements)
        return op_fail(infer->node, err, "%s does not fit %s",
                       shape_text(&from->shape, text[0], sizeof(text[0])),
                       shape_text(&shape, text[1], sizeof(text[1])));
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

struct flatten_params {
    int64_t axis;
};

static enum engine_status flatten_init(const struct op_init *init, struct engine_error *err)
{
    struct flatten_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", 1);
    return ENGINE_OK;
}

static enum engine_status flatten_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct flatten_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    struct shape shape = {.rank = 2};
    int64_t axis = params->axis;

    if (axis < -from->rank || axis > from->rank)
        return op_fail(infer->node, err, "axis %" PRId64 " is outside rank %d", axis, from->rank);
    if (axis < 0)
        axis += from->rank;
    shape.dims[0] = shape_product(from, 0, (int)axis);
    shape.dims[1] = shape_product(from, (int)axis, from->rank);
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status squeeze_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *from = &infer->inputs[0].shape;
    int axes[SHAPE_RANK_MAX];
    struct shape shape = {0};
    bool drop[SHAPE_RANK_MAX] = {false};
    int count = 0;

    if (operand_present(infer, 1)) {
        enum engine_status status = operand_axes(infer, 1, from->rank, axes, &count, err);

        if (status != ENGINE_OK)
            return status;
        for (int i = 0; i < count; i++) {
            drop[axes[i]] = true;
            if (from->dims[axes[i]] != 1)
                return op_fail(infer->node, err, "axis %d has %" PRId64 " elements, expected 1",
                               axes[i], from->dims[axes[i]]);
        }
    } else {
        for (int d = 0; d < from->rank; d++)
            drop[d] = from->dims[d] == 1;
    }
    for (int d = 0; d < from->rank; d++)
        if (!drop[d])
            shape.dims[shape.rank++] = from->dims[d];
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status unsqueeze_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *from = &infer->inputs[0].shape;
    int64_t items[SHAPE_RANK_MAX];
    int axes[SHAPE_RANK_MAX];
    bool added[SHAPE_RANK_MAX] = {false};
    struct shape shape = {0};
    int count = 0;
    int next = 0;
    enum engine_status status = operand_ints(infer, 1, "axes", items, &count, err);

    if (status != ENGINE_OK)
        return status;
    if (from->rank + count > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "rank %d, at most %d is held", from->rank + count,
                              SHAPE_RANK_MAX);
    status = operand_axes(infer, 1, from->rank + count, axes, &count, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 0; i < count; i++)
        added[axes[i]] = true;
    shape.rank = from->rank + count;
    for (int d = 0; d < shape.rank; d++)
        shape.dims[d] = added[d] ? 1 : from->dims[next++];
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

/* What the binary operators of before opset 7 meant by `axis`: input 0 gets ones appended so that
 * its first dimension meets dimension `axis` of input 1. */
static enum engine_status align_axis_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *from = &infer->inputs[0].shape, *like = &infer->inputs[1].shape;
    struct shape *to = &infer->outputs[0].shape;
    char text[2][SHAPE_TEXT_MAX];
    int axis;

    infer->outputs[0].dtype = infer->inputs[0].dtype;
    *to = *from;
    if (shape_elements(from) == 1 && from->rank <= like->rank)
        return ENGINE_OK;
    if (!shape_axis(node_int(infer->node, "axis", 0), like->rank, &axis) ||
        from->rank > like->rank - axis)
        return op_fail(infer->node, err, "shapes %s and %s do not align",
                       shape_text(like, text[0], sizeof(text[0])),
                       shape_text(from, text[1], sizeof(text[1])));
    while (to->rank < like->rank - axis)
        to->dims[to->rank++] = 1;
    return ENGINE_OK;
}

const struct op_def ops_view[] = {
    {.name = "Reshape", .domain = "", .since = 5, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW, .host_inputs = 1 << 1,
     .params_size = sizeof(struct reshape_params), .init = reshape_init, .infer = reshape_infer,
     .run = run_view},
    {.name = "Flatten", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW,
     .params_size = sizeof(struct flatten_params), .init = flatten_init, .infer = flatten_infer,
     .run = run_view},
    {.name = "Squeeze", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW, .host_inputs = 1 << 1,
     .infer = squeeze_infer, .run = run_view},
    {.name = "Unsqueeze", .domain = "", .since = 1, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW, .host_inputs = 1 << 1,
     .infer = unsqueeze_infer, .run = run_view},
    {.name = "AlignAxis", .domain = "inferd", .since = 1, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW, .infer = align_axis_infer,
     .run = run_view},
    {.name = NULL},
};
