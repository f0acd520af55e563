/* SPDX-License-Identifier: Apache-2.0
 * AttributeProto. */
#include "engine/onnx/onnx_reader.h"

#include <string.h>

enum {
    FIELD_NAME = 1,
    FIELD_F = 2,
    FIELD_I = 3,
    FIELD_S = 4,
    FIELD_T = 5,
    FIELD_G = 6,
    FIELD_FLOATS = 7,
    FIELD_INTS = 8,
    FIELD_STRINGS = 9,
    FIELD_TENSORS = 10,
    FIELD_GRAPHS = 11,
    FIELD_TYPE = 20,
    FIELD_REFERENCE = 21,
    FIELD_SPARSE = 22,
    FIELD_END = 24
};

enum { TYPE_SPARSE_TENSOR = 11, TYPE_LAST = 14 };

/* First look: what there is, and how much of it. */
struct outline {
    struct bytes name, reference;
    struct bytes single[FIELD_END]; /* last S, T, G, SPARSE */
    float f;
    int64_t i, type;
    size_t counts[FIELD_END]; /* of elements, by field */
};

static bool outline_field(struct protobuf_reader *fields, const struct protobuf_field *field,
                          struct outline *outline)
{
    size_t count = 1;
    bool ok = true;

    switch (field->number) {
    case FIELD_NAME:
        return protobuf_text(fields, field, ONNX_NAME_BYTES_MAX, &outline->name);
    case FIELD_REFERENCE:
        return protobuf_text(fields, field, ONNX_NAME_BYTES_MAX, &outline->reference);
    case FIELD_TYPE:
        return protobuf_int(fields, field, &outline->type);
    case FIELD_F:
        ok = protobuf_float(fields, field, &outline->f);
        break;
    case FIELD_I:
        ok = protobuf_int(fields, field, &outline->i);
        break;
    case FIELD_FLOATS:
        ok = protobuf_count(fields, field, PROTOBUF_FIXED32, &count);
        break;
    case FIELD_INTS:
        ok = protobuf_count(fields, field, PROTOBUF_VARINT, &count);
        break;
    case FIELD_S:
    case FIELD_T:
    case FIELD_G:
    case FIELD_SPARSE:
    case FIELD_STRINGS:
    case FIELD_TENSORS:
    case FIELD_GRAPHS:
        ok = protobuf_bytes(fields, field, &outline->single[field->number]);
        break;
    default:
        return true;
    }
    if (ok)
        outline->counts[field->number] += count;
    return ok;
}

/* Files of before 2017-11 leave the type out: the field that is there tells. */
static int64_t type_of(const struct outline *outline)
{
    static const struct {
        int field, type;
    } by_field[] = {
        {FIELD_F, ATTRIBUTE_FLOAT},         {FIELD_I, ATTRIBUTE_INT},
        {FIELD_S, ATTRIBUTE_STRING},        {FIELD_T, ATTRIBUTE_TENSOR},
        {FIELD_G, ATTRIBUTE_GRAPH},         {FIELD_FLOATS, ATTRIBUTE_FLOATS},
        {FIELD_INTS, ATTRIBUTE_INTS},       {FIELD_STRINGS, ATTRIBUTE_STRINGS},
        {FIELD_TENSORS, ATTRIBUTE_TENSORS}, {FIELD_GRAPHS, ATTRIBUTE_GRAPHS},
        {FIELD_SPARSE, TYPE_SPARSE_TENSOR},
    };

    if (outline->type != 0)
        return outline->type;
    for (size_t k = 0; k < sizeof(by_field) / sizeof(by_field[0]); k++)
        if (outline->counts[by_field[k].field] > 0)
            return by_field[k].type;
    return 0;
}

