/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/resample.h - weighted sums of neighbours along one axis: what remains of Resize
 * when its geometry is known. Pure, any thread. */
#ifndef ENGINE_KERNELS_RESAMPLE_H
#define ENGINE_KERNELS_RESAMPLE_H

#include <stdint.h>

/* One axis: output element x is the sum over t of weights[x * taps + t] times input element
 * indices[x * taps + t]; where indices[x * taps] is -1 it is `extrapolation`. */
struct resample {
    int64_t in, out, taps;
    const int64_t *indices;
    const double *weights;
    double extrapolation;
};

/* From [outer][in][inner] to [outer][out][inner], which must not overlap. */
void resample_f32(const struct resample *r, int64_t outer, int64_t inner, const float *from,
                  float *to);
void resample_f64(const struct resample *r, int64_t outer, int64_t inner, const double *from,
                  double *to);
/* The way back: adds to each input element what output elements have of it, times their `to`. */
void resample_back_f32(const struct resample *r, int64_t outer, int64_t inner, const float *to,
                       float *from);

#endif
