/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Transpose, DepthToSpace, SpaceToDepth, Slice, Pad, CenterCropPad, Expand and Tile. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"
#include "engine/grad/term.h"

#include <string.h>

#define BACKWARD(op) \
    static enum engine_status op##_backward(const struct grad_call *call, struct engine_error *err) \
    { \
        const struct tensor *dy = call->out_grads[0]; \
        const struct placed_move placed = op##_move(call->params, call->n_inputs, call->inputs, dy); \
        (void)err; \
        move_back(&placed, dy, call->in_grads[0], call->accumulate[0]); \
        return ENGINE_OK; \
    }

BACKWARD(center)
BACKWARD(depth_to_space)
BACKWARD(slice)
BACKWARD(space_to_depth)
BACKWARD(transpose)

/* Appends a dimension along which the input has `own` elements, 1 or as many. */
static bool push_dim(struct shape *grid, struct shape *own, int64_t dim, int64_t own_dim)
{
    const int last = grid->rank - 1;

    if (dim == 1)
        return true;
    if (last >= 0 && own_dim == dim && own->dims[last] == grid->dims[last]) {
        grid->dims[last] = own->dims[last] *= dim;
        return true;
    }
    if (grid->rank == SHAPE_RANK_MAX)
        return false;
    grid->dims[grid->rank++] = dim;
    own->dims[own->rank++] = own_dim;
    return true;
}

/* A sum over the copies; of a rank that the loop nest does not hold, one by one. */
static enum engine_status tile_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct placed_move placed = tile_move(call->params, call->n_inputs, call->inputs,
                                                call->out_grads[0]);
    struct tensor dy = *call->out_grads[0], to = *call->in_grads[0];
    const struct tensor *sources[] = {&dy};
    struct shape grid = {0}, own = {0};
    bool fits = true;

    (void)err;
    for (int d = 0; d < placed.move.rank; d++)   /* copies and elements in turn */
        fits = fits && push_dim(&grid, &own, placed.move.dims[d], d % 2 == 0 ? 1 : placed.move.dims[d]);
    dy.shape = grid;
    to.shape = own;
    if (fits)
        term_run(call->pool, &term_copy, &grid, 1, sources, &to, call->accumulate[0], NULL);
    else
        move_back(&placed, call->out_grads[0], call->in_grads[0], call->accumulate[0]);
    return ENGINE_OK;
}

static enum engine_status expand_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    term_grad(call, 0, &term_copy, NULL, NULL, NULL);
    return ENGINE_OK;
}

/* Margins of modes that copy give their gradient to what they copied: first those of the dimension that
 * was filled last. */
static void fold_margins(const struct tensor *dy, const struct margin margins[SHAPE_RANK_MAX],
                         enum pad_mode mode)
{
    for (int d = 0; d < dy->shape.rank; d++) {
        const struct placed_move line = pad_line_move(&dy->shape, margins, d);
        const int64_t inner = shape_product(&dy->shape, d + 1, dy->shape.rank);

        for (int64_t out = 0; out < margins[d].out; out++) {
            const int64_t source = pad_source(mode, &margins[d], out);

            if (source >= 0)
                move_add_f32(&line.move, (float *)dy->data + line.to + source * inner,
                             (const float *)dy->data + line.from + out * inner);
        }
    }
}

/* The constant gets all of dY that the kept box does not. */
static void constant_grad(const struct grad_call *call, const struct placed_move *kept)
{
    const struct tensor *dy = call->out_grads[0];
    int64_t index[MOVE_RANK_MAX] = {0}, at = kept->to, elements = shape_elements(&dy->shape);
    const float *gradient = dy->data;
    float *to = call->in_grads[2]->data;
    double sum = 0;
    int d = 0;

    for (int64_t i = 0; i < elements; i++)
        sum += (double)gradient[i];
    for (int i = 0; i < kept->move.rank; i++)
        if (kept->move.dims[i] == 0)
            d = -1;
    while (d >= 0) {
        sum -= (double)gradient[at];
        for (d = kept->move.rank - 1; d >= 0; d--) {
            at += kept->move.to_strides[d];
            if (++index[d] < kept->move.dims[d])
                break;
            at -= kept->move.to_strides[d] * kept->move.dims[d];
            index[d] = 0;
        }
    }
    *to = call->accumulate[2] ? *to + (float)sum : (float)sum;
}

static enum engine_status pad_backward(const struct grad_call *call, struct engine_error *err)
{
    const enum pad_mode mode = pad_mode(call->params);
    struct tensor dy = *call->out_grads[0];
    struct margin margins[SHAPE_RANK_MAX];
    struct placed_move kept;

    (void)err;
    pad_layout(call->n_inputs, call->inputs, margins);
    kept = pad_move(&call->inputs[0]->shape, &dy.shape, margins);
    if (mode == PAD_CONSTANT) {
        if (call->n_inputs > 2 && call->in_grads[2] != NULL)
            constant_grad(call, &kept);
    } else if (shape_elements(&dy.shape) > 0) {
        memcpy(call->scratch, dy.data, tensor_bytes(&dy));
        dy.data = call->scratch;
        fold_margins(&dy, margins, mode);
    }
    if (call->in_grads[0] != NULL)
        move_back(&kept, &dy, call->in_grads[0], call->accumulate[0]);
    return ENGINE_OK;
}

static enum engine_status pad_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (pad_mode(prepare->params) != PAD_CONSTANT)
        prepare->backward_scratch = tensor_bytes(&prepare->outputs[0]);
    return ENGINE_OK;
}

#define MOVE(op_name, op) {.domain = "", .name = op_name, .inputs = 1, .backward = op##_backward}

const struct grad_def grads_move[] = {
    MOVE("CenterCropPad", center),
    MOVE("DepthToSpace", depth_to_space),
    MOVE("Expand", expand),
    {.domain = "", .name = "Pad", .inputs = 1 | 1 << 2, .prepare = pad_prepare,
     .backward = pad_backward},
    MOVE("Slice", slice),
    MOVE("SpaceToDepth", space_to_depth),
    MOVE("Tile", tile),
    MOVE("Transpose", transpose),
    {0},
};
