/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/recurrent.h"

#include "engine/kernels/vec_math.h"

#include <math.h>
#include <strings.h>

static void apply_tanh(size_t n, float alpha, float beta, const float *x, float *y)
{
    (void)alpha;
    (void)beta;
    vec_tanh_f32(n, x, y);
}

static void apply_sigmoid(size_t n, float alpha, float beta, const float *x, float *y)
{
    (void)alpha;
    (void)beta;
    vec_sigmoid_f32(n, x, y);
}

#define APPLY(NAME, EXPRESSION)                                                                    \
    static void apply_##NAME(size_t n, float alpha, float beta, const float *x, float *y)          \
    {                                                                                              \
        (void)alpha;                                                                               \
        (void)beta;                                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            float v = x[i];                                                                        \
            y[i] = EXPRESSION;                                                                     \
        }                                                                                          \
    }

APPLY(relu, v > 0 ? v : 0)
APPLY(affine, alpha *v + beta)
APPLY(leaky_relu, v >= 0 ? v : alpha * v)
APPLY(thresholded_relu, v >= alpha ? v : 0)
APPLY(scaled_tanh, alpha *tanhf(beta *v))
APPLY(hard_sigmoid, fminf(fmaxf(alpha *v + beta, 0), 1))
APPLY(elu, v >= 0 ? v : alpha * expm1f(v))
APPLY(softsign, v / (1 + fabsf(v)))
APPLY(softplus, v > 20 ? v : log1pf(expf(v)))

#define SLOPE(NAME, EXPRESSION)                                                                    \
    static void slope_##NAME(size_t n, float alpha, float beta, const float *y, float *g)          \
    {                                                                                              \
        (void)alpha;                                                                               \
        (void)beta;                                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            float v = y[i];                                                                        \
            (void)v;                                                                               \
            g[i] *= EXPRESSION;                                                                    \
        }                                                                                          \
    }

SLOPE(tanh, 1 - v * v)
SLOPE(sigmoid, v * (1 - v))
SLOPE(relu, v > 0 ? 1.0f : 0.0f)
SLOPE(affine, alpha)
SLOPE(leaky_relu, v >= 0 ? 1.0f : alpha)
SLOPE(thresholded_relu, v >= alpha ? 1.0f : 0.0f)
SLOPE(scaled_tanh, alpha != 0 ? beta * (alpha - v * v / alpha) : 0.0f)
SLOPE(hard_sigmoid, v > 0 && v < 1 ? alpha : 0.0f)
SLOPE(elu, v >= 0 ? 1.0f : v + alpha)
SLOPE(softsign, (1 - fabsf(v)) * (1 - fabsf(v)))
SLOPE(softplus, -expm1f(-v))

static const struct {
    const char *name;
    struct gate_function activation;
} activations[] = {
    {"Affine", {apply_affine, 1.0f, 0.0f, slope_affine}},
    {"Elu", {apply_elu, 1.0f, 0.0f, slope_elu}},
    {"HardSigmoid", {apply_hard_sigmoid, 0.2f, 0.5f, slope_hard_sigmoid}},
    {"LeakyRelu", {apply_leaky_relu, 0.01f, 0.0f, slope_leaky_relu}},
    {"Relu", {apply_relu, 0.0f, 0.0f, slope_relu}},
    {"ScaledTanh", {apply_scaled_tanh, 1.0f, 1.0f, slope_scaled_tanh}},
    {"Sigmoid", {apply_sigmoid, 0.0f, 0.0f, slope_sigmoid}},
    {"Softplus", {apply_softplus, 0.0f, 0.0f, slope_softplus}},
    {"Softsign", {apply_softsign, 0.0f, 0.0f, slope_softsign}},
    {"Tanh", {apply_tanh, 0.0f, 0.0f, slope_tanh}},
    {"ThresholdedRelu", {apply_thresholded_relu, 1.0f, 0.0f, slope_thresholded_relu}},
};

bool gate_function_find(const char *name, size_t length, struct gate_function *ret)
{
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++)
        if (strncasecmp(activations[i].name, name, length) == 0 &&
            activations[i].name[length] == '\0') {
            *ret = activations[i].activation;
            return true;
        }
    return false;
}

/* y = act(clip(x)) in place. */
static void activate(const struct gate_function *activation, float clip, int64_t n, float *y)
{
    if (clip > 0)
        for (int64_t i = 0; i < n; i++)
            y[i] = fminf(fmaxf(y[i], -clip), clip);
    activation->apply((size_t)n, activation->alpha, activation->beta, y, y);
}

static void add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void cell_rnn(const struct cell *cell, const float *x, const float *h, float *gates, float *state)
{
    if (h != NULL)
        add(cell->hidden, x, h, gates);
    activate(&cell->f, cell->clip, cell->hidden, gates);
    for (int64_t i = 0; i < cell->hidden; i++)
        state[i] = gates[i];
}

void cell_gru_gates(const struct cell *cell, const float *x, const float *h, float *gates,
                    float *reset)
{
    int64_t n = cell->hidden;

    add(2 * n, x, h, gates);
    activate(&cell->f, cell->clip, 2 * n, gates);
    for (int64_t i = 0; i < n; i++)
        reset[i] *= gates[n + i];
}

void cell_gru_state(const struct cell *cell, const float *x, const float *h_gate, float *gates,
                    float *state)
{
    int64_t n = cell->hidden;
    float *candidate = gates + 2 * n;

    add(n, x + 2 * n, h_gate, candidate);
    activate(&cell->g, cell->clip, n, candidate);
    for (int64_t i = 0; i < n; i++)
        state[i] = (1 - gates[i]) * candidate[i] + gates[i] * state[i];
}

void cell_lstm(const struct cell *cell, const float *x, const float *h, float *gates, float *state,
               float *memory)
{
    int64_t n = cell->hidden;
    const float *p = cell->peepholes;
    float *in = gates, *out = gates + n, *forget = gates + 2 * n, *candidate = gates + 3 * n;

    if (h != NULL)
        add(4 * n, x, h, gates);
    if (p != NULL)
        for (int64_t i = 0; i < n; i++) {
            in[i] += p[i] * memory[i];
            forget[i] += p[2 * n + i] * memory[i];
        }
    activate(&cell->f, cell->clip, n, in);
    if (cell->input_forget)
        for (int64_t i = 0; i < n; i++)
            forget[i] = 1 - in[i];
    else
        activate(&cell->f, cell->clip, n, forget);
    activate(&cell->g, cell->clip, n, candidate);
    for (int64_t i = 0; i < n; i++)
        memory[i] = forget[i] * memory[i] + in[i] * candidate[i];
    if (p != NULL)
        for (int64_t i = 0; i < n; i++)
            out[i] += p[n + i] * memory[i];
    activate(&cell->f, cell->clip, n, out);
    cell->h.apply((size_t)n, cell->h.alpha, cell->h.beta, memory, state);
    for (int64_t i = 0; i < n; i++)
        state[i] *= out[i];
}
