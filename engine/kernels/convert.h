/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/convert.h - elements of any numeric type to and from the four types that the
 * arithmetic kernels compute in: float, double, int64 and uint64. Bool counts as 0 or 1; storing
 * into bool stores "not zero". Pure loops; any thread. */
#ifndef ENGINE_KERNELS_CONVERT_H
#define ENGINE_KERNELS_CONVERT_H

#include "engine/dtype.h"

/* Elements that fit a stack buffer of 8-byte elements comfortably: the chunk that callers use. */
enum { CONVERT_CHUNK = 256 };

/* The type that kernels compute in: F32 for float, float16 and bfloat16; F64 for double; U64 for
 * uint64; I64 for all other integers and bool. DTYPE_NONE for what is no number. */
enum dtype compute_dtype(enum dtype dtype);

/* n elements of type `from` at `src`, read as the type that the name says. Floats become integers
 * by truncation; out of range they saturate, and NaN becomes 0 (ONNX leaves both open). Integers
 * wrap around. `src` and `dst` do not overlap. */
void load_f32(enum dtype from, int64_t n, const void *src, float *dst);
void load_f64(enum dtype from, int64_t n, const void *src, double *dst);
void load_i64(enum dtype from, int64_t n, const void *src, int64_t *dst);
/* The other way, by the same rules; float16 and bfloat16 round to nearest even, once. */
void store_f32(enum dtype to, int64_t n, const float *src, void *dst);
void store_f64(enum dtype to, int64_t n, const double *src, void *dst);
void store_i64(enum dtype to, int64_t n, const int64_t *src, void *dst);

/* The same for the type `compute`, one of those that compute_dtype() returns; U64 goes by way of
 * int64's bits. */
void load_as(enum dtype compute, enum dtype from, int64_t n, const void *src, void *dst);
void store_as(enum dtype compute, enum dtype to, int64_t n, const void *src, void *dst);

/* Double to float16 and bfloat16 with one rounding. */
uint16_t f64_to_f16(double value);
uint16_t f64_to_bf16(double value);

#endif
