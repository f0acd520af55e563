/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/pad.c - Pad (constant, edge, reflect, wrap; negative pads crop first) and
 * CenterCropPad. */
#include "engine/ops/moves.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

static const char *const pad_modes[] = {"constant", "edge", "reflect", "wrap"};

struct pad_params {
    enum pad_mode mode;
};

static enum engine_status pad_init(const struct op_init *init, struct engine_error *err)
{
    struct pad_params *params = init->params;
    const char *mode = node_string(init->node, "mode", "constant");

    for (int i = PAD_CONSTANT; i <= PAD_WRAP; i++) {
        if (strcmp(mode, pad_modes[i]) == 0) {
            params->mode = (enum pad_mode)i;
            return ENGINE_OK;
        }
    }
    return op_unsupported(init->node, err, "mode '%s'", mode);
}

/* False if the dimension becomes negative or overflows. */
static bool margin_set(struct margin *margin, int64_t dim, int64_t before, int64_t after)
{
    int64_t out;

    if (before == INT64_MIN || __builtin_add_overflow(dim, before, &out) ||
        __builtin_add_overflow(out, after, &out) || out < 0)
        return false;
    margin->out = out;
    margin->from = before < 0 ? -before : 0;
    margin->before = before > 0 ? before : 0;
    margin->kept = dim - margin->from + (after < 0 ? after : 0);
    if (margin->kept < 0) {        /* one side crops into what the other side adds */
        margin->kept = 0;
        margin->from = 0;
        margin->before = 0;
    }
    return true;
}

/* From the operands to the margins of each dimension; both infer and run call it. */
static bool pad_margins(const struct shape *from, const struct tensor *pads,
                        const struct tensor *axes, struct margin margins[SHAPE_RANK_MAX])
{
    const int64_t count = axes == NULL ? from->rank : shape_elements(&axes->shape);

    for (int d = 0; d < from->rank; d++)
        margin_set(&margins[d], from->dims[d], 0, 0);
    for (int64_t i = 0; i < count; i++) {
        int axis = (int)i;

        if (axes != NULL)
            shape_axis(tensor_int_at(axes, i), from->rank, &axis);
        if (!margin_set(&margins[axis], from->dims[axis], tensor_int_at(pads, i),
                        tensor_int_at(pads, count + i)))
            return false;
    }
    return true;
}

static enum engine_status pad_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct pad_params *params = infer->params;
    const struct tensor *pads = &infer->inputs[1];
    const struct shape *from = &infer->inputs[0].shape;
    const bool has_axes = operand_present(infer, 3);
    struct margin margins[SHAPE_RANK_MAX];
    int axes[SHAPE_RANK_MAX];
    struct shape shape = {.rank = from->rank};
    int count = from->rank;

    if (has_axes) {
        enum engine_status status = operand_axes(infer, 3, from->rank, axes, &count, err);

        if (status != ENGINE_OK)
            return status;
    }
    if (!dtype_is_integer(pads->dtype) || shape_elements(&pads->shape) != 2 * count)
        return op_fail(infer->node, err, "pads have to be %d integers", 2 * count);
    if (operand_present(infer, 2) && (infer->inputs[2].dtype != infer->inputs[0].dtype ||
                                      shape_elements(&infer->inputs[2].shape) != 1))
        return op_fail(infer->node, err, "constant_value has to be one element of type %s",
                       dtype_name(infer->inputs[0].dtype));
    if (!pad_margins(from, pads, has_axes ? &infer->inputs[3] : NULL, margins))
        return op_fail(infer->node, err, "pads leave a dimension without a size");
    for (int d = 0; d < from->rank; d++) {
        shape.dims[d] = margins[d].out;
        if (params->mode != PAD_CONSTANT && margins[d].kept == 0 && margins[d].out > 0)
            return op_fail(infer->node, err, "axis %d is empty: mode %s has nothing to copy", d,
                           pad_modes[params->mode]);
    }
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

enum pad_mode pad_mode(const void *params)
{
    return ((const struct pad_params *)params)->mode;
}

void pad_layout(int n_inputs, const struct tensor *const *inputs,
                struct margin margins[SHAPE_RANK_MAX])
{
    (void)pad_margins(&inputs[0]->shape, inputs[1], n_inputs > 3 ? inputs[3] : NULL, margins);
}

