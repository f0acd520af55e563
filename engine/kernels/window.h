/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/window.h - where a sliding window goes: the one place that knows strides, pads,
 * dilations, auto_pad and ceil_mode. Convolutions and pools of one to three spatial dimensions all
 * use it; a missing leading dimension counts as 1. */
#ifndef ENGINE_KERNELS_WINDOW_H
#define ENGINE_KERNELS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_DIMS = 3 };

enum window_pad { WINDOW_PAD_EXPLICIT, WINDOW_PAD_SAME_UPPER, WINDOW_PAD_SAME_LOWER, WINDOW_PAD_VALID };

/* What a node's attributes say, before any shape is known. Every list has `rank` entries, at the
 * end of its array; the rest is 1 (kernel, stride, dilation) or 0. */
struct window_form {
    int rank;                   /* -1: no attribute tells */
    enum window_pad pad;
    bool ceil;                  /* round the number of windows up */
    bool has_kernel;
    bool has_output_shape;      /* transposed convolution only, as are the last two lists */
    int64_t kernel[WINDOW_DIMS], stride[WINDOW_DIMS], dilation[WINDOW_DIMS];
    int64_t pad_begin[WINDOW_DIMS], pad_end[WINDOW_DIMS];
    int64_t output_padding[WINDOW_DIMS], output_shape[WINDOW_DIMS];
};

/* The geometry for one shape: window o starts at o * stride - pad_begin and reads every dilation-th
 * place, kernel times; places outside [0, in) are padding. */
struct window {
    int64_t in[WINDOW_DIMS], out[WINDOW_DIMS];
    int64_t kernel[WINDOW_DIMS], stride[WINDOW_DIMS], dilation[WINDOW_DIMS];
    int64_t pad_begin[WINDOW_DIMS], pad_end[WINDOW_DIMS];
};

/* Fits windows of `kernel` into `in` (both of `rank` entries). Returns NULL, or why it cannot be:
 * a constant text. */
const char *window_fit(const struct window_form *form, int rank, const int64_t *in,
                       const int64_t *kernel, struct window *ret);
/* The same for a transposed convolution, whose input has one place for each window: ret->out is the
 * given `out` and ret->in the size of what the windows cover, its output. */
const char *window_fit_transposed(const struct window_form *form, int rank, const int64_t *out,
                                  const int64_t *kernel, struct window *ret);

/* The first and one past the last kernel place along `dim` that fall inside for window `o`. */
void window_clip(const struct window *window, int dim, int64_t o, int64_t *ret_from, int64_t *ret_to);

int64_t window_in_size(const struct window *window);
int64_t window_out_size(const struct window *window);
int64_t window_kernel_size(const struct window *window);

#endif
