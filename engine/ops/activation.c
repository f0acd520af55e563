/* SPDX-License-Identifier: Apache-2.0
 * Activation functions. One table says each one's kernels and parameters. */
#include "engine/kernels/isa.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/rows.h"

#include <math.h>
#include <string.h>

/* What a node's attributes made of its function. */
struct activation {
    const struct rows *rows;
    float alpha, beta;
};

/* A row function whose expression may use alpha and beta besides `a`. */
#define PARAM_ROW(name, type, expression) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const struct activation *params = arg; \
        const type alpha = (type)params->alpha, beta = (type)params->beta; \
        const type *x = inputs[0]; \
        type *out = output; \
        (void)steps; \
        (void)alpha; \
        (void)beta; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            const type a = x[i]; \
            out[i] = (type)(expression); \
        } \
    }

/* From a vector kernel. */
#define VECTOR_ROW(name, call) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const struct activation *params = arg; \
        const float *x = inputs[0]; \
        float *y = output; \
        (void)steps; \
        (void)params; \
        call; \
    }

/* The double row and the table entry of a function that FLOAT_ROWS has. */
#define FLOATS(op, f64_expression) \
    PARAM_ROW(op##_f64, double, f64_expression) \
    static const struct rows op##_rows = { \
        .f32 = op##_f32, .f32_wide = op##_wide, .f64 = op##_f64};

#define VECTOR(op, call, f64_expression) \
    VECTOR_ROW(op##_f32, call) \
    PARAM_ROW(op##_f64, double, f64_expression) \
    static const struct rows op##_rows = {.f32 = op##_f32, .f64 = op##_f64, .heavy = true};

/* Limited to [0, 1]; NaN stays. */
static inline float unit_f32(float a)
{
    return a < 0.0f ? 0.0f : a > 1.0f ? 1.0f : a;
}

static inline double unit_f64(double a)
{
    return a < 0.0 ? 0.0 : a > 1.0 ? 1.0 : a;
}

/* Few instructions each, for both vector widths. relu: max(a, 0), NaN staying NaN. */
#define FLOAT_ROWS(isa) \
    UNARY_ROW(relu_##isa, float, float, a < 0.0f ? 0.0f : a) \
    PARAM_ROW(leaky_relu_##isa, float, a < 0 ? alpha * a : a) \
    PARAM_ROW(softsign_##isa, float, a / (1 + fabsf(a))) \
    PARAM_ROW(hard_sigmoid_##isa, float, unit_f32(alpha * a + beta)) \
    PARAM_ROW(hard_swish_##isa, float, a * unit_f32(a / 6 + 0.5f)) \
    PARAM_ROW(thresholded_relu_##isa, float, a > alpha ? a : 0) \
    PARAM_ROW(shrink_##isa, float, a < -alpha ? a + beta : a > alpha ? a - beta : 0)

FLOAT_ROWS(f32)
#if defined(__x86_64__)
ISA_BEGIN_AVX2
#endif
FLOAT_ROWS(wide)
#if defined(__x86_64__)
ISA_END
#endif

UNARY_ROW(relu_f64, double, double, a < 0.0 ? 0.0 : a)
UNARY_ROW(relu_i64, int64_t, int64_t, a < 0 ? 0 : a)
static const struct rows relu_rows = {
    .f32 = relu_f32, .f32_wide = relu_wide, .f64 = relu_f64, .i64 = relu_i64};

VECTOR(sigmoid, vec_sigmoid_f32((size_t)n, x, y), 1.0 / (1.0 + exp(-a)))
VECTOR(gelu, vec_gelu_f32((size_t)n, x, y), 0.5 * a * (1.0 + erf(a * M_SQRT1_2)))
VECTOR(gelu_tanh, vec_gelu_tanh_f32((size_t)n, x, y),
       0.5 * a * (1.0 + tanh(sqrt(M_2_PI) * (a + 0.044715 * a * a * a))))
VECTOR(swish, vec_swish_f32((size_t)n, params->alpha, x, y),
       a / (1.0 + exp(-alpha * a)))

/* a tanh(ln(1 + e^a)): with t = e^a the tangent is t(t + 2) / (t(t + 2) + 2), which cancels
 * nowhere; past 20 it is 1. */
static double mish(double a)
{
    double t = exp(a);

    return a > 20.0 ? a : a * (t * (t + 2.0)) / (t * (t + 2.0) + 2.0);
}

static void mish_f32(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                     const void *arg)
{
    enum { CHUNK = 256 };
    float powers[CHUNK];
    const float *x = inputs[0];
    float *out = output;

    (void)steps;
    (void)arg;
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t count = n - from < CHUNK ? n - from : CHUNK;

        vec_exp_f32((size_t)count, x + from, powers);
        for (int64_t i = 0; i < count; i++) {
            float a = x[from + i], t = powers[i];

            out[from + i] = a > 20.0f ? a : a * (t * (t + 2.0f)) / (t * (t + 2.0f) + 2.0f);
        }
    }
}

PARAM_ROW(mish_f64, double, mish(a))
static const struct rows mish_rows = {.f32 = mish_f32, .f64 = mish_f64, .heavy = true};

FLOATS(leaky_relu, a < 0 ? alpha * a : a)
FLOATS(softsign, a / (1 + fabs(a)))
FLOATS(hard_sigmoid, unit_f64(alpha * a + beta))
FLOATS(hard_swish, a * unit_f64(a / 6 + 0.5))
FLOATS(thresholded_relu, a > alpha ? a : 0)
FLOATS(shrink, a < -alpha ? a + beta : a > alpha ? a - beta : 0)

VECTOR(elu, vec_elu_f32((size_t)n, 1.0f, params->alpha, 1.0f, x, y), a < 0 ? alpha * expm1(a) : a)
VECTOR(selu, vec_elu_f32((size_t)n, params->beta, params->beta * params->alpha, 1.0f, x, y),
       beta * (a > 0 ? a : alpha * expm1(a)))
VECTOR(celu, vec_elu_f32((size_t)n, 1.0f, params->alpha, 1.0f / params->alpha, x, y),
       a > 0 ? a : alpha * expm1(a / alpha))
VECTOR(softplus, vec_softplus_f32((size_t)n, x, y), (a > 0 ? a : 0) + log1p(exp(-fabs(a))))

/* The parameters' names and ONNX defaults; NULL: none. */
static const struct activation_row {
    const char *op;
    const struct rows *rows;
    const char *alpha;
    float alpha_default;
    const char *beta;
    float beta_default;
} activations[] = {
    {"Celu", &celu_rows, "alpha", 1.0f, NULL, 0},
    {"Elu", &elu_rows, "alpha", 1.0f, NULL, 0},
    {"Gelu", &gelu_rows, NULL, 0, NULL, 0},
    {"HardSigmoid", &hard_sigmoid_rows, "alpha", 0.2f, "beta", 0.5f},
    {"HardSwish", &hard_swish_rows, NULL, 0, NULL, 0},
    {"LeakyRelu", &leaky_relu_rows, "alpha", 0.01f, NULL, 0},
    {"Mish", &mish_rows, NULL, 0, NULL, 0},
    {"Relu", &relu_rows, NULL, 0, NULL, 0},
    {"Selu", &selu_rows, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
    {"Shrink", &shrink_rows, "lambd", 0.5f, "bias", 0.0f},
    {"Sigmoid", &sigmoid_rows, NULL, 0, NULL, 0},
    {"Softplus", &softplus_rows, NULL, 0, NULL, 0},
    {"Softsign", &softsign_rows, NULL, 0, NULL, 0},
    {"Swish", &swish_rows, "alpha", 1.0f, NULL, 0},
    {"ThresholdedRelu", &thresholded_relu_rows, "alpha", 1.0f, NULL, 0},
};

static enum engine_status activation_init(const struct op_init *init, struct engine_error *err)
{
    struct activation *params = init->params;
    const struct activation_row *row = activations;
    const char *form = node_string(init->node, "approximate", "none");

    while (strcmp(row->op, init->node->op_type) != 0)
        row++;
    params->rows = row->rows;
    if (row->alpha != NULL)
        params->alpha = node_float(init->node, row->alpha, row->alpha_default);
    if (row->beta != NULL)
        params->beta = node_float(init->node, row->beta, row->beta_default);
    if (row->rows == &gelu_rows && strcmp(form, "tanh") == 0)
        params->rows = &gelu_tanh_rows;
    else if (strcmp(form, "none") != 0)
        return op_unsupported(init->node, err, "approximate '%.32s'", form);
    return ENGINE_OK;
}

/* Shrink alone takes integers without kernels of their own: they go by way of double. */
static enum engine_status activation_run(const struct op_call *call, struct engine_error *err)
{
    const struct activation *params = call->params;
    const struct tensor *x = call->inputs[0];

    (void)err;
    if (!dtype_is_float(x->dtype) && params->rows->i64 == NULL)
        elementwise_run_as(DTYPE_F64, call->pool, params->rows, 1, &x, call->outputs[0], params);
    else
        elementwise_run(call->pool, params->rows, 1, &x, call->outputs[0], params);
    return ENGINE_OK;
}

#define ACTIVATION(op_name, opset, types) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = types, \
     .params_size = sizeof(struct activation), .init = activation_init, \
     .infer = infer_same_as_first, .run = activation_run}

const struct op_def ops_activation[] = {
    ACTIVATION("Celu", 12, DTYPES_FLOAT),
    ACTIVATION("Elu", 6, DTYPES_FLOAT),
    ACTIVATION("Gelu", 20, DTYPES_FLOAT),
    ACTIVATION("HardSigmoid", 6, DTYPES_FLOAT),
    ACTIVATION("HardSwish", 14, DTYPES_FLOAT),
    ACTIVATION("LeakyRelu", 6, DTYPES_FLOAT),
    ACTIVATION("Mish", 18, DTYPES_FLOAT),
    ACTIVATION("Relu", 6, DTYPES_FLOAT | DTYPES_SIGNED),
    ACTIVATION("Selu", 6, DTYPES_FLOAT),
    ACTIVATION("Shrink", 9, DTYPES_NUMBER),
    ACTIVATION("Sigmoid", 6, DTYPES_FLOAT),
    ACTIVATION("Softplus", 1, DTYPES_FLOAT),
    ACTIVATION("Softsign", 1, DTYPES_FLOAT),
    ACTIVATION("Swish", 24, DTYPES_FLOAT),
    ACTIVATION("ThresholdedRelu", 10, DTYPES_FLOAT),
    {0},
};
