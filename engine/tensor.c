/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tensor.h"

#include <assert.h>

size_t tensor_bytes(const struct tensor *tensor)
{
    return (size_t)shape_elements(&tensor->shape) * dtype_size(tensor->dtype);
}

int64_t tensor_int_at(const struct tensor *tensor, int64_t index)
{
    switch (tensor->dtype) {
    case DTYPE_I64:
        return ((const int64_t *)tensor->data)[index];
    case DTYPE_I32:
        return ((const int32_t *)tensor->data)[index];
    case DTYPE_I16:
        return ((const int16_t *)tensor->data)[index];
    case DTYPE_I8:
        return ((const int8_t *)tensor->data)[index];
    case DTYPE_U64:
        return (int64_t)((const uint64_t *)tensor->data)[index];
    case DTYPE_U32:
        return ((const uint32_t *)tensor->data)[index];
    case DTYPE_U16:
        return ((const uint16_t *)tensor->data)[index];
    case DTYPE_U8:
    case DTYPE_BOOL:
        return ((const uint8_t *)tensor->data)[index];
    default: {
        double value = tensor_double_at(tensor, index);

        /* Out of int64's range, and NaN, would be undefined behaviour to convert. */
        if (!(value > -9.2e18))
            return INT64_MIN;
        return value < 9.2e18 ? (int64_t)value : INT64_MAX;
    }
    }
}

double tensor_double_at(const struct tensor *tensor, int64_t index)
{
    switch (tensor->dtype) {
    case DTYPE_F32:
        return (double)((const float *)tensor->data)[index];
    case DTYPE_F64:
        return ((const double *)tensor->data)[index];
    case DTYPE_F16:
        return (double)f16_to_f32(((const uint16_t *)tensor->data)[index]);
    case DTYPE_BF16:
        return (double)bf16_to_f32(((const uint16_t *)tensor->data)[index]);
    case DTYPE_U64:
        return (double)((const uint64_t *)tensor->data)[index];
    case DTYPE_STRING:
    case DTYPE_SEQUENCE:
    case DTYPE_OPTIONAL:
    case DTYPE_NONE:
        assert(!"a number was asked of a tensor that holds none");
        return 0;
    default:
        return (double)tensor_int_at(tensor, index);
    }
}