/* All elements of a numeric list into arena memory. */
static enum engine_status read_numbers(struct onnx_reader *reader, const struct bytes *message,
                                       const struct outline *outline, struct attribute *ret)
{
    bool is_int = ret->type == ATTRIBUTE_INTS;
    uint32_t number = is_int ? FIELD_INTS : FIELD_FLOATS;
    enum protobuf_wire wire = is_int ? PROTOBUF_VARINT : PROTOBUF_FIXED32;
    size_t at = 0, count = outline->counts[number];
    void *items = arena_calloc(reader->arena, count, is_int ? sizeof(int64_t) : sizeof(float));
    struct protobuf_reader fields;
    struct protobuf_field field;

    if (items == NULL)
        return onnx_no_memory("attribute list", reader->err);
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        size_t here = 0;

        if (field.number != number || !protobuf_count(&fields, &field, wire, &here))
            continue;
        if (is_int)
            protobuf_varints(&fields, &field, (uint64_t *)items + at);
        else
            protobuf_floats(&fields, &field, (float *)items + at);
        at += here;
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "AttributeProto", reader->err);
    ret->count = count;
    ret->ints = is_int ? items : NULL;
    ret->floats = is_int ? NULL : items;
    return ENGINE_OK;
}

static enum engine_status read_string(struct onnx_reader *reader, const struct bytes *text,
                                      struct bytes *ret)
{
    ret->data = onnx_text(reader, text);
    ret->length = text->length;
    return ret->data != NULL ? ENGINE_OK : ENGINE_NO_MEMORY;
}

static enum engine_status read_tensor(struct onnx_reader *reader, const struct bytes *message,
                                      bool is_sparse, struct tensor *ret)
{
    if (is_sparse)
        return onnx_sparse_parse(message, reader->dir_fd, reader->arena, NULL, ret, reader->err);
    return onnx_tensor_parse(message, reader->dir_fd, reader->arena, NULL, ret, reader->err);
}

/* The body is read later: see onnx_reader.h. */
static enum engine_status read_graph(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct bytes *message, struct graph **ret)
{
    struct onnx_frame *body;

    if (frame->depth >= ONNX_DEPTH_MAX)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "bodies nest deeper than %d",
                                ONNX_DEPTH_MAX);
    body = onnx_graph_frame(reader, message, frame);
    if (body == NULL)
        return onnx_no_memory("bodies", reader->err);
    if (reader->queue_last != NULL)
        reader->queue_last->below = body;
    else
        reader->queue = body;
    reader->queue_last = body;
    *ret = body->graph;
    return ENGINE_OK;
}

/* Lists of messages: strings, tensors, graphs. */
static enum engine_status read_list(struct onnx_reader *reader, struct onnx_frame *frame,
                                    const struct bytes *message, const struct outline *outline,
                                    struct attribute *ret)
{
    uint32_t number = ret->type == ATTRIBUTE_STRINGS   ? FIELD_STRINGS
                      : ret->type == ATTRIBUTE_TENSORS ? FIELD_TENSORS
                                                       : FIELD_GRAPHS;
    size_t at = 0, count = outline->counts[number];
    size_t size = number == FIELD_STRINGS   ? sizeof(struct bytes)
                  : number == FIELD_TENSORS ? sizeof(struct tensor)
                                            : sizeof(struct graph *);
    void *items = arena_calloc(reader->arena, count, size);
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;

    if (items == NULL)
        return onnx_no_memory("attribute list", reader->err);
    protobuf_start(&fields, message->data, message->length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        if (field.number != number)
            continue;
        if (number == FIELD_STRINGS)
            status = read_string(reader, &field.bytes, (struct bytes *)items + at++);
        else if (number == FIELD_TENSORS)
            status = read_tensor(reader, &field.bytes, false, (struct tensor *)items + at++);
        else
            status = read_graph(reader, frame, &field.bytes, (struct graph **)items + at++);
    }
    ret->count = count;
    ret->strings = number == FIELD_STRINGS ? items : NULL;
    ret->tensors = number == FIELD_TENSORS ? items : NULL;
    ret->graphs = number == FIELD_GRAPHS ? items : NULL;
    return status;
}