struct placed_move pad_move(const struct shape *from, const struct shape *to,
                            const struct margin margins[SHAPE_RANK_MAX])
{
    int64_t from_strides[SHAPE_RANK_MAX], to_strides[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    shape_strides(from, from_strides);
    shape_strides(to, to_strides);
    for (int d = 0; d < to->rank; d++) {
        placed.from += margins[d].from * from_strides[d];
        placed.to += margins[d].before * to_strides[d];
        move_push(&placed.move, margins[d].kept, to_strides[d], from_strides[d]);
    }
    return placed;
}

int64_t pad_source(enum pad_mode mode, const struct margin *margin, int64_t out)
{
    int64_t at = out - margin->before, kept = margin->kept, period = kept;

    if (at >= 0 && at < kept)
        return -1;
    if (mode == PAD_EDGE || kept == 1)
        return margin->before + (at < 0 ? 0 : kept - 1);
    if (mode == PAD_REFLECT)
        period = 2 * (kept - 1);
    at %= period;
    if (at < 0)
        at += period;
    return margin->before + (at < kept ? at : period - at);
}

struct placed_move pad_line_move(const struct shape *to, const struct margin margins[SHAPE_RANK_MAX],
                                 int d)
{
    int64_t strides[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    shape_strides(to, strides);
    for (int i = 0; i < d; i++) {
        move_push(&placed.move, margins[i].kept, strides[i], strides[i]);
        placed.from += margins[i].before * strides[i];
    }
    move_push(&placed.move, shape_product(to, d + 1, to->rank), 1, 1);
    placed.to = placed.from;
    return placed;
}

/* Fills the margins of dimension `d` from the kept part of the output itself; the dimensions after it
 * are complete already. */
static void fill_margin(const struct tensor *to, const struct margin margins[SHAPE_RANK_MAX], int d,
                        enum pad_mode mode)
{
    const struct placed_move line = pad_line_move(&to->shape, margins, d);
    const int64_t inner = shape_product(&to->shape, d + 1, to->shape.rank);

    for (int64_t out = 0; out < margins[d].out; out++) {
        const int64_t source = pad_source(mode, &margins[d], out);
        struct placed_move placed = line;

        if (source < 0)
            continue;
        placed.to += out * inner;
        placed.from += source * inner;
        placed_move_run(&placed, to, to);
    }
}

static enum engine_status pad_run(const struct op_call *call, struct engine_error *err)
{
    const struct pad_params *params = call->params;
    struct tensor *to = call->outputs[0];
    const size_t bytes = tensor_bytes(to);
    struct margin margins[SHAPE_RANK_MAX];
    struct placed_move kept;

    (void)err;
    if (bytes == 0)
        return ENGINE_OK;
    pad_layout(call->n_inputs, call->inputs, margins);
    if (params->mode == PAD_CONSTANT && operand_given(call, 2))
        move_fill(to->data, shape_elements(&to->shape), dtype_size(to->dtype),
                  call->inputs[2]->data);
    else if (params->mode == PAD_CONSTANT)
        memset(to->data, 0, bytes);
    kept = pad_move(&call->inputs[0]->shape, &to->shape, margins);
    placed_move_run(&kept, call->inputs[0], to);
    for (int d = to->shape.rank - 1; d >= 0 && params->mode != PAD_CONSTANT; d--)
        fill_margin(to, margins, d, params->mode);
    return ENGINE_OK;
}

struct center_params {
    bool has_axes;
    int count;
    int64_t axes[SHAPE_RANK_MAX];
};

static enum engine_status center_init(const struct op_init *init, struct engine_error *err)
{
    struct center_params *params = init->params;
    size_t count;
    const int64_t *axes = node_ints(init->node, "axes", &count);

    if (count > SHAPE_RANK_MAX)
        return op_unsupported(init->node, err, "%zu axes", count);
    params->has_axes = axes != NULL;
    params->count = (int)count;
    for (size_t i = 0; i < count; i++)
        params->axes[i] = axes[i];
    return ENGINE_OK;
}

static enum engine_status center_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct center_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;
    int64_t sizes[SHAPE_RANK_MAX];
    int count;
    enum engine_status status = operand_ints(infer, 1, "shape", sizes, &count, err);

    if (status != ENGINE_OK)
        return status;
    if (count != (params->has_axes ? params->count : shape.rank))
        return op_fail(infer->node, err, "the shape names %d sizes for %d axes", count,
                       params->has_axes ? params->count : shape.rank);
    for (int i = 0; i < count; i++) {
        int axis = i;

        if (params->has_axes)
            status = operand_axis(infer, params->axes[i], shape.rank, &axis, err);
        if (status != ENGINE_OK)
            return status;
        if (sizes[i] < 0)
            return op_fail(infer->node, err, "size %d is %" PRId64, i, sizes[i]);
        shape.dims[axis] = sizes[i];
    }
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

/* The odd element is cropped, or added, at the end. */
struct placed_move center_move(const void *params, int n_inputs, const struct tensor *const *inputs,
                               const struct tensor *output)
{
    const struct shape *from = &inputs[0]->shape, *to = &output->shape;
    struct margin margins[SHAPE_RANK_MAX];

    (void)params;
    (void)n_inputs;
    for (int d = 0; d < to->rank; d++) {
        const int64_t in = from->dims[d], out = to->dims[d];

        margins[d] = in > out ? (struct margin){(in - out) / 2, out, 0, out}
                              : (struct margin){0, in, (out - in) / 2, out};
    }
    return pad_move(from, to, margins);
}

static enum engine_status center_run(const struct op_call *call, struct engine_error *err)
{
    struct tensor *to = call->outputs[0];
    const size_t bytes = tensor_bytes(to);
    struct placed_move placed;

    (void)err;
    if (bytes == 0)
        return ENGINE_OK;
    memset(to->data, 0, bytes);
    placed = center_move(NULL, call->n_inputs, call->inputs, to);
    placed_move_run(&placed, call->inputs[0], to);
    return ENGINE_OK;
}

const struct op_def ops_pad[] = {
    {.name = "Pad", .domain = "", .since = 1, .inputs_min = 2, .inputs_max = 4,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 3,
     .params_size = sizeof(struct pad_params), .init = pad_init, .infer = pad_infer,
     .run = pad_run},
    {.name = "CenterCropPad", .domain = "", .since = 18, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1,
     .params_size = sizeof(struct center_params), .init = center_init, .infer = center_infer,
     .run = center_run},
    {.name = NULL},
};
