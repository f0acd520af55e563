/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/roi.c - pooling of regions of interest: RoiAlign (K. He et al., "Mask R-CNN", 2017),
 * MaxRoiPool (R. Girshick, "Fast R-CNN", 2015). Regions are data: checked at run. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"
#include "engine/ops/roi_form.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static enum engine_status check_size(const struct op_init *init, const struct roi_params *params,
                                     struct engine_error *err)
{
    if (params->high < 1 || params->wide < 1 || params->high > INT32_MAX ||
        params->wide > INT32_MAX || params->ratio < 0 || params->ratio > 4096)
        return op_fail(init->node, err, "output of %" PRId64 " x %" PRId64 ", sampling_ratio %" PRId64,
                       params->high, params->wide, params->ratio);
    return ENGINE_OK;
}

static enum engine_status align_init(const struct op_init *init, struct engine_error *err)
{
    struct roi_params *params = init->params;
    const char *mode = node_string(init->node, "mode", "avg");
    const char *place = node_string(init->node, "coordinate_transformation_mode", "half_pixel");

    params->half_pixel = strcmp(place, "half_pixel") == 0;
    params->max = strcmp(mode, "max") == 0;
    if ((!params->max && strcmp(mode, "avg") != 0) ||
        (!params->half_pixel && strcmp(place, "output_half_pixel") != 0))
        return op_unsupported(init->node, err, "mode '%.32s', '%.32s'", mode, place);
    params->high = node_int(init->node, "output_height", 1);
    params->wide = node_int(init->node, "output_width", 1);
    params->ratio = node_int(init->node, "sampling_ratio", 0);
    params->scale = node_float(init->node, "spatial_scale", 1);
    return check_size(init, params, err);
}

static enum engine_status max_pool_init(const struct op_init *init, struct engine_error *err)
{
    struct roi_params *params = init->params;
    size_t count;
    const int64_t *pooled = node_ints(init->node, "pooled_shape", &count);

    if (count != 2)
        return op_fail(init->node, err, "pooled_shape has %zu elements, expected 2", count);
    params->high = pooled[0];
    params->wide = pooled[1];
    params->scale = node_float(init->node, "spatial_scale", 1);
    return check_size(init, params, err);
}

/* `columns`: numbers that describe a region. */
static enum engine_status roi_infer(struct op_infer *infer, int64_t columns, struct engine_error *err)
{
    const struct roi_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0], *regions = &infer->inputs[1];
    struct shape shape = {.rank = 4};
    char text[2][SHAPE_TEXT_MAX];

    if (!dtype_is_float(from->dtype) || regions->dtype != from->dtype)
        return op_fail(infer->node, err, "types %s and %s, expected one float type",
                       dtype_name(from->dtype), dtype_name(regions->dtype));
    if (from->shape.rank != 4 || regions->shape.rank != 2 || regions->shape.dims[1] != columns ||
        from->shape.dims[2] == 0 || from->shape.dims[3] == 0)
        return op_fail(infer->node, err, "shapes %s and %s, expected [N,C,H,W] and [regions,%" PRId64
                       "]", shape_text(&from->shape, text[0], sizeof(text[0])),
                       shape_text(&regions->shape, text[1], sizeof(text[1])), columns);
    shape.dims[0] = regions->shape.dims[0];
    shape.dims[1] = from->shape.dims[1];
    shape.dims[2] = params->high;
    shape.dims[3] = params->wide;
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status align_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *batch = &infer->inputs[2];

    if (!dtype_is_integer(batch->dtype) || batch->shape.rank != 1 ||
        (infer->inputs[1].shape.rank == 2 && batch->shape.dims[0] != infer->inputs[1].shape.dims[0]))
        return op_fail(infer->node, err, "batch_indices have to be one integer a region");
    return roi_infer(infer, 4, err);
}

static enum engine_status max_pool_infer(struct op_infer *infer, struct engine_error *err)
{
    return roi_infer(infer, 5, err);
}

static double element_at(const struct tensor *tensor, int64_t i)
{
    return tensor->dtype == DTYPE_F32 ? ((const float *)tensor->data)[i]
                                      : tensor_double_at(tensor, i);
}

static void store_at(struct tensor *tensor, int64_t i, double x)
{
    store_f64(tensor->dtype, 1, &x, (char *)tensor->data + (size_t)i * dtype_size(tensor->dtype));
}

