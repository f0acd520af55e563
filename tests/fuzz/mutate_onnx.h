/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/mutate_onnx.h - changes one field of an ONNX file and keeps the rest well formed.
 * Flipped bits seldom get past the wire format; a changed dim, axis, name or operator reaches the
 * operators. */
#ifndef TESTS_FUZZ_MUTATE_ONNX_H
#define TESTS_FUZZ_MUTATE_ONNX_H

#include "tests/support/onnx_bytes.h"

#include <stddef.h>
#include <stdint.h>

/* A changed copy of `data`; the same `seed` makes the same change. Free it. Bytes that are no
 * message at all come back as they are. */
struct onnx_bytes mutate_onnx(const uint8_t *data, size_t size, uint64_t seed);

/* libFuzzer calls it where it is linked in. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

#endif
