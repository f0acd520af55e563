/* SPDX-License-Identifier: Apache-2.0
 * Back through time. The loop over the steps makes the gradients of all gates, row by row as X has them,
 * and carries that of the state from step to step by one product with the recurrent weights (two for a
 * GRU); the gradients of weights, biases and X are then products over all rows at once. */
#include "engine/grad/rnn_sweep.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/norm_grad.h"
#include "engine/kernels/packed.h"

#include <string.h>

enum {
    BLOCKS = 4,                    /* of rows that a large product is cut into */
    COLUMNS = 64, PART_ROWS = 64,  /* of a sum over rows: columns of a task, rows summed in float */
    PARALLEL_PRODUCT = 1 << 20
};

struct backward {
    struct rnn_sweep sweep;        /* first: see rnn_each_sequence() */
    float *dgates;                 /* [rows, gates * hidden] */
    float *extra;                  /* GRU, [rows, hidden]: the gradient of the h gate's recurrent part, or
                                      where that sees the state after its reset, that state */
    float *dstate, *dmemory, *dreset, *cells;   /* [batch, ...] */
    float *step_gates, *step_extra;             /* the present step's rows, if lengths scatter them */
    const float *dy;               /* or NULL */
};

int64_t rnn_backward_floats(const struct rnn_form *form, const struct rnn_extent *e)
{
    int64_t h = e->hidden, gh = e->gates * h, rows = e->time * e->batch, first = 0, second = 0;

    packed_size(gh, h, &first);
    packed_size(h, h, &second);
    return rnn_pad(rows * gh) + (form->kind == RNN_GRU ? rnn_pad(rows * h) : 0) +
           6 * rnn_pad(e->batch * h) + rnn_pad(e->batch * gh) + rnn_pad(first) + rnn_pad(second);
}

/* Back through the cell of one sequence; of a GRU that resets first, its first half. */
static void back_cell(void *arg, int n, int thread)
{
    const struct backward *b = arg;
    const struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden, time = 0, row = rnn_row_at(s, s->step, n, &time);
    float *dgates = b->dgates + row * s->gh, *dstate = b->dstate + n * h;
    const float *gates = s->gates + row * s->gh, *before = s->before + row * h;

    (void)thread;
    if (row < 0) {
        memset(b->step_gates + n * s->gh, 0, (size_t)s->gh * sizeof(float));
        if (b->extra != NULL)
            memset(b->step_extra + n * h, 0, (size_t)h * sizeof(float));
        return;
    }
    if (b->dy != NULL)
        vec_multiply_f32((size_t)h, 1.0f, b->dy + s->y_at + time * s->y_time + n * s->y_batch, true,
                         dstate);
    if (s->form->kind == RNN_PLAIN)
        cell_rnn_back(&s->cell, gates, dstate, dgates);
    else if (s->form->kind == RNN_LSTM)
        cell_lstm_back(&s->cell, gates, s->memory + row * h, dstate, b->dmemory + n * h,
                       b->cells + 2 * n * h, dgates);
    else if (s->product != NULL)
        cell_gru_back(&s->cell, gates, s->product + row * h, before, dstate, dgates, b->extra + row * h);
    else
        cell_gru_state_back(&s->cell, gates, before, dstate, dgates);
    if (s->lengths != NULL) {
        memcpy(b->step_gates + n * s->gh, dgates, (size_t)s->gh * sizeof(float));
        if (s->product != NULL)
            memcpy(b->step_extra + n * h, b->extra + row * h, (size_t)h * sizeof(float));
    }
}

/* The second half: through the reset. */
static void back_reset(void *arg, int n, int thread)
{
    const struct backward *b = arg;
    const struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden, row = rnn_row_at(s, s->step, n, NULL);
    const float *before = s->before + row * h, *r = s->gates + row * s->gh + h;
    float *dgates = b->dgates + row * s->gh;

    (void)thread;
    if (row < 0)
        return;
    cell_gru_reset_back(&s->cell, s->gates + row * s->gh, before, b->dreset + n * h, b->dstate + n * h,
                        dgates);
    for (int64_t i = 0; i < h; i++)
        b->extra[row * h + i] = r[i] * before[i];
    if (s->lengths != NULL)
        memcpy(b->step_gates + n * s->gh + h, dgates + h, (size_t)h * sizeof(float));
}

