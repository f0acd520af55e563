/* SPDX-License-Identifier: Apache-2.0
 * engine/dtype.h - element types, numbered as in ONNX's TensorProto.DataType. */
#ifndef ENGINE_DTYPE_H
#define ENGINE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, ONNX number, bytes of an element, text as ONNX documents spell it) */
#define DTYPE_MAP(X) \
    X(F32, 1, 4, "float") \
    X(U8, 2, 1, "uint8") \
    X(I8, 3, 1, "int8") \
    X(U16, 4, 2, "uint16") \
    X(I16, 5, 2, "int16") \
    X(I32, 6, 4, "int32") \
    X(I64, 7, 8, "int64") \
    X(STRING, 8, sizeof(struct bytes), "string") \
    X(BOOL, 9, 1, "bool") \
    X(F16, 10, 2, "float16") \
    X(F64, 11, 8, "double") \
    X(U32, 12, 4, "uint32") \
    X(U64, 13, 8, "uint64") \
    X(BF16, 16, 2, "bfloat16")

/* One element of a string tensor; the bytes live where the tensor's owner keeps them. */
struct bytes {
    const char *data;
    size_t length;
};

#define X(name, number, size, text) DTYPE_##name = number,
enum dtype {
    DTYPE_NONE = 0,
    DTYPE_MAP(X)
    /* Engine-internal: values of ONNX sequence and optional type. Elements are struct tensor. */
    DTYPE_SEQUENCE = 64,
    DTYPE_OPTIONAL = 65
};
#undef X

#define DTYPE_BIT(dtype) (UINT64_C(1) << (dtype))

/* Bytes of one element, 0 for a number that names no type we hold. */
size_t dtype_size(enum dtype dtype);
/* "float", "int64", ...; "undefined" for what we do not hold. Never NULL. */
const char *dtype_name(enum dtype dtype);
/* True for float, double, float16 and bfloat16. */
bool dtype_is_float(enum dtype dtype);
/* True for the signed and unsigned integers; false for bool. */
bool dtype_is_integer(enum dtype dtype);
bool dtype_is_signed(enum dtype dtype);

/* IEEE half and bfloat16 to float and back; round to nearest even. */
float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t half);
uint16_t f32_to_bf16(float value);

#endif
