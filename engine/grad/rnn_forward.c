/* SPDX-License-Identifier: Apache-2.0
 * The forward pass of a recurrent operator that leaves on the tape what the backward pass reads. The
 * weights are packed, the input's products are one product that goes straight to the tape, and there the
 * cells make gates of it. */
#include "engine/grad/rnn_sweep.h"
#include "engine/kernels/packed.h"

#include <string.h>

struct forward {
    struct rnn_sweep sweep;        /* first: see rnn_each_sequence() */
    float *state, *memory, *reset, *part;   /* [batch, ...]; `part` are the state's products */
    bool in_place;                 /* those go to the gates, which are evenly apart */
    float *y;                      /* or NULL */
};

static int64_t packed_floats(int64_t depth, int64_t columns)
{
    int64_t floats = 0;

    packed_size(depth, columns, &floats);
    return rnn_pad(floats);
}

int64_t rnn_forward_floats(const struct rnn_form *form, const struct rnn_extent *e)
{
    int64_t h = e->hidden, gh = e->gates * h, states = rnn_pad(e->batch * h);

    (void)form;
    return packed_floats(e->input, gh) + packed_floats(h, gh) + packed_floats(h, h) + 3 * states +
           rnn_pad(e->batch * gh) + rnn_pad(gh);
}

/* Columns [from, from + columns) of a matrix [.., depth] that is stored by columns. */
static float *pack(int64_t depth, int64_t from, int64_t columns, const float *w, float **memory)
{
    float *packed = *memory;

    packed_fill(depth, columns, w + from * depth, 1, depth, 1.0f, packed);
    *memory += packed_floats(depth, columns);
    return packed;
}

static void keep_before(const struct forward *f, int64_t n, int64_t row)
{
    const struct rnn_sweep *s = &f->sweep;
    size_t bytes = (size_t)s->e.hidden * sizeof(float);

    memcpy(s->before + row * s->e.hidden, f->state + n * s->e.hidden, bytes);
    if (s->memory != NULL)
        memcpy(s->memory + row * s->e.hidden, f->memory + n * s->e.hidden, bytes);
}

/* The gates z and r of a GRU that resets first, and its state times r. */
static void reset_cell(void *arg, int n, int thread)
{
    const struct forward *f = arg;
    const struct rnn_sweep *s = &f->sweep;
    int64_t h = s->e.hidden, row = rnn_row_at(s, s->step, n, NULL);
    float *gates = s->gates + row * s->gh;

    (void)thread;
    memcpy(f->reset + n * h, f->state + n * h, (size_t)h * sizeof(float));
    if (row >= 0)
        cell_gru_gates(&s->cell, gates, f->part + n * s->gh, gates, f->reset + n * h);
}

static void gru_cell(const struct forward *f, int64_t n, float *gates, float *state, float *product)
{
    const struct rnn_sweep *s = &f->sweep;
    const float *bias = s->cell.state_bias;
    int64_t h = s->e.hidden;
    float *part = f->part + n * s->gh;

    if (s->product != NULL) {
        cell_gru_gates(&s->cell, gates, part, gates, f->reset + n * h);
        for (int64_t i = 0; i < h; i++) {
            product[i] = part[2 * h + i] + (bias != NULL ? bias[i] : 0);
            part[2 * h + i] = gates[h + i] * product[i];
        }
    }
    cell_gru_state(&s->cell, gates, part + 2 * h, gates, state);
}

static void step_cell(void *arg, int n, int thread)
{
    const struct forward *f = arg;
    const struct rnn_sweep *s = &f->sweep;
    int64_t h = s->e.hidden, time = 0, row = rnn_row_at(s, s->step, n, &time);
    float *gates = s->gates + row * s->gh, *state = f->state + n * h;
    const float *part = f->in_place ? NULL : f->part + n * s->gh;

    (void)thread;
    if (row < 0)
        return;
    keep_before(f, n, row);
    switch (s->form->kind) {
    case RNN_PLAIN:
        cell_rnn(&s->cell, gates, part, gates, state);
        break;
    case RNN_GRU:
        gru_cell(f, n, gates, state, s->product != NULL ? s->product + row * h : NULL);
        break;
    case RNN_LSTM:
        cell_lstm(&s->cell, gates, part, gates, state, f->memory + n * h);
        break;
    }
    if (f->y != NULL)
        memcpy(f->y + s->y_at + time * s->y_time + n * s->y_batch, state, (size_t)h * sizeof(float));
}

/* Columns [from, from + columns) of the recurrent products of `states`. */
static void multiply(const struct forward *f, const float *states, const float *weights, int64_t from,
                     int64_t columns)
{
    const struct rnn_sweep *s = &f->sweep;
    struct packed_product product = {.rows = s->e.batch, .columns = columns, .depth = s->e.hidden,
                                     .a = states, .a_step = s->e.hidden, .weights = weights,
                                     .c = f->part + from, .c_step = s->gh};
    int64_t apart;

    if (f->in_place) {
        product.c = s->gates + rnn_first_row(s, s->step, &apart) * s->gh;
        product.c_step = apart * s->gh;
        product.epilogue.residual = product.c;
    }
    packed_run(&product, s->pool);
}

