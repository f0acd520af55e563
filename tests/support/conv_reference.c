/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/conv_reference.h"

#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t between(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(test_random(seed) % (uint64_t)(high - low + 1));
}

void random_floats(uint64_t *seed, float *items, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        items[i] = (float)((double)(test_random(seed) >> 11) / 4503599627370496.0 - 1.0);
}

void conv_case_random(struct conv_case *c, uint64_t *seed, int rank, bool depthwise)
{
    memset(c, 0, sizeof(*c));
    c->rank = rank;
    c->images = between(seed, 1, 3);
    c->groups = depthwise ? between(seed, 1, 40) : between(seed, 0, 2) == 0 ? between(seed, 2, 4) : 1;
    c->channels = c->groups * (depthwise ? 1 : between(seed, 1, 20));
    c->outputs = c->groups * (depthwise ? between(seed, 1, 2) : between(seed, 1, 20));
    for (int d = 0; d < 3; d++) {
        int64_t span;

        c->in[d] = c->out[d] = c->kernel[d] = c->stride[d] = c->dilation[d] = 1;
        if (d < 3 - rank)
            continue;
        c->kernel[d] = between(seed, 1, 4);
        c->stride[d] = between(seed, 1, 3);
        c->dilation[d] = between(seed, 0, 2) == 0 ? between(seed, 2, 3) : 1;
        c->pad_begin[d] = between(seed, 0, c->kernel[d] - 1);
        c->pad_end[d] = between(seed, 0, c->kernel[d] - 1);
        span = (c->kernel[d] - 1) * c->dilation[d] + 1;
        c->in[d] = between(seed, span, span + (rank == 3 ? 4 : 12)) - c->pad_begin[d];
        if (c->in[d] < 1)
            c->in[d] = 1;
        if (c->in[d] + c->pad_begin[d] + c->pad_end[d] < span)
            c->in[d] = span;
        c->out[d] = (c->in[d] + c->pad_begin[d] + c->pad_end[d] - span) / c->stride[d] + 1;
    }
}

const char *conv_case_text(const struct conv_case *c)
{
    static char text[400];

#define THREE(list) (long long)(list)[0], (long long)(list)[1], (long long)(list)[2]
    snprintf(text, sizeof(text),
             "rank %d n%lld g%lld c%lld o%lld in %lld,%lld,%lld out %lld,%lld,%lld k %lld,%lld,%lld "
             "s %lld,%lld,%lld d %lld,%lld,%lld p %lld,%lld,%lld-%lld,%lld,%lld",
             c->rank, (long long)c->images, (long long)c->groups, (long long)c->channels,
             (long long)c->outputs, THREE(c->in), THREE(c->out), THREE(c->kernel), THREE(c->stride),
             THREE(c->dilation), THREE(c->pad_begin), THREE(c->pad_end));
#undef THREE
    return text;
}

static int append_list(char *text, size_t size, int used, const char *name, const int64_t *list,
                       int rank)
{
    used += snprintf(text + used, size - (size_t)used, "%s=I:", name);
    for (int d = 3 - rank; d < 3; d++)
        used += snprintf(text + used, size - (size_t)used, "%s%lld", d > 3 - rank ? "," : "",
                         (long long)list[d]);
    return used;
}

const char *conv_case_attributes(const struct conv_case *c, const char *more)
{
    static char text[512];
    int used = append_list(text, sizeof(text), 0, "kernel_shape", c->kernel, c->rank);

    used = append_list(text, sizeof(text), used, ";strides", c->stride, c->rank);
    used = append_list(text, sizeof(text), used, ";dilations", c->dilation, c->rank);
    used = append_list(text, sizeof(text), used, ";pads", c->pad_begin, c->rank);
    for (int d = 3 - c->rank; d < 3; d++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, ",%lld", (long long)c->pad_end[d]);
    snprintf(text + used, sizeof(text) - (size_t)used, "%s", more);
    return text;
}

