/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the Reduce operators: the output's gradient spread over the dimensions that were
 * reduced, times something of each element. Equal extremes share their gradient, as in PyTorch's amax. */
#include "engine/grad/families.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/operands.h"

#include <math.h>

/* d is the output's gradient, a the input, b the output. */
#define LIST(isa) \
    SPREAD_TERM(isa, sign, float, a > 0.0f ? d : a < 0.0f ? -d : 0.0f * a) \
    SPREAD_TERM(isa, twice, float, 2.0f * d * a) \
    SPREAD_TERM(isa, over, float, d / a) \
    SPREAD_TERM_3(isa, norm, float, b == 0.0f ? 0.0f : d * (a / b)) \
    SPREAD_TERM_3(isa, share, float, a == b ? d : 0.0f) \
    SPREAD_TERM_3(isa, count, float, ((void)d, a == b ? 1.0f : 0.0f)) \
    FLAT_TERM(isa, divide, d / a)
TERMS(LIST)

/* d e^(a - b). */
TERM_HEAD(plain, exponential)
{
    enum { CHUNK = 256 };
    _Alignas(64) float powers[CHUNK];
    const float *d = inputs[0], *a = inputs[1], *b = inputs[2];
    float *out = output;

    (void)arg;
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t count = n - from < CHUNK ? n - from : CHUNK;

        for (int64_t i = 0; i < count; i++)
            powers[i] = a[(from + i) * steps[1]] - b[(from + i) * steps[2]];
        vec_exp_f32((size_t)count, powers, powers);
        for (int64_t i = 0; i < count; i++)
            out[from + i] = d[(from + i) * steps[0]] * powers[i];
    }
}

static const struct term sign_term = TERM(sign);
static const struct term twice_term = TERM(twice);
static const struct term over_term = TERM(over);
static const struct term norm_term = TERM(norm);
static const struct term share_term = TERM(share);
static const struct term count_term = TERM(count);
static const struct term divide_term = TERM(divide);
static const struct term exponential_term = {.plain = exponential_plain, .heavy = true};

/* A node's output and its gradient with the reduced dimensions as ones. */
struct reduced {
    const struct tensor *x;
    struct tensor y, dy;
    int64_t lines;                 /* outputs */
    int64_t n;                     /* elements of each */
};

static struct reduced reduced_of(const struct grad_call *call)
{
    const struct tensor *axes = call->n_inputs > 1 ? call->inputs[1] : NULL;
    int64_t count = axes != NULL ? shape_elements(&axes->shape) : 0;
    bool all = count == 0 && node_int(call->node, "noop_with_empty_axes", 0) == 0;
    struct reduced r = {.x = call->inputs[0], .y = *call->outputs[0], .dy = *call->out_grads[0]};
    struct shape kept = r.x->shape;

    for (int d = 0; d < kept.rank && all; d++)
        kept.dims[d] = 1;
    for (int64_t i = 0; i < count; i++) {
        int axis = 0;

        shape_axis(tensor_int_at(axes, i), kept.rank, &axis);
        kept.dims[axis] = 1;
    }
    r.y.shape = r.dy.shape = kept;
    r.lines = shape_elements(&kept);
    r.n = r.lines > 0 ? shape_elements(&r.x->shape) / r.lines : 0;
    return r;
}

/* Writes the input's gradient from terms of the output's (or of what stands for it) and up to two more. */
static void spread(const struct grad_call *call, const struct term *term, const struct tensor *d,
                   const struct tensor *a, const struct tensor *b)
{
    const struct tensor *sources[] = {d, a, b};

    term_run(call->pool, term, &call->inputs[0]->shape, a == NULL ? 1 : b == NULL ? 2 : 3, sources,
             call->in_grads[0], call->accumulate[0], NULL);
}

#define BACKWARD(op, body) \
    static enum engine_status op##_backward(const struct grad_call *call, struct engine_error *err) \
    { \
        struct reduced r = reduced_of(call); \
        (void)err; \
        body; \
        return ENGINE_OK; \
    }

BACKWARD(sum, spread(call, &term_copy, &r.dy, NULL, NULL))
BACKWARD(l1, spread(call, &sign_term, &r.dy, r.x, NULL))
BACKWARD(l2, spread(call, &norm_term, &r.dy, r.x, &r.y))
BACKWARD(sum_square, spread(call, &twice_term, &r.dy, r.x, NULL))
BACKWARD(log_sum_exp, spread(call, &exponential_term, &r.dy, r.x, &r.y))

static enum engine_status mean_backward(const struct grad_call *call, struct engine_error *err)
{
    struct reduced r = reduced_of(call);
    float n = (float)r.n;
    const struct tensor count = {.dtype = DTYPE_F32, .data = &n};

    (void)err;
    spread(call, &over_term, &r.dy, &count, NULL);
    return ENGINE_OK;
}

