/* SPDX-License-Identifier: Apache-2.0
 * Where in a file the tensors and properties are that a splice changes. */
#include "engine/onnx/onnx_splice_private.h"

#include "engine/onnx/onnx_tensor.h"
#include "engine/onnx/protobuf_reader.h"

#include <string.h>

enum frame_kind { IN_MODEL, IN_GRAPH, IN_NODE, IN_ATTRIBUTE };

enum { FRAMES_MAX = 3 * (ONNX_DEPTH_MAX + 1) + 2, SPANS_FIRST = 64 };

/* A message that is being walked. */
struct frame {
    enum frame_kind kind;
    struct splice_place place;
    struct protobuf_reader fields;
    int span;               /* SPLICE_NONE until something inside changes */
    bool is_constant;       /* node and its attributes: a Constant */
    bool has_floats;        /* attribute: its list has been noted */
    struct bytes name;      /* node and its attributes: of the Constant's output */
};

struct walk {
    struct splicing *splicing;
    bool *property_found;
    int depth;
    struct frame frames[FRAMES_MAX];
};

struct splice_place splice_place_of(const struct splicing *splicing, const unsigned char *begin,
                                    const struct bytes *content)
{
    const unsigned char *at = begin;
    struct splice_place place = {.begin = (size_t)(begin - splicing->base)};

    while (*at >= 0x80)
        at++;
    place.length_at = (size_t)(at + 1 - splicing->base);
    place.content = (size_t)((const unsigned char *)content->data - splicing->base);
    place.end = place.content + content->length;
    return place;
}

enum engine_status splice_add_span(struct splicing *splicing, const struct splice_place *place,
                                   int parent, int *ret)
{
    int capacity = splicing->cap_spans > 0 ? 2 * splicing->cap_spans : SPANS_FIRST;
    struct splice_span *spans;

    if (splicing->n_spans == splicing->cap_spans) {
        spans = capacity < INT32_MAX / 2
                    ? arena_calloc(splicing->arena, (size_t)capacity, sizeof(*spans))
                    : NULL;
        if (spans == NULL)
            return onnx_no_memory("splice", splicing->err);
        if (splicing->n_spans > 0)
            memcpy(spans, splicing->spans, (size_t)splicing->n_spans * sizeof(*spans));
        splicing->spans = spans;
        splicing->cap_spans = capacity;
    }
    splicing->spans[splicing->n_spans] = (struct splice_span){.place = *place, .parent = parent};
    *ret = splicing->n_spans++;
    return ENGINE_OK;
}

/* Gives every frame of the stack its span, outermost first; the file itself has none. */
static enum engine_status open_spans(struct walk *walk)
{
    enum engine_status status = ENGINE_OK;

    for (int d = 1; d < walk->depth && status == ENGINE_OK; d++)
        if (walk->frames[d].span == SPLICE_NONE)
            status = splice_add_span(walk->splicing, &walk->frames[d].place,
                                     walk->frames[d - 1].span, &walk->frames[d].span);
    return status;
}

static enum engine_status add_match(struct walk *walk, enum splice_kind kind, int item,
                                    const struct splice_place *place, int span)
{
    struct splicing *splicing = walk->splicing;
    struct splice_match *match = arena_calloc(splicing->arena, 1, sizeof(*match));

    if (match == NULL)
        return onnx_no_memory("splice", splicing->err);
    match->kind = kind;
    match->item = item;
    match->place = *place;
    match->span = span;
    for (int d = 2; d < walk->depth; d++)
        match->inner |= walk->frames[d].kind == IN_GRAPH;
    *splicing->last_match = match;
    splicing->last_match = &match->next;
    return ENGINE_OK;
}

static enum engine_status note(struct walk *walk, enum splice_kind kind, int item,
                               const struct splice_place *place)
{
    enum engine_status status = open_spans(walk);

    if (status != ENGINE_OK)
        return status;
    return add_match(walk, kind, item, place, walk->frames[walk->depth - 1].span);
}