static int64_t size_of(const int64_t *dims)
{
    return dims[0] * dims[1] * dims[2];
}

int64_t conv_case_place(const struct conv_case *c, int64_t o, int64_t k)
{
    int64_t at[3];

    for (int d = 2; d >= 0; d--) {
        at[d] = o % c->out[d] * c->stride[d] - c->pad_begin[d] + k % c->kernel[d] * c->dilation[d];
        o /= c->out[d];
        k /= c->kernel[d];
        if (at[d] < 0 || at[d] >= c->in[d])
            return -1;
    }
    return (at[0] * c->in[1] + at[1]) * c->in[2] + at[2];
}

void conv_reference(const struct conv_case *c, const float *x, const float *w, const float *bias,
                    double *y)
{
    int64_t in = size_of(c->in), out = size_of(c->out), kernel = size_of(c->kernel);
    int64_t depth = c->channels / c->groups, width = c->outputs / c->groups;

    for (int64_t at = 0; at < c->images * c->outputs * out; at++) {
        int64_t o = at % out, m = at / out % c->outputs, n = at / out / c->outputs;
        double sum = bias != NULL ? (double)bias[m] : 0;

        for (int64_t i = 0; i < depth; i++) {
            for (int64_t k = 0; k < kernel; k++) {
                int64_t from = conv_case_place(c, o, k);

                if (from >= 0)
                    sum += (double)x[(n * c->channels + m / width * depth + i) * in + from] *
                           (double)w[(m * depth + i) * kernel + k];
            }
        }
        y[at] = sum;
    }
}

void conv_transposed_reference(const struct conv_case *c, const float *x, const float *w,
                               const float *bias, double *y)
{
    int64_t in = size_of(c->in), out = size_of(c->out), kernel = size_of(c->kernel);
    int64_t depth = c->channels / c->groups, width = c->outputs / c->groups;

    for (int64_t at = 0; at < c->images * c->channels * in; at++)
        y[at] = bias != NULL ? (double)bias[at / in % c->channels] : 0;
    for (int64_t at = 0; at < c->images * c->outputs * out; at++) {
        int64_t o = at % out, m = at / out % c->outputs, n = at / out / c->outputs;

        for (int64_t i = 0; i < depth; i++) {
            for (int64_t k = 0; k < kernel; k++) {
                int64_t to = conv_case_place(c, o, k);

                if (to >= 0)
                    y[(n * c->channels + m / width * depth + i) * in + to] +=
                        (double)x[at] * (double)w[(m * depth + i) * kernel + k];
            }
        }
    }
}

void pool_reference(const struct conv_case *c, enum pool_reference kind, const float *x, double *y,
                    int64_t *indices)
{
    int64_t in = size_of(c->in), out = size_of(c->out), kernel = size_of(c->kernel);

    for (int64_t at = 0; at < c->images * c->channels * out; at++) {
        int64_t plane = at / out, inside = 0, best = -1;
        double sum = 0;

        for (int64_t k = 0; k < kernel; k++) {
            int64_t from = conv_case_place(c, at % out, k);
            double item;

            if (from < 0)
                continue;
            item = (double)x[plane * in + from];
            sum += kind == REFERENCE_NORM ? item * item : item;
            inside++;
            if (best < 0 || item > (double)x[plane * in + best])
                best = from;
        }
        switch (kind) {
        case REFERENCE_MAX:
            y[at] = best >= 0 ? (double)x[plane * in + best] : -INFINITY;
            break;
        case REFERENCE_MEAN:
            y[at] = inside > 0 ? sum / (double)inside : 0;
            break;
        case REFERENCE_MEAN_PADDED:
            y[at] = sum / (double)kernel;
            break;
        case REFERENCE_NORM:
            y[at] = sqrt(sum);
            break;
        }
        if (indices != NULL)
            indices[at] = best >= 0 ? plane * in + best : 0;
    }
}
