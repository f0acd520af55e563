/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/grid_sample.c - GridSample, in one to three spatial dimensions, and the AffineGrid that
 * often feeds it. The neighbours of a place and their weights are found once for all channels. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum sample_mode { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC };
enum sample_pad { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION };
enum { SPATIAL_MAX = 3, TAPS_MAX = 4 * 4 * 4 };

struct sample_params {
    enum sample_mode mode;
    enum sample_pad pad;
    bool align_corners;
};

static enum engine_status sample_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const pads[] = {"zeros", "border", "reflection"};
    struct sample_params *params = init->params;
    const char *mode = node_string(init->node, "mode", modes[0]);
    const char *pad = node_string(init->node, "padding_mode", pads[0]);
    int m = 0, p = 0;

    while (m < 3 && strcmp(mode, modes[m]) != 0)
        m++;
    while (p < 3 && strcmp(pad, pads[p]) != 0)
        p++;
    if (m == 3 || p == 3)
        return op_unsupported(init->node, err, "mode '%.32s', padding_mode '%.32s'", mode, pad);
    params->mode = (enum sample_mode)m;
    params->pad = (enum sample_pad)p;
    params->align_corners = node_int(init->node, "align_corners", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status sample_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0], *grid = &infer->inputs[1];
    const int rank = from->shape.rank;
    struct shape shape = from->shape;
    char text[2][SHAPE_TEXT_MAX];

    if (rank < 3 || rank > 2 + SPATIAL_MAX)
        return op_unsupported(infer->node, err, "%d dimensions", rank);
    if (!dtype_is_float(from->dtype) && !dtype_is_integer(from->dtype))
        return op_unsupported(infer->node, err, "type %s", dtype_name(from->dtype));
    if (!dtype_is_float(grid->dtype) || grid->shape.rank != rank ||
        grid->shape.dims[0] != shape.dims[0] || grid->shape.dims[rank - 1] != rank - 2)
        return op_fail(infer->node, err, "grid %s of type %s does not fit %s",
                       shape_text(&grid->shape, text[0], sizeof(text[0])), dtype_name(grid->dtype),
                       shape_text(&shape, text[1], sizeof(text[1])));
    for (int d = 2; d < rank; d++) {
        if (from->shape.dims[d] == 0)
            return op_fail(infer->node, err, "there is nothing to sample in %s",
                           shape_text(&from->shape, text[0], sizeof(text[0])));
        shape.dims[d] = grid->shape.dims[d - 1];
    }
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

/* Folds a place back between the borders, as often as it takes. */
static double reflect(double at, double low, double high)
{
    const double range = high - low;
    double over, turns;

    if (range <= 0)
        return low;
    over = at < low ? low - at : at > high ? at - high : -1;
    if (over < 0)
        return at;
    turns = floor(over / range);
    over -= turns * range;
    /* An even number of turns: counted from the border that was crossed. */
    return (at < low) == (fmod(turns, 2) == 0) ? low + over : high - over;
}

/* From [-1, 1] to input elements, brought within the borders as the padding says. */
static double place(const struct sample_params *params, double at, int64_t dim)
{
    const double low = params->align_corners ? 0 : -0.5;
    const double high = (double)dim - 1 - low;

    at = params->align_corners ? (at + 1) / 2 * (double)(dim - 1)
                               : ((at + 1) * (double)dim - 1) / 2;
    /* Far away is outside, and stays within what an integer holds. NaN is far away. */
    at = at > -1e12 ? (at < 1e12 ? at : 1e12) : -1e12;
    if (params->mode == SAMPLE_NEAREST)
        at = nearbyint(at);
    if (at >= low && at <= high)
        return at;
    if (params->pad == PAD_BORDER)
        return at < 0 ? 0 : (double)(dim - 1);
    return params->pad == PAD_REFLECTION ? reflect(at, low, high) : at;
}

