/* SPDX-License-Identifier: Apache-2.0
 * Gradients of arithmetic of two broadcast inputs. Where an input was broadcast its gradient is the sum
 * over what it served (engine/grad/term.h). */
#include "engine/grad/families.h"
#include "engine/grad/save.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/convert.h"

#include <math.h>

/* d is the output's gradient. Pow as in PyTorch: with an exponent of 0 the base has no gradient, nor
 * has a non-negative exponent of base 0. */
#define LIST(isa) \
    SPREAD_TERM_1(isa, minus, -d) \
    SPREAD_TERM(isa, times, float, d * a) \
    SPREAD_TERM(isa, over, float, d / a) \
    SPREAD_TERM_3(isa, divisor, float, -d * a / b) \
    SPREAD_TERM_3(isa, truncated, float, -d * truncf(a / b)) \
    SPREAD_TERM_3(isa, floored, float, -d * floorf(a / b)) \
    FLAT_TERM(isa, square, d * (2.0f * a)) \
    FLAT_TERM(isa, cube, d * (3.0f * a * a)) \
    FLAT_TERM(isa, root, d * (0.5f / sqrtf(a))) \
    SPREAD_TERM_3(isa, base, float, b == 0.0f ? 0.0f : d * (b * powf(a, b - 1.0f))) \
    SPREAD_TERM_3(isa, exponent, float, a == 0.0f && isfinite(b) ? 0.0f : d * (b * logf(a)))
TERMS(LIST)

static const struct term minus_term = TERM(minus);
static const struct term times_term = TERM(times);
static const struct term over_term = TERM(over);
static const struct term divisor_term = TERM(divisor);
static const struct term truncated_term = TERM(truncated);
static const struct term floored_term = TERM(floored);
static const struct term square_term = TERM(square);
static const struct term cube_term = TERM(cube);
static const struct term root_term = TERM(root);
static const struct term base_term = HEAVY_TERM(base);
static const struct term exponent_term = HEAVY_TERM(exponent);

static enum engine_status add_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++)
        term_grad(call, grad_turn(call, turn), &term_copy, NULL, NULL, NULL);
    return ENGINE_OK;
}

static enum engine_status sub_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        int input = grad_turn(call, turn);

        term_grad(call, input, input == 0 ? &term_copy : &minus_term, NULL, NULL, NULL);
    }
    return ENGINE_OK;
}

static enum engine_status mul_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        int input = grad_turn(call, turn);

        term_grad(call, input, &times_term, call->inputs[1 - input], NULL, NULL);
    }
    return ENGINE_OK;
}

/* dA = dY / B, dB = -dY Y / B. */
static enum engine_status div_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        if (grad_turn(call, turn) == 0)
            term_grad(call, 0, &over_term, call->inputs[1], NULL, NULL);
        else
            term_grad(call, 1, &divisor_term, call->outputs[0], call->inputs[1], NULL);
    }
    return ENGINE_OK;
}

static enum engine_status div_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if ((prepare->wanted & GRAD_BIT(1)) == 0)
        prepare->save_outputs = 0;
    return ENGINE_OK;
}

/* A - B q, where q, A / B made whole, is constant almost everywhere. */
static enum engine_status mod_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct term *term = node_int(call->node, "fmod", 0) != 0 ? &truncated_term : &floored_term;

    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        if (grad_turn(call, turn) == 0)
            term_grad(call, 0, &term_copy, NULL, NULL, NULL);
        else
            term_grad(call, 1, term, call->inputs[0], call->inputs[1], NULL);
    }
    return ENGINE_OK;
}

static enum engine_status mod_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if ((prepare->wanted & GRAD_BIT(1)) == 0)
        prepare->save_inputs = 0;
    return ENGINE_OK;
}

/* The gradient of the base. Exponents may be of any type; networks mostly have one for all. */
static void base_grad(const struct grad_call *call)
{
    const struct tensor *x = call->inputs[0];
    struct tensor exponent = *call->inputs[1];
    int64_t count = shape_elements(&exponent.shape);
    const struct term *known = NULL;

    if (exponent.dtype != DTYPE_F32) {
        float *converted = call->scratch;

        for (int64_t i = 0; i < count; i++)
            converted[i] = (float)tensor_double_at(&exponent, i);
        exponent.dtype = DTYPE_F32;
        exponent.data = converted;
    }
    if (count == 1 && shape_equal(&x->shape, &call->out_grads[0]->shape)) {
        float power = *(const float *)exponent.data;

        known = power == 2.0f ? &square_term : power == 3.0f ? &cube_term
                : power == 0.5f ? &root_term : power == 1.0f ? &term_copy : NULL;
    }
    if (known != NULL)
        term_grad(call, 0, known, x, NULL, NULL);
    else
        term_grad(call, 0, &base_term, x, &exponent, NULL);
}

static enum engine_status pow_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    for (int turn = 0; turn < 2; turn++) {
        if (grad_turn(call, turn) == 1)
            term_grad(call, 1, &exponent_term, call->inputs[0], call->outputs[0], NULL);
        else if (call->in_grads[0] != NULL)
            base_grad(call);
    }
    return ENGINE_OK;
}

static enum engine_status pow_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if ((prepare->wanted & GRAD_BIT(1)) == 0)
        prepare->save_outputs = 0;
    if ((prepare->wanted & GRAD_BIT(0)) == 0)
        prepare->save_inputs = GRAD_BIT(0);
    else if (prepare->inputs[1].dtype != DTYPE_F32)
        prepare->backward_scratch = sizeof(float) * (size_t)shape_elements(&prepare->inputs[1].shape);
    return ENGINE_OK;
}

const struct grad_def grads_arith[] = {
    {.domain = "", .name = "Add", .flags = GRAD_INPLACE, .inputs = 3, .backward = add_backward},
    {.domain = "", .name = "Div", .flags = GRAD_INPLACE, .inputs = 3, .save_inputs = 2,
     .save_outputs = 1, .prepare = div_prepare, .backward = div_backward},
    {.domain = "", .name = "Mod", .flags = GRAD_INPLACE, .inputs = 3, .save_inputs = 3,
     .prepare = mod_prepare, .backward = mod_backward},
    {.domain = "", .name = "Mul", .flags = GRAD_INPLACE, .inputs = 3, .save_inputs = 3,
     .prepare = save_crosswise, .backward = mul_backward},
    {.domain = "", .name = "Pow", .flags = GRAD_INPLACE, .inputs = 3, .save_inputs = 3,
     .save_outputs = 1, .prepare = pow_prepare, .backward = pow_backward},
    {.domain = "", .name = "Sub", .flags = GRAD_INPLACE, .inputs = 3, .backward = sub_backward},
    {0},
};
