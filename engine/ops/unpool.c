/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/unpool.c - windows put back into an image: MaxUnpool, Col2Im. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"
#include "engine/ops/unpool_form.h"

#include <inttypes.h>
#include <string.h>

static enum engine_status read_list(const struct op_init *init, const char *name, int64_t least,
                                    int most, int64_t *items, int *ret_count,
                                    struct engine_error *err)
{
    size_t count;
    const int64_t *list = node_ints(init->node, name, &count);

    if (count > (size_t)most)
        return op_unsupported(init->node, err, "%s has %zu elements", name, count);
    for (size_t i = 0; i < count; i++) {
        if (list[i] < least || list[i] > INT32_MAX)
            return op_fail(init->node, err, "%s has %" PRId64, name, list[i]);
        items[i] = list[i];
    }
    *ret_count = (int)count;
    return ENGINE_OK;
}

static enum engine_status window_init(const struct op_init *init, struct engine_error *err)
{
    struct unpool_params *p = init->params;
    enum engine_status status =
        read_list(init, "kernel_shape", 1, SPATIAL_MAX, p->kernel, &p->n_kernel, err);

    if (status == ENGINE_OK)
        status = read_list(init, "strides", 1, SPATIAL_MAX, p->strides, &p->n_strides, err);
    if (status == ENGINE_OK)
        status = read_list(init, "dilations", 1, SPATIAL_MAX, p->dilations, &p->n_dilations, err);
    if (status == ENGINE_OK)
        status = read_list(init, "pads", 0, 2 * SPATIAL_MAX, p->pads, &p->n_pads, err);
    for (int d = p->n_strides; d < SPATIAL_MAX; d++)
        p->strides[d] = 1;
    for (int d = p->n_dilations; d < SPATIAL_MAX; d++)
        p->dilations[d] = 1;
    return status;
}

/* True if every list that was given has one entry (pads: two) for each of `spatial` dimensions. */
static bool lists_fit(const struct unpool_params *p, int spatial)
{
    return (p->n_strides == 0 || p->n_strides == spatial) &&
           (p->n_dilations == 0 || p->n_dilations == spatial) &&
           (p->n_pads == 0 || p->n_pads == 2 * spatial);
}

/* The shape that was pooled, as far as the attributes tell; indices count in it. False if there is
 * none. */
static bool pooled_shape(const struct unpool_params *p, const struct shape *from, struct shape *ret)
{
    const int spatial = from->rank - 2;

    *ret = *from;
    for (int d = 0; d < spatial; d++) {
        int64_t *dim = &ret->dims[2 + d];

        if (__builtin_mul_overflow(*dim - 1, p->strides[d], dim) ||
            __builtin_add_overflow(*dim, p->kernel[d] - p->pads[d] - p->pads[spatial + d], dim) ||
            *dim < 0)
            return false;
    }
    return shape_check(ret, 1, NULL);
}

static enum engine_status unpool_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct unpool_params *p = infer->params;
    const struct tensor *from = &infer->inputs[0], *indices = &infer->inputs[1];
    struct shape shape;
    enum engine_status status;

    if (from->shape.rank < 3 || p->n_kernel != from->shape.rank - 2 || !lists_fit(p, p->n_kernel))
        return op_fail(infer->node, err, "attributes do not fit an input of rank %d",
                       from->shape.rank);
    if (indices->dtype != DTYPE_I64 || !shape_equal(&indices->shape, &from->shape))
        return op_fail(infer->node, err, "indices have to be int64 of the input's shape");
    if (from->dtype == DTYPE_STRING || !pooled_shape(p, &from->shape, &shape))
        return op_fail(infer->node, err, "there is no shape that pools to this input");
    if (operand_present(infer, 2)) {
        status = operand_ints(infer, 2, "output_shape", shape.dims, &shape.rank, err);
        if (status != ENGINE_OK)
            return status;
        if (shape.rank != from->shape.rank)
            return op_fail(infer->node, err, "output_shape has %d dimensions, the input %d",
                           shape.rank, from->shape.rank);
        for (int d = 0; d < shape.rank; d++)
            if (shape.dims[d] < 0)
                return op_fail(infer->node, err, "output_shape has %" PRId64, shape.dims[d]);
    }
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status unpool_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const int64_t *indices = call->inputs[1]->data;
    const int64_t count = shape_elements(&from->shape);
    const size_t size = dtype_size(to->dtype), bytes = tensor_bytes(to);
    struct shape pooled;
    int64_t strides[SHAPE_RANK_MAX];
    int64_t elements;

    pooled_shape(call->params, &from->shape, &pooled);
    elements = shape_elements(&pooled);
    shape_strides(&to->shape, strides);
    if (bytes > 0)
        memset(to->data, 0, bytes);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = indices[i], offset = 0;
        bool inside = true;

        if (rest < 0 || rest >= elements)
            return op_fail(call->node, err, "index %" PRId64 " (element %" PRId64 ") is out of range "
                           "for %" PRId64 " elements", rest, i, elements);
        for (int d = pooled.rank - 1; d >= 0; d--) {
            const int64_t at = rest % pooled.dims[d];

            inside = inside && at < to->shape.dims[d];
            offset += at * strides[d];
            rest /= pooled.dims[d];
        }
        if (inside)
            memcpy((char *)to->data + (size_t)offset * size,
                   (const char *)from->data + (size_t)i * size, size);
    }
    return ENGINE_OK;
}

