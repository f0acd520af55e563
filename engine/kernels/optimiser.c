/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/optimiser.h"

#include <math.h>

/* Duchi, Hazan and Singer 2011. */
#define ADAGRAD(name, type, root) \
    void name(const struct optimiser *form, int64_t n, const type *x, const type *g, \
              const type *h, type *x_next, type *h_next) \
    { \
        const type rate = (type)form->rate, epsilon = (type)form->epsilon; \
        const type decay = (type)form->decay; \
        for (int64_t i = 0; i < n; i++) { \
            const type item = x[i], gradient = decay * item + g[i]; \
            const type squares = h[i] + gradient * gradient; \
            h_next[i] = squares; \
            x_next[i] = item - rate * gradient / (root(squares) + epsilon); \
        } \
    }

ADAGRAD(adagrad_f32, float, sqrtf)
ADAGRAD(adagrad_f64, double, sqrt)

/* Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013. */
#define MOMENTUM(name, type) \
    void name(const struct optimiser *form, int64_t n, const type *x, const type *g, \
              const type *v, type *x_next, type *v_next) \
    { \
        const type rate = (type)form->rate, decay = (type)form->decay; \
        const type alpha = (type)form->alpha, beta = (type)form->beta; \
        for (int64_t i = 0; i < n; i++) { \
            const type item = x[i], gradient = decay * item + g[i]; \
            const type velocity = alpha * v[i] + beta * gradient; \
            v_next[i] = velocity; \
            x_next[i] = item - rate * (form->nesterov ? gradient + alpha * velocity : velocity); \
        } \
    }

MOMENTUM(momentum_f32, float)
MOMENTUM(momentum_f64, double)

/* Kingma and Ba 2014. */
#define ADAM(name, type, root) \
    void name(const struct optimiser *form, int64_t n, const type *x, const type *g, \
              const type *v, const type *h, type *x_next, type *v_next, type *h_next) \
    { \
        const type rate = (type)form->rate, epsilon = (type)form->epsilon; \
        const type alpha = (type)form->alpha, beta = (type)form->beta; \
        const type decay = (type)form->decay, keep = (type)(1.0 - form->decay_after); \
        for (int64_t i = 0; i < n; i++) { \
            const type item = x[i], gradient = decay * item + g[i]; \
            const type first = alpha * v[i] + (1 - alpha) * gradient; \
            const type second = beta * h[i] + (1 - beta) * gradient * gradient; \
            v_next[i] = first; \
            h_next[i] = second; \
            x_next[i] = keep * (item - rate * first / (root(second) + epsilon)); \
        } \
    }

ADAM(adam_f32, float, sqrtf)
ADAM(adam_f64, double, sqrt)
