/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/update.h - one step of a gradient method over float arrays in one pass: clipping,
 * decay, the method, the proximal step, and what the caller wants to know of the result.
 *
 * Formulas are PyTorch's. Element i of each output depends on element i of the inputs alone, and an
 * output may be its input. One source, update_body.h, for each instruction set. Pure; any thread.
 */
#ifndef ENGINE_KERNELS_UPDATE_H
#define ENGINE_KERNELS_UPDATE_H

#include <stdint.h>

enum { UPDATE_ALIGNMENT = 16 }; /* arrays' lengths are multiples of this many floats */

enum update_kind {
    UPDATE_PLAIN,    /* w -= rate g */
    UPDATE_MOMENTUM, /* v = alpha v + g; w -= rate v (Polyak 1964) */
    UPDATE_NESTEROV, /* w -= rate (g + alpha v) (Nesterov 1983, Sutskever et al. 2013) */
    UPDATE_ADAGRAD,  /* v += g^2; w -= rate g / (sqrt v + epsilon) (Duchi et al. 2011) */
    UPDATE_RMSPROP,  /* v = beta v + (1 - beta) g^2, w likewise (Tieleman, Hinton 2012) */
    UPDATE_ADAM,     /* v, h: first and second moment (Kingma and Ba 2014) */
    UPDATE_KINDS
};

struct update {
    enum update_kind kind;
    float clip; /* the gradient times this, first */
    float l2;   /* plus the weight times this */
    float keep; /* the weight times this, before it moves: 1 - rate * decay */
    float rate; /* ADAM: divided by 1 - alpha^step */
    float alpha, beta;
    float alpha_rest, beta_rest; /* 1 - alpha, 1 - beta, rounded once */
    float root_factor;           /* ADAM: 1 / sqrt(1 - beta^step) */
    float epsilon;
    float threshold; /* weights shrink by this towards 0 and stay there */
};

/* What one call found, in as many partial sums as a vector has lanes. */
struct update_found {
    float change_squares; /* sum of (next - w)^2 */
    uint32_t most;        /* bits of the largest |next|: above 0x7f7fffff if one is not finite */
};

/* v and h are NULL for kinds that have none. */
struct update_arrays {
    const float *w, *g, *v, *h;
    float *w_next, *v_next, *h_next;
};

/* n is a multiple of UPDATE_ALIGNMENT. */
struct update_found update_f32(const struct update *update, int64_t n,
                               const struct update_arrays *arrays);

#endif
