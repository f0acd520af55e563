/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/window.h"

/* Far past any real one, and small enough that no sum or product of two overflows. */
static const int64_t extent_max = INT64_C(1) << 31;

static const char *check_rank(const struct window_form *form, int rank)
{
    if (rank < 1 || rank > WINDOW_DIMS)
        return "only 1 to 3 spatial dimensions are supported";
    if (form->rank >= 0 && form->rank != rank)
        return "kernel_shape, strides, pads or dilations have not one entry for each spatial dimension";
    return 0;
}

/* Copies what does not depend on the direction. */
static const char *start(const struct window_form *form, int rank, const int64_t *kernel,
                         struct window *ret)
{
    const char *problem = check_rank(form, rank);

    if (problem != 0)
        return problem;
    for (int d = 0; d < WINDOW_DIMS; d++) {
        int own = d - (WINDOW_DIMS - rank);

        ret->in[d] = ret->out[d] = 1;
        ret->kernel[d] = own >= 0 ? kernel[own] : 1;
        ret->stride[d] = form->stride[d];
        ret->dilation[d] = form->dilation[d];
        ret->pad_begin[d] = ret->pad_end[d] = 0;
        if (ret->kernel[d] < 1 || ret->kernel[d] > extent_max)
            return "kernel dimensions must be positive";
        if (form->has_kernel && form->kernel[d] != ret->kernel[d])
            return "kernel_shape is not that of the weights";
    }
    return 0;
}

static int64_t span(const struct window *window, int d)
{
    return (window->kernel[d] - 1) * window->dilation[d] + 1;
}

/* Shares `total` padding between the ends. */
static void split_padding(struct window *window, int d, int64_t total, bool more_at_end)
{
    int64_t half = total / 2;

    if (total < 0)
        half = total = 0;
    window->pad_begin[d] = more_at_end ? half : total - half;
    window->pad_end[d] = more_at_end ? total - half : half;
}

const char *window_fit(const struct window_form *form, int rank, const int64_t *in,
                       const int64_t *kernel, struct window *ret)
{
    const char *problem = start(form, rank, kernel, ret);

    if (problem != 0)
        return problem;
    for (int d = WINDOW_DIMS - rank; d < WINDOW_DIMS; d++) {
        int64_t room;

        ret->in[d] = in[d - (WINDOW_DIMS - rank)];
        if (ret->in[d] > extent_max)
            return "a spatial dimension is too large";
        if (form->pad == WINDOW_PAD_SAME_UPPER || form->pad == WINDOW_PAD_SAME_LOWER) {
            ret->out[d] = (ret->in[d] + ret->stride[d] - 1) / ret->stride[d];
            split_padding(ret, d, (ret->out[d] - 1) * ret->stride[d] + span(ret, d) - ret->in[d],
                          form->pad == WINDOW_PAD_SAME_UPPER);
            continue;
        }
        if (form->pad == WINDOW_PAD_EXPLICIT) {
            ret->pad_begin[d] = form->pad_begin[d];
            ret->pad_end[d] = form->pad_end[d];
        }
        room = ret->in[d] + ret->pad_begin[d] + ret->pad_end[d] - span(ret, d);
        if (room < 0)
            return "the kernel is larger than the padded input";
        ret->out[d] = room / ret->stride[d] + 1;
        /* Rounded up, but a window that would start in the padding at the end is left out. */
        if (form->ceil && room % ret->stride[d] != 0)
            ret->out[d]++;
        if (form->ceil && (ret->out[d] - 1) * ret->stride[d] >= ret->in[d] + ret->pad_begin[d])
            ret->out[d]--;
    }
    return 0;
}

const char *window_fit_transposed(const struct window_form *form, int rank, const int64_t *out,
                                  const int64_t *kernel, struct window *ret)
{
    const char *problem = start(form, rank, kernel, ret);

    if (problem != 0)
        return problem;
    for (int d = WINDOW_DIMS - rank; d < WINDOW_DIMS; d++) {
        bool same = form->pad == WINDOW_PAD_SAME_UPPER || form->pad == WINDOW_PAD_SAME_LOWER;
        int64_t full;

        ret->out[d] = out[d - (WINDOW_DIMS - rank)];
        if (ret->out[d] < 1 || ret->out[d] > extent_max || span(ret, d) > extent_max)
            return "a spatial dimension is empty or too large";
        full = (ret->out[d] - 1) * ret->stride[d] + form->output_padding[d] + span(ret, d);
        if (form->has_output_shape || same) {
            ret->in[d] = form->has_output_shape ? form->output_shape[d] : ret->out[d] * ret->stride[d];
            split_padding(ret, d, full - ret->in[d], form->pad == WINDOW_PAD_SAME_UPPER);
        } else {
            if (form->pad == WINDOW_PAD_EXPLICIT) {
                ret->pad_begin[d] = form->pad_begin[d];
                ret->pad_end[d] = form->pad_end[d];
            }
            ret->in[d] = full - ret->pad_begin[d] - ret->pad_end[d];
        }
        if (ret->in[d] < 1)
            return "the padding removes the whole output";
    }
    return 0;
}

void window_clip(const struct window *window, int dim, int64_t o, int64_t *ret_from, int64_t *ret_to)
{
    int64_t begin = o * window->stride[dim] - window->pad_begin[dim], step = window->dilation[dim];
    int64_t from = begin < 0 ? (-begin + step - 1) / step : 0;
    int64_t to = begin < window->in[dim] ? (window->in[dim] - begin + step - 1) / step : 0;

    *ret_from = from < window->kernel[dim] ? from : window->kernel[dim];
    *ret_to = to < window->kernel[dim] ? to : window->kernel[dim];
    if (*ret_to < *ret_from)
        *ret_to = *ret_from;
}

int64_t window_in_size(const struct window *window)
{
    return window->in[0] * window->in[1] * window->in[2];
}

int64_t window_out_size(const struct window *window)
{
    return window->out[0] * window->out[1] * window->out[2];
}

int64_t window_kernel_size(const struct window *window)
{
    return window->kernel[0] * window->kernel[1] * window->kernel[2];
}
