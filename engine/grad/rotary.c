/* SPDX-License-Identifier: Apache-2.0
 * Gradient of RotaryEmbedding: what was turned by an angle is turned back by it. The caches get theirs,
 * too, summed over all heads and tokens that read an entry. */
#include "engine/grad/families.h"
#include "engine/ops/rotary_form.h"

#include <string.h>

struct work {
    struct rotary_extent s;
    const struct rotary_params *params;
    bool packed;                   /* [batch, length, heads, head] */
    const int64_t *places;
    const float *cosines, *sines, *x, *dy;
    float *dx, *dcosines, *dsines;
    bool add;
};

static enum engine_status rotary_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (!(prepare->wanted & (GRAD_BIT(ROTARY_COS) | GRAD_BIT(ROTARY_SIN))))
        prepare->save_inputs &= ~GRAD_BIT(ROTARY_X);
    if (!(prepare->wanted & GRAD_BIT(ROTARY_X)))
        prepare->save_inputs &= ~(GRAD_BIT(ROTARY_COS) | GRAD_BIT(ROTARY_SIN));
    return ENGINE_OK;
}

/* One head of one token. `row`: its entry of the caches. */
static void turn_back(const struct work *work, int64_t at, int64_t row)
{
    int64_t half = work->s.rotated / 2;
    const float *dy = work->dy + at;
    float *dx = work->dx != NULL ? work->dx + at : NULL;

    for (int64_t i = 0; i < half; i++) {
        int64_t a = work->params->interleaved ? 2 * i : i;
        int64_t b = work->params->interleaved ? a + 1 : a + half, k = row * half + i;
        float da = dy[a], db = dy[b];

        if (dx != NULL) {
            float first = work->cosines[k] * da + work->sines[k] * db;
            float second = work->cosines[k] * db - work->sines[k] * da;

            dx[a] = work->add ? dx[a] + first : first;
            dx[b] = work->add ? dx[b] + second : second;
        }
        if (work->dcosines != NULL)
            work->dcosines[k] += da * work->x[at + a] + db * work->x[at + b];
        if (work->dsines != NULL)
            work->dsines[k] += db * work->x[at + a] - da * work->x[at + b];
    }
    for (int64_t i = work->s.rotated; dx != NULL && i < work->s.head; i++)
        dx[i] = work->add ? dx[i] + dy[i] : dy[i];
}

/* A gradient that is added to; cleared first if it is new. */
static float *sums(const struct grad_call *call, int input)
{
    struct tensor *grad = call->in_grads[input];

    if (grad != NULL && !call->accumulate[input])
        memset(grad->data, 0, tensor_bytes(grad));
    return grad != NULL ? grad->data : NULL;
}

static enum engine_status rotary_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[ROTARY_X];
    struct work work = {.params = call->params, .packed = x->shape.rank == 3, .x = x->data,
                        .dy = call->out_grads[0]->data, .add = call->accumulate[ROTARY_X]};
    const char *why = rotary_sizes(call->params, &x->shape, &work.s);

    if (why != NULL)
        return op_fail(call->node, err, "%s", why);
    if (call->n_inputs > ROTARY_PLACES && call->inputs[ROTARY_PLACES] != NULL)
        work.places = call->inputs[ROTARY_PLACES]->data;
    work.cosines = call->inputs[ROTARY_COS]->data;
    work.sines = call->inputs[ROTARY_SIN]->data;
    work.dx = call->in_grads[ROTARY_X] != NULL ? call->in_grads[ROTARY_X]->data : NULL;
    work.dcosines = sums(call, ROTARY_COS);
    work.dsines = sums(call, ROTARY_SIN);
    for (int64_t token = 0; token < work.s.batch * work.s.length; token++)
        for (int64_t h = 0; h < work.s.heads; h++) {
            int64_t b = token / work.s.length, t = token % work.s.length;
            int64_t place = work.packed ? token * work.s.heads + h
                                        : (b * work.s.heads + h) * work.s.length + t;

            turn_back(&work, place * work.s.head, work.places != NULL ? work.places[token] : token);
        }
    return ENGINE_OK;
}

const struct grad_def grads_rotary[] = {
    {.domain = "", .name = "RotaryEmbedding",
     .inputs = GRAD_BIT(ROTARY_X) | GRAD_BIT(ROTARY_COS) | GRAD_BIT(ROTARY_SIN),
     .save_inputs = GRAD_BIT(ROTARY_X) | GRAD_BIT(ROTARY_COS) | GRAD_BIT(ROTARY_SIN) |
                    GRAD_BIT(ROTARY_PLACES),
     .prepare = rotary_prepare, .backward = rotary_backward},
    {0},
};
