/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/sample_form.h"

#include <math.h>

/* Folds a place back between the borders, as often as it takes. *ret_slope: whether it then goes the
 * same way as the place (1), the opposite way (-1), or nowhere. */
static double reflect(double at, double low, double high, double *ret_slope)
{
    const double range = high - low;
    double over, turns;
    bool up;

    *ret_slope = 0;
    if (range <= 0)
        return low;
    *ret_slope = 1;
    over = at < low ? low - at : at > high ? at - high : -1;
    if (over < 0)
        return at;
    turns = floor(over / range);
    over -= turns * range;
    /* An even number of turns: counted from the border that was crossed. */
    up = (at < low) == (fmod(turns, 2) == 0);
    *ret_slope = up == (at < low) ? -1 : 1;
    return up ? low + over : high - over;
}

/* From [-1, 1] to input elements, brought within the borders as the padding says; and by how much that
 * moves with `at`. */
static double place(const struct sample_params *params, double at, int64_t dim, double *ret_slope)
{
    const double low = params->align_corners ? 0 : -0.5;
    const double high = (double)dim - 1 - low;
    const double scale = (params->align_corners ? (double)(dim - 1) : (double)dim) / 2;
    double turned = 1;

    at = params->align_corners ? (at + 1) / 2 * (double)(dim - 1)
                               : ((at + 1) * (double)dim - 1) / 2;
    /* Far away is outside, and stays within what an integer holds. NaN is far away. */
    at = at > -1e12 ? (at < 1e12 ? at : 1e12) : -1e12;
    *ret_slope = params->mode == SAMPLE_NEAREST ? 0 : scale;
    if (params->mode == SAMPLE_NEAREST)
        at = nearbyint(at);
    if (at >= low && at <= high)
        return at;
    if (params->pad == SAMPLE_BORDER) {
        *ret_slope = 0;
        return at < 0 ? 0 : (double)(dim - 1);
    }
    if (params->pad == SAMPLE_REFLECTION)
        at = reflect(at, low, high, &turned);
    *ret_slope *= turned;
    return at;
}

/* The neighbours along one dimension: indices (-1: outside, counts as zero) and weights. */
struct taps {
    int count;
    int64_t index[4];
    double weight[4], slope[4];
};

/* Keys' cubic with a = -0.75. */
static double cubic(double x)
{
    const double a = -0.75;

    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Its slope. */
static double cubic_slope(double x)
{
    const double a = -0.75, sign = x < 0 ? -1 : 1;

    x = fabs(x);
    if (x <= 1)
        return sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
    return x < 2 ? sign * ((3 * a * x - 10 * a) * x + 8 * a) : 0;
}

static void find_taps(const struct sample_params *params, double at, int64_t dim, struct taps *ret)
{
    const double low = params->align_corners ? 0 : -0.5;
    double turned;
    const int64_t left = (int64_t)floor(at);
    const int64_t first = params->mode == SAMPLE_CUBIC ? left - 1 : left;

    ret->count = params->mode == SAMPLE_NEAREST ? 1 : params->mode == SAMPLE_LINEAR ? 2 : 4;
    for (int t = 0; t < ret->count; t++) {
        const int64_t index = first + t;
        const double distance = at - (double)index;

        ret->weight[t] = params->mode == SAMPLE_NEAREST ? 1 : params->mode == SAMPLE_LINEAR
                         ? 1 - fabs(distance) : cubic(distance);
        ret->slope[t] = params->mode == SAMPLE_NEAREST ? 0 : params->mode == SAMPLE_LINEAR
                        ? (distance >= 0 ? -1 : 1) : cubic_slope(distance);
        ret->index[t] = index;
        if (index >= 0 && index < dim)
            continue;
        if (params->pad == SAMPLE_ZEROS)
            ret->index[t] = -1;
        else if (params->pad == SAMPLE_BORDER)
            ret->index[t] = index < 0 ? 0 : dim - 1;
        else
            ret->index[t] = (int64_t)reflect((double)index, low, (double)dim - 1 - low, &turned);
    }
}

void sample_find(const struct sample_params *params, const struct shape *from, const double *grid,
                 struct sample_neighbours *ret)
{
    const int spatial = from->rank - 2;
    int count = 1;

    ret->offset[0] = 0;
    ret->weight[0] = 1;
    for (int d = 0; d < spatial; d++) {
        const int64_t dim = from->dims[2 + d];
        const int axis = spatial - 1 - d;      /* the grid names the innermost dimension first */
        const struct sample_neighbours before = *ret;
        struct taps taps;
        double slope;
        int next = 0;

        find_taps(params, place(params, grid[axis], dim, &slope), dim, &taps);
        for (int i = 0; i < count; i++) {
            for (int t = 0; t < taps.count; t++) {
                if (taps.index[t] < 0)
                    continue;
                ret->offset[next] = before.offset[i] * dim + taps.index[t];
                for (int e = axis + 1; e < spatial; e++)
                    ret->slope[next][e] = before.slope[i][e] * taps.weight[t];
                ret->slope[next][axis] = before.weight[i] * taps.slope[t] * slope;
                ret->weight[next++] = before.weight[i] * taps.weight[t];
            }
        }
        count = next;
    }
    ret->count = count;
}

double sample_grid_line(bool align_corners, int64_t i, int64_t dim)
{
    if (align_corners)
        return dim == 1 ? 0 : 2 * (double)i / (double)(dim - 1) - 1;
    return (2 * (double)i + 1) / (double)dim - 1;
}
