/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/activation.h - the functions that a product or convolution may apply to its result
 * while that is still in the cache. */
#ifndef ENGINE_KERNELS_ACTIVATION_H
#define ENGINE_KERNELS_ACTIVATION_H

#include <stddef.h>

enum activation_kind {
    ACTIVATION_NONE,
    ACTIVATION_CLIP,            /* between alpha and beta; Relu is 0 and infinity */
    ACTIVATION_LEAKY_RELU,      /* alpha x below 0 */
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_GELU,            /* by erf */
    ACTIVATION_GELU_TANH,
    ACTIVATION_SWISH,           /* x sigmoid(alpha x); SiLU for alpha 1 */
    ACTIVATION_HARD_SIGMOID,    /* alpha x + beta between 0 and 1 */
    ACTIVATION_HARD_SWISH,      /* x times that, alpha 1/6 and beta 1/2 */
    ACTIVATION_COUNT
};

struct activation {
    enum activation_kind kind;
    float alpha, beta;
};

/* "Relu"-like words that attributes use: "None", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "Gelu",
 * "GeluTanh", "Swish", "HardSigmoid", "HardSwish". ACTIVATION_COUNT for any other. */
const char *activation_name(enum activation_kind kind);
enum activation_kind activation_kind(const char *name);

/* What goes with a product: residual + product + bias[column], then the activation. */
struct epilogue {
    const float *bias;          /* one for each column, or NULL */
    const float *residual;      /* laid out as the result, or NULL; may be the result itself */
    struct activation activation;
};

/* In place, on `rows` rows of `columns` elements, `stride` apart. A result depends on the element
 * alone. */
void activation_apply(const struct activation *activation, float *x, size_t rows, size_t columns,
                      size_t stride);

#endif
