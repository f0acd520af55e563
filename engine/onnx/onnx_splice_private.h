/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_splice_private.h - what the two halves of a splice share: onnx_splice_find.c
 * walks the file and notes places; onnx_splice.c turns them into patches and writes. */
#ifndef ENGINE_ONNX_ONNX_SPLICE_PRIVATE_H
#define ENGINE_ONNX_ONNX_SPLICE_PRIVATE_H

#include "engine/onnx/onnx_names.h"
#include "engine/onnx/onnx_splice.h"

enum { SPLICE_NONE = -1 };

/* A length-delimited field of the file, as offsets: its tag, its length, its content. */
struct splice_place {
    size_t begin, length_at, content, end;
};

/* A message that holds a place: its length follows what changes inside. */
struct splice_span {
    struct splice_place place;
    int parent; /* index, or SPLICE_NONE: the file */
    int64_t delta;
};

enum splice_kind {
    SPLICE_TENSOR,        /* a TensorProto */
    SPLICE_SPARSE,        /* a SparseTensorProto among the initializers */
    SPLICE_VALUE_FLOAT,   /* an AttributeProto with one float */
    SPLICE_VALUE_FLOATS,  /* one with a list */
    SPLICE_PROPERTY       /* a metadata_props entry */
};

/* Something to change. */
struct splice_match {
    enum splice_kind kind;
    int item;   /* change or property; SPLICE_NONE: external data that moves in, or a property's
                   second entry, which goes */
    bool inner; /* in a body */
    struct splice_place place;
    int span; /* around it */
    struct splice_match *next;
};

struct splicing {
    const struct onnx_splice *splice;
    const unsigned char *base;
    struct arena *arena;
    struct onnx_names names; /* to changes */
    int n_spans, cap_spans;
    struct splice_span *spans;
    struct splice_match *matches, **last_match;
    struct engine_error *err;
};

/* Fills `matches`. */
enum engine_status splice_find(struct splicing *splicing);
/* A span; `*ret` is its index. */
enum engine_status splice_add_span(struct splicing *splicing, const struct splice_place *place,
                                   int parent, int *ret);
/* The place of a BYTES field whose tag stands at `begin`. */
struct splice_place splice_place_of(const struct splicing *splicing, const unsigned char *begin,
                                    const struct bytes *content);

#endif
