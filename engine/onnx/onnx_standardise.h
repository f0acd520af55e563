/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_standardise.h - an ONNX file whose input is standardised within the model: who
 * predicts sends raw numbers. A Sub and a Div with constants go between the input and all that reads
 * it; every other byte stays as it is. The bytes are as hostile as for onnx_read(). Any thread. */
#ifndef ENGINE_ONNX_ONNX_STANDARDISE_H
#define ENGINE_ONNX_ONNX_STANDARDISE_H

#include "engine/error.h"
#include "engine/tensor.h"

#include <stddef.h>

/* `mean` and `deviation` are float32, shaped to broadcast against the input. `*ret_bytes` is for free().
 * BAD_MODEL: the bytes are malformed. BAD_INPUT: no node reads the input. UNSUPPORTED: a body (If, Loop,
 * Scan) might read it. */
enum engine_status onnx_standardise(const void *bytes, size_t size, const char *input,
                                    const struct tensor *mean, const struct tensor *deviation,
                                    void **ret_bytes, size_t *ret_size, struct engine_error *err);

#endif