/* gates = X W^T + what biases may be added early. */
static void input_products(const struct forward *f, const struct op_call *call, const float *bias,
                           float *early, float *memory)
{
    const struct rnn_sweep *s = &f->sweep;
    const float *w = (const float *)call->inputs[RNN_W]->data + s->direction * s->gh * s->e.input;
    struct packed_product product = {.rows = s->rows, .columns = s->gh, .depth = s->e.input,
                                     .a = call->inputs[RNN_X]->data, .a_step = s->e.input,
                                     .weights = pack(s->e.input, 0, s->gh, w, &memory), .c = s->gates,
                                     .c_step = s->gh};
    int64_t joined = s->product != NULL ? 2 * s->e.hidden : s->gh;

    for (int64_t i = 0; i < s->gh && bias != NULL; i++)
        early[i] = bias[i] + (i < joined ? bias[s->gh + i] : 0);
    product.epilogue.bias = bias != NULL ? early : NULL;
    packed_run(&product, s->pool);
}

static void sweep_time(struct forward *f, const float *r, float *memory)
{
    struct rnn_sweep *s = &f->sweep;
    int64_t h = s->e.hidden, first = rnn_resets_first(s->form) ? 2 * h : s->gh;
    const float *weights = pack(h, 0, first, r, &memory), *rest = NULL;

    if (first < s->gh)
        rest = pack(h, first, s->gh - first, r, &memory);
    for (s->step = 0; s->step < s->e.time; s->step++) {
        multiply(f, f->state, weights, 0, first);
        if (rest != NULL) {
            rnn_each_sequence(s, reset_cell);
            multiply(f, f->reset, rest, first, s->gh - first);
        }
        rnn_each_sequence(s, step_cell);
    }
}

static const float *input_data(const struct op_call *call, int input)
{
    return input < call->n_inputs && call->inputs[input] != NULL ? call->inputs[input]->data : NULL;
}

static float *output_data(const struct op_call *call, int output)
{
    return output < call->n_outputs && call->outputs[output] != NULL ? call->outputs[output]->data
                                                                     : NULL;
}

/* Loads the state of each sequence from its tensor (NULL: zeros), or stores it there. */
static void move_states(const struct rnn_sweep *s, const float *from, float *states, float *to)
{
    size_t bytes = (size_t)s->e.hidden * sizeof(float);

    for (int64_t n = 0; n < s->e.batch; n++) {
        float *state = states + n * s->e.hidden;

        if (to != NULL)
            memcpy(to + rnn_state_at(s, n), state, bytes);
        else if (from != NULL)
            memcpy(state, from + rnn_state_at(s, n), bytes);
        else
            memset(state, 0, bytes);
    }
}

static void run_direction(struct forward *f, const struct op_call *call, float *memory)
{
    struct rnn_sweep *s = &f->sweep;
    int64_t h = s->e.hidden, states = rnn_pad(s->e.batch * h);
    const float *bias = input_data(call, RNN_B), *peepholes = input_data(call, RNN_PEEPHOLES);
    const float *r = (const float *)call->inputs[RNN_R]->data + s->direction * s->gh * h;
    float *y_h = output_data(call, 1), *y_c = output_data(call, 2), *early;

    bias = bias != NULL ? bias + s->direction * 2 * s->gh : NULL;
    s->cell.peepholes = peepholes != NULL ? peepholes + s->direction * 3 * h : NULL;
    s->cell.state_bias = bias != NULL && s->product != NULL ? bias + s->gh + 2 * h : NULL;
    f->state = memory;
    f->memory = memory + states;
    f->reset = memory + 2 * states;
    f->part = memory + 3 * states;
    early = f->part + rnn_pad(s->e.batch * s->gh);
    memory = early + rnn_pad(s->gh);
    f->in_place = s->lengths == NULL && s->form->kind != RNN_GRU;
    move_states(s, input_data(call, RNN_INITIAL_H), f->state, NULL);
    move_states(s, input_data(call, RNN_INITIAL_C), f->memory, NULL);
    memset(f->reset, 0, (size_t)states * sizeof(float));
    if (s->lengths != NULL) {
        memset(s->before, 0, (size_t)(s->rows * h) * sizeof(float));
        if (s->memory != NULL)
            memset(s->memory, 0, (size_t)(s->rows * h) * sizeof(float));
        if (s->product != NULL)
            memset(s->product, 0, (size_t)(s->rows * h) * sizeof(float));
    }
    input_products(f, call, bias, early, memory);
    sweep_time(f, r, memory + packed_floats(s->e.input, s->gh));
    if (y_h != NULL)
        move_states(s, NULL, f->state, y_h);
    if (y_c != NULL)
        move_states(s, NULL, f->memory, y_c);
}

enum engine_status rnn_forward(const struct grad_forward *forward, struct engine_error *err)
{
    const struct op_call *call = &forward->call;
    const struct rnn_form *form = call->params;
    struct rnn_extent e = rnn_form_extent(form, &call->inputs[RNN_X]->shape, &call->inputs[RNN_R]->shape);
    const struct tensor *lengths = call->n_inputs > RNN_LENGTHS ? call->inputs[RNN_LENGTHS] : NULL;
    struct forward f = {.y = output_data(call, 0)};
    enum engine_status status =
        rnn_form_lengths(call->node, &e, lengths != NULL ? lengths->data : NULL, err);

    if (status != ENGINE_OK || e.batch == 0 || e.hidden == 0)
        return status;
    if (lengths != NULL && f.y != NULL)        /* what lies behind a sequence's end is 0 */
        memset(f.y, 0, tensor_bytes(call->outputs[0]));
    for (int d = 0; d < form->directions; d++) {
        rnn_sweep_init(&f.sweep, form, &e, d, forward->tape, lengths != NULL ? lengths->data : NULL,
                       call->pool);
        run_direction(&f, call, call->scratch);
    }
    return ENGINE_OK;
}
