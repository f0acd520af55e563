/* SPDX-License-Identifier: Apache-2.0
 * Gradients of activation functions. Those that keep the order of the sign (or saturate at known
 * values) are read from the output, which the next operator mostly keeps anyway. At a kink the
 * derivative is that of PyTorch, mostly the one from the left. */
#include "engine/grad/families.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

/* A node's parameters: what `alpha` and so on mean in each expression is said in its family's entry
 * of engine/ops/activation.c. Those of the exponential ones: p x above zero, q (e^(r x) - 1) below. */
struct params {
    float alpha, beta;
    float p, q, r;
};

/* d is the output's gradient, a the input or the output, as the table below says. */
#define PARAM_TERM(isa, name, expression) \
    TERM_HEAD(isa, name) \
    { \
        const struct params *params = arg; \
        const float alpha = params->alpha, p = params->p, q = params->q, r = params->r; \
        const float *gradient = inputs[0], *first = inputs[1]; \
        float *out = output; \
        (void)steps; \
        (void)alpha; \
        (void)p; \
        (void)q; \
        (void)r; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            const float d = gradient[i], a = first[i]; \
            out[i] = (expression); \
        } \
    }

#define LIST(isa) \
    FLAT_TERM(isa, relu, a <= 0.0f ? 0.0f : d) \
    FLAT_TERM(isa, sigmoid, d * (a * (1.0f - a))) \
    FLAT_TERM(isa, hard_swish, a < -3.0f ? 0.0f : a <= 3.0f ? d * (a / 3.0f + 0.5f) : d) \
    FLAT_TERM(isa, softsign, d / ((1.0f + fabsf(a)) * (1.0f + fabsf(a)))) \
    PARAM_TERM(isa, leaky, a > 0.0f ? d : d * alpha) \
    PARAM_TERM(isa, exponential, a > 0.0f ? d * p : d * (r * (a + q))) \
    PARAM_TERM(isa, hard_sigmoid, a > 0.0f && a < 1.0f ? d * alpha : 0.0f) \
    PARAM_TERM(isa, threshold, a > alpha ? d : 0.0f) \
    PARAM_TERM(isa, shrink, a < -alpha || a > alpha ? d : 0.0f)
TERMS(LIST)

enum { CHUNK = 256 };

/* A chunk of d and a to a chunk of terms; inlined for each vector width. */
#define CHUNK_OF(name) \
    static inline __attribute__((always_inline)) void name##_chunk( \
        size_t n, const struct params *params, const float *d, const float *a, float *out)
#define EACH _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)

/* The exponential ones from the input, where the output does not tell its sign. */
CHUNK_OF(from_input)
{
    _Alignas(64) float u[CHUNK];
    const float p = params->p, q = params->q, r = params->r;

    EACH u[i] = a[i] > 0.0f ? 0.0f : r * a[i];
    vec_exp_f32(n, u, u);
    EACH out[i] = a[i] > 0.0f ? d[i] * p : d[i] * (q * r * u[i]);
}

CHUNK_OF(softplus)
{
    _Alignas(64) float u[CHUNK];

    (void)params;
    vec_sigmoid_f32(n, a, u);
    EACH out[i] = d[i] * u[i];
}

/* Phi(a) + a phi(a): the normal distribution and its density. */
CHUNK_OF(gelu)
{
    _Alignas(64) float u[CHUNK], v[CHUNK];

    (void)params;
    EACH u[i] = a[i] * (float)M_SQRT1_2;
    vec_erf_f32(n, u, u);
    EACH v[i] = -0.5f * a[i] * a[i];
    vec_exp_f32(n, v, v);
    EACH out[i] = d[i] * (0.5f * (1.0f + u[i]) +
                          a[i] * v[i] * (float)(0.5 * M_2_SQRTPI * M_SQRT1_2));
}

CHUNK_OF(gelu_tanh)
{
    _Alignas(64) float u[CHUNK];
    const float scale = (float)(M_2_SQRTPI * M_SQRT1_2), cubic = 0.044715f;

    (void)params;
    EACH u[i] = scale * (a[i] + cubic * a[i] * a[i] * a[i]);
    vec_tanh_f32(n, u, u);
    EACH
    {
        const float slope = scale * (1.0f + 3.0f * cubic * a[i] * a[i]);

        out[i] = d[i] * (0.5f * (1.0f + u[i]) + 0.5f * a[i] * (1.0f - u[i] * u[i]) * slope);
    }
}

