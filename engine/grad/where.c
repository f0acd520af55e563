/* SPDX-License-Identifier: Apache-2.0
 * Gradients of operators that choose among their inputs: Min Max (and Sum Mean, which take as many) Where
 * Clip PRelu. As in PyTorch, equal extremes share their gradient and Clip lets it through at its
 * bounds. */
#include "engine/grad/families.h"
#include "engine/grad/term_rows.h"

#include <math.h>

struct bounds {
    float least, most;
};

#define LEAST ((const struct bounds *)arg)->least
#define MOST ((const struct bounds *)arg)->most

/* d is the output's gradient. */
#define LIST(isa) \
    SPREAD_TERM_3(isa, larger, float, a > b ? d : a == b ? 0.5f * d : 0.0f) \
    SPREAD_TERM_3(isa, smaller, float, a < b ? d : a == b ? 0.5f * d : 0.0f) \
    SPREAD_TERM_3(isa, count, float, ((void)d, a == b ? 1.0f : 0.0f)) \
    SPREAD_TERM_3(isa, share, float, a == b ? d : 0.0f) \
    SPREAD_TERM(isa, over, float, d / a) \
    SPREAD_TERM(isa, chosen, uint8_t, a != 0 ? d : 0.0f) \
    SPREAD_TERM(isa, left, uint8_t, a != 0 ? 0.0f : d) \
    SPREAD_TERM_3(isa, slope_input, float, a > 0.0f ? d : d * b) \
    SPREAD_TERM(isa, slope, float, a > 0.0f ? 0.0f : d * a) \
    SPREAD_TERM(isa, within, float, a >= LEAST && a <= MOST ? d : 0.0f) \
    SPREAD_TERM(isa, below, float, a < LEAST ? d : 0.0f) \
    SPREAD_TERM(isa, above, float, a > MOST ? d : 0.0f)
TERMS(LIST)

static const struct term larger_term = TERM(larger);
static const struct term smaller_term = TERM(smaller);
static const struct term count_term = TERM(count);
static const struct term share_term = TERM(share);
static const struct term over_term = TERM(over);
static const struct term chosen_term = TERM(chosen);
static const struct term left_term = TERM(left);
static const struct term slope_input_term = TERM(slope_input);
static const struct term slope_term = TERM(slope);
static const struct term within_term = TERM(within);
static const struct term below_term = TERM(below);
static const struct term above_term = TERM(above);

/* More than two inputs: how many equal the extreme, then a share for each of those. */
static void share_extreme(const struct grad_call *call)
{
    const struct tensor *dy = call->out_grads[0], *y = call->outputs[0];
    struct tensor shares = {.dtype = DTYPE_F32, .shape = dy->shape, .data = call->scratch};

    for (int i = 0; i < call->n_inputs; i++) {
        const struct tensor *sources[] = {dy, call->inputs[i], y};

        term_run(call->pool, &count_term, &dy->shape, 3, sources, &shares, i > 0, NULL);
    }
    term_run(call->pool, &over_term, &dy->shape, 2, (const struct tensor *[]){dy, &shares}, &shares,
             false, NULL);
    for (int i = 0; i < call->n_inputs; i++) {
        const struct tensor *sources[] = {&shares, call->inputs[i], y};

        if (call->in_grads[i] != NULL)
            term_run(call->pool, &share_term, &dy->shape, 3, sources, call->in_grads[i],
                     call->accumulate[i], NULL);
    }
}

static void extreme(const struct grad_call *call, const struct term *pair)
{
    if (call->n_inputs == 1)
        term_grad(call, 0, &term_copy, NULL, NULL, NULL);
    else if (call->n_inputs > 2)
        share_extreme(call);
    else
        for (int i = 0; i < 2; i++)
            term_grad(call, i, pair, call->inputs[i], call->inputs[1 - i], NULL);
}

static enum engine_status max_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    extreme(call, &larger_term);
    return ENGINE_OK;
}

static enum engine_status min_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    extreme(call, &smaller_term);
    return ENGINE_OK;
}

