/* SPDX-License-Identifier: Apache-2.0
 * proto/datatype.h - element types as the Open Inference Protocol names them. */
#ifndef PROTO_DATATYPE_H
#define PROTO_DATATYPE_H

#include <stddef.h>

/* X(name, bytes of an element on the wire (0: variable), TensorFlow's name) */
#define WIRE_TYPE_MAP(X) \
    X(BOOL, 1, "DT_BOOL") \
    X(UINT8, 1, "DT_UINT8") \
    X(UINT16, 2, "DT_UINT16") \
    X(UINT32, 4, "DT_UINT32") \
    X(UINT64, 8, "DT_UINT64") \
    X(INT8, 1, "DT_INT8") \
    X(INT16, 2, "DT_INT16") \
    X(INT32, 4, "DT_INT32") \
    X(INT64, 8, "DT_INT64") \
    X(FP16, 2, "DT_HALF") \
    X(BF16, 2, "DT_BFLOAT16") \
    X(FP32, 4, "DT_FLOAT") \
    X(FP64, 8, "DT_DOUBLE") \
    X(BYTES, 0, "DT_STRING")

#define X(name, size, tf) WIRE_##name,
enum wire_type { WIRE_NONE = 0, WIRE_TYPE_MAP(X) };
#undef X

/* WIRE_NONE for an unknown name. Case-sensitive, as in the specification. */
enum wire_type wire_type_find(const char *name, size_t length);
const char *wire_type_name(enum wire_type type);      /* "FP32" */
const char *wire_type_tf_name(enum wire_type type);   /* "DT_FLOAT" */
size_t wire_type_bytes(enum wire_type type);

#endif