static enum engine_status col2im_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct unpool_params *p = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = {0};
    int64_t image[SHAPE_RANK_MAX], block[SHAPE_RANK_MAX];
    int64_t volume = 1, blocks = 1;
    int spatial = 0, n_block = 0;
    enum engine_status status = operand_ints(infer, 1, "image_shape", image, &spatial, err);

    if (status == ENGINE_OK)
        status = operand_ints(infer, 2, "block_shape", block, &n_block, err);
    if (status != ENGINE_OK)
        return status;
    if (spatial < 1 || spatial > SPATIAL_MAX || n_block != spatial || !lists_fit(p, spatial) ||
        from->shape.rank != 3)
        return op_fail(infer->node, err, "image of %d dimensions, block of %d, input of %d", spatial,
                       n_block, from->shape.rank);
    if (!dtype_is_float(from->dtype) && !dtype_is_integer(from->dtype))
        return op_unsupported(infer->node, err, "type %s", dtype_name(from->dtype));
    for (int d = 0; d < spatial; d++) {
        if (image[d] < 1 || block[d] < 1 || image[d] > INT32_MAX || block[d] > INT32_MAX)
            return op_fail(infer->node, err, "image %" PRId64 ", block %" PRId64, image[d], block[d]);
        if (__builtin_mul_overflow(volume, block[d], &volume) ||
            __builtin_mul_overflow(blocks, unpool_block_count(p, spatial, d, image[d], block[d]), &blocks))
            return op_fail(infer->node, err, "blocks are too large");
        shape.dims[2 + d] = image[d];
    }
    if (from->shape.dims[1] % volume != 0 || from->shape.dims[2] != blocks)
        return op_fail(infer->node, err, "input of [N,%" PRId64 ",%" PRId64 "], expected [N, C * %" PRId64
                       ", %" PRId64 "]", from->shape.dims[1], from->shape.dims[2], volume, blocks);
    shape.rank = 2 + spatial;
    shape.dims[0] = from->shape.dims[0];
    shape.dims[1] = from->shape.dims[1] / volume;
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

static void add_element(struct tensor *to, int64_t i, const struct tensor *from, int64_t j)
{
    double sum;

    if (to->dtype == DTYPE_F32) {
        ((float *)to->data)[i] += ((const float *)from->data)[j];
        return;
    }
    sum = tensor_double_at(to, i) + tensor_double_at(from, j);
    store_f64(to->dtype, 1, &sum, (char *)to->data + (size_t)i * dtype_size(to->dtype));
}

static enum engine_status col2im_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const int64_t planes = to->shape.dims[0] * to->shape.dims[1];
    const int64_t image = shape_product(&to->shape, 2, to->shape.rank);
    const int64_t blocks = from->shape.dims[2];
    int64_t volume = 1;

    (void)err;
    if (tensor_bytes(to) > 0)
        memset(to->data, 0, tensor_bytes(to));
    for (int d = 0; d < to->shape.rank - 2; d++)
        volume *= tensor_int_at(call->inputs[2], d);
    if (shape_elements(&from->shape) == 0)         /* the block may be of any size then */
        return ENGINE_OK;
    for (int64_t place = 0; place < volume; place++) {
        for (int64_t number = 0; number < blocks; number++) {
            const int64_t offset =
                unpool_image_offset(call->params, to, call->inputs[2], place, number);

            for (int64_t c = 0; c < planes && offset >= 0; c++)
                add_element(to, c * image + offset, from, (c * volume + place) * blocks + number);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_unpool[] = {
    {.name = "MaxUnpool", .domain = "", .since = 9, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 2,
     .params_size = sizeof(struct unpool_params), .init = window_init, .infer = unpool_infer,
     .run = unpool_run},
    {.name = "Col2Im", .domain = "", .since = 18, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 2,
     .params_size = sizeof(struct unpool_params), .init = window_init, .infer = col2im_infer,
     .run = col2im_run},
    {.name = NULL},
};
