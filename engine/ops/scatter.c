/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/scatter.c - elements put at an index: ScatterElements and ScatterND, each with the
 * reductions none, add, mul, max and min, and TensorScatter. Indices are data and checked at run. */
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MAX, REDUCE_MIN };

static const char *const reduction_names[] = {"none", "add", "mul", "max", "min"};

struct scatter_params {
    int64_t axis;
    enum reduction reduction;
};

static enum engine_status scatter_init(const struct op_init *init, struct engine_error *err)
{
    struct scatter_params *params = init->params;
    const char *name = node_string(init->node, "reduction", "none");

    params->axis = node_int(init->node, "axis", 0);
    for (int i = REDUCE_NONE; i <= REDUCE_MIN; i++) {
        if (strcmp(name, reduction_names[i]) == 0) {
            params->reduction = (enum reduction)i;
            return ENGINE_OK;
        }
    }
    return op_unsupported(init->node, err, "reduction '%s'", name);
}

/* Integers add and multiply as unsigned ones of their size: they wrap, which signed ones may not. */
#define COMBINE(name, T, wide, unpack, pack) \
    static void combine_##name(enum reduction reduction, void *to_void, const void *from_void, \
                               int64_t count) \
    { \
        T *to = to_void; \
        const T *from = from_void; \
        for (int64_t i = 0; i < count; i++) { \
            switch (reduction) { \
            case REDUCE_ADD: to[i] = pack((wide)unpack(to[i]) + (wide)unpack(from[i])); break; \
            case REDUCE_MUL: to[i] = pack((wide)unpack(to[i]) * (wide)unpack(from[i])); break; \
            case REDUCE_MAX: to[i] = unpack(from[i]) > unpack(to[i]) ? from[i] : to[i]; break; \
            case REDUCE_MIN: to[i] = unpack(from[i]) < unpack(to[i]) ? from[i] : to[i]; break; \
            default: to[i] = from[i]; break; \
            } \
        } \
    }

#define AS_IS(x) (x)
COMBINE(f32, float, float, AS_IS, AS_IS)
COMBINE(f64, double, double, AS_IS, AS_IS)
COMBINE(f16, uint16_t, float, f16_to_f32, f32_to_f16)
COMBINE(bf16, uint16_t, float, bf16_to_f32, f32_to_bf16)
COMBINE(u8, uint8_t, uint32_t, AS_IS, (uint8_t))
COMBINE(i8, int8_t, uint32_t, AS_IS, (int8_t))
COMBINE(u16, uint16_t, uint32_t, AS_IS, (uint16_t))
COMBINE(i16, int16_t, uint32_t, AS_IS, (int16_t))
COMBINE(u32, uint32_t, uint32_t, AS_IS, (uint32_t))
COMBINE(i32, int32_t, uint32_t, AS_IS, (int32_t))
COMBINE(u64, uint64_t, uint64_t, AS_IS, (uint64_t))
COMBINE(i64, int64_t, uint64_t, AS_IS, (int64_t))

typedef void combine_fn(enum reduction reduction, void *to, const void *from, int64_t count);

static const struct { enum dtype dtype; combine_fn *combine; } combiners[] = {
    {DTYPE_F32, combine_f32}, {DTYPE_F64, combine_f64}, {DTYPE_F16, combine_f16},
    {DTYPE_BF16, combine_bf16}, {DTYPE_U8, combine_u8}, {DTYPE_I8, combine_i8},
    {DTYPE_U16, combine_u16}, {DTYPE_I16, combine_i16}, {DTYPE_U32, combine_u32},
    {DTYPE_I32, combine_i32}, {DTYPE_U64, combine_u64}, {DTYPE_I64, combine_i64},
};

/* NULL for types that only replace. */
static combine_fn *find_combiner(enum dtype dtype)
{
    for (size_t i = 0; i < sizeof(combiners) / sizeof(combiners[0]); i++)
        if (combiners[i].dtype == dtype)
            return combiners[i].combine;
    return NULL;
}

static void put(const struct scatter_params *params, combine_fn *combine, size_t size, char *to,
                const char *from, int64_t count)
{
    if (params->reduction == REDUCE_NONE)
        memcpy(to, from, (size_t)count * size);
    else
        combine(params->reduction, to, from, count);
}

static enum engine_status check_types(const struct op_infer *infer, struct engine_error *err)
{
    const struct scatter_params *params = infer->params;
    const struct tensor *inputs = infer->inputs;

    if (inputs[1].dtype != DTYPE_I64 && inputs[1].dtype != DTYPE_I32)
        return op_fail(infer->node, err, "indices are of type %s, expected int64 or int32",
                       dtype_name(inputs[1].dtype));
    if (inputs[2].dtype != inputs[0].dtype)
        return op_fail(infer->node, err, "updates are of type %s, the data of %s",
                       dtype_name(inputs[2].dtype), dtype_name(inputs[0].dtype));
    if (params->reduction != REDUCE_NONE && find_combiner(inputs[0].dtype) == NULL)
        return op_unsupported(infer->node, err, "reduction '%s' of type %s",
                              reduction_names[params->reduction], dtype_name(inputs[0].dtype));
    return ENGINE_OK;
}

