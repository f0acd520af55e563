/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the mathematics of one input. Most need the input; where the output says as much, that is
 * kept. Floor, Ceil, Round and Sign are constant almost everywhere. */
#include "engine/grad/families.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/vec_math.h"

#include <math.h>

/* d is the output's gradient, a the input or the output, as the table below says. */
#define LIST(isa) \
    FLAT_TERM(isa, abs, a > 0.0f ? d : a < 0.0f ? -d : 0.0f * a) \
    FLAT_TERM(isa, acos, -d / sqrtf((1.0f - a) * (1.0f + a))) \
    FLAT_TERM(isa, acosh, d / sqrtf((a - 1.0f) * (a + 1.0f))) \
    FLAT_TERM(isa, asin, d / sqrtf((1.0f - a) * (1.0f + a))) \
    FLAT_TERM(isa, asinh, d / sqrtf(a * a + 1.0f)) \
    FLAT_TERM(isa, atan, d / (a * a + 1.0f)) \
    FLAT_TERM(isa, atanh, d / ((1.0f - a) * (1.0f + a))) \
    FLAT_TERM(isa, exp, d * a) \
    FLAT_TERM(isa, log, d / a) \
    FLAT_TERM(isa, neg, ((void)a, -d)) \
    FLAT_TERM(isa, reciprocal, -d * a * a) \
    FLAT_TERM(isa, sqrt, d / (2.0f * a)) \
    FLAT_TERM(isa, tan, d * (1.0f + a * a)) \
    FLAT_TERM(isa, tanh, d * (1.0f - a * a)) \
    FLAT_TERM(isa, cos, -d * sinf(a)) \
    FLAT_TERM(isa, cosh, d * sinhf(a)) \
    FLAT_TERM(isa, sin, d * cosf(a)) \
    FLAT_TERM(isa, sinh, d * coshf(a))
TERMS(LIST)

/* 2 / sqrt(pi) e^(-a^2). */
TERM_HEAD(plain, erf)
{
    enum { CHUNK = 256 };
    _Alignas(64) float bell[CHUNK];
    const float *d = inputs[0], *a = inputs[1];
    float *out = output;

    (void)steps;
    (void)arg;
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t count = n - from < CHUNK ? n - from : CHUNK;

        for (int64_t i = 0; i < count; i++)
            bell[i] = -a[from + i] * a[from + i];
        vec_exp_f32((size_t)count, bell, bell);
        for (int64_t i = 0; i < count; i++)
            out[from + i] = d[from + i] * ((float)M_2_SQRTPI * bell[i]);
    }
}

#define BACKWARD(op, term_form, operand) \
    static enum engine_status op##_backward(const struct grad_call *call, struct engine_error *err) \
    { \
        static const struct term term = term_form; \
        (void)err; \
        term_grad(call, 0, &term, call->operand[0], NULL, NULL); \
        return ENGINE_OK; \
    }

#define ERF {.plain = erf_plain, .heavy = true}
BACKWARD(abs, TERM(abs), inputs)
BACKWARD(acos, TERM(acos), inputs)
BACKWARD(acosh, TERM(acosh), inputs)
BACKWARD(asin, TERM(asin), inputs)
BACKWARD(asinh, TERM(asinh), inputs)
BACKWARD(atan, TERM(atan), inputs)
BACKWARD(atanh, TERM(atanh), inputs)
BACKWARD(cos, HEAVY_TERM(cos), inputs)
BACKWARD(cosh, HEAVY_TERM(cosh), inputs)
BACKWARD(erf, ERF, inputs)
BACKWARD(exp, TERM(exp), outputs)
BACKWARD(log, TERM(log), inputs)
BACKWARD(neg, TERM(neg), out_grads)
BACKWARD(reciprocal, TERM(reciprocal), outputs)
BACKWARD(sin, HEAVY_TERM(sin), inputs)
BACKWARD(sinh, HEAVY_TERM(sinh), inputs)
BACKWARD(sqrt, TERM(sqrt), outputs)
BACKWARD(tan, TERM(tan), outputs)
BACKWARD(tanh, TERM(tanh), outputs)

#define OF_INPUT(op_name, op) \
    {.domain = "", .name = op_name, .flags = GRAD_INPLACE, .inputs = 1, .save_inputs = 1, \
     .backward = op##_backward}
#define OF_OUTPUT(op_name, op) \
    {.domain = "", .name = op_name, .flags = GRAD_INPLACE, .inputs = 1, .save_outputs = 1, \
     .backward = op##_backward}
#define STEP(op_name) \
    {.domain = "", .name = op_name, .flags = GRAD_STOPS, \
     .why_not = "it is constant between its steps"}
#define NO_NUMBER(op_name) \
    {.domain = "", .name = op_name, .flags = GRAD_STOPS, \
     .why_not = "its output is no real number"}

const struct grad_def grads_unary[] = {
    OF_INPUT("Abs", abs),
    OF_INPUT("Acos", acos),
    OF_INPUT("Acosh", acosh),
    OF_INPUT("Asin", asin),
    OF_INPUT("Asinh", asinh),
    OF_INPUT("Atan", atan),
    OF_INPUT("Atanh", atanh),
    NO_NUMBER("BitwiseNot"),
    STEP("Ceil"),
    OF_INPUT("Cos", cos),
    OF_INPUT("Cosh", cosh),
    OF_INPUT("Erf", erf),
    OF_OUTPUT("Exp", exp),
    STEP("Floor"),
    NO_NUMBER("IsInf"),
    NO_NUMBER("IsNaN"),
    OF_INPUT("Log", log),
    {.domain = "", .name = "Neg", .flags = GRAD_INPLACE, .inputs = 1, .backward = neg_backward},
    NO_NUMBER("Not"),
    OF_OUTPUT("Reciprocal", reciprocal),
    STEP("Round"),
    STEP("Sign"),
    OF_INPUT("Sin", sin),
    OF_INPUT("Sinh", sinh),
    OF_OUTPUT("Sqrt", sqrt),
    OF_OUTPUT("Tan", tan),
    OF_OUTPUT("Tanh", tanh),
    {0},
};
