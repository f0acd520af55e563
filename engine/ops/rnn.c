/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM in either direction or both, time first or batch first, with sequence lengths.
 *
 * The input's products for all time steps are one product before the time loop; inside it there is
 * one product of the state for the whole batch and then one cell for each sequence.
 *
 * engine/optimise/pack_recurrent.c makes of those with constant weights:
 * inferd.PackRecurrent (w) [split] rearranges [directions, gates * hidden, depth] in the prologue, once
 * for each generation; with "split" the columns from there on are a matrix of their own, as a GRU wants
 * that resets its state before the second product;
 * inferd.PackedRNN, PackedGRU, PackedLSTM: the same operators on those. */
#include "engine/kernels/gemm.h"
#include "engine/kernels/packed.h"
#include "engine/ops/families.h"
#include "engine/ops/rnn_form.h"

#include <string.h>

enum { PARTS = 7, PARALLEL_CELLS = 4096 };

static enum engine_status rnn_init(const struct op_init *init, struct engine_error *err)
{
    return rnn_form_init(init, RNN_PLAIN, err);
}

static enum engine_status gru_init(const struct op_init *init, struct engine_error *err)
{
    return rnn_form_init(init, RNN_GRU, err);
}

static enum engine_status lstm_init(const struct op_init *init, struct engine_error *err)
{
    return rnn_form_init(init, RNN_LSTM, err);
}

/* One optional or required input against what the others say it must be. */
static enum engine_status expect(const struct op_infer *infer, int input, const char *name,
                                 enum dtype dtype, struct shape shape, struct engine_error *err)
{
    const struct tensor *tensor = &infer->inputs[input];
    char want[SHAPE_TEXT_MAX], got[SHAPE_TEXT_MAX];

    if (input >= infer->n_inputs || tensor->dtype == DTYPE_NONE)
        return ENGINE_OK;
    if (tensor->dtype == dtype && shape_equal(&tensor->shape, &shape))
        return ENGINE_OK;
    return op_fail(infer->node, err, "%s is %s %s, expected %s %s", name, dtype_name(tensor->dtype),
                   shape_text(&tensor->shape, got, sizeof(got)), dtype_name(dtype),
                   shape_text(&shape, want, sizeof(want)));
}

/* Where the second of two packed matrices begins: 0 for one matrix. */
static int64_t split_of(const struct rnn_form *params, int64_t hidden)
{
    return params->kind == RNN_GRU && !params->linear_before_reset ? 2 * hidden : 0;
}

/* Floats of one direction's packed matrix, or two; false when that does not fit. */
static bool packed_floats(int64_t depth, int64_t columns, int64_t split, int64_t *ret_floats)
{
    int64_t first = 0;

    return split >= 0 && split <= columns && (split == 0 || packed_size(depth, split, &first)) &&
           packed_size(depth, columns - split, ret_floats) &&
           !__builtin_add_overflow(*ret_floats, first, ret_floats);
}

static enum engine_status check_inputs(const struct op_infer *infer, const struct rnn_extent *e,
                                       struct engine_error *err)
{
    const struct rnn_form *params = infer->params;
    int64_t d = params->directions, gh = e->gates * e->hidden;
    struct shape state = params->batch_first ? (struct shape){3, {e->batch, d, e->hidden}}
                                             : (struct shape){3, {d, e->batch, e->hidden}};
    struct shape shapes[RNN_INPUTS] = {
        [RNN_W] = {3, {d, gh, e->input}}, [RNN_R] = {3, {d, gh, e->hidden}},
        [RNN_B] = {2, {d, 2 * gh}},       [RNN_LENGTHS] = {1, {e->batch}},
        [RNN_INITIAL_H] = state,          [RNN_INITIAL_C] = state,
        [RNN_PEEPHOLES] = {2, {d, 3 * e->hidden}}};
    static const char *const names[RNN_INPUTS] = {"X",         "W",         "R", "B", "sequence_lens",
                                              "initial_h", "initial_c", "P"};
    int64_t w_floats, r_floats;

    if (params->packed) {
        if (!packed_floats(e->input, gh, 0, &w_floats) ||
            !packed_floats(e->hidden, gh, split_of(params, e->hidden), &r_floats))
            return op_fail(infer->node, err, "weights are too large to pack");
        shapes[RNN_W] = (struct shape){2, {d, w_floats}};
        shapes[RNN_R] = (struct shape){2, {d, r_floats}};
    }
    for (int i = RNN_W; i < infer->n_inputs && i < RNN_INPUTS; i++) {
        enum engine_status status =
            expect(infer, i, names[i], i == RNN_LENGTHS ? DTYPE_I32 : DTYPE_F32, shapes[i], err);

        if (status != ENGINE_OK)
            return status;
    }
    return ENGINE_OK;
}