/* The mean, or the greatest weighted neighbour, of the samples of one bin. `base`: the channel. */
static double pool_bin(const struct roi_params *params, const struct tensor *from, int64_t base,
                       const struct roi_span *y_span, const struct roi_span *x_span, int64_t y_bin,
                       int64_t x_bin)
{
    const int64_t samples = y_span->samples * x_span->samples;
    double sum = 0, most = 0;
    bool first = true;

    for (int64_t iy = 0; iy < y_span->samples; iy++) {
        for (int64_t ix = 0; ix < x_span->samples; ix++) {
            struct roi_pair y, x;
            double part[4] = {0};

            if (roi_pair_set(y_span, y_bin, iy, &y) && roi_pair_set(x_span, x_bin, ix, &x)) {
                const int64_t low = base + y.low * x_span->dim, high = base + y.high * x_span->dim;

                part[0] = (1 - y.weight) * (1 - x.weight) * element_at(from, low + x.low);
                part[1] = (1 - y.weight) * x.weight * element_at(from, low + x.high);
                part[2] = y.weight * (1 - x.weight) * element_at(from, high + x.low);
                part[3] = y.weight * x.weight * element_at(from, high + x.high);
            }
            sum += part[0] + part[1] + part[2] + part[3];
            for (int i = 0; i < 4; i++) {
                most = first || part[i] > most ? part[i] : most;
                first = false;
            }
        }
    }
    return params->max ? most : sum / (double)(samples > 1 ? samples : 1);
}

static enum engine_status align_run(const struct op_call *call, struct engine_error *err)
{
    const struct roi_params *params = call->params;
    const struct tensor *from = call->inputs[0], *regions = call->inputs[1];
    const int64_t *dims = from->shape.dims;
    int64_t next = 0;

    for (int64_t r = 0; r < regions->shape.dims[0]; r++) {
        const int64_t batch = tensor_int_at(call->inputs[2], r);
        struct roi_span y, x;

        if (batch < 0 || batch >= dims[0])
            return op_fail(call->node, err, "batch index %" PRId64 " (region %" PRId64
                           ") is out of range for %" PRId64 " images", batch, r, dims[0]);
        if (!roi_span_set(params, element_at(regions, 4 * r + 1), element_at(regions, 4 * r + 3),
                      params->high, dims[2], &y) ||
            !roi_span_set(params, element_at(regions, 4 * r), element_at(regions, 4 * r + 2),
                      params->wide, dims[3], &x))
            return op_fail(call->node, err, "region %" PRId64 " is far larger than the image", r);
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t h = 0; h < params->high; h++)
                for (int64_t w = 0; w < params->wide; w++)
                    store_at(call->outputs[0], next++,
                             pool_bin(params, from, (batch * dims[1] + c) * dims[2] * dims[3], &y,
                                      &x, h, w));
    }
    return ENGINE_OK;
}

static enum engine_status max_pool_run(const struct op_call *call, struct engine_error *err)
{
    const struct roi_params *params = call->params;
    const struct tensor *from = call->inputs[0], *regions = call->inputs[1];
    const int64_t *dims = from->shape.dims;
    int64_t next = 0;

    for (int64_t r = 0; r < regions->shape.dims[0]; r++) {
        const double batch = element_at(regions, 5 * r);

        if (!(batch >= 0 && batch < (double)dims[0]))
            return op_fail(call->node, err, "batch index %g (region %" PRId64
                           ") is out of range for %" PRId64 " images", batch, r, dims[0]);
        for (int64_t i = 0; i < dims[1] * params->high * params->wide; i++) {
            const int64_t w = i % params->wide, h = i / params->wide % params->high;
            const int64_t base = ((int64_t)batch * dims[1] + i / (params->wide * params->high)) *
                                 dims[2] * dims[3];
            int64_t y0, y1, x0, x1;
            double most;

            roi_bin_range(params, element_at(regions, 5 * r + 2), element_at(regions, 5 * r + 4), h,
                      params->high, dims[2], &y0, &y1);
            roi_bin_range(params, element_at(regions, 5 * r + 1), element_at(regions, 5 * r + 3), w,
                      params->wide, dims[3], &x0, &x1);
            most = y0 < y1 && x0 < x1 ? element_at(from, base + y0 * dims[3] + x0) : 0;
            for (int64_t y = y0; y < y1; y++)
                for (int64_t x = x0; x < x1; x++)
                    most = fmax(most, element_at(from, base + y * dims[3] + x));
            store_at(call->outputs[0], next++, most);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_roi[] = {
    {.name = "RoiAlign", .domain = "", .since = 10, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct roi_params),
     .init = align_init, .infer = align_infer, .run = align_run},
    {.name = "MaxRoiPool", .domain = "", .since = 1, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct roi_params),
     .init = max_pool_init, .infer = max_pool_infer, .run = max_pool_run},
    {.name = NULL},
};