/* to[batch, hidden] = the step's dgates, columns [from, from + count), times packed weights; with `add`,
 * added to it. `extra`: the columns are those of b->extra. */
static void carry(const struct backward *b, const float *weights, int64_t from, int64_t count, bool extra,
                  bool add, float *to)
{
    const struct rnn_sweep *s = &b->sweep;
    int64_t width = extra ? s->e.hidden : s->gh, apart;
    int64_t row = rnn_first_row(s, s->step, &apart);
    struct packed_product product = {.rows = s->e.batch, .columns = s->e.hidden, .depth = count,
                                     .a = (extra ? b->extra : b->dgates) + row * width + from,
                                     .a_step = apart * width, .weights = weights, .c = to,
                                     .c_step = s->e.hidden};

    if (s->lengths != NULL) {
        product.a = (extra ? b->step_extra : b->step_gates) + from;
        product.a_step = width;
    }
    product.epilogue.residual = add ? to : NULL;
    packed_run(&product, s->pool);
}

/* The gradient of the state before sweep->step. */
static void carry_state(const struct backward *b, const float *weights, const float *rest)
{
    int64_t h = b->sweep.e.hidden;

    if (rest == NULL) {
        carry(b, weights, 0, b->sweep.gh, false, true, b->dstate);
        return;
    }
    if (b->sweep.product != NULL)
        carry(b, rest, 0, h, true, true, b->dstate);
    carry(b, weights, 0, 2 * h, false, true, b->dstate);
}

/* Rows [from, from + count) of R, which are those of the products' left side. */
static float *pack(const struct rnn_sweep *s, const float *r, int64_t from, int64_t count, float **memory)
{
    float *packed = *memory;
    int64_t floats = 0;

    packed_size(count, s->e.hidden, &floats);
    packed_fill(count, s->e.hidden, r + from * s->e.hidden, s->e.hidden, 1, 1.0f, packed);
    *memory += rnn_pad(floats);
    return packed;
}

static void sweep_time(struct backward *b, const float *r, bool wants_initial, float *memory)
{
    struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden, first = s->form->kind == RNN_GRU ? 2 * h : s->gh;
    const float *weights = pack(s, r, 0, first, &memory), *rest = NULL;

    if (first < s->gh)
        rest = pack(s, r, first, s->gh - first, &memory);
    for (s->step = s->e.time - 1; s->step >= 0; s->step--) {
        rnn_each_sequence(s, back_cell);
        if (rnn_resets_first(s->form)) {
            carry(b, rest, 2 * h, h, false, false, b->dreset);
            rnn_each_sequence(s, back_reset);
        }
        if (s->step > 0 || wants_initial)
            carry_state(b, weights, rest);
    }
}

/* A product that is cut into blocks of its rows. */
struct blocks {
    struct gemm_form form;
    const float *a, *b;
    float *c;
    float beta;
    int count;
};

static void block_task(void *arg, int task, int thread)
{
    const struct blocks *p = arg;
    struct gemm_form form = p->form;
    int64_t from = p->form.m * task / p->count;

    (void)thread;
    form.m = p->form.m * (task + 1) / p->count - from;
    gemm_f32(&form, 1.0f, p->a + (form.trans_a ? from : from * form.lda), p->b, p->beta,
             p->c + from * form.ldc);
}

static void multiply(const struct gemm_form *form, const float *a, const float *b, bool add, float *c,
                     struct pool *pool)
{
    struct blocks blocks = {*form, a, b, c, add ? 1.0f : 0.0f, BLOCKS};

    if ((double)form->m * (double)form->n * (double)form->k < PARALLEL_PRODUCT || form->m < BLOCKS)
        blocks.count = 1;
    pool_run(pool, blocks.count, block_task, &blocks);
}

/* to[columns, depth] (+)= left[rows, columns]^T right[rows, depth]. */
static void by_rows(const struct rnn_sweep *s, const float *left, int64_t left_step, int64_t columns,
                    const float *right, int64_t depth, bool add, float *to)
{
    const struct gemm_form form = {.trans_a = true, .m = columns, .n = depth, .k = s->rows,
                                   .lda = left_step, .ldb = depth, .ldc = depth};

    multiply(&form, left, right, add, to, s->pool);
}