/* Scratch of run, in floats: input products, state products, gates, states, memories, reset states,
 * the biases that are added early. */
static int64_t scratch_floats(const struct rnn_extent *e, int64_t ret_at[PARTS])
{
    int64_t gh = e->gates * e->hidden, states = e->batch * e->hidden;
    int64_t sizes[PARTS] = {
        e->time * e->batch * gh, e->batch * gh, e->batch * gh, states, states, states, gh};
    int64_t at = 0;

    for (int i = 0; i < PARTS; i++) {
        ret_at[i] = at;
        at += (sizes[i] + 15) & ~INT64_C(15);
    }
    return at;
}

static enum engine_status rnn_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct rnn_form *params = infer->params;
    const struct shape *x = &infer->inputs[RNN_X].shape, *r = &infer->inputs[RNN_R].shape;
    int64_t d = params->directions, at[PARTS];
    struct shape all = {4, {0}}, last;
    enum engine_status status;
    struct rnn_extent e;

    if (infer->inputs[RNN_X].dtype != DTYPE_F32)
        return op_unsupported(infer->node, err, "type %s, only float is supported",
                              dtype_name(infer->inputs[RNN_X].dtype));
    if (x->rank != 3 || r->rank != 3 - params->packed)
        return op_fail(infer->node, err, "X has rank %d and R rank %d, expected 3", x->rank,
                       r->rank);
    e = rnn_form_extent(params, x, r);
    if (params->hidden != 0 && params->hidden != e.hidden)
        return op_fail(infer->node, err, "hidden_size %lld, but R has %lld",
                       (long long)params->hidden, (long long)e.hidden);
    status = check_inputs(infer, &e, err);
    if (status != ENGINE_OK)
        return status;
    all = params->batch_first ? (struct shape){4, {e.batch, e.time, d, e.hidden}}
                              : (struct shape){4, {e.time, d, e.batch, e.hidden}};
    last = params->batch_first ? (struct shape){3, {e.batch, d, e.hidden}}
                               : (struct shape){3, {d, e.batch, e.hidden}};
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = DTYPE_F32;
        infer->outputs[i].shape = i == 0 ? all : last;
    }
    /* Rows of gates and the output itself are bounds for the scratch: both are checked here. */
    if (!shape_check(&(struct shape){3, {e.time + 8, e.batch + 8, 8 * e.gates * (e.hidden + 16)}},
                     sizeof(float), NULL))
        return op_fail(infer->node, err, "the sequence is too large");
    infer->scratch_bytes = (size_t)scratch_floats(&e, at) * sizeof(float);
    infer->flops = op_flops(d * e.time * e.batch, e.gates * e.hidden, e.input + e.hidden);
    return ENGINE_OK;
}

/* One direction of one call. */
struct sweep {
    const struct rnn_form *params;
    struct pool *pool;
    struct cell cell;
    struct rnn_extent e;
    bool reverse;
    bool in_place;                 /* the state's products are added to the input's, where those are */
    const float *x, *w, *r, *bias; /* bias: [2 * gates * hidden] or NULL */
    const int32_t *lengths;        /* or NULL: all are e.time */
    float *input_part, *state_part, *gates, *state, *memory, *reset, *early;
    float *y;                /* of this direction, or NULL */
    int64_t y_time, y_batch; /* elements from one time step, one sequence, to the next */
    int64_t step;            /* that the cells are at */
};

/* input_part = X W^T + biases, all time steps at once. The recurrent bias is added early too, but
 * for the h gate of a GRU that is linear before its reset. */