static enum engine_status extreme_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (prepare->n_inputs > 2)
        prepare->backward_scratch = tensor_bytes(&prepare->outputs[0]);
    else
        prepare->save_outputs = 0;
    if (prepare->n_inputs == 1)
        prepare->save_inputs = 0;
    return ENGINE_OK;
}

static enum engine_status sum_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int i = 0; i < call->n_inputs; i++)
        term_grad(call, i, &term_copy, NULL, NULL, NULL);
    return ENGINE_OK;
}

static enum engine_status mean_backward(const struct grad_call *call, struct engine_error *err)
{
    float n = (float)call->n_inputs;
    const struct tensor count = {.dtype = DTYPE_F32, .data = &n};

    (void)err;
    for (int i = 0; i < call->n_inputs; i++)
        term_grad(call, i, &over_term, &count, NULL, NULL);
    return ENGINE_OK;
}

static enum engine_status where_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    term_grad(call, 1, &chosen_term, call->inputs[0], NULL, NULL);
    term_grad(call, 2, &left_term, call->inputs[0], NULL, NULL);
    return ENGINE_OK;
}

static float bound(const struct grad_call *call, int input, float fallback)
{
    const struct tensor *tensor = input < call->n_inputs ? call->inputs[input] : NULL;

    return tensor != NULL ? *(const float *)tensor->data : fallback;
}

/* A bound's gradient is the sum of those that it stands for; its shape, of one element, may have more
 * dimensions than the output. */
static void bound_grad(const struct grad_call *call, int input, const struct term *term,
                       const struct bounds *bounds)
{
    const struct tensor *sources[] = {call->out_grads[0], call->inputs[0]};
    struct tensor *wanted = grad_wanted(call, input), to;

    if (wanted == NULL)
        return;
    to = *wanted;
    to.shape.rank = 0;
    term_run(call->pool, term, &call->out_grads[0]->shape, 2, sources, &to, call->accumulate[input],
             bounds);
}

/* A maximum below the minimum takes everything. */
static enum engine_status clip_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct bounds bounds = {bound(call, 1, -INFINITY), bound(call, 2, INFINITY)};
    const bool crossed = bounds.most < bounds.least;
    const struct bounds none = {-INFINITY, INFINITY};

    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        if (grad_turn(call, turn) == 0) {
            term_grad(call, 0, &within_term, call->inputs[0], NULL, &bounds);
        } else {
            bound_grad(call, 1, &below_term, crossed ? &none : &bounds);
            bound_grad(call, 2, crossed ? &term_copy : &above_term, &bounds);
        }
    }
    return ENGINE_OK;
}

static enum engine_status prelu_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        if (grad_turn(call, turn) == 0)
            term_grad(call, 0, &slope_input_term, call->inputs[0], call->inputs[1], NULL);
        else
            term_grad(call, 1, &slope_term, call->inputs[0], NULL, NULL);
    }
    return ENGINE_OK;
}

const struct grad_def grads_where[] = {
    {.domain = "", .name = "Clip", .flags = GRAD_INPLACE, .inputs = 7, .save_inputs = 7,
     .backward = clip_backward},
    {.domain = "", .name = "Max", .inputs = GRAD_ALL, .save_inputs = GRAD_ALL, .save_outputs = 1,
     .prepare = extreme_prepare, .backward = max_backward},
    {.domain = "", .name = "Mean", .inputs = GRAD_ALL, .backward = mean_backward},
    {.domain = "", .name = "Min", .inputs = GRAD_ALL, .save_inputs = GRAD_ALL, .save_outputs = 1,
     .prepare = extreme_prepare, .backward = min_backward},
    {.domain = "", .name = "PRelu", .flags = GRAD_INPLACE, .inputs = 3, .save_inputs = 3,
     .backward = prelu_backward},
    {.domain = "", .name = "Sum", .inputs = GRAD_ALL, .backward = sum_backward},
    {.domain = "", .name = "Where", .inputs = 1 << 1 | 1 << 2, .save_inputs = 1,
     .backward = where_backward},
    {0},
};