/* A TensorProto; `name` is given for a Constant's. */
static enum engine_status visit_tensor(struct walk *walk, const struct bytes *message,
                                       const struct bytes *given, const struct splice_place *place)
{
    struct bytes name = given != NULL ? *given : (struct bytes){0};
    struct protobuf_reader fields;
    struct protobuf_field field;
    int64_t location = 0;
    int item = SPLICE_NONE;
    bool wanted;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == TENSOR_NAME && given == NULL)
            protobuf_bytes(&fields, &field, &name);
        else if (field.number == TENSOR_LOCATION)
            protobuf_int(&fields, &field, &location);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "TensorProto", walk->splicing->err);
    wanted = onnx_names_find(&walk->splicing->names, &name, &item);
    if (!wanted && (location != 1 || walk->splicing->splice->dir_fd < 0))
        return ENGINE_OK;
    return note(walk, SPLICE_TENSOR, item, place);
}

/* A SparseTensorProto among the initializers: its name is that of its values. */
static enum engine_status visit_sparse(struct walk *walk, const struct bytes *message,
                                       const struct splice_place *place)
{
    struct protobuf_reader fields, inner;
    struct protobuf_field field, part;
    struct bytes name = {0}, values;
    int item;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number != 1 || !protobuf_bytes(&fields, &field, &values))
            continue;
        protobuf_start(&inner, values.data, values.length);
        while (protobuf_next(&inner, &part))
            if (part.number == TENSOR_NAME)
                protobuf_bytes(&inner, &part, &name);
        if (inner.problem != NULL)
            protobuf_fail(&fields, inner.problem);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "SparseTensorProto", walk->splicing->err);
    if (!onnx_names_find(&walk->splicing->names, &name, &item))
        return ENGINE_OK;
    return note(walk, SPLICE_SPARSE, item, place);
}

static enum engine_status visit_property(struct walk *walk, const struct bytes *message,
                                         const struct splice_place *place)
{
    const struct onnx_splice *splice = walk->splicing->splice;
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes key = {0};

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        if (field.number == 1)
            protobuf_bytes(&fields, &field, &key);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "metadata_props", walk->splicing->err);
    for (size_t i = 0; i < splice->n_properties; i++) {
        const char *wanted = splice->properties[i].key;

        if (strlen(wanted) == key.length && memcmp(wanted, key.data, key.length) == 0) {
            int item = walk->property_found[i] ? SPLICE_NONE : (int)i;

            walk->property_found[i] = true;
            return note(walk, SPLICE_PROPERTY, item, place);
        }
    }
    return ENGINE_OK;
}

static enum engine_status push(struct walk *walk, enum frame_kind kind, const struct bytes *message,
                               const struct splice_place *place)
{
    struct frame *frame = &walk->frames[walk->depth];

    if (walk->depth == FRAMES_MAX)
        return engine_error_set(walk->splicing->err, ENGINE_BAD_MODEL,
                                "bodies within bodies are deeper than %d", ONNX_DEPTH_MAX);
    *frame = (struct frame){.kind = kind, .span = SPLICE_NONE};
    if (place != NULL)
        frame->place = *place;
    if (kind == IN_ATTRIBUTE) {
        frame->is_constant = walk->frames[walk->depth - 1].is_constant;
        frame->name = walk->frames[walk->depth - 1].name;
    }
    protobuf_start(&frame->fields, message->data, message->length);
    walk->depth++;
    return ENGINE_OK;
}

static bool text_is(const struct bytes *text, const char *wanted)
{
    return text->length == strlen(wanted) && memcmp(text->data, wanted, text->length) == 0;
}

/* Looks ahead at what a node is. */
static enum engine_status push_node(struct walk *walk, const struct bytes *message,
                                    const struct splice_place *place)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes output = {0}, op_type = {0}, domain = {0};
    enum engine_status status;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == 2)
            protobuf_bytes(&fields, &field, &output);
        else if (field.number == 4)
            protobuf_bytes(&fields, &field, &op_type);
        else if (field.number == 7)
            protobuf_bytes(&fields, &field, &domain);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "NodeProto", walk->splicing->err);
    status = push(walk, IN_NODE, message, place);
    if (status != ENGINE_OK)
        return status;
    walk->frames[walk->depth - 1].is_constant =
        text_is(&op_type, "Constant") && (domain.length == 0 || text_is(&domain, "ai.onnx"));
    walk->frames[walk->depth - 1].name = output;
    return ENGINE_OK;
}

/* The float or floats of a Constant. The whole attribute is the place, and already a span. */
static enum engine_status visit_floats(struct walk *walk, struct frame *frame,
                                       enum splice_kind kind)
{
    struct splice_place place = frame->place;
    int item;

