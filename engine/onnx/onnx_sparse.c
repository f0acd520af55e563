/* SPDX-License-Identifier: Apache-2.0
 * SparseTensorProto: values, and where they stand; the rest is zero. Kept dense. */
#include "engine/onnx/onnx_tensor.h"

#include <string.h>

struct sparse {
    struct bytes values, indices;
    struct shape shape;
    bool has_values, has_indices;
};

static enum engine_status read_parts(const struct bytes *message, struct sparse *sparse,
                                     struct engine_error *err)
{
    struct protobuf_reader reader;
    struct protobuf_field field;
    uint64_t dims[SHAPE_RANK_MAX];
    size_t count;

    memset(sparse, 0, sizeof(*sparse));
    protobuf_start(&reader, message->data, message->length);
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1) {
            sparse->has_values = protobuf_bytes(&reader, &field, &sparse->values);
        } else if (field.number == 2) {
            sparse->has_indices = protobuf_bytes(&reader, &field, &sparse->indices);
        } else if (field.number == 3) {
            if (!protobuf_count(&reader, &field, PROTOBUF_VARINT, &count))
                break;
            if (count > (size_t)(SHAPE_RANK_MAX - sparse->shape.rank))
                protobuf_fail(&reader, "more than 8 dims");
            else if (protobuf_varints(&reader, &field, dims))
                for (size_t i = 0; i < count; i++)
                    sparse->shape.dims[sparse->shape.rank++] = (int64_t)dims[i];
        }
    }
    if (reader.problem != NULL)
        return onnx_wire_error(&reader, "SparseTensorProto", err);
    if (!sparse->has_values)
        return engine_error_set(err, ENGINE_BAD_MODEL, "SparseTensorProto: no values");
    return ENGINE_OK;
}

/* Row `row` of the indices as an offset into the dense tensor, or -1. */
static int64_t offset_of(const struct tensor *indices, int64_t row, const struct shape *dense)
{
    const int64_t *items = indices->data;
    int64_t offset = 0;

    if (indices->shape.rank == 1)
        return items[row] >= 0 && items[row] < shape_elements(dense) ? items[row] : -1;
    for (int i = 0; i < dense->rank; i++) {
        int64_t index = items[row * dense->rank + i];

        if (index < 0 || index >= dense->dims[i])
            return -1;
        offset = offset * dense->dims[i] + index;
    }
    return offset;
}

static enum engine_status scatter(const struct tensor *values, const struct tensor *indices,
                                  struct tensor *dense, struct engine_error *err)
{
    size_t size = dtype_size(dense->dtype);
    int64_t count = shape_elements(&values->shape);

    if (indices->dtype != DTYPE_I64 || indices->shape.rank < 1 || indices->shape.rank > 2 ||
        indices->shape.dims[0] != count ||
        (indices->shape.rank == 2 && indices->shape.dims[1] != dense->shape.rank))
        return engine_error_set(err, ENGINE_BAD_MODEL, "indices do not fit the values");
    for (int64_t i = 0; i < count; i++) {
        int64_t offset = offset_of(indices, i, &dense->shape);

        if (offset < 0)
            return engine_error_set(err, ENGINE_BAD_MODEL, "an index is out of range");
        memcpy((char *)dense->data + (size_t)offset * size,
               (const char *)values->data + (size_t)i * size, size);
    }
    return ENGINE_OK;
}

static enum engine_status expand(const struct sparse *sparse, int dir_fd, struct arena *arena,
                                 const struct tensor *values, struct tensor *dense,
                                 struct engine_error *err)
{
    struct tensor indices;
    enum engine_status status;
    size_t bytes;

    dense->dtype = values->dtype;
    dense->shape = sparse->shape;
    if (values->dtype == DTYPE_STRING || values->shape.rank != 1)
        return engine_error_set(err, ENGINE_BAD_MODEL, "values are not a list of numbers");
    if (!shape_check(&dense->shape, dtype_size(dense->dtype), &bytes))
        return engine_error_set(err, ENGINE_BAD_MODEL, "dims are negative or too large");
    dense->data = arena_calloc(arena, bytes, 1);
    if (dense->data == NULL)
        return onnx_no_memory("sparse tensor", err);
    if (!sparse->has_indices)
        return values->shape.dims[0] == 0
                   ? ENGINE_OK
                   : engine_error_set(err, ENGINE_BAD_MODEL, "values without indices");
    status = onnx_tensor_parse(&sparse->indices, dir_fd, arena, NULL, &indices, err);
    return status == ENGINE_OK ? scatter(values, &indices, dense, err) : status;
}

enum engine_status onnx_sparse_parse(const struct bytes *message, int dir_fd, struct arena *arena,
                                     struct bytes *ret_name, struct tensor *ret,
                                     struct engine_error *err)
{
    struct sparse sparse;
    struct tensor values, dense;
    struct bytes name;
    enum engine_status status = read_parts(message, &sparse, err);

    if (status != ENGINE_OK)
        return status;
    status = onnx_tensor_parse(&sparse.values, dir_fd, arena, &name, &values, err);
    if (status != ENGINE_OK)
        return status;
    status = expand(&sparse, dir_fd, arena, &values, &dense, err);
    if (status != ENGINE_OK) {
        engine_error_prefix(err, "sparse tensor '%.*s'", ONNX_NAME(name));
        return status;
    }
    *ret = dense;
    if (ret_name != NULL)
        *ret_name = name;
    return ENGINE_OK;
}
