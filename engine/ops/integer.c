/* SPDX-License-Identifier: Apache-2.0
 * MatMulInteger, ConvInteger, QLinearMatMul and QLinearConv: 8-bit operands, zero points by tensor,
 * by row of the left or by column (output channel) of the right operand. */
#include "engine/kernels/integer.h"
#include "engine/op.h"
#include "engine/ops/families.h"
#include "engine/ops/stacks.h"
#include "engine/ops/window_form.h"

#include <string.h>

#define DTYPES_8BIT (DTYPE_BIT(DTYPE_U8) | DTYPE_BIT(DTYPE_I8))

/* Where an operator of either kind keeps its operands; -1: it has none. */
struct places {
    int a, b, a_zero, b_zero, a_scale, b_scale, y_scale, y_zero, bias;
};

static const struct places integer_places = {0, 1, 2, 3, -1, -1, -1, -1, -1};
static const struct places qlinear_places = {0, 3, 2, 5, 1, 4, 6, 7, 8};

static const struct tensor *input_at(const struct op_call *call, int place)
{
    return place >= 0 && place < call->n_inputs ? call->inputs[place] : NULL;
}

/* Element i of a zero point or scale that may have one for all. */
static int zero_at(const struct tensor *zero, int64_t i)
{
    if (zero == NULL)
        return 0;
    return (int)tensor_int_at(zero, shape_elements(&zero->shape) == 1 ? 0 : i);
}

static float scale_at(const struct tensor *scale, int64_t i)
{
    return (float)tensor_double_at(scale, shape_elements(&scale->shape) == 1 ? 0 : i);
}

static bool is_8bit(enum dtype dtype)
{
    return dtype == DTYPE_U8 || dtype == DTYPE_I8;
}

/* Types and sizes of zero points and scales; `rows` and `columns` are what one for each would be.
 */
static enum engine_status check_quantisation(const struct op_infer *infer, const struct places *p,
                                             int64_t rows, int64_t columns,
                                             struct engine_error *err)
{
    const struct {
        int place;
        const char *name;
        bool is_scale;
        int like;
        int64_t count;
    } rules[] = {
        {p->a_zero, "the left zero point", false, p->a, rows},
        {p->b_zero, "the right zero point", false, p->b, columns},
        {p->a_scale, "the left scale", true, -1, rows},
        {p->b_scale, "the right scale", true, -1, columns},
        {p->y_scale, "the output's scale", true, -1, 1},
        {p->y_zero, "the output's zero point", false, -1, 1},
    };

    if (!is_8bit(infer->inputs[p->a].dtype) || !is_8bit(infer->inputs[p->b].dtype))
        return op_unsupported(infer->node, err, "operands are %s and %s, expected uint8 or int8",
                              dtype_name(infer->inputs[p->a].dtype),
                              dtype_name(infer->inputs[p->b].dtype));
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct tensor *tensor = rules[i].place >= 0 ? &infer->inputs[rules[i].place] : NULL;
        int64_t count;

        if (tensor == NULL || rules[i].place >= infer->n_inputs || tensor->dtype == DTYPE_NONE)
            continue;
        count = shape_elements(&tensor->shape);
        if (count != 1 && count != rules[i].count)
            return op_fail(infer->node, err, "%s has %lld elements, expected 1 or %lld",
                           rules[i].name, (long long)count, (long long)rules[i].count);
        if (rules[i].is_scale
                ? !dtype_is_float(tensor->dtype)
                : !is_8bit(tensor->dtype) ||
                      (rules[i].like >= 0 && tensor->dtype != infer->inputs[rules[i].like].dtype))
            return op_fail(infer->node, err, "%s is %s", rules[i].name, dtype_name(tensor->dtype));
    }
    return ENGINE_OK;
}

static const struct places *places_of(const struct node *node)
{
    return strncmp(node->op_type, "QLinear", 7) == 0 ? &qlinear_places : &integer_places;
}

/* Scratch: both operands widened, and 32-bit sums. */
static bool plan_scratch(struct op_infer *infer, int64_t a, int64_t b, int64_t sums)
{
    struct shape shape = {1, {0}};
    size_t bytes;

    if (__builtin_add_overflow(a, b, &shape.dims[0]) ||
        __builtin_add_overflow(shape.dims[0], 2 * sums, &shape.dims[0]) ||
        __builtin_add_overflow(shape.dims[0], 8, &shape.dims[0]) ||
        !shape_check(&shape, sizeof(int16_t), &bytes))
        return false;
    infer->scratch_bytes = bytes;
    return true;
}