static enum engine_status refuse_index(const struct op_call *call, int64_t i, int64_t dim,
                                       struct engine_error *err)
{
    return op_fail(call->node, err, "index %" PRId64 " (element %" PRId64 " of the indices) is out "
                   "of range for %" PRId64 " elements", tensor_int_at(call->inputs[1], i), i, dim);
}

static void copy_data(const struct op_call *call)
{
    const size_t bytes = tensor_bytes(call->outputs[0]);

    if (bytes > 0)
        memcpy(call->outputs[0]->data, call->inputs[0]->data, bytes);
}

static enum engine_status elements_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct scatter_params *params = infer->params;
    const struct shape *to = &infer->inputs[0].shape;
    const struct shape *indices = &infer->inputs[1].shape;
    char text[2][SHAPE_TEXT_MAX];
    enum engine_status status = check_types(infer, err);
    int axis;

    if (status == ENGINE_OK)
        status = operand_axis(infer, params->axis, to->rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (!shape_equal(indices, &infer->inputs[2].shape))
        return op_fail(infer->node, err, "indices have shape %s, updates %s",
                       shape_text(indices, text[0], sizeof(text[0])),
                       shape_text(&infer->inputs[2].shape, text[1], sizeof(text[1])));
    if (indices->rank != to->rank)
        return op_fail(infer->node, err, "indices have rank %d, the data %d", indices->rank,
                       to->rank);
    for (int d = 0; d < to->rank; d++)
        if (d != axis && indices->dims[d] > to->dims[d])
            return op_fail(infer->node, err, "indices of shape %s reach outside data of shape %s",
                           shape_text(indices, text[0], sizeof(text[0])),
                           shape_text(to, text[1], sizeof(text[1])));
    infer_output(infer, 0, infer->inputs[0].dtype, to);
    return ENGINE_OK;
}

static enum engine_status elements_run(const struct op_call *call, struct engine_error *err)
{
    const struct scatter_params *params = call->params;
    const struct tensor *indices = call->inputs[1];
    const struct tensor *updates = call->inputs[2];
    struct tensor *to = call->outputs[0];
    const struct shape *shape = &indices->shape;
    const int64_t count = shape_elements(shape);
    const size_t size = dtype_size(to->dtype);
    combine_fn *combine = find_combiner(to->dtype);
    int64_t strides[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX] = {0};
    int64_t base = 0, dim;
    int axis = 0;

    shape_axis(params->axis, to->shape.rank, &axis);
    dim = to->shape.dims[axis];
    shape_strides(&to->shape, strides);
    copy_data(call);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = tensor_int_at(indices, i);

        index = index < 0 ? index + dim : index;
        if (index < 0 || index >= dim)
            return refuse_index(call, i, dim, err);
        put(params, combine, size, (char *)to->data + (size_t)(base + index * strides[axis]) * size,
            (const char *)updates->data + (size_t)i * size, 1);
        for (int d = shape->rank - 1; d >= 0; d--) {
            const int64_t stride = d == axis ? 0 : strides[d];

            base += stride;
            if (++at[d] < shape->dims[d])
                break;
            base -= stride * shape->dims[d];
            at[d] = 0;
        }
    }
    return ENGINE_OK;
}

static enum engine_status nd_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *to = &infer->inputs[0].shape;
    const struct shape *indices = &infer->inputs[1].shape;
    char text[2][SHAPE_TEXT_MAX];
    struct shape expected = {0};
    enum engine_status status = check_types(infer, err);
    int64_t depth;

    if (status != ENGINE_OK)
        return status;
    if (indices->rank < 1)
        return op_fail(infer->node, err, "indices have rank 0");
    depth = indices->dims[indices->rank - 1];
    if (depth < 1 || depth > to->rank)
        return op_fail(infer->node, err, "indices have %" PRId64 " coordinates for rank %d", depth,
                       to->rank);
    if (indices->rank - 1 + to->rank - depth > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "updates have a rank above %d", SHAPE_RANK_MAX);
    for (int d = 0; d < indices->rank - 1; d++)
        expected.dims[expected.rank++] = indices->dims[d];
    for (int d = (int)depth; d < to->rank; d++)
        expected.dims[expected.rank++] = to->dims[d];
    if (!shape_equal(&expected, &infer->inputs[2].shape))
        return op_fail(infer->node, err, "updates have shape %s, expected %s",
                       shape_text(&infer->inputs[2].shape, text[0], sizeof(text[0])),
                       shape_text(&expected, text[1], sizeof(text[1])));
    infer_output(infer, 0, infer->inputs[0].dtype, to);
    return ENGINE_OK;
}

static enum engine_status nd_run(const struct op_call *call, struct engine_error *err)
{
    const struct scatter_params *params = call->params;
    const struct tensor *indices = call->inputs[1];
    struct tensor *to = call->outputs[0];
    const int depth = (int)indices->shape.dims[indices->shape.rank - 1];
    const int64_t tuples = shape_product(&indices->shape, 0, indices->shape.rank - 1);
    const int64_t inner = shape_product(&to->shape, depth, to->shape.rank);
    const size_t size = dtype_size(to->dtype);
    combine_fn *combine = find_combiner(to->dtype);
    int64_t strides[SHAPE_RANK_MAX];