    if (!frame->is_constant || frame->has_floats ||
        !onnx_names_find(&walk->splicing->names, &frame->name, &item))
        return ENGINE_OK;
    frame->has_floats = true;
    return note(walk, kind, item, &place);
}

static enum engine_status visit_attribute(struct walk *walk, struct frame *frame,
                                          const struct protobuf_field *field,
                                          const struct splice_place *place)
{
    static const struct bytes nobody = {.data = "", .length = 0};

    switch (field->number) {
    case 2:
        return visit_floats(walk, frame, SPLICE_VALUE_FLOAT);
    case 7:
        return visit_floats(walk, frame, SPLICE_VALUE_FLOATS);
    case 5:
    case 10:
        return visit_tensor(walk, &field->bytes, frame->is_constant ? &frame->name : &nobody,
                            place);
    case 6:
    case 11:
        return push(walk, IN_GRAPH, &field->bytes, place);
    default:
        return ENGINE_OK;
    }
}

static enum engine_status visit(struct walk *walk, struct frame *frame,
                                const struct protobuf_field *field,
                                const struct splice_place *place)
{
    bool is_bytes = field->wire == PROTOBUF_BYTES;

    if (frame->kind == IN_ATTRIBUTE && (is_bytes || field->number == 2 || field->number == 7))
        return visit_attribute(walk, frame, field, place);
    if (!is_bytes)
        return ENGINE_OK;
    switch (frame->kind) {
    case IN_MODEL:
        return field->number == 7    ? push(walk, IN_GRAPH, &field->bytes, place)
               : field->number == 14 ? visit_property(walk, &field->bytes, place)
                                     : ENGINE_OK;
    case IN_GRAPH:
        return field->number == 1    ? push_node(walk, &field->bytes, place)
               : field->number == 5  ? visit_tensor(walk, &field->bytes, NULL, place)
               : field->number == 15 ? visit_sparse(walk, &field->bytes, place)
                                     : ENGINE_OK;
    default:
        return field->number == 5 ? push(walk, IN_ATTRIBUTE, &field->bytes, place) : ENGINE_OK;
    }
}

/* The next field of the innermost message. */
static enum engine_status step(struct walk *walk)
{
    struct frame *frame = &walk->frames[walk->depth - 1];
    const unsigned char *begin = frame->fields.at;
    struct splice_place place = {0};
    struct protobuf_field field;

    if (!protobuf_next(&frame->fields, &field)) {
        if (frame->fields.problem != NULL)
            return onnx_wire_error(&frame->fields, "file", walk->splicing->err);
        walk->depth--;
        return ENGINE_OK;
    }
    if (field.wire == PROTOBUF_BYTES)
        place = splice_place_of(walk->splicing, begin, &field.bytes);
    return visit(walk, frame, &field, &place);
}

/* Properties that the file lacks go to its end. */
static enum engine_status add_properties(struct walk *walk)
{
    const struct onnx_splice *splice = walk->splicing->splice;
    struct splice_place end = {splice->size, splice->size, splice->size, splice->size};
    enum engine_status status = ENGINE_OK;

    for (size_t i = 0; i < splice->n_properties && status == ENGINE_OK; i++)
        if (!walk->property_found[i] && splice->properties[i].text != NULL)
            status = add_match(walk, SPLICE_PROPERTY, (int)i, &end, SPLICE_NONE);
    return status;
}

enum engine_status splice_find(struct splicing *splicing)
{
    const struct onnx_splice *splice = splicing->splice;
    struct bytes file = {.data = splice->bytes, .length = splice->size};
    struct walk *walk = arena_calloc(splicing->arena, 1, sizeof(*walk));
    enum engine_status status = ENGINE_OK;

    if (walk == NULL)
        return onnx_no_memory("splice", splicing->err);
    walk->splicing = splicing;
    walk->property_found = arena_calloc(splicing->arena, splice->n_properties, sizeof(bool));
    if (walk->property_found == NULL)
        return onnx_no_memory("splice", splicing->err);
    status = push(walk, IN_MODEL, &file, NULL);
    while (status == ENGINE_OK && walk->depth > 0)
        status = step(walk);
    return status == ENGINE_OK ? add_properties(walk) : status;
}
