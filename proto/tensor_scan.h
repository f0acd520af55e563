/* SPDX-License-Identifier: Apache-2.0
 * proto/tensor_scan.h - nested JSON arrays into the elements of one tensor. The nesting gives the
 * shape: the first array at each depth sets its length, the others must have the same. */
#ifndef PROTO_TENSOR_SCAN_H
#define PROTO_TENSOR_SCAN_H

#include "proto/message_memory.h"
#include "proto/wire_tensor.h"

struct tensor_scan {
    enum wire_type type;
    bool base64; /* BYTES: {"b64": "..."} is a string too */
    bool null_is_nan; /* of float types: answers may say so */
    void *data;  /* elements; room for `capacity` of them */
    int64_t capacity, count;
    int rank; /* depths seen so far */
    int64_t dims[WIRE_RANK_MAX];
    int leaf_rank;                 /* depth of the elements; -1 until one is seen */
    struct message_memory *memory; /* BYTES: keeps strings that had to be unescaped */
};

/* Takes room for `capacity` elements from `memory`. False (problem set: 413 beyond `bytes_max`,
 * 507) if there is none. */
bool tensor_scan_start(struct tensor_scan *scan, enum wire_type type, int64_t capacity,
                       size_t bytes_max, struct message_memory *memory, struct problem *problem);

/* Reads the value that [p, end) is the text of (as json_span_find() gives it): a scalar, or arrays
 * of them to any depth up to WIRE_RANK_MAX. May be called again for more values of the same shape.
 * False with `problem` set. Strings without escapes stay where they are: the text must outlive the
 * tensor. */
bool tensor_scan_value(struct tensor_scan *scan, const char *p, const char *end,
                       struct problem *problem);

#endif