static enum engine_status matmul_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct places *p = places_of(infer->node);
    const struct shape *a = &infer->inputs[p->a].shape, *b = &infer->inputs[p->b].shape;
    struct stacks stacks;
    char text_a[SHAPE_TEXT_MAX], text_b[SHAPE_TEXT_MAX];
    enum engine_status status;

    if (!stacks_of(a, b, &stacks) || !stacks_shape(&stacks, a, b, &infer->outputs[0].shape))
        return op_fail(infer->node, err, "shapes %s and %s do not multiply",
                       shape_text(a, text_a, sizeof(text_a)),
                       shape_text(b, text_b, sizeof(text_b)));
    status = check_quantisation(infer, p, stacks.m, stacks.n, err);
    if (status != ENGINE_OK)
        return status;
    infer->outputs[0].dtype = p == &qlinear_places ? infer->inputs[p->y_zero].dtype : DTYPE_I32;
    if (!plan_scratch(infer, stacks.m * stacks.k, stacks.k * stacks.n, stacks.m * stacks.n))
        return op_fail(infer->node, err, "the product is too large");
    return ENGINE_OK;
}

/* Widens a [rows, columns] operand whose zero point is one for all, one a row or one a column. */
static void widen_matrix(const struct tensor *tensor, int64_t offset, int64_t rows, int64_t columns,
                         const struct tensor *zero, bool by_column, int16_t *to)
{
    const char *from = (const char *)tensor->data + offset;

    if (zero != NULL && by_column && shape_elements(&zero->shape) > 1) {
        for (int64_t i = 0; i < rows * columns; i++)
            widen_8bit(tensor->dtype, from + i, 1, zero_at(zero, i % columns), to + i);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        widen_8bit(tensor->dtype, from + i * columns, columns, zero_at(zero, i), to + i * columns);
}

static enum engine_status matmul_run(const struct op_call *call, struct engine_error *err)
{
    const struct places *p = places_of(call->node);
    const struct tensor *a = call->inputs[p->a], *b = call->inputs[p->b];
    const struct tensor *a_scale = input_at(call, p->a_scale),
                        *b_scale = input_at(call, p->b_scale);
    const struct tensor *y_scale = input_at(call, p->y_scale);
    struct tensor *y = call->outputs[0];
    struct stack_walk walk;
    struct stacks s;
    int16_t *wide_a, *wide_b;
    int32_t *sums = call->scratch;

    if (!stacks_of(&a->shape, &b->shape, &s))
        return op_fail(call->node, err, "shapes do not multiply");
    wide_a = (int16_t *)(sums + s.m * s.n);
    wide_b = wide_a + s.m * s.k;
    stack_walk_start(&walk, &s);
    for (int64_t i = 0, count = shape_elements(&s.batch); i < count; i++, stack_walk_next(&walk)) {
        int32_t *c = y_scale != NULL ? sums : (int32_t *)y->data + i * s.m * s.n;

        widen_matrix(a, walk.a, s.m, s.k, input_at(call, p->a_zero), false, wide_a);
        widen_matrix(b, walk.b, s.k, s.n, input_at(call, p->b_zero), true, wide_b);
        integer_gemm(s.m, s.n, s.k, wide_a, wide_b, c);
        for (int64_t at = 0; y_scale != NULL && at < s.m * s.n; at++)
            requantise(y->dtype, 1, c + at,
                       scale_at(a_scale, at / s.n) * scale_at(b_scale, at % s.n) /
                           scale_at(y_scale, 0),
                       zero_at(input_at(call, p->y_zero), 0), (char *)y->data + i * s.m * s.n + at);
    }
    return ENGINE_OK;
}

struct conv_params {
    struct window_form form;
    int64_t groups;
};

static enum engine_status conv_init(const struct op_init *init, struct engine_error *err)
{
    struct conv_params *params = init->params;

    params->groups = node_int(init->node, "group", 1);
    if (params->groups < 1)
        return op_fail(init->node, err, "group is %lld", (long long)params->groups);
    return window_form_read(init->node, &params->form, err);
}

static enum engine_status conv_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct conv_params *params = infer->params;
    const struct places *p = places_of(infer->node);
    const struct shape *x = &infer->inputs[p->a].shape, *w = &infer->inputs[p->b].shape;
    struct shape *y = &infer->outputs[0].shape;
    struct window window;
    const char *why;
    enum engine_status status;

    if (x->rank < 3 || w->rank != x->rank || w->dims[0] % params->groups != 0 ||
        x->dims[1] != w->dims[1] * params->groups)
        return op_fail(infer->node, err, "channels of input, weights and group do not fit");
    status = check_quantisation(infer, p, 1, w->dims[0], err);
    if (status != ENGINE_OK)
        return status;
    if (p->bias >= 0 && p->bias < infer->n_inputs && infer->inputs[p->bias].dtype != DTYPE_NONE &&
        (infer->inputs[p->bias].dtype != DTYPE_I32 ||
         shape_elements(&infer->inputs[p->bias].shape) != w->dims[0]))
        return op_fail(infer->node, err,
                       "the bias is not int32 with one element for each output channel");
    why = window_fit(&params->form, x->rank - 2, x->dims + 2, w->dims + 2, &window);
    if (why != NULL)
        return op_fail(infer->node, err, "%s", why);
    infer->outputs[0].dtype = p == &qlinear_places ? infer->inputs[p->y_zero].dtype : DTYPE_I32;
    y->rank = x->rank;
    y->dims[0] = x->dims[0];
    y->dims[1] = w->dims[0];
    for (int d = 2; d < x->rank; d++)
        y->dims[d] = window.out[WINDOW_DIMS - (x->rank - 2) + d - 2];
    if (!shape_check(y, sizeof(int32_t), NULL) ||
        !plan_scratch(infer, shape_product(x, 1, x->rank), shape_elements(w),
                      shape_product(y, 1, y->rank)))
        return op_fail(infer->node, err, "the output is too large");
    return ENGINE_OK;
}

