/* SPDX-License-Identifier: Apache-2.0
 * Gradients of ScatterElements and ScatterND with each reduction, and TensorScatter. With reductions max
 * and min all that equal the result share its gradient, as in PyTorch; with none, updates of the same
 * element each get its gradient, whichever came last. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"
#include "engine/grad/picks.h"
#include "engine/grad/term.h"

#include <string.h>

/* What an element of the result was made of. mul: the product of its factors that are not zero, and how
 * many are; max and min: how many equal it. */
struct made {
    double product;
    int64_t count;
};

static struct picks picks_of(const struct grad_call *call)
{
    const struct tensor *data = call->inputs[0];
    int axis = 0;

    if (strcmp(call->node->op_type, "ScatterND") == 0)
        return picks_coordinates(&data->shape, call->inputs[1], 0);
    shape_axis(node_int(call->node, "axis", 0), data->shape.rank, &axis);
    return picks_elements(&data->shape, call->inputs[1], axis);
}

static void put(float *to, float gradient, bool accumulate)
{
    *to = accumulate ? *to + gradient : gradient;
}

/* What was overwritten has no gradient. */
static void replaced(const struct grad_call *call, struct picks picks)
{
    const struct tensor *dy = call->out_grads[0], *to = call->in_grads[0];
    float *kept = call->scratch;

    if (to != NULL && shape_elements(&dy->shape) > 0) {
        memcpy(kept, dy->data, tensor_bytes(dy));
        for (struct picks walk = picks; picks_next(&walk);)
            memset(kept + walk.offset, 0, (size_t)walk.block * sizeof(*kept));
        for (int64_t i = 0; i < shape_elements(&dy->shape); i++)
            put((float *)to->data + i, kept[i], call->accumulate[0]);
    }
    if (call->in_grads[2] != NULL)
        picks_read(picks, dy->data, call->in_grads[2]->data, call->accumulate[2]);
}

static void added(const struct grad_call *call, struct picks picks)
{
    term_grad(call, 0, &term_copy, NULL, NULL, NULL);
    if (call->in_grads[2] != NULL)
        picks_read(picks, call->out_grads[0]->data, call->in_grads[2]->data, call->accumulate[2]);
}

/* The part of its element's gradient that a factor, or an extreme, gets. */
static float share(const struct made *made, bool product, float item, float result, float gradient)
{
    if (!product)
        return item == result ? gradient / (float)made->count : 0.0f;
    if (made->count > (item == 0.0f))
        return 0.0f;
    return (float)((double)gradient * (item != 0.0f ? made->product / (double)item : made->product));
}

static void take(struct made *made, bool product, float item, float result)
{
    if (!product)
        made->count += item == result;
    else if (item == 0.0f)
        made->count++;
    else
        made->product *= (double)item;
}

static void combined(const struct grad_call *call, struct picks picks, bool product)
{
    const float *x = call->inputs[0]->data, *updates = call->inputs[2]->data;
    const float *y = call->outputs[0]->data, *dy = call->out_grads[0]->data;
    int64_t elements = shape_elements(&call->inputs[0]->shape), u = 0;
    struct made *made = call->scratch;

    for (int64_t i = 0; i < elements; i++) {
        made[i] = (struct made){.product = 1};
        take(&made[i], product, x[i], y[i]);
    }
    for (struct picks walk = picks; picks_next(&walk);)
        for (int64_t k = walk.offset; k < walk.offset + walk.block; k++)
            take(&made[k], product, updates[u++], y[k]);
    for (int64_t i = 0; i < elements && call->in_grads[0] != NULL; i++)
        put((float *)call->in_grads[0]->data + i, share(&made[i], product, x[i], y[i], dy[i]),
            call->accumulate[0]);
    u = 0;
    while (call->in_grads[2] != NULL && picks_next(&picks))
        for (int64_t k = picks.offset; k < picks.offset + picks.block; k++, u++)
            put((float *)call->in_grads[2]->data + u,
                share(&made[k], product, updates[u], y[k], dy[k]), call->accumulate[2]);
}

static enum engine_status scatter_backward(const struct grad_call *call, struct engine_error *err)
{
    const char *reduction = node_string(call->node, "reduction", "none");
    struct picks picks = picks_of(call);

    (void)err;
    if (strcmp(reduction, "none") == 0)
        replaced(call, picks);
    else if (strcmp(reduction, "add") == 0)
        added(call, picks);
    else
        combined(call, picks, strcmp(reduction, "mul") == 0);
    return ENGINE_OK;
}

static enum engine_status scatter_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const char *reduction = node_string(prepare->node, "reduction", "none");
    const size_t elements = (size_t)shape_elements(&prepare->inputs[0].shape);
    const bool none = strcmp(reduction, "none") == 0, add = strcmp(reduction, "add") == 0;

    (void)err;
    if (none || add) {
        prepare->save_inputs = 1 << 1;
        prepare->save_outputs = 0;
    }
    if (!add)
        prepare->backward_scratch = elements * (none ? sizeof(float) : sizeof(struct made));
    return ENGINE_OK;
}

/* A cache's rows [at, at + length), perhaps round its end, are those of the update. */
static enum engine_status cache_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *dy = call->out_grads[0], *cache = call->in_grads[0];
    const struct tensor *update = call->in_grads[1];
    const struct shape *shape = &dy->shape;
    const int64_t *starts = call->n_inputs > 2 && call->inputs[2] != NULL ? call->inputs[2]->data : NULL;
    const float *from = dy->data;
    int axis = 0;
    int64_t room, length, outer, row;

    (void)err;
    shape_axis(node_int(call->node, "axis", -2), shape->rank, &axis);
    room = shape->dims[axis];
    length = call->inputs[1]->shape.dims[axis];
    outer = shape_product(shape, 1, axis);
    row = shape_product(shape, axis + 1, shape->rank);
    for (int64_t o = 0; o < shape->dims[0] * outer; o++) {
        const int64_t at = starts != NULL ? starts[o / outer] : 0;

        for (int64_t i = 0; i < room * row; i++, from++) {
            const int64_t place = (i / row - at % room + room) % room;

            if (cache != NULL)
                put((float *)cache->data + o * room * row + i, place < length ? 0.0f : *from,
                    call->accumulate[0]);
            if (update != NULL && place < length)
                put((float *)update->data + (o * length + place) * row + i % row, *from,
                    call->accumulate[1]);
        }
    }
    return ENGINE_OK;
}

const struct grad_def grads_scatter[] = {
    {.domain = "", .name = "ScatterElements", .inputs = 1 | 1 << 2, .save_inputs = 7,
     .save_outputs = 1, .prepare = scatter_prepare, .backward = scatter_backward},
    {.domain = "", .name = "ScatterND", .inputs = 1 | 1 << 2, .save_inputs = 7, .save_outputs = 1,
     .prepare = scatter_prepare, .backward = scatter_backward},
    {.domain = "", .name = "TensorScatter", .inputs = 3, .save_inputs = 1 << 2,
     .backward = cache_backward},
    {0},
};
