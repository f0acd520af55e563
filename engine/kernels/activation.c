/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/activation.h"

#include "engine/kernels/vec_math.h"

#include <string.h>

static const char *const names[ACTIVATION_COUNT] = {
    "None", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "Gelu", "GeluTanh", "Swish", "HardSigmoid",
    "HardSwish",
};

const char *activation_name(enum activation_kind kind)
{
    return names[kind];
}

enum activation_kind activation_kind(const char *name)
{
    int kind = 0;

    while (kind < ACTIVATION_COUNT && strcmp(names[kind], name) != 0)
        kind++;
    return (enum activation_kind)kind;
}

/* Comparisons are written so that NaN stays NaN. */
static float clip(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static void apply_row(const struct activation *a, float *x, size_t n)
{
    switch (a->kind) {
    case ACTIVATION_NONE:
    case ACTIVATION_COUNT:
        break;
    case ACTIVATION_CLIP:
        for (size_t i = 0; i < n; i++)
            x[i] = clip(x[i], a->alpha, a->beta);
        break;
    case ACTIVATION_LEAKY_RELU:
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] < 0 ? a->alpha * x[i] : x[i];
        break;
    case ACTIVATION_SIGMOID:
        vec_sigmoid_f32(n, x, x);
        break;
    case ACTIVATION_TANH:
        vec_tanh_f32(n, x, x);
        break;
    case ACTIVATION_GELU:
        vec_gelu_f32(n, x, x);
        break;
    case ACTIVATION_GELU_TANH:
        vec_gelu_tanh_f32(n, x, x);
        break;
    case ACTIVATION_SWISH:
        vec_swish_f32(n, a->alpha, x, x);
        break;
    case ACTIVATION_HARD_SIGMOID:
        for (size_t i = 0; i < n; i++)
            x[i] = clip(a->alpha * x[i] + a->beta, 0, 1);
        break;
    case ACTIVATION_HARD_SWISH:
        for (size_t i = 0; i < n; i++)
            x[i] *= clip(x[i] * (1.0f / 6) + 0.5f, 0, 1);
        break;
    }
}

void activation_apply(const struct activation *activation, float *x, size_t rows, size_t columns,
                      size_t stride)
{
    if (stride == columns) {
        apply_row(activation, x, rows * columns);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        apply_row(activation, x + r * stride, columns);
}