/* One image's sums, with bias, to the output's 8 bits. */
static void conv_finish(const struct op_call *call, const struct places *p, int64_t channels,
                        int64_t places, int32_t *sums, char *to)
{
    const struct tensor *bias = input_at(call, p->bias);

    for (int64_t m = 0; m < channels; m++) {
        int32_t *plane = sums + m * places;
        float factor = scale_at(input_at(call, p->a_scale), 0) *
                       scale_at(input_at(call, p->b_scale), m) /
                       scale_at(input_at(call, p->y_scale), 0);

        for (int64_t i = 0; bias != NULL && i < places; i++)
            plane[i] = (int32_t)((uint32_t)plane[i] + (uint32_t)((const int32_t *)bias->data)[m]);
        requantise(call->outputs[0]->dtype, places, plane, factor,
                   zero_at(input_at(call, p->y_zero), 0), to + m * places);
    }
}

static enum engine_status conv_run(const struct op_call *call, struct engine_error *err)
{
    const struct conv_params *params = call->params;
    const struct places *p = places_of(call->node);
    const struct tensor *x = call->inputs[p->a], *w = call->inputs[p->b];
    const struct shape *xs = &x->shape, *ws = &w->shape;
    int64_t image = shape_product(xs, 1, xs->rank), filter = shape_product(ws, 1, ws->rank), places,
            outputs;
    struct window window;
    int32_t *sums = call->scratch;
    int16_t *wide_x, *wide_w;

    if (window_fit(&params->form, xs->rank - 2, xs->dims + 2, ws->dims + 2, &window) != NULL)
        return op_fail(call->node, err, "the window does not fit");
    places = window_out_size(&window);
    outputs = ws->dims[0] / params->groups;
    wide_x = (int16_t *)(sums + ws->dims[0] * places);
    wide_w = wide_x + image;
    for (int64_t m = 0; m < ws->dims[0]; m++)
        widen_8bit(w->dtype, (const char *)w->data + m * filter, filter,
                   zero_at(input_at(call, p->b_zero), m), wide_w + m * filter);
    for (int64_t n = 0; n < xs->dims[0]; n++) {
        int64_t at = n * ws->dims[0] * places;
        int32_t *c = p == &qlinear_places ? sums : (int32_t *)call->outputs[0]->data + at;

        widen_8bit(x->dtype, (const char *)x->data + n * image, image,
                   zero_at(input_at(call, p->a_zero), 0), wide_x);
        for (int64_t g = 0; g < params->groups; g++)
            integer_conv(&window, ws->dims[1], outputs, wide_x + g * (image / params->groups),
                         wide_w + g * outputs * filter, c + g * outputs * places);
        if (p == &qlinear_places)
            conv_finish(call, p, ws->dims[0], places, c, (char *)call->outputs[0]->data + at);
    }
    return ENGINE_OK;
}

const struct op_def ops_integer[] = {
    {.domain = "",
     .name = "ConvInteger",
     .since = 10,
     .inputs_min = 2,
     .inputs_max = 4,
     .outputs_min = 1,
     .outputs_max = 1,
     .dtypes = DTYPES_8BIT,
     .params_size = sizeof(struct conv_params),
     .init = conv_init,
     .infer = conv_infer,
     .run = conv_run},
    {.domain = "",
     .name = "MatMulInteger",
     .since = 10,
     .inputs_min = 2,
     .inputs_max = 4,
     .outputs_min = 1,
     .outputs_max = 1,
     .dtypes = DTYPES_8BIT,
     .infer = matmul_infer,
     .run = matmul_run},
    {.domain = "",
     .name = "QLinearConv",
     .since = 10,
     .inputs_min = 8,
     .inputs_max = 9,
     .outputs_min = 1,
     .outputs_max = 1,
     .dtypes = DTYPES_8BIT,
     .params_size = sizeof(struct conv_params),
     .init = conv_init,
     .infer = conv_infer,
     .run = conv_run},
    {.domain = "",
     .name = "QLinearMatMul",
     .since = 10,
     .inputs_min = 8,
     .inputs_max = 8,
     .outputs_min = 1,
     .outputs_max = 1,
     .dtypes = DTYPES_8BIT,
     .infer = matmul_infer,
     .run = matmul_run},
    {.name = NULL},
};
