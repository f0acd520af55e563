/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/grid_sample.c - GridSample, in one to three spatial dimensions, and the AffineGrid that
 * often feeds it. The neighbours of a place and their weights are found once for all channels. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"
#include "engine/ops/sample_form.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

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

    if (rank < 3 || rank > 2 + SAMPLE_SPATIAL_MAX)
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
    struct sample_neighbours neighbours;
    double at[SAMPLE_SPATIAL_MAX];

    (void)err;
    for (int64_t n = 0; n < from->shape.dims[0]; n++) {
        for (int64_t p = 0; p < places; p++) {
            for (int d = 0; d < spatial; d++)
                at[d] = element_at(grid, (n * places + p) * spatial + d);
            sample_find(call->params, &from->shape, at, &neighbours);
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
            double at[SAMPLE_SPATIAL_MAX + 1];
            int64_t rest = p;

            for (int d = 0; d < spatial; d++) {    /* innermost first: x, y, z */
                const int64_t dim = to->shape.dims[spatial - d];

                at[d] = sample_grid_line(params->align_corners, rest % dim, dim);
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