/* Sums over all rows: of dgates, or for the h gate's recurrent bias of a GRU, of `extra`. */
struct bias_sum {
    const float *from;
    int64_t rows, step, columns;
    bool add;
    float *to;
};

static void bias_task(void *arg, int task, int thread)
{
    const struct bias_sum *sum = arg;
    int64_t from = (int64_t)task * COLUMNS;
    int64_t count = sum->columns - from < COLUMNS ? sum->columns - from : COLUMNS;
    double total[COLUMNS] = {0};

    (void)thread;
    for (int64_t row = 0; row < sum->rows; row += PART_ROWS) {
        float part[COLUMNS] = {0};

        for (int64_t k = row; k < row + PART_ROWS && k < sum->rows; k++)
            for (int64_t i = 0; i < count; i++)
                part[i] += sum->from[k * sum->step + from + i];
        for (int64_t i = 0; i < count; i++)
            total[i] += (double)part[i];
    }
    for (int64_t i = 0; i < count; i++)
        sum->to[from + i] = (float)((sum->add ? (double)sum->to[from + i] : 0) + total[i]);
}

static void sum_rows(const struct rnn_sweep *s, const float *from, int64_t step, int64_t columns, bool add,
                     float *to)
{
    struct bias_sum sum = {from, s->rows, step, columns, add, to};

    pool_run(s->pool, (int)((columns + COLUMNS - 1) / COLUMNS), bias_task, &sum);
}

static float *wanted(const struct grad_call *call, int input)
{
    return input < call->n_inputs && call->in_grads[input] != NULL ? call->in_grads[input]->data : NULL;
}

static void by_recurrent(const struct backward *b, bool add, float *dr)
{
    const struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden, first = s->form->kind == RNN_GRU ? 2 * h : s->gh;

    by_rows(s, b->dgates, s->gh, first, s->before, h, add, dr);
    if (s->product != NULL)
        by_rows(s, b->extra, h, h, s->before, h, add, dr + first * h);
    else if (first < s->gh)
        by_rows(s, b->dgates + first, s->gh, h, b->extra, h, add, dr + first * h);
}

static void by_bias(const struct backward *b, bool add, float *db)
{
    const struct rnn_sweep *s = &b->sweep;

    sum_rows(s, b->dgates, s->gh, s->gh, add, db);
    sum_rows(s, b->dgates, s->gh, s->product != NULL ? 2 * s->e.hidden : s->gh, add, db + s->gh);
    if (s->product != NULL)
        sum_rows(s, b->extra, s->e.hidden, s->e.hidden, add, db + s->gh + 2 * s->e.hidden);
}

static void by_peepholes(const struct backward *b, bool add, float *dp)
{
    const struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden;

    if (!add)
        memset(dp, 0, (size_t)(3 * h) * sizeof(float));
    for (int64_t row = 0; row < s->rows; row++)
        cell_lstm_peepholes_back(&s->cell, s->gates + row * s->gh, s->memory + row * h,
                                 b->dgates + row * s->gh, b->cells, dp);
}

/* What is a product or a sum over all rows. */
static void by_all_rows(const struct backward *b, const struct grad_call *call)
{
    const struct rnn_sweep *s = &b->sweep;
    int64_t d = s->direction, at = d * s->gh;
    float *dx = wanted(call, RNN_X), *dw = wanted(call, RNN_W), *dr = wanted(call, RNN_R);
    float *db = wanted(call, RNN_B), *dp = wanted(call, RNN_PEEPHOLES);
    const struct gemm_form form = {.m = s->rows, .n = s->e.input, .k = s->gh, .lda = s->gh,
                                   .ldb = s->e.input, .ldc = s->e.input};

    if (dx != NULL)
        multiply(&form, b->dgates, (const float *)call->inputs[RNN_W]->data + at * s->e.input,
                 call->accumulate[RNN_X] || d > 0, dx, s->pool);
    if (dw != NULL)
        by_rows(s, b->dgates, s->gh, s->gh, call->inputs[RNN_X]->data, s->e.input,
                call->accumulate[RNN_W], dw + at * s->e.input);
    if (dr != NULL)
        by_recurrent(b, call->accumulate[RNN_R], dr + at * s->e.hidden);
    if (db != NULL)
        by_bias(b, call->accumulate[RNN_B], db + 2 * at);
    if (dp != NULL)
        by_peepholes(b, call->accumulate[RNN_PEEPHOLES], dp + d * 3 * s->e.hidden);
}