/* The neighbours along one dimension: indices (-1: outside, counts as zero) and weights. */
struct taps {
    int count;
    int64_t index[4];
    double weight[4];
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

static void find_taps(const struct sample_params *params, double at, int64_t dim, struct taps *ret)
{
    const double low = params->align_corners ? 0 : -0.5;
    const int64_t left = (int64_t)floor(at);
    const int64_t first = params->mode == SAMPLE_CUBIC ? left - 1 : left;

    ret->count = params->mode == SAMPLE_NEAREST ? 1 : params->mode == SAMPLE_LINEAR ? 2 : 4;
    for (int t = 0; t < ret->count; t++) {
        const int64_t index = first + t;
        const double distance = at - (double)index;

        ret->weight[t] = params->mode == SAMPLE_NEAREST ? 1 : params->mode == SAMPLE_LINEAR
                         ? 1 - fabs(distance) : cubic(distance);
        ret->index[t] = index;
        if (index >= 0 && index < dim)
            continue;
        if (params->pad == PAD_ZEROS)
            ret->index[t] = -1;
        else if (params->pad == PAD_BORDER)
            ret->index[t] = index < 0 ? 0 : dim - 1;
        else
            ret->index[t] = (int64_t)reflect((double)index, low, (double)dim - 1 - low);
    }
}

/* Every neighbour of one place in all dimensions: offsets in a channel and weights. */
struct neighbours {
    int count;
    int64_t offset[TAPS_MAX];
    double weight[TAPS_MAX];
};

static void find_neighbours(const struct sample_params *params, const struct shape *from,
                            const double *grid, struct neighbours *ret)
{
    const int spatial = from->rank - 2;
    int count = 1;

    ret->offset[0] = 0;
    ret->weight[0] = 1;
    for (int d = 0; d < spatial; d++) {
        const int64_t dim = from->dims[2 + d];
        struct neighbours before;
        struct taps taps;
        int next = 0;

        before = *ret;
        /* The grid names the innermost dimension first. */
        find_taps(params, place(params, grid[spatial - 1 - d], dim), dim, &taps);
        for (int i = 0; i < count; i++) {
            for (int t = 0; t < taps.count; t++) {
                if (taps.index[t] < 0)
                    continue;
                ret->offset[next] = before.offset[i] * dim + taps.index[t];
                ret->weight[next++] = before.weight[i] * taps.weight[t];
            }
        }
        count = next;
    }
    ret->count = count;
}

static double element_at(const struct tensor *tensor, int64_t i)
{
    return tensor->dtype == DTYPE_F32 ? ((const float *)tensor->data)[i]
                                      : tensor_double_at(tensor, i);
}

static enum engine_status sample_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0], *grid = call->inputs[1];
    struct tensor *to = call->outputs[0];
    const int rank = from->shape.rank, spatial = rank - 2;
    const int64_t channels = from->shape.dims[1];
    const int64_t channel = shape_product(&from->shape, 2, rank);
    const int64_t places = shape_product(&to->shape, 2, rank);
    const size_t size = dtype_size(to->dtype);
    struct neighbours neighbours;
    double at[SPATIAL_MAX];

    (void)err;
    for (int64_t n = 0; n < from->shape.dims[0]; n++) {
        for (int64_t p = 0; p < places; p++) {
            for (int d = 0; d < spatial; d++)
                at[d] = element_at(grid, (n * places + p) * spatial + d);
            find_neighbours(call->params, &from->shape, at, &neighbours);
            for (int64_t c = 0; c < channels; c++) {
                const int64_t base = (n * channels + c) * channel;
                double sum = 0;

                for (int t = 0; t < neighbours.count; t++)
                    sum += neighbours.weight[t] * element_at(from, base + neighbours.offset[t]);
                store_f64(to->dtype, 1, &sum,
                          (char *)to->data + (size_t)((n * channels + c) * places + p) * size);
            }
        }
    }
    return ENGINE_OK;
}

static enum engine_status affine_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *theta = &infer->inputs[0].shape;
    int64_t size[SHAPE_RANK_MAX];
    struct shape shape = {0};
    int count;
    enum engine_status status = operand_ints(infer, 1, "size", size, &count, err);

    if (status != ENGINE_OK)
        return status;
    if (count != 4 && count != 5)
        return op_fail(infer->node, err, "size has %d elements, expected 4 or 5", count);
    if (!dtype_is_float(infer->inputs[0].dtype) || theta->rank != 3 || theta->dims[0] != size[0] ||
        theta->dims[1] != count - 2 || theta->dims[2] != count - 1)
        return op_fail(infer->node, err, "theta has to be [%" PRId64 ",%d,%d]", size[0], count - 2,
                       count - 1);
    shape.dims[shape.rank++] = size[0];
    for (int i = 2; i < count; i++) {
        if (size[i] < 0)
            return op_fail(infer->node, err, "size %d is %" PRId64, i, size[i]);
        shape.dims[shape.rank++] = size[i];
    }
    shape.dims[shape.rank++] = count - 2;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static double grid_line(bool align_corners, int64_t i, int64_t dim)
{
    if (align_corners)
        return dim == 1 ? 0 : 2 * (double)i / (double)(dim - 1) - 1;
    return (2 * (double)i + 1) / (double)dim - 1;
}

static enum engine_status affine_run(const struct op_call *call, struct engine_error *err)
{
    const struct sample_params *params = call->params;
    struct tensor *to = call->outputs[0];
    const int spatial = to->shape.rank - 2;
    const int64_t places = shape_product(&to->shape, 1, 1 + spatial);
    const size_t size = dtype_size(to->dtype);

    (void)err;
    for (int64_t n = 0; n < to->shape.dims[0]; n++) {
        for (int64_t p = 0; p < places; p++) {
            double at[SPATIAL_MAX + 1];
            int64_t rest = p;

            for (int d = 0; d < spatial; d++) {    /* innermost first: x, y, z */
                const int64_t dim = to->shape.dims[spatial - d];

                at[d] = grid_line(params->align_corners, rest % dim, dim);
                rest /= dim;
            }
            at[spatial] = 1;
            for (int k = 0; k < spatial; k++) {
                double sum = 0;

                for (int d = 0; d <= spatial; d++)
                    sum += at[d] * tensor_double_at(call->inputs[0],
                                                    (n * spatial + k) * (spatial + 1) + d);
                store_f64(to->dtype, 1, &sum,
                          (char *)to->data + (size_t)((n * places + p) * spatial + k) * size);
            }
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_grid_sample[] = {
    {.name = "GridSample", .domain = "", .since = 16, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct sample_params),
     .init = sample_init, .infer = sample_infer, .run = sample_run},
    {.name = "AffineGrid", .domain = "", .since = 20, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1,
     .params_size = sizeof(struct sample_params), .init = sample_init, .infer = affine_infer,
     .run = affine_run},
    {.name = NULL},
};