static void input_products(const struct sweep *s)
{
    int64_t gh = s->e.gates * s->e.hidden, rows = s->e.time * s->e.batch;
    int64_t early =
        s->params->kind == RNN_GRU && s->params->linear_before_reset ? 2 * s->e.hidden : gh;
    struct gemm_form form = {.trans_b = true,
                             .m = rows,
                             .n = gh,
                             .k = s->e.input,
                             .lda = s->e.input,
                             .ldb = s->e.input,
                             .ldc = gh};
    struct packed_product product = {.rows = rows, .columns = gh, .depth = s->e.input, .a = s->x,
                                     .a_step = s->e.input, .weights = s->w, .c = s->input_part,
                                     .c_step = gh};

    for (int64_t i = 0; i < gh && s->bias != NULL; i++)
        s->early[i] = s->bias[i] + (i < early ? s->bias[gh + i] : 0);
    if (s->params->packed) {
        product.epilogue.bias = s->bias != NULL ? s->early : NULL;
        packed_run(&product, s->pool);
        return;
    }
    if (s->bias != NULL)
        for (int64_t row = 0; row < rows; row++)
            memcpy(s->input_part + row * gh, s->early, (size_t)gh * sizeof(float));
    gemm_f32(&form, 1.0f, s->x, s->w, s->bias != NULL ? 1.0f : 0.0f, s->input_part);
}

/* The same with packed weights; added to this step's input part if that is done in place. */
static void packed_state_products(const struct sweep *s, const float *states, int64_t from, int64_t columns)
{
    int64_t gh = s->e.gates * s->e.hidden, skipped = 0;
    int64_t time = s->reverse ? s->e.time - 1 - s->step : s->step;
    struct packed_product product = {.rows = s->e.batch, .columns = columns, .depth = s->e.hidden,
                                     .a = states, .a_step = s->e.hidden, .c = s->state_part + from,
                                     .c_step = gh};

    if (from > 0)
        packed_size(s->e.hidden, from, &skipped);
    product.weights = s->r + skipped;
    if (s->in_place) {
        product.c = s->input_part + (s->params->batch_first ? 1 : s->e.batch) * time * gh;
        product.c_step = s->params->batch_first ? s->e.time * gh : gh;
        product.epilogue.residual = product.c;
    }
    packed_run(&product, s->pool);
}

/* product[batch, columns] = states[batch, hidden] * R[from .. from + columns)^T. */
static void state_products(const struct sweep *s, const float *states, int64_t from,
                           int64_t columns)
{
    struct gemm_form form = {.trans_b = true,
                             .m = s->e.batch,
                             .n = columns,
                             .k = s->e.hidden,
                             .lda = s->e.hidden,
                             .ldb = s->e.hidden,
                             .ldc = s->e.gates * s->e.hidden};

    if (s->params->packed)
        packed_state_products(s, states, from, columns);
    else
        gemm_f32(&form, 1.0f, states, s->r + from * s->e.hidden, 0.0f, s->state_part + from);
}

/* The input row of sequence n at its own step, -1 when it has ended. */
static int64_t row_at(const struct sweep *s, int64_t step, int64_t n, int64_t *ret_time)
{
    int64_t length = s->lengths != NULL ? s->lengths[n] : s->e.time;

    if (step >= length)
        return -1;
    *ret_time = s->reverse ? length - 1 - step : step;
    return s->params->batch_first ? n * s->e.time + *ret_time : *ret_time * s->e.batch + n;
}

/* A GRU that is linear before its reset: the h gate's product and bias, times r. */
static void gru_h_gate(const struct sweep *s, float *product, const float *r)
{
    const float *bias = s->cell.state_bias;

    for (int64_t i = 0; i < s->e.hidden; i++)
        product[i] = r[i] * (product[i] + (bias != NULL ? bias[i] : 0));
}

/* One time step of a GRU whose h gate sees the state after the reset: a second product. */
static void step_gru_reset_first(const struct sweep *s)
{
    int64_t h = s->e.hidden, gh = s->e.gates * h, time;

    memcpy(s->reset, s->state, (size_t)(s->e.batch * h) * sizeof(float));
    state_products(s, s->state, 0, 2 * h);
    for (int64_t n = 0; n < s->e.batch; n++) {
        int64_t row = row_at(s, s->step, n, &time);

        if (row >= 0)
            cell_gru_gates(&s->cell, s->input_part + row * gh, s->state_part + n * gh,
                           s->gates + n * gh, s->reset + n * h);
    }
    state_products(s, s->reset, 2 * h, h);
}

