/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/optimiser.h - one step of a gradient method over arrays, by the formulas of ONNX's
 * ai.onnx.preview.training, which hold the usual ones as special cases. Element i of each output
 * depends on element i of the inputs alone, and an output may be its input. Pure; any thread. */
#ifndef ENGINE_KERNELS_OPTIMISER_H
#define ENGINE_KERNELS_OPTIMISER_H

#include <stdbool.h>
#include <stdint.h>

struct optimiser {
    double rate;                   /* already decayed or corrected for the step */
    double alpha, beta;            /* Momentum: alpha, beta; Adam: of the first and second moment */
    double epsilon;
    double decay;                  /* norm_coefficient: L2, added to the gradient */
    double decay_after;            /* Adam: the result shrinks by this */
    bool nesterov;
};

/* x: parameters, g: gradient, v and h: state. Adagrad uses h alone, Momentum v alone. */
void adagrad_f32(const struct optimiser *form, int64_t n, const float *x, const float *g,
                 const float *h, float *x_next, float *h_next);
void adagrad_f64(const struct optimiser *form, int64_t n, const double *x, const double *g,
                 const double *h, double *x_next, double *h_next);
void momentum_f32(const struct optimiser *form, int64_t n, const float *x, const float *g,
                  const float *v, float *x_next, float *v_next);
void momentum_f64(const struct optimiser *form, int64_t n, const double *x, const double *g,
                  const double *v, double *x_next, double *v_next);
void adam_f32(const struct optimiser *form, int64_t n, const float *x, const float *g,
              const float *v, const float *h, float *x_next, float *v_next, float *h_next);
void adam_f64(const struct optimiser *form, int64_t n, const double *x, const double *g,
              const double *v, const double *h, double *x_next, double *v_next, double *h_next);

#endif
