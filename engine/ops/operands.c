/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/operands.h"

#include <inttypes.h>

bool operand_present(const struct op_infer *infer, int input)
{
    return input < infer->n_inputs && infer->inputs[input].dtype != DTYPE_NONE;
}

bool operand_given(const struct op_call *call, int input)
{
    return input < call->n_inputs && call->inputs[input] != NULL;
}

static enum engine_status check_list(const struct op_infer *infer, int input, const char *what,
                                     struct engine_error *err)
{
    const struct tensor *tensor = &infer->inputs[input];
    char text[SHAPE_TEXT_MAX];

    if (!dtype_is_integer(tensor->dtype))
        return op_fail(infer->node, err, "%s is of type %s, expected int64", what,
                       dtype_name(tensor->dtype));
    if (tensor->shape.rank > 1)
        return op_fail(infer->node, err, "%s has shape %s, expected a list", what,
                       shape_text(&tensor->shape, text, sizeof(text)));
    return ENGINE_OK;
}

enum engine_status operand_ints(const struct op_infer *infer, int input, const char *what,
                                int64_t items[SHAPE_RANK_MAX], int *ret_count,
                                struct engine_error *err)
{
    const struct tensor *tensor = &infer->inputs[input];
    enum engine_status status = check_list(infer, input, what, err);
    int64_t count;

    if (status != ENGINE_OK)
        return status;
    count = shape_elements(&tensor->shape);
    if (count > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "%s has %" PRId64 " elements, at most %d are held",
                              what, count, SHAPE_RANK_MAX);
    for (int64_t i = 0; i < count; i++)
        items[i] = tensor_int_at(tensor, i);
    *ret_count = (int)count;
    return ENGINE_OK;
}

enum engine_status operand_axes(const struct op_infer *infer, int input, int rank,
                                int axes[SHAPE_RANK_MAX], int *ret_count, struct engine_error *err)
{
    int64_t items[SHAPE_RANK_MAX];
    uint32_t seen = 0;
    int count = 0;
    enum engine_status status = operand_ints(infer, input, "axes", items, &count, err);

    for (int i = 0; i < count && status == ENGINE_OK; i++) {
        status = operand_axis(infer, items[i], rank, &axes[i], err);
        if (status == ENGINE_OK && seen & (1u << axes[i]))
            status = op_fail(infer->node, err, "axis %d is named twice", axes[i]);
        if (status == ENGINE_OK)
            seen |= 1u << axes[i];
    }
    if (status == ENGINE_OK)
        *ret_count = count;
    return status;
}

enum engine_status operand_int(const struct op_infer *infer, int input, const char *what,
                               int64_t *ret_item, struct engine_error *err)
{
    const struct tensor *tensor = &infer->inputs[input];
    char text[SHAPE_TEXT_MAX];

    if (!dtype_is_integer(tensor->dtype) && !dtype_is_float(tensor->dtype))
        return op_fail(infer->node, err, "%s is of type %s, expected an integer", what,
                       dtype_name(tensor->dtype));
    if (shape_elements(&tensor->shape) != 1)
        return op_fail(infer->node, err, "%s has shape %s, expected one element", what,
                       shape_text(&tensor->shape, text, sizeof(text)));
    *ret_item = tensor_int_at(tensor, 0);
    return ENGINE_OK;
}

enum engine_status operand_axis(const struct op_infer *infer, int64_t axis, int rank, int *ret_axis,
                                struct engine_error *err)
{
    if (!shape_axis(axis, rank, ret_axis))
        return op_fail(infer->node, err, "axis %" PRId64 " is outside rank %d", axis, rank);
    return ENGINE_OK;
}

void infer_output(struct op_infer *infer, int index, enum dtype dtype, const struct shape *shape)
{
    if (index < infer->n_outputs) {
        infer->outputs[index].dtype = dtype;
        infer->outputs[index].shape = *shape;
    }
}
