/* SPDX-License-Identifier: Apache-2.0
 * ArgMax and ArgMin: where along an axis the extreme element stands. NaN counts as extreme. */
#include "engine/kernels/convert.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <string.h>

enum { BLOCK = CONVERT_CHUNK };

struct extreme_params {
    int64_t axis;
    bool least, last, keep;
};

/* Whether `b` takes the place of `a`, which came before it. */
#define TAKES(params, a, b) \
    ((params)->least  ? ((params)->last ? (b) <= (a) : (b) < (a)) \
     : (params)->last ? (b) >= (a) \
                      : (b) > (a)) || \
        ((b) != (b) && ((params)->last || (a) == (a)))

/* n neighbouring lines take their element at `place`. */
#define TAKE_ROW(name, type) \
    static void name(const struct extreme_params *params, int64_t n, const void *elements, \
                     int64_t place, void *extremes, int64_t *places) \
    { \
        const type *x = elements; \
        type *best = extremes; \
        for (int64_t i = 0; i < n; i++) \
            if (place == 0 || (TAKES(params, best[i], x[i]))) { \
                best[i] = x[i]; \
                places[i] = place; \
            } \
    }

/* One line takes n elements that follow each other, from `place` on. */
#define TAKE_LINE(name, type) \
    static void name(const struct extreme_params *params, int64_t n, const void *elements, \
                     int64_t place, void *extremes, int64_t *places) \
    { \
        const type *x = elements; \
        type best = place == 0 ? x[0] : *(type *)extremes; \
        int64_t at = place == 0 ? 0 : *places; \
        for (int64_t i = place == 0 ? 1 : 0; i < n; i++) \
            if (TAKES(params, best, x[i])) { \
                best = x[i]; \
                at = place + i; \
            } \
        *(type *)extremes = best; \
        *places = at; \
    }

TAKE_ROW(row_f32, float)
TAKE_ROW(row_f64, double)
TAKE_ROW(row_i64, int64_t)
TAKE_ROW(row_u64, uint64_t)
TAKE_LINE(line_f32, float)
TAKE_LINE(line_f64, double)
TAKE_LINE(line_i64, int64_t)
TAKE_LINE(line_u64, uint64_t)

/* The common case, the first of the largest of a line of floats: find it, then where it stands. */
static int64_t first_largest(int64_t n, const float *x)
{
    float most = vec_max_f32((size_t)n, x);
    int64_t i = 0;

    while (most != most ? x[i] == x[i] : x[i] != most)
        i++;
    return i;
}

typedef void take_fn(const struct extreme_params *params, int64_t n, const void *elements,
                     int64_t place, void *extremes, int64_t *places);

static take_fn *pick(enum dtype compute, bool line)
{
    switch (compute) {
    case DTYPE_F32:
        return line ? line_f32 : row_f32;
    case DTYPE_F64:
        return line ? line_f64 : row_f64;
    case DTYPE_U64:
        return line ? line_u64 : row_u64;
    default:
        return line ? line_i64 : row_i64;
    }
}

/* n elements at `at` in the type they are computed in. */
static const void *elements(enum dtype dtype, enum dtype compute, int64_t n, const char *at,
                            void *buffer)
{
    if (dtype == compute)
        return at;
    load_as(compute, dtype, n, at, buffer);
    return buffer;
}

static enum engine_status extreme_run(const struct op_call *call, struct engine_error *err)
{
    const struct extreme_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    enum dtype compute = compute_dtype(x->dtype);
    size_t size = dtype_size(x->dtype);
    _Alignas(64) int64_t buffer[BLOCK], extremes[BLOCK];
    int64_t *places = call->outputs[0]->data;
    const char *data = x->data;
    int64_t outer, n, inner;
    int axis = 0;
    take_fn *take;

    (void)err;
    shape_axis(params->axis, x->shape.rank, &axis);
    outer = shape_elements(&x->shape) == 0 ? 0 : shape_product(&x->shape, 0, axis);
    n = x->shape.rank == 0 ? 1 : x->shape.dims[axis];
    inner = shape_product(&x->shape, axis + 1, x->shape.rank);
    take = pick(compute, inner == 1);
    for (int64_t o = 0; o < outer; o++, data += (size_t)(n * inner) * size, places += inner) {
        if (inner == 1 && x->dtype == DTYPE_F32 && !params->least && !params->last) {
            *places = first_largest(n, (const float *)data);
            continue;
        }
        for (int64_t i = 0; inner == 1 && i < n; i += BLOCK) {
            int64_t count = n - i < BLOCK ? n - i : BLOCK;

            take(params, count, elements(x->dtype, compute, count, data + (size_t)i * size, buffer),
                 i, extremes, places);
        }
        for (int64_t k = 0; inner != 1 && k < inner; k += BLOCK) {
            int64_t count = inner - k < BLOCK ? inner - k : BLOCK;

            for (int64_t i = 0; i < n; i++)
                take(params, count,
                     elements(x->dtype, compute, count, data + (size_t)(i * inner + k) * size,
                              buffer),
                     i, extremes, places + k);
        }
    }
    return ENGINE_OK;
}

static enum engine_status extreme_init(const struct op_init *init, struct engine_error *err)
{
    struct extreme_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", 0);
    params->least = strcmp(init->node->op_type, "ArgMin") == 0;
    params->last = node_int(init->node, "select_last_index", 0) != 0;
    params->keep = node_int(init->node, "keepdims", 1) != 0;
    return ENGINE_OK;
}

static enum engine_status extreme_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct extreme_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape;
    struct shape y = {0};
    int axis = 0;

    if (x->rank > 0) {
        enum engine_status status = operand_axis(infer, params->axis, x->rank, &axis, err);

        if (status != ENGINE_OK)
            return status;
        if (x->dims[axis] == 0)
            return op_fail(infer->node, err, "axis %d has no elements", axis);
    }
    for (int d = 0; d < x->rank; d++)
        if (d != axis || params->keep)
            y.dims[y.rank++] = d == axis ? 1 : x->dims[d];
    infer_output(infer, 0, DTYPE_I64, &y);
    return ENGINE_OK;
}

#define EXTREME(op_name) \
    {.name = op_name, .domain = "", .since = 12, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPES_NUMBER, \
     .params_size = sizeof(struct extreme_params), .init = extreme_init, .infer = extreme_infer, \
     .run = extreme_run}

const struct op_def ops_arg_extreme[] = {
    EXTREME("ArgMax"),
    EXTREME("ArgMin"),
    {0},
};