static void step_one(const struct sweep *s, int64_t n)
{
    int64_t h = s->e.hidden, gh = s->e.gates * h, time = 0;
    int64_t row = row_at(s, s->step, n, &time);
    float *state = s->state + n * h, *memory = s->memory + n * h;
    float *x = s->input_part + row * gh;
    float *part = s->in_place ? NULL : s->state_part + n * gh;
    float *gates = s->in_place ? x : s->gates + n * gh;

    if (row < 0)
        return;
    switch (s->params->kind) {
    case RNN_PLAIN:
        cell_rnn(&s->cell, x, part, gates, state);
        break;
    case RNN_GRU:
        if (s->params->linear_before_reset) {
            cell_gru_gates(&s->cell, x, part, gates, s->reset + n * h);
            gru_h_gate(s, part + 2 * h, gates + h);
        }
        cell_gru_state(&s->cell, x, part + 2 * h, gates, state);
        break;
    case RNN_LSTM:
        cell_lstm(&s->cell, x, part, gates, state, memory);
        break;
    }
    if (s->y != NULL)
        memcpy(s->y + time * s->y_time + n * s->y_batch, state, (size_t)h * sizeof(float));
}

/* The cells of a step, the sequences shared out as evenly as can be. */
static void cells_task(void *arg, int task, int thread)
{
    const struct sweep *s = arg;
    int tasks = pool_threads(s->pool);

    (void)thread;
    for (int64_t n = s->e.batch * task / tasks; n < s->e.batch * (task + 1) / tasks; n++)
        step_one(s, n);
}

static void sweep_time(struct sweep *s)
{
    bool reset_first = s->params->kind == RNN_GRU && !s->params->linear_before_reset;
    bool shared = s->e.batch * s->e.gates * s->e.hidden >= PARALLEL_CELLS;

    s->in_place = s->params->packed && s->lengths == NULL && s->params->kind != RNN_GRU;
    input_products(s);
    for (s->step = 0; s->step < s->e.time; s->step++) {
        if (reset_first)
            step_gru_reset_first(s);
        else
            state_products(s, s->state, 0, s->e.gates * s->e.hidden);
        if (shared)
            pool_run(s->pool, pool_threads(s->pool), cells_task, s);
        for (int64_t n = 0; n < s->e.batch && !shared; n++)
            step_one(s, n);
    }
}