    shape_strides(&to->shape, strides);
    copy_data(call);
    for (int64_t t = 0; t < tuples; t++) {
        int64_t offset = 0;

        for (int d = 0; d < depth; d++) {
            const int64_t dim = to->shape.dims[d];
            int64_t index = tensor_int_at(indices, t * depth + d);

            index = index < 0 ? index + dim : index;
            if (index < 0 || index >= dim)
                return refuse_index(call, t * depth + d, dim, err);
            offset += index * strides[d];
        }
        if (inner > 0)
            put(params, combine, size, (char *)to->data + (size_t)offset * size,
                (const char *)call->inputs[2]->data + (size_t)(t * inner) * size, inner);
    }
    return ENGINE_OK;
}

struct cache_params {
    int64_t axis;
    bool circular;
};

static enum engine_status cache_init(const struct op_init *init, struct engine_error *err)
{
    struct cache_params *params = init->params;
    const char *mode = node_string(init->node, "mode", "linear");

    params->axis = node_int(init->node, "axis", -2);
    params->circular = strcmp(mode, "circular") == 0;
    if (!params->circular && strcmp(mode, "linear") != 0)
        return op_unsupported(init->node, err, "mode '%.32s'", mode);
    return ENGINE_OK;
}

static enum engine_status cache_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct cache_params *params = infer->params;
    const struct tensor *cache = &infer->inputs[0], *update = &infer->inputs[1];
    struct shape shape = update->shape;
    char text[2][SHAPE_TEXT_MAX];
    int axis;
    enum engine_status status = operand_axis(infer, params->axis, cache->shape.rank, &axis, err);

    if (status != ENGINE_OK)
        return status;
    if (axis == 0)
        return op_fail(infer->node, err, "axis 0 is that of the batch");
    if (shape.rank == cache->shape.rank && shape.dims[axis] <= cache->shape.dims[axis])
        shape.dims[axis] = cache->shape.dims[axis];
    if (update->dtype != cache->dtype || !shape_equal(&shape, &cache->shape))
        return op_fail(infer->node, err, "an update of %s%s does not fit a cache of %s%s",
                       dtype_name(update->dtype),
                       shape_text(&update->shape, text[0], sizeof(text[0])),
                       dtype_name(cache->dtype),
                       shape_text(&cache->shape, text[1], sizeof(text[1])));
    if (operand_present(infer, 2) &&
        (infer->inputs[2].dtype != DTYPE_I64 || infer->inputs[2].shape.rank != 1 ||
         infer->inputs[2].shape.dims[0] != cache->shape.dims[0]))
        return op_fail(infer->node, err, "write_indices have to be one int64 for each of %" PRId64
                       " rows", cache->shape.dims[0]);
    infer_output(infer, 0, cache->dtype, &cache->shape);
    return ENGINE_OK;
}

static enum engine_status cache_run(const struct op_call *call, struct engine_error *err)
{
    const struct cache_params *params = call->params;
    const struct tensor *update = call->inputs[1];
    struct tensor *to = call->outputs[0];
    int axis = 0;
    int64_t room, length, outer;
    size_t row;

    shape_axis(params->axis, to->shape.rank, &axis);
    room = to->shape.dims[axis];
    length = update->shape.dims[axis];
    outer = shape_product(&to->shape, 1, axis);
    row = (size_t)shape_product(&to->shape, axis + 1, to->shape.rank) * dtype_size(to->dtype);
    copy_data(call);
    for (int64_t b = 0; b < to->shape.dims[0]; b++) {
        const int64_t at = operand_given(call, 2) ? ((const int64_t *)call->inputs[2]->data)[b] : 0;

        if (at < 0 || (!params->circular && at > room - length))
            return op_fail(call->node, err, "%" PRId64 " entries written at %" PRId64 " (row %" PRId64
                           ") do not fit a cache of %" PRId64, length, at, b, room);
        for (int64_t o = b * outer; o < (b + 1) * outer && row > 0; o++)
            for (int64_t i = 0; i < length; i++)
                memcpy((char *)to->data + (size_t)(o * room + (at % room + i) % room) * row,
                       (const char *)update->data + (size_t)(o * length + i) * row, row);
    }
    return ENGINE_OK;
}

const struct op_def ops_scatter[] = {
    {.name = "ScatterElements", .domain = "", .since = 11, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct scatter_params),
     .init = scatter_init, .infer = elements_infer, .run = elements_run},
    {.name = "ScatterND", .domain = "", .since = 11, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct scatter_params),
     .init = scatter_init, .infer = nd_infer, .run = nd_run},
    {.name = "TensorScatter", .domain = "", .since = 24, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct cache_params),
     .init = cache_init, .infer = cache_infer, .run = cache_run},
    {.name = NULL},
};