static enum engine_status read_one_tensor(struct onnx_reader *reader, const struct outline *outline,
                                          bool is_sparse, struct attribute *ret)
{
    int field = is_sparse ? FIELD_SPARSE : FIELD_T;
    struct tensor *tensor = arena_alloc(reader->arena, sizeof(*tensor));

    if (outline->counts[field] == 0)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "its tensor is missing");
    if (tensor == NULL)
        return onnx_no_memory("attribute", reader->err);
    ret->type = ATTRIBUTE_TENSOR;
    ret->t = tensor;
    return read_tensor(reader, &outline->single[field], is_sparse, tensor);
}

static enum engine_status read_value(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct bytes *message, const struct outline *outline,
                                     int64_t type, struct attribute *ret, bool *ret_present)
{
    ret->type = (enum attribute_type)type;
    switch (type) {
    case ATTRIBUTE_FLOAT:
        ret->f = outline->f;
        return ENGINE_OK;
    case ATTRIBUTE_INT:
        ret->i = outline->i;
        return ENGINE_OK;
    case ATTRIBUTE_STRING:
        return read_string(reader, &outline->single[FIELD_S], &ret->s);
    case ATTRIBUTE_TENSOR:
    case TYPE_SPARSE_TENSOR:
        return read_one_tensor(reader, outline, type == TYPE_SPARSE_TENSOR, ret);
    case ATTRIBUTE_GRAPH:
        if (outline->counts[FIELD_G] == 0)
            return engine_error_set(reader->err, ENGINE_BAD_MODEL, "its graph is missing");
        return read_graph(reader, frame, &outline->single[FIELD_G], &ret->g);
    case ATTRIBUTE_FLOATS:
    case ATTRIBUTE_INTS:
        return read_numbers(reader, message, outline, ret);
    case ATTRIBUTE_STRINGS:
    case ATTRIBUTE_TENSORS:
    case ATTRIBUTE_GRAPHS:
        return read_list(reader, frame, message, outline, ret);
    default:
        *ret_present = false; /* types say nothing that a run needs */
        if (type > 0 && type <= TYPE_LAST)
            return ENGINE_OK;
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "type %lld is unknown",
                                (long long)type);
    }
}

/* An attribute of the call that the function's frame stands for. */
static enum engine_status resolve(struct onnx_reader *reader, const struct onnx_frame *frame,
                                  const struct bytes *reference, struct attribute *ret,
                                  bool *ret_present)
{
    *ret_present = false;
    for (int k = 0; k < frame->n_attributes; k++) {
        const struct attribute *given = &frame->attributes[k];

        if (strcmp(given->name, reference->data) != 0)
            continue;
        if (given->type == ATTRIBUTE_GRAPH || given->type == ATTRIBUTE_GRAPHS)
            return engine_error_set(reader->err, ENGINE_UNSUPPORTED,
                                    "functions that take bodies as attributes");
        *ret = *given;
        *ret_present = true;
    }
    return ENGINE_OK;
}

enum engine_status onnx_attribute_read(struct onnx_reader *reader, struct onnx_frame *frame,
                                       const struct bytes *message, struct attribute *ret,
                                       bool *ret_present)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct outline outline;
    enum engine_status status;
    const char *name;

    memset(&outline, 0, sizeof(outline));
    memset(ret, 0, sizeof(*ret));
    *ret_present = true;
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        outline_field(&fields, &field, &outline);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "AttributeProto", reader->err);
    if (outline.name.length == 0)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "an attribute has no name");
    name = onnx_text(reader, &outline.name);
    if (name == NULL)
        return ENGINE_NO_MEMORY;
    if (outline.reference.length > 0) {
        outline.reference.data = onnx_text(reader, &outline.reference);
        if (outline.reference.data == NULL)
            return ENGINE_NO_MEMORY;
        status = resolve(reader, frame, &outline.reference, ret, ret_present);
    } else {
        status = read_value(reader, frame, message, &outline, type_of(&outline), ret, ret_present);
    }
    ret->name = name;
    if (status != ENGINE_OK)
        engine_error_prefix(reader->err, "attribute '%.200s'", name);
    return status;
}
