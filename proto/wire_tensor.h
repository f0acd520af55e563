/* SPDX-License-Identifier: Apache-2.0
 * proto/wire_tensor.h - a named tensor as it crosses the wire, decoded: little-endian elements,
 * row-major; BYTES as an array of struct wire_bytes. */
#ifndef PROTO_WIRE_TENSOR_H
#define PROTO_WIRE_TENSOR_H

#include "proto/datatype.h"
#include "proto/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_RANK_MAX = 8 };

struct wire_bytes {
    const char *data;
    size_t length;
};

struct wire_tensor {
    const char *name;
    enum wire_type type;
    int rank;
    int64_t dims[WIRE_RANK_MAX];
    void *data;             /* elements; where they live is said by whoever made it */
    int64_t count;          /* elements */
    bool owned;             /* data is freed with the message (false: points into the body) */
};

/* What a model takes or gives: for decoding forms whose JSON does not name types (TF Serving v1),
 * and for metadata. dims may be -1. */
struct tensor_spec {
    const char *name;
    enum wire_type type;
    int rank;               /* -1: unknown */
    int64_t dims[WIRE_RANK_MAX];
};

/* Elements of dims, checked; false if negative or if count * bytes overflows. */
bool wire_count(const int64_t *dims, int rank, size_t element_bytes, int64_t *ret_count);

#endif