/* The sum is e^Y. */
static enum engine_status log_sum_backward(const struct grad_call *call, struct engine_error *err)
{
    struct reduced r = reduced_of(call);
    const float *y = r.y.data, *dy = r.dy.data;
    struct tensor quotient = {.dtype = DTYPE_F32, .shape = r.dy.shape, .data = call->scratch};
    float *quotients = call->scratch;

    (void)err;
    for (int64_t i = 0; i < r.lines; i++)
        quotients[i] = dy[i] * expf(-y[i]);
    spread(call, &term_copy, &quotient, NULL, NULL);
    return ENGINE_OK;
}

/* ReduceMax and ReduceMin: how many elements equal the extreme, then each one's share. */
static enum engine_status extreme_backward(const struct grad_call *call, struct engine_error *err)
{
    struct reduced r = reduced_of(call);
    const struct tensor *equals[] = {&r.dy, r.x, &r.y};
    struct tensor share = {.dtype = DTYPE_F32, .shape = r.dy.shape, .data = call->scratch};
    const struct tensor *quotient[] = {&r.dy, &share};

    (void)err;
    term_run(call->pool, &count_term, &r.x->shape, 3, equals, &share, false, NULL);
    term_run(call->pool, &divide_term, &share.shape, 2, quotient, &share, false, NULL);
    spread(call, &share_term, &share, r.x, &r.y);
    return ENGINE_OK;
}

static enum engine_status line_scratch(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    prepare->backward_scratch = tensor_bytes(&prepare->outputs[0]);
    return ENGINE_OK;
}

/* What is left of a line's product without its zeros, and how many those are. */
struct line {
    double product;
    int64_t zeros;
};

static enum engine_status prod_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    prepare->backward_scratch =
        sizeof(struct line) * (size_t)shape_elements(&prepare->outputs[0].shape);
    return ENGINE_OK;
}

/* Each element's line, in the order of the elements: stepped like a tensor that repeats. */
struct line_walk {
    const struct shape *shape;
    int64_t strides[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX], line;
};

static struct line_walk walk_start(const struct reduced *r)
{
    struct line_walk walk = {.shape = &r->x->shape};

    shape_strides(&r->y.shape, walk.strides);
    for (int d = 0; d < walk.shape->rank; d++)
        if (r->y.shape.dims[d] == 1)
            walk.strides[d] = 0;
    return walk;
}

static void walk_next(struct line_walk *walk)
{
    for (int d = walk->shape->rank - 1; d >= 0; d--) {
        walk->line += walk->strides[d];
        if (++walk->at[d] < walk->shape->dims[d])
            return;
        walk->line -= walk->at[d] * walk->strides[d];
        walk->at[d] = 0;
    }
}

/* The product of the others: no division by an element that is zero. */
static enum engine_status prod_backward(const struct grad_call *call, struct engine_error *err)
{
    struct reduced r = reduced_of(call);
    const float *x = r.x->data, *dy = r.dy.data;
    float *to = call->in_grads[0]->data;
    struct line *lines = call->scratch;
    struct line_walk walk = walk_start(&r);
    int64_t elements = shape_elements(&r.x->shape);

    (void)err;
    for (int64_t i = 0; i < r.lines; i++)
        lines[i] = (struct line){.product = 1};
    for (int64_t i = 0; i < elements; i++, walk_next(&walk)) {
        if (x[i] == 0.0f)
            lines[walk.line].zeros++;
        else
            lines[walk.line].product *= (double)x[i];
    }
    walk = walk_start(&r);
    for (int64_t i = 0; i < elements; i++, walk_next(&walk)) {
        const struct line *line = &lines[walk.line];
        double others = x[i] != 0.0f ? line->product / (double)x[i] : line->product;
        float gradient = line->zeros > (x[i] == 0.0f) ? 0.0f : (float)((double)dy[walk.line] * others);

        to[i] = call->accumulate[0] ? to[i] + gradient : gradient;
    }
    return ENGINE_OK;
}

#define REDUCE(op_name, inputs_kept, outputs_kept, op, prepare_fn) \
    {.domain = "", .name = op_name, .inputs = 1, .save_inputs = inputs_kept, \
     .save_outputs = outputs_kept, .prepare = prepare_fn, .backward = op##_backward}

const struct grad_def grads_reduce[] = {
    REDUCE("ReduceL1", 1, 0, l1, NULL),
    REDUCE("ReduceL2", 1, 1, l2, NULL),
    REDUCE("ReduceLogSum", 0, 1, log_sum, line_scratch),
    REDUCE("ReduceLogSumExp", 1, 1, log_sum_exp, NULL),
    REDUCE("ReduceMax", 1, 1, extreme, line_scratch),
    REDUCE("ReduceMean", 0, 0, mean, NULL),
    REDUCE("ReduceMin", 1, 1, extreme, line_scratch),
    REDUCE("ReduceProd", 1, 0, prod, prod_prepare),
    REDUCE("ReduceSum", 0, 0, sum, NULL),
    REDUCE("ReduceSumSquare", 1, 0, sum_square, NULL),
    {0},
};