/* Copies [batch, hidden] between a state tensor (either layout) and the sweep's own. */
static void copy_state(const struct sweep *s, int direction, const float *from, float *to,
                       bool load)
{
    int64_t h = s->e.hidden, d = s->params->directions;

    for (int64_t n = 0; n < s->e.batch; n++) {
        int64_t at = (s->params->batch_first ? n * d + direction : direction * s->e.batch + n) * h;

        memcpy(to + (load ? n * h : at), from + (load ? at : n * h), (size_t)h * sizeof(float));
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

static void run_direction(const struct op_call *call, struct sweep *s, int d)
{
    int64_t h = s->e.hidden, gh = s->e.gates * h, states = s->e.batch * h;
    int64_t w_floats = shape_elements(&call->inputs[RNN_W]->shape) / s->params->directions;
    int64_t r_floats = shape_elements(&call->inputs[RNN_R]->shape) / s->params->directions;
    const float *initial_h = input_data(call, RNN_INITIAL_H), *initial_c = input_data(call, RNN_INITIAL_C);
    const float *bias = input_data(call, RNN_B), *peepholes = input_data(call, RNN_PEEPHOLES);
    float *y = output_data(call, 0), *y_h = output_data(call, 1), *y_c = output_data(call, 2);

    s->cell = s->params->cells[d];
    s->cell.hidden = h;
    s->reverse = s->params->reverse[d];
    s->w = (const float *)call->inputs[RNN_W]->data + d * w_floats;
    s->r = (const float *)call->inputs[RNN_R]->data + d * r_floats;
    s->bias = bias != NULL ? bias + d * 2 * gh : NULL;
    s->cell.peepholes = peepholes != NULL ? peepholes + d * 3 * h : NULL;
    s->cell.state_bias =
        s->bias != NULL && s->params->linear_before_reset ? s->bias + gh + 2 * h : NULL;
    s->y_time = s->params->batch_first ? s->params->directions * h : s->params->directions * states;
    s->y_batch = s->params->batch_first ? s->e.time * s->params->directions * h : h;
    s->y = y != NULL ? y + d * (s->params->batch_first ? h : states) : NULL;
    memset(s->state, 0, (size_t)states * sizeof(float));
    memset(s->memory, 0, (size_t)states * sizeof(float));
    if (initial_h != NULL)
        copy_state(s, d, initial_h, s->state, true);
    if (initial_c != NULL)
        copy_state(s, d, initial_c, s->memory, true);
    sweep_time(s);
    if (y_h != NULL)
        copy_state(s, d, s->state, y_h, false);
    if (y_c != NULL)
        copy_state(s, d, s->memory, y_c, false);
}

static enum engine_status rnn_run(const struct op_call *call, struct engine_error *err)
{
    const struct rnn_form *params = call->params;
    struct sweep s = {.params = params, .pool = call->pool};
    float *scratch = call->scratch;
    enum engine_status status;
    int64_t at[PARTS];

    s.e = rnn_form_extent(params, &call->inputs[RNN_X]->shape, &call->inputs[RNN_R]->shape);
    s.x = call->inputs[RNN_X]->data;
    s.lengths = call->n_inputs > RNN_LENGTHS && call->inputs[RNN_LENGTHS] != NULL
                    ? call->inputs[RNN_LENGTHS]->data
                    : NULL;
    status = rnn_form_lengths(call->node, &s.e, s.lengths, err);
    if (status != ENGINE_OK)
        return status;
    if (s.e.batch == 0 || s.e.hidden == 0)
        return ENGINE_OK;   /* no output has an element */
    scratch_floats(&s.e, at);
    s.input_part = scratch + at[0];
    s.state_part = scratch + at[1];
    s.gates = scratch + at[2];
    s.state = scratch + at[3];
    s.memory = scratch + at[4];
    s.reset = scratch + at[5];
    s.early = scratch + at[6];
    if (s.lengths != NULL &&
        output_data(call, 0) != NULL) /* what lies behind a sequence's end is 0 */
        memset(call->outputs[0]->data, 0, tensor_bytes(call->outputs[0]));
    for (int d = 0; d < params->directions; d++)
        run_direction(call, &s, d);
    return ENGINE_OK;
}

static enum engine_status pack_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *w = &infer->inputs[0].shape;
    struct tensor *out = &infer->outputs[0];
    char text[SHAPE_TEXT_MAX];

    out->dtype = DTYPE_F32;
    out->shape = (struct shape){2, {w->dims[0], 0}};
    if (w->rank != 3 || !packed_floats(w->dims[2], w->dims[1], node_int(infer->node, "split", 0),
                                       &out->shape.dims[1]))
        return op_fail(infer->node, err, "weights of shape %s", shape_text(w, text, sizeof(text)));
    return ENGINE_OK;
}

static enum engine_status pack_run(const struct op_call *call, struct engine_error *err)
{
    const struct shape *shape = &call->inputs[0]->shape;
    int64_t columns = shape->dims[1], depth = shape->dims[2], each = call->outputs[0]->shape.dims[1];
    int64_t split = node_int(call->node, "split", 0), skipped = 0;

    (void)err;
    if (split > 0)
        packed_size(depth, split, &skipped);
    for (int64_t d = 0; d < shape->dims[0]; d++) {
        const float *w = (const float *)call->inputs[0]->data + d * columns * depth;
        float *packed = (float *)call->outputs[0]->data + d * each;

        if (split > 0)
            packed_fill(depth, split, w, 1, depth, 1, packed);
        packed_fill(depth, columns - split, w + split * depth, 1, depth, 1, packed + skipped);
    }
    return ENGINE_OK;
}

#define RECURRENT(DOMAIN, NAME, INIT, IN_MAX, OUT_MAX)                                             \
    {                                                                                              \
        .domain = DOMAIN, .name = NAME, .since = 14, .inputs_min = 3, .inputs_max = IN_MAX,        \
        .outputs_min = 0, .outputs_max = OUT_MAX, .flags = OP_PARALLEL,                            \
        .dtypes = DTYPE_BIT(DTYPE_F32), .params_size = sizeof(struct rnn_form), .init = INIT,    \
        .infer = rnn_infer, .run = rnn_run                                                         \
    }

const struct op_def ops_rnn[] = {
    RECURRENT("", "RNN", rnn_init, 6, 2),
    RECURRENT("", "GRU", gru_init, 6, 2),
    RECURRENT("", "LSTM", lstm_init, 8, 3),
    RECURRENT("inferd", "PackedRNN", rnn_init, 6, 2),
    RECURRENT("inferd", "PackedGRU", gru_init, 6, 2),
    RECURRENT("inferd", "PackedLSTM", lstm_init, 8, 3),
    {.domain = "inferd", .name = "PackRecurrent", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPE_BIT(DTYPE_F32), .infer = pack_infer,
     .run = pack_run},
    {.name = NULL},
};