CHUNK_OF(swish)
{
    _Alignas(64) float u[CHUNK], v[CHUNK];
    const float alpha = params->alpha;

    EACH v[i] = alpha * a[i];
    vec_sigmoid_f32(n, v, u);
    EACH out[i] = d[i] * (u[i] * (1.0f + v[i] * (1.0f - u[i])));
}

/* With t = e^a and s = t(t + 2): tanh(ln(1 + e^a)) is s / (s + 2), its slope in a 4 t(t + 1) / (s + 2)^2.
 * Past 20 the function is a. */
CHUNK_OF(mish)
{
    _Alignas(64) float u[CHUNK];

    (void)params;
    EACH u[i] = a[i] > 20.0f ? 20.0f : a[i];
    vec_exp_f32(n, u, u);
    EACH
    {
        const float t = u[i];
        const float s = t * (t + 2.0f);
        const float rise = 4.0f * t * (t + 1.0f) / ((s + 2.0f) * (s + 2.0f));

        out[i] = a[i] > 20.0f ? d[i] : d[i] * (s / (s + 2.0f) + a[i] * rise);
    }
}

#define CHUNK_TERM(isa, name) \
    TERM_HEAD(isa, name) \
    { \
        const float *d = inputs[0], *a = inputs[1]; \
        float *out = output; \
        (void)steps; \
        for (int64_t from = 0; from < n; from += CHUNK) \
            name##_chunk((size_t)(n - from < CHUNK ? n - from : CHUNK), arg, d + from, a + from, \
                         out + from); \
    }

#define CHUNKS(isa) \
    CHUNK_TERM(isa, from_input) \
    CHUNK_TERM(isa, softplus) \
    CHUNK_TERM(isa, gelu) \
    CHUNK_TERM(isa, gelu_tanh) \
    CHUNK_TERM(isa, swish) \
    CHUNK_TERM(isa, mish)
TERMS(CHUNKS)

static const struct term relu_term = TERM(relu);
static const struct term sigmoid_term = TERM(sigmoid);
static const struct term hard_swish_term = TERM(hard_swish);
static const struct term softsign_term = TERM(softsign);
static const struct term leaky_term = TERM(leaky);
static const struct term exponential_term = TERM(exponential);
static const struct term from_input_term = HEAVY_TERM(from_input);
static const struct term hard_sigmoid_term = TERM(hard_sigmoid);
static const struct term threshold_term = TERM(threshold);
static const struct term shrink_term = TERM(shrink);
static const struct term softplus_term = HEAVY_TERM(softplus);
static const struct term gelu_term = HEAVY_TERM(gelu);
static const struct term gelu_tanh_term = HEAVY_TERM(gelu_tanh);
static const struct term swish_term = HEAVY_TERM(swish);
static const struct term mish_term = HEAVY_TERM(mish);

static struct params read_params(const struct node *node, const char *alpha, float fallback)
{
    return (struct params){.alpha = node_float(node, alpha, fallback)};
}

static struct params leaky_params(const struct node *node)
{
    return read_params(node, "alpha", 0.01f);
}

static struct params elu_params(const struct node *node)
{
    return (struct params){.p = 1.0f, .q = node_float(node, "alpha", 1.0f), .r = 1.0f};
}

static struct params selu_params(const struct node *node)
{
    float gamma = node_float(node, "gamma", 1.05070102214813232421875f);

    return (struct params){
        .p = gamma, .q = gamma * node_float(node, "alpha", 1.67326319217681884765625f), .r = 1.0f};
}

static struct params celu_params(const struct node *node)
{
    float alpha = node_float(node, "alpha", 1.0f);

    return (struct params){.p = 1.0f, .q = alpha, .r = 1.0f / alpha};
}

static struct params threshold_params(const struct node *node)
{
    return read_params(node, "alpha", 1.0f);
}

/* Whether the output is positive exactly where the input is. */
static bool keeps_sign(const struct params *params)
{
    return params->p > 0.0f && params->q * params->r >= 0.0f;
}

/* One operand for the gradient: the input, or the output where `of_output`. */
static enum engine_status save_one(struct grad_prepare *prepare, bool of_output)
{
    prepare->save_inputs = of_output ? 0 : GRAD_BIT(0);
    prepare->save_outputs = of_output ? GRAD_BIT(0) : 0;
    return ENGINE_OK;
}

static enum engine_status leaky_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    return save_one(prepare, leaky_params(prepare->node).alpha >= 0.0f);
}

