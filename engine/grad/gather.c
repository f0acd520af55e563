/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Gather, GatherElements and GatherND: what was picked gives its gradient back, in the order of
 * the indices. An embedding is a Gather. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"
#include "engine/grad/picks.h"

static void give_back(const struct grad_call *call, struct picks picks)
{
    const struct tensor *to = call->in_grads[0];

    if (!call->accumulate[0])
        clear(to);
    picks_add(picks, call->pool, call->out_grads[0]->data, to->data);
}

static int axis_of(const struct grad_call *call)
{
    int axis = 0;

    shape_axis(node_int(call->node, "axis", 0), call->inputs[0]->shape.rank, &axis);
    return axis;
}

static enum engine_status gather_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    give_back(call, picks_slices(&call->inputs[0]->shape, call->inputs[1], axis_of(call)));
    return ENGINE_OK;
}

static enum engine_status elements_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    give_back(call, picks_elements(&call->inputs[0]->shape, call->inputs[1], axis_of(call)));
    return ENGINE_OK;
}

static enum engine_status nd_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    give_back(call, picks_coordinates(&call->inputs[0]->shape, call->inputs[1],
                                      (int)node_int(call->node, "batch_dims", 0)));
    return ENGINE_OK;
}

const struct grad_def grads_gather[] = {
    {.domain = "", .name = "Gather", .inputs = 1, .save_inputs = 2, .backward = gather_backward},
    {.domain = "", .name = "GatherElements", .inputs = 1, .save_inputs = 2,
     .backward = elements_backward},
    {.domain = "", .name = "GatherND", .inputs = 1, .save_inputs = 2, .backward = nd_backward},
    {0},
};
