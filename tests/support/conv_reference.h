/* SPDX-License-Identifier: Apache-2.0
 * tests/support/conv_reference.h - convolution and pooling written straight from their definition,
 * in double, and random geometries: what the engine's forms are checked against. */
#ifndef TESTS_SUPPORT_CONV_REFERENCE_H
#define TESTS_SUPPORT_CONV_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Always three spatial dimensions; unused leading ones are 1 with stride, dilation 1 and no pad. */
struct conv_case {
    int rank;
    int64_t images, groups, channels, outputs;   /* channels and outputs of all groups */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
};

/* A small case with `rank` spatial dimensions, its `out` filled; `depthwise` has one channel a
 * group. */
void conv_case_random(struct conv_case *c, uint64_t *seed, int rank, bool depthwise);
/* "n1 g2 c4 o6 in[1,5,7] ..." for messages; a static buffer. */
const char *conv_case_text(const struct conv_case *c);
/* The attributes as tests/support/op_case.h spells them; a static buffer. */
const char *conv_case_attributes(const struct conv_case *c, const char *more);

/* Input place that output place `o` reads at kernel place `k`, or -1. */
int64_t conv_case_place(const struct conv_case *c, int64_t o, int64_t k);
/* x [images, channels, in], w [outputs, channels / groups, kernel], bias [outputs] or NULL. */
void conv_reference(const struct conv_case *c, const float *x, const float *w, const float *bias,
                    double *y);
/* ConvTranspose: x [images, outputs, out], w [outputs, channels / groups, kernel], y and bias like
 * the convolution's input: the same geometry read backwards. */
void conv_transposed_reference(const struct conv_case *c, const float *x, const float *w,
                               const float *bias, double *y);

enum pool_reference { REFERENCE_MAX, REFERENCE_MEAN, REFERENCE_MEAN_PADDED, REFERENCE_NORM };

/* x [images, channels, in], y and `indices` (NULL: not wanted) [images, channels, out]. */
void pool_reference(const struct conv_case *c, enum pool_reference kind, const float *x, double *y,
                    int64_t *indices);

/* Floats in [-1, 1], with a spread of magnitudes. */
void random_floats(uint64_t *seed, float *items, int64_t count);

#endif