/* The gradient of the last states, which is where the sweep begins. */
static void load_states(const struct rnn_sweep *s, const struct grad_call *call, int output, float *states)
{
    const struct tensor *grad = output < call->n_outputs ? call->out_grads[output] : NULL;
    size_t bytes = (size_t)s->e.hidden * sizeof(float);

    for (int64_t n = 0; n < s->e.batch; n++) {
        if (grad != NULL)
            memcpy(states + n * s->e.hidden, (const float *)grad->data + rnn_state_at(s, n), bytes);
        else
            memset(states + n * s->e.hidden, 0, bytes);
    }
}

static void store_states(const struct rnn_sweep *s, const struct grad_call *call, int input,
                         const float *states)
{
    float *to = wanted(call, input);

    for (int64_t n = 0; n < s->e.batch && to != NULL; n++)
        vec_multiply_f32((size_t)s->e.hidden, 1.0f, states + n * s->e.hidden, call->accumulate[input],
                         to + rnn_state_at(s, n));
}

static float *take(float **memory, int64_t floats)
{
    float *taken = *memory;

    *memory += rnn_pad(floats);
    return taken;
}

static void run_direction(struct backward *b, const struct grad_call *call, float *memory)
{
    struct rnn_sweep *s = &b->sweep;
    int64_t h = s->e.hidden, states = s->e.batch * h;
    const struct tensor *p = call->n_inputs > RNN_PEEPHOLES ? call->inputs[RNN_PEEPHOLES] : NULL;

    s->cell.peepholes = p != NULL ? (const float *)p->data + s->direction * 3 * h : NULL;
    b->dgates = take(&memory, s->rows * s->gh);
    b->extra = s->form->kind == RNN_GRU ? take(&memory, s->rows * h) : NULL;
    b->dstate = take(&memory, states);
    b->dmemory = take(&memory, states);
    b->dreset = take(&memory, states);
    b->step_extra = take(&memory, states);
    b->cells = take(&memory, 2 * states);
    b->step_gates = take(&memory, s->e.batch * s->gh);
    if (s->lengths != NULL) {
        memset(b->dgates, 0, (size_t)(s->rows * s->gh) * sizeof(float));
        if (b->extra != NULL)
            memset(b->extra, 0, (size_t)(s->rows * h) * sizeof(float));
    }
    load_states(s, call, 1, b->dstate);
    load_states(s, call, 2, b->dmemory);
    sweep_time(b, (const float *)call->inputs[RNN_R]->data + s->direction * s->gh * h,
               wanted(call, RNN_INITIAL_H) != NULL, memory);
    store_states(s, call, RNN_INITIAL_H, b->dstate);
    store_states(s, call, RNN_INITIAL_C, b->dmemory);
    by_all_rows(b, call);
}

enum engine_status rnn_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct rnn_form *form = call->params;
    const struct tensor *lengths = call->n_inputs > RNN_LENGTHS ? call->inputs[RNN_LENGTHS] : NULL;
    struct rnn_extent e = rnn_form_extent(form, &call->inputs[RNN_X]->shape, &call->inputs[RNN_R]->shape);
    struct backward b = {.dy = NULL};

    (void)err;
    if (call->n_outputs > 0 && call->out_grads[0] != NULL)
        b.dy = call->out_grads[0]->data;
    if (e.batch == 0 || e.hidden == 0) {
        for (int i = 0; i < call->n_inputs; i++)
            if (call->in_grads[i] != NULL && !call->accumulate[i])
                memset(call->in_grads[i]->data, 0, tensor_bytes(call->in_grads[i]));
        return ENGINE_OK;
    }
    for (int d = 0; d < form->directions; d++) {
        rnn_sweep_init(&b.sweep, form, &e, d, call->tape, lengths != NULL ? lengths->data : NULL,
                       call->pool);
        run_direction(&b, call, call->scratch);
    }
    return ENGINE_OK;
}