static enum engine_status leaky_backward(const struct grad_call *call, struct engine_error *err)
{
    struct params params = leaky_params(call->node);

    (void)err;
    term_grad(call, 0, &leaky_term, params.alpha >= 0.0f ? call->outputs[0] : call->inputs[0], NULL,
              &params);
    return ENGINE_OK;
}

static enum engine_status threshold_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    return save_one(prepare, threshold_params(prepare->node).alpha >= 0.0f);
}

static enum engine_status threshold_backward(const struct grad_call *call, struct engine_error *err)
{
    struct params params = threshold_params(call->node);

    (void)err;
    term_grad(call, 0, &threshold_term, params.alpha >= 0.0f ? call->outputs[0] : call->inputs[0],
              NULL, &params);
    return ENGINE_OK;
}

#define EXPONENTIAL(op) \
    static enum engine_status op##_prepare(struct grad_prepare *prepare, struct engine_error *err) \
    { \
        struct params params = op##_params(prepare->node); \
        (void)err; \
        return save_one(prepare, keeps_sign(&params)); \
    } \
    static enum engine_status op##_backward(const struct grad_call *call, struct engine_error *err) \
    { \
        struct params params = op##_params(call->node); \
        (void)err; \
        if (keeps_sign(&params)) \
            term_grad(call, 0, &exponential_term, call->outputs[0], NULL, &params); \
        else \
            term_grad(call, 0, &from_input_term, call->inputs[0], NULL, &params); \
        return ENGINE_OK; \
    }

EXPONENTIAL(celu)
EXPONENTIAL(elu)
EXPONENTIAL(selu)

#define BACKWARD(op, operand, parameters) \
    static enum engine_status op##_backward(const struct grad_call *call, struct engine_error *err) \
    { \
        struct params params = parameters; \
        (void)err; \
        term_grad(call, 0, &op##_term, call->operand[0], NULL, &params); \
        return ENGINE_OK; \
    }

#define NO_PARAMS {0}
BACKWARD(hard_sigmoid, outputs, read_params(call->node, "alpha", 0.2f))
BACKWARD(hard_swish, inputs, NO_PARAMS)
BACKWARD(mish, inputs, NO_PARAMS)
BACKWARD(relu, outputs, NO_PARAMS)
BACKWARD(shrink, inputs, read_params(call->node, "lambd", 0.5f))
BACKWARD(sigmoid, outputs, NO_PARAMS)
BACKWARD(softplus, inputs, NO_PARAMS)
BACKWARD(softsign, inputs, NO_PARAMS)
BACKWARD(swish, inputs, read_params(call->node, "alpha", 1.0f))

static enum engine_status gelu_backward(const struct grad_call *call, struct engine_error *err)
{
    bool by_tanh = strcmp(node_string(call->node, "approximate", "none"), "tanh") == 0;
    struct params params = {0};

    (void)err;
    term_grad(call, 0, by_tanh ? &gelu_tanh_term : &gelu_term, call->inputs[0], NULL, &params);
    return ENGINE_OK;
}

#define OF_INPUT(op_name, op) \
    {.domain = "", .name = op_name, .flags = GRAD_INPLACE, .inputs = 1, .save_inputs = 1, \
     .backward = op##_backward}
#define OF_OUTPUT(op_name, op) \
    {.domain = "", .name = op_name, .flags = GRAD_INPLACE, .inputs = 1, .save_outputs = 1, \
     .backward = op##_backward}
#define OF_EITHER(op_name, op) \
    {.domain = "", .name = op_name, .flags = GRAD_INPLACE, .inputs = 1, .save_inputs = 1, \
     .save_outputs = 1, .prepare = op##_prepare, .backward = op##_backward}

const struct grad_def grads_activation[] = {
    OF_EITHER("Celu", celu),
    OF_EITHER("Elu", elu),
    OF_INPUT("Gelu", gelu),
    OF_OUTPUT("HardSigmoid", hard_sigmoid),
    OF_INPUT("HardSwish", hard_swish),
    OF_EITHER("LeakyRelu", leaky),
    OF_INPUT("Mish", mish),
    OF_OUTPUT("Relu", relu),
    OF_EITHER("Selu", selu),
    OF_INPUT("Shrink", shrink),
    OF_OUTPUT("Sigmoid", sigmoid),
    OF_INPUT("Softplus", softplus),
    OF_INPUT("Softsign", softsign),
    OF_INPUT("Swish", swish),
    OF_EITHER("ThresholdedRelu", threshold),
    {0},
};
