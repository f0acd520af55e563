/* SPDX-License-Identifier: Apache-2.0
 * tests/support/onnx_bytes.h - writes protobuf messages and small ONNX models for tests, broken
 * ones too. Field numbers are those of onnx.proto. Runs out of memory by abort(). */
#ifndef TESTS_SUPPORT_ONNX_BYTES_H
#define TESTS_SUPPORT_ONNX_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* A message being written; start with {0}, end with onnx_bytes_free(). */
struct onnx_bytes {
    unsigned char *data;
    size_t size, capacity;
};

void onnx_bytes_free(struct onnx_bytes *bytes);
void onnx_put_raw(struct onnx_bytes *bytes, const void *data, size_t size);
void onnx_put_varint(struct onnx_bytes *bytes, uint64_t number);
void onnx_put_int(struct onnx_bytes *bytes, uint32_t field, int64_t number);
void onnx_put_float(struct onnx_bytes *bytes, uint32_t field, float number);
void onnx_put_bytes(struct onnx_bytes *bytes, uint32_t field, const void *data, size_t size);
void onnx_put_text(struct onnx_bytes *bytes, uint32_t field, const char *text);
/* The inner message, which is freed and emptied. */
void onnx_put_message(struct onnx_bytes *bytes, uint32_t field, struct onnx_bytes *inner);

/* Parts of GraphProto. Names are separated by spaces; "-" stands for an absent one. `attributes`
 * (may be NULL) holds AttributeProto fields (number 5) and is freed. */
void onnx_put_node(struct onnx_bytes *graph, const char *op_type, const char *inputs,
                   const char *outputs, struct onnx_bytes *attributes);
void onnx_put_float_initializer(struct onnx_bytes *graph, const char *name, const int64_t *dims,
                                size_t rank, const float *items, size_t count);
/* ValueInfoProto of a float tensor; dims below 0 are symbols. `field` 11 input, 12 output. */
void onnx_put_value(struct onnx_bytes *graph, uint32_t field, const char *name, const int64_t *dims,
                    size_t rank);

/* Attributes of a node. */
void onnx_put_attribute_int(struct onnx_bytes *attributes, const char *name, int64_t item);
void onnx_put_attribute_float(struct onnx_bytes *attributes, const char *name, float item);
void onnx_put_attribute_text(struct onnx_bytes *attributes, const char *name, const char *text);
void onnx_put_attribute_ints(struct onnx_bytes *attributes, const char *name, const int64_t *items,
                             size_t count);
/* Frees `graph`. */
void onnx_put_attribute_graph(struct onnx_bytes *attributes, const char *name,
                              struct onnx_bytes *graph);

/* ModelProto around a graph, which is freed; IR version 8. */
void onnx_put_model(struct onnx_bytes *model, struct onnx_bytes *graph, int opset);

/* A network of 4 inputs and 3 outputs with weights: Gemm, Relu, Gemm, Softmax. */
void onnx_put_small_model(struct onnx_bytes *model);

#endif
