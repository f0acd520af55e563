/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM while training: back-propagation through time (Werbos, 1990). The passes are in
 * rnn_forward.c and rnn_backward.c. */
#include "engine/grad/families.h"
#include "engine/grad/rnn_sweep.h"

enum { PARALLEL_CELLS = 8192 };    /* elements of a step from which other threads are worth waking */

int64_t rnn_pad(int64_t floats)
{
    return (floats + 15) & ~INT64_C(15);
}

bool rnn_resets_first(const struct rnn_form *form)
{
    return form->kind == RNN_GRU && !form->linear_before_reset;
}

static bool keeps_product(const struct rnn_form *form)
{
    return form->kind == RNN_GRU && form->linear_before_reset;
}

int64_t rnn_tape_floats(const struct rnn_form *form, const struct rnn_extent *e)
{
    int64_t rows = e->time * e->batch, one = rnn_pad(rows * e->hidden);

    return rnn_pad(rows * e->gates * e->hidden) + one +
           (form->kind == RNN_LSTM || keeps_product(form) ? one : 0);
}

void rnn_sweep_init(struct rnn_sweep *sweep, const struct rnn_form *form, const struct rnn_extent *e,
                    int direction, void *tape, const int32_t *lengths, struct pool *pool)
{
    int64_t h = e->hidden, states = e->batch * h, d = form->directions;

    *sweep = (struct rnn_sweep){.form = form, .e = *e, .pool = pool, .cell = form->cells[direction],
                                .direction = direction, .reverse = form->reverse[direction],
                                .lengths = lengths, .rows = e->time * e->batch, .gh = e->gates * h};
    sweep->cell.hidden = h;
    sweep->gates = (float *)tape + direction * rnn_tape_floats(form, e);
    sweep->before = sweep->gates + rnn_pad(sweep->rows * sweep->gh);
    if (form->kind == RNN_LSTM)
        sweep->memory = sweep->before + rnn_pad(sweep->rows * h);
    else if (keeps_product(form))
        sweep->product = sweep->before + rnn_pad(sweep->rows * h);
    sweep->y_time = d * (form->batch_first ? h : states);
    sweep->y_batch = form->batch_first ? e->time * d * h : h;
    sweep->y_at = direction * (form->batch_first ? h : states);
}

int64_t rnn_row_at(const struct rnn_sweep *sweep, int64_t step, int64_t n, int64_t *ret_time)
{
    int64_t length = sweep->lengths != NULL ? sweep->lengths[n] : sweep->e.time, time;

    if (step >= length)
        return -1;
    time = sweep->reverse ? length - 1 - step : step;
    if (ret_time != NULL)
        *ret_time = time;
    return sweep->form->batch_first ? n * sweep->e.time + time : time * sweep->e.batch + n;
}

int64_t rnn_first_row(const struct rnn_sweep *sweep, int64_t step, int64_t *ret_apart)
{
    int64_t time = sweep->reverse ? sweep->e.time - 1 - step : step;

    *ret_apart = sweep->form->batch_first ? sweep->e.time : 1;
    return sweep->form->batch_first ? time : time * sweep->e.batch;
}

int64_t rnn_state_at(const struct rnn_sweep *sweep, int64_t n)
{
    return (sweep->form->batch_first ? n * sweep->form->directions + sweep->direction
                                     : sweep->direction * sweep->e.batch + n) * sweep->e.hidden;
}

void rnn_each_sequence(struct rnn_sweep *sweep, void (*fn)(void *arg, int sequence, int thread))
{
    if (sweep->e.batch * sweep->gh >= PARALLEL_CELLS)
        pool_run(sweep->pool, (int)sweep->e.batch, fn, sweep);
    else
        for (int n = 0; n < sweep->e.batch; n++)
            fn(sweep, n, 0);
}

static enum engine_status rnn_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct rnn_form *form = prepare->params;
    struct rnn_extent e =
        rnn_form_extent(form, &prepare->inputs[RNN_X].shape, &prepare->inputs[RNN_R].shape);
    struct shape bound = {4, {e.time + e.batch + e.input + 8, e.batch + e.input + e.hidden + 8,
                              4 * e.gates * (e.hidden + 16), form->directions}};

    if (!shape_check(&bound, 4 * sizeof(float), NULL))
        return op_unsupported(prepare->node, err, "the sequence is too large to train");
    if (!(prepare->wanted & GRAD_BIT(RNN_W)))
        prepare->save_inputs &= ~GRAD_BIT(RNN_X);
    if (!(prepare->wanted & GRAD_BIT(RNN_X)))
        prepare->save_inputs &= ~GRAD_BIT(RNN_W);
    prepare->tape_bytes = (size_t)(form->directions * rnn_tape_floats(form, &e)) * sizeof(float);
    prepare->forward_scratch = (size_t)rnn_forward_floats(form, &e) * sizeof(float);
    prepare->backward_scratch = (size_t)rnn_backward_floats(form, &e) * sizeof(float);
    return ENGINE_OK;
}

#define RECURRENT(NAME, MORE) \
    {.domain = "", .name = NAME, \
     .inputs = GRAD_BIT(RNN_X) | GRAD_BIT(RNN_W) | GRAD_BIT(RNN_R) | GRAD_BIT(RNN_B) | \
               GRAD_BIT(RNN_INITIAL_H) | (MORE), \
     .save_inputs = GRAD_BIT(RNN_X) | GRAD_BIT(RNN_W) | GRAD_BIT(RNN_R) | GRAD_BIT(RNN_LENGTHS) | \
                    ((MORE) & GRAD_BIT(RNN_PEEPHOLES)), \
     .prepare = rnn_prepare, .forward = rnn_forward, .backward = rnn_backward}

const struct grad_def grads_rnn[] = {
    RECURRENT("RNN", 0),
    RECURRENT("GRU", 0),
    RECURRENT("LSTM", GRAD_BIT(RNN_INITIAL_C) | GRAD_BIT(RNN_PEEPHOLES)),
    {0},
};
