/* SPDX-License-Identifier: Apache-2.0
 * Patches: ranges of the old file and what stands there in the new one. A message around a patch
 * gets one for its length, if that changes. All the rest is copied. */
#include "engine/onnx/onnx_splice_private.h"

#include "engine/onnx/onnx_external.h"
#include "engine/onnx/onnx_tensor.h"
#include "engine/onnx/onnx_writer.h"
#include "engine/onnx/protobuf_reader.h"
#include "engine/onnx/protobuf_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTRIBUTE_FIELD_F = 2, ATTRIBUTE_FIELD_FLOATS = 7, PATCHES_FIRST = 64 };

/* The bytes [begin, end) become `head` and then the data. */
struct patch {
    size_t begin, end;
    size_t order; /* among those that begin at the same place */
    size_t head_size, data_size;
    const void *head, *data;
    const struct onnx_external *external; /* where the data is instead */
};

struct patches {
    struct splicing *splicing;
    size_t count, capacity;
    struct patch *items;
};

/* Adds one; the messages around it, from `span` outwards, will grow by the difference. */
static enum engine_status add_patch(struct patches *patches, const struct patch *patch, int span)
{
    struct splicing *splicing = patches->splicing;
    size_t capacity = patches->capacity > 0 ? 2 * patches->capacity : PATCHES_FIRST;
    struct patch *items;

    if (patch->data_size > ONNX_FILE_BYTES_MAX)
        return engine_error_set(splicing->err, ENGINE_OVER_BUDGET,
                                "a tensor of %zu bytes does not fit an ONNX file (2 GiB)",
                                patch->data_size);
    if (patches->count == patches->capacity) {
        items = arena_calloc(splicing->arena, capacity, sizeof(*items));
        if (items == NULL)
            return onnx_no_memory("splice", splicing->err);
        if (patches->count > 0)
            memcpy(items, patches->items, patches->count * sizeof(*items));
        patches->items = items;
        patches->capacity = capacity;
    }
    if (span != SPLICE_NONE)
        splicing->spans[span].delta += (int64_t)(patch->head_size + patch->data_size) -
                                       (int64_t)(patch->end - patch->begin);
    patches->items[patches->count] = *patch;
    patches->items[patches->count].order = patches->count;
    patches->count++;
    return ENGINE_OK;
}

/* Takes a range out; grows the last patch when it ends where this begins. */
static enum engine_status remove_range(struct patches *patches, size_t begin, size_t end, int span)
{
    struct patch *last = patches->count > 0 ? &patches->items[patches->count - 1] : NULL;

    if (last == NULL || last->end != begin || last->begin == last->end)
        return add_patch(patches, &(struct patch){.begin = begin, .end = end}, span);
    last->end = end;
    if (span != SPLICE_NONE)
        patches->splicing->spans[span].delta -= (int64_t)(end - begin);
    return ENGINE_OK;
}

/* Data that replaces the fields of a message that held the old. */
struct new_data {
    uint32_t field;    /* to put it in */
    uint64_t old;      /* bits: the fields that go */
    const void *data;
    size_t size;
    const struct onnx_external *external;
};

static bool is_in_place(const struct protobuf_field *field, const struct new_data *data)
{
    return field->number == data->field && field->wire == PROTOBUF_BYTES &&
           field->bytes.length == data->size;
}

/* Within the message of `span`. What is as long as before is overwritten where it stands. */
static enum engine_status replace_data(struct patches *patches, int span,
                                       const struct new_data *data)
{
    struct splicing *splicing = patches->splicing;
    struct splice_place outer = splicing->spans[span].place;
    struct protobuf_reader fields;
    struct protobuf_field field;
    enum engine_status status = ENGINE_OK;
    bool done = data->size == 0;
    unsigned char *head = arena_alloc(splicing->arena, (size_t)2 * PROTOBUF_VARINT_MAX);

    if (head == NULL)
        return onnx_no_memory("splice", splicing->err);
    protobuf_start(&fields, splicing->base + outer.content, outer.end - outer.content);
    for (const unsigned char *begin = fields.at;
         status == ENGINE_OK && protobuf_next(&fields, &field); begin = fields.at) {
        struct patch patch = {.begin = (size_t)(begin - splicing->base),
                              .end = (size_t)(fields.at - splicing->base),
                              .data = data->data,
                              .data_size = data->size,
                              .external = data->external};

        if (field.number >= 64 || (data->old >> field.number & 1) == 0)
            continue;
        if (done) {
            status = remove_range(patches, patch.begin, patch.end, span);
        } else if (is_in_place(&field, data)) {
            patch.begin = patch.end - data->size;
            status = add_patch(patches, &patch, span);
            done = true;
        } else {
            patch.head = head;
            patch.head_size = protobuf_head(data->field, data->size, head);
            status = add_patch(patches, &patch, span);
            done = true;
        }
    }
    return status;
}

static const uint64_t tensor_data_fields =
    1 << TENSOR_FLOATS | 1 << TENSOR_INT32S | 1 << TENSOR_INT64S | 1 << TENSOR_RAW |
    1 << TENSOR_DOUBLES | 1 << TENSOR_UINT64S | 1 << TENSOR_EXTERNAL | 1 << TENSOR_LOCATION;

static enum engine_status check_fit(struct splicing *splicing, const struct onnx_change *change,
                                    enum dtype dtype, const struct shape *shape)
{
    char ours[SHAPE_TEXT_MAX], theirs[SHAPE_TEXT_MAX];

    if (change->tensor.dtype == dtype && shape_equal(&change->tensor.shape, shape))
        return ENGINE_OK;
    return engine_error_set(splicing->err, ENGINE_BAD_INPUT,
                            "tensor '%.200s' is %s%s in the file, the new data is %s%s",
                            change->name, dtype_name(dtype),
                            shape_text(shape, theirs, sizeof(theirs)),
                            dtype_name(change->tensor.dtype),
                            shape_text(&change->tensor.shape, ours, sizeof(ours)));
}

/* Raw bytes take the place of raw bytes and external ones; floats and doubles that are typed in the
 * file stay so, as a packed list; other types become raw. */
static enum engine_status patch_tensor(struct patches *patches, const struct splice_match *match,
                                       const struct onnx_change *change)
{
    struct splicing *splicing = patches->splicing;
    struct bytes message = {.data = (const char *)splicing->base + match->place.content,
                            .length = match->place.end - match->place.content};
    struct onnx_tensor_header *header = arena_alloc(splicing->arena, sizeof(*header));
    struct new_data data = {.field = TENSOR_RAW, .old = tensor_data_fields};
    enum engine_status status;
    int span;

    if (header == NULL)
        return onnx_no_memory("splice", splicing->err);
    status = onnx_tensor_header_read(&message, header, &data.size, splicing->err);
    if (status == ENGINE_OK && change != NULL)
        status = check_fit(splicing, change, header->tensor.dtype, &header->tensor.shape);
    if (status == ENGINE_OK && change == NULL)
        status = onnx_external_check(&header->external, splicing->splice->dir_fd, data.size,
                                     splicing->err);
    if (status == ENGINE_OK)
        status = splice_add_span(splicing, &match->place, match->span, &span);
    if (status != ENGINE_OK)
        return status;
    if (header->counts[TENSOR_FLOATS] > 0)
        data.field = TENSOR_FLOATS;
    else if (header->counts[TENSOR_DOUBLES] > 0)
        data.field = TENSOR_DOUBLES;
    if (change != NULL)
        data.data = change->tensor.data;
    else
        data.external = &header->external;
    return replace_data(patches, span, &data);
}

/* Becomes an ordinary initializer. Nested: the tensor's own fields, then the data. */
static enum engine_status patch_sparse(struct patches *patches, const struct splice_match *match,
                                       const struct onnx_change *change)
{
    struct splicing *splicing = patches->splicing;
    struct bytes message = {.data = (const char *)splicing->base + match->place.content,
                            .length = match->place.end - match->place.content};
    struct patch patch = {.begin = match->place.begin, .end = match->place.end,
                          .data = change->tensor.data, .data_size = tensor_bytes(&change->tensor)};
    size_t name_size = strlen(change->name), used = 0, inner;
    size_t room = name_size + (size_t)PROTOBUF_VARINT_MAX * 2 * (SHAPE_RANK_MAX + 4);
    unsigned char *body = arena_alloc(splicing->arena, room);
    unsigned char *head = arena_alloc(splicing->arena, room);
    struct tensor tensor;
    enum engine_status status;

    if (body == NULL || head == NULL)
        return onnx_no_memory("splice", splicing->err);
    status = onnx_sparse_parse(&message, splicing->splice->dir_fd, splicing->arena, NULL, &tensor,
                               splicing->err);
    if (status == ENGINE_OK)
        status = check_fit(splicing, change, tensor.dtype, &tensor.shape);
    if (status != ENGINE_OK)
        return status;
    for (int d = 0; d < tensor.shape.rank; d++) {
        body[used++] = TENSOR_DIMS << 3 | PROTOBUF_VARINT;
        used += protobuf_varint((uint64_t)tensor.shape.dims[d], body + used);
    }
    body[used++] = TENSOR_DATA_TYPE << 3 | PROTOBUF_VARINT;
    used += protobuf_varint(tensor.dtype, body + used);
    used += protobuf_head(TENSOR_NAME, name_size, body + used);
    memcpy(body + used, change->name, name_size);
    used += name_size;
    used += protobuf_head(TENSOR_RAW, patch.data_size, body + used);
    inner = protobuf_head(5, used + patch.data_size, head);
    assert(inner + used <= room);
    memcpy(head + inner, body, used);
    patch.head = head;
    patch.head_size = inner + used;
    return add_patch(patches, &patch, match->span);
}

static enum engine_status patch_floats(struct patches *patches, const struct splice_match *match,
                                       const struct onnx_change *change)
{
    struct splicing *splicing = patches->splicing;
    bool is_list = match->kind == SPLICE_VALUE_FLOATS;
    struct shape shape = {.rank = is_list};
    struct new_data data = {.field = ATTRIBUTE_FIELD_FLOATS,
                            .old = 1 << ATTRIBUTE_FIELD_FLOATS,
                            .data = change->tensor.data,
                            .size = sizeof(float)};
    struct protobuf_reader fields;
    struct protobuf_field field;
    enum engine_status status = ENGINE_OK;
    size_t count, total = 0;

    protobuf_start(&fields, splicing->base + match->place.content,
                   match->place.end - match->place.content);
    while (protobuf_next(&fields, &field)) {
        if (is_list && field.number == ATTRIBUTE_FIELD_FLOATS &&
            protobuf_count(&fields, &field, PROTOBUF_FIXED32, &count))
            total += count;
        if (!is_list && field.number == ATTRIBUTE_FIELD_F && field.wire == PROTOBUF_FIXED32) {
            size_t end = (size_t)(fields.at - splicing->base);

            status = check_fit(splicing, change, DTYPE_F32, &shape);
            if (status != ENGINE_OK)
                return status;
            return add_patch(patches,
                             &(struct patch){.begin = end - sizeof(float), .end = end,
                                             .data = data.data, .data_size = data.size},
                             match->span);
        }
    }
    if (fields.problem != NULL || !is_list)
        return engine_error_set(splicing->err, ENGINE_BAD_MODEL,
                                "the value of Constant '%.200s' is malformed", change->name);
    shape.dims[0] = (int64_t)total;
    data.size = total * sizeof(float);
    status = check_fit(splicing, change, DTYPE_F32, &shape);
    return status == ENGINE_OK ? replace_data(patches, match->span, &data) : status;
}

static enum engine_status patch_property(struct patches *patches, const struct splice_match *match)
{
    struct splicing *splicing = patches->splicing;
    const struct onnx_property *property =
        match->item != SPLICE_NONE ? &splicing->splice->properties[match->item] : NULL;
    struct patch patch = {.begin = match->place.begin, .end = match->place.end};
    size_t key_size, text_size, used, inner;
    unsigned char *head, lengths[4 * PROTOBUF_VARINT_MAX];

    if (property == NULL || property->text == NULL)
        return add_patch(patches, &patch, match->span);
    key_size = strlen(property->key);
    text_size = strlen(property->text);
    inner = protobuf_head(1, key_size, lengths) + key_size +
            protobuf_head(2, text_size, lengths) + text_size;
    head = arena_alloc(splicing->arena, inner + 2 * PROTOBUF_VARINT_MAX);
    if (head == NULL)
        return onnx_no_memory("splice", splicing->err);
    used = protobuf_head(14, inner, head);
    used += protobuf_head(1, key_size, head + used);
    memcpy(head + used, property->key, key_size);
    used += key_size;
    used += protobuf_head(2, text_size, head + used);
    memcpy(head + used, property->text, text_size);
    patch.head = head;
    patch.head_size = used + text_size;
    return add_patch(patches, &patch, match->span);
}

static enum engine_status patch_match(struct patches *patches, const struct splice_match *match)
{
    const struct onnx_change *change =
        match->item != SPLICE_NONE ? &patches->splicing->splice->changes[match->item] : NULL;

    switch (match->kind) {
    case SPLICE_TENSOR:
        return patch_tensor(patches, match, change);
    case SPLICE_SPARSE:
        return patch_sparse(patches, match, change);
    case SPLICE_PROPERTY:
        return patch_property(patches, match);
    default:
        return patch_floats(patches, match, change);
    }
}

/* How often each change was found, in the outermost graph and in bodies. */
struct found {
    int outer, inner;
};

static enum engine_status check_found(struct splicing *splicing, const struct found *found)
{
    const struct onnx_splice *splice = splicing->splice;

    for (size_t i = 0; i < splice->n_changes; i++) {
        const char *name = splice->changes[i].name;

        if (found[i].outer + found[i].inner == 0)
            return engine_error_set(splicing->err, ENGINE_BAD_INPUT,
                                    "the file has no tensor '%.200s' that can be replaced (an "
                                    "initializer or a Constant outside of functions)",
                                    name);
        if (found[i].outer > 1 || (found[i].outer == 0 && found[i].inner > 1))
            return engine_error_set(splicing->err, ENGINE_BAD_INPUT,
                                    "the file has several tensors '%.200s'", name);
    }
    return ENGINE_OK;
}

static enum engine_status make_patches(struct patches *patches)
{
    struct splicing *splicing = patches->splicing;
    struct found *found =
        arena_calloc(splicing->arena, splicing->splice->n_changes, sizeof(*found));
    enum engine_status status;

    if (found == NULL)
        return onnx_no_memory("splice", splicing->err);
    for (const struct splice_match *m = splicing->matches; m != NULL; m = m->next)
        if (m->kind != SPLICE_PROPERTY && m->item != SPLICE_NONE)
            *(m->inner ? &found[m->item].inner : &found[m->item].outer) += 1;
    status = check_found(splicing, found);
    for (const struct splice_match *m = splicing->matches; m != NULL && status == ENGINE_OK;
         m = m->next)
        if (m->kind == SPLICE_PROPERTY || m->item == SPLICE_NONE || !m->inner ||
            found[m->item].outer == 0)
            status = patch_match(patches, m);
    return status;
}

/* New lengths, innermost first: a message stands before those within it. */
static enum engine_status patch_lengths(struct patches *patches)
{
    struct splicing *splicing = patches->splicing;
    enum engine_status status = ENGINE_OK;

    for (int i = splicing->n_spans - 1; i >= 0 && status == ENGINE_OK; i--) {
        struct splice_span *span = &splicing->spans[i];
        int64_t length = (int64_t)(span->place.end - span->place.content) + span->delta;
        unsigned char *head = arena_alloc(splicing->arena, PROTOBUF_VARINT_MAX);

        if (head == NULL)
            return onnx_no_memory("splice", splicing->err);
        if (span->delta == 0)
            continue;
        assert(span->parent < i && length >= 0);
        if (span->parent != SPLICE_NONE)
            splicing->spans[span->parent].delta += span->delta;
        status = add_patch(patches,
                           &(struct patch){.begin = span->place.length_at,
                                           .end = span->place.content,
                                           .head = head,
                                           .head_size = protobuf_varint((uint64_t)length, head)},
                           span->parent);
    }
    return status;
}

static int compare_patches(const void *left, const void *right)
{
    const struct patch *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static enum engine_status write_patched(const struct patches *patches, unsigned char *to,
                                        size_t size)
{
    const struct splicing *splicing = patches->splicing;
    enum engine_status status = ENGINE_OK;
    size_t from = 0, used = 0;

    for (size_t i = 0; i < patches->count && status == ENGINE_OK; i++) {
        const struct patch *patch = &patches->items[i];

        assert(patch->begin >= from && patch->end >= patch->begin);
        memcpy(to + used, splicing->base + from, patch->begin - from);
        used += patch->begin - from;
        if (patch->head_size > 0)
            memcpy(to + used, patch->head, patch->head_size);
        used += patch->head_size;
        if (patch->external != NULL)
            status = onnx_external_read(patch->external, splicing->splice->dir_fd, to + used,
                                        patch->data_size, splicing->err);
        else if (patch->data_size > 0)
            memcpy(to + used, patch->data, patch->data_size);
        used += patch->data_size;
        from = patch->end;
    }
    memcpy(to + used, splicing->base + from, splicing->splice->size - from);
    assert(status != ENGINE_OK || used + splicing->splice->size - from == size);
    return status;
}

static enum engine_status write_file(struct patches *patches, void **ret_bytes, size_t *ret_size)
{
    struct splicing *splicing = patches->splicing;
    size_t size = splicing->splice->size;
    enum engine_status status;
    unsigned char *bytes;

    if (patches->count > 0)
        qsort(patches->items, patches->count, sizeof(*patches->items), compare_patches);
    for (size_t i = 0; i < patches->count; i++)
        size += patches->items[i].head_size + patches->items[i].data_size -
                (patches->items[i].end - patches->items[i].begin);
    if (size > ONNX_FILE_BYTES_MAX)
        return engine_error_set(splicing->err, ENGINE_OVER_BUDGET,
                                "the result has %zu bytes, an ONNX file holds 2 GiB", size);
    bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return engine_error_set(splicing->err, ENGINE_NO_MEMORY,
                                "no memory for a model file of %zu bytes", size);
    status = write_patched(patches, bytes, size);
    if (status != ENGINE_OK) {
        free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return ENGINE_OK;
}

static enum engine_status add_names(struct splicing *splicing)
{
    const struct onnx_splice *splice = splicing->splice;

    onnx_names_init(&splicing->names, splicing->arena);
    for (size_t i = 0; i < splice->n_changes; i++) {
        struct bytes name = {.data = splice->changes[i].name,
                             .length = strlen(splice->changes[i].name)};

        if (name.length == 0)
            return engine_error_set(splicing->err, ENGINE_BAD_INPUT, "a tensor without a name");
        switch (onnx_names_add(&splicing->names, &name, (int)i)) {
        case ONNX_NAMES_ADDED:
            break;
        case ONNX_NAMES_TWICE:
            return engine_error_set(splicing->err, ENGINE_BAD_INPUT,
                                    "tensor '%.200s' is given twice", name.data);
        default:
            return onnx_no_memory("splice", splicing->err);
        }
    }
    return ENGINE_OK;
}

enum engine_status onnx_splice(const struct onnx_splice *splice, void **ret_bytes, size_t *ret_size,
                               struct engine_error *err)
{
    struct splicing splicing = {.splice = splice, .base = splice->bytes, .err = err};
    struct patches patches = {.splicing = &splicing};
    enum engine_status status;

    splicing.last_match = &splicing.matches;
    splicing.arena = arena_create(SIZE_MAX / 2);
    if (splicing.arena == NULL)
        return onnx_no_memory("splice", err);
    status = add_names(&splicing);
    if (status == ENGINE_OK)
        status = splice_find(&splicing);
    if (status == ENGINE_OK)
        status = make_patches(&patches);
    if (status == ENGINE_OK)
        status = patch_lengths(&patches);
    if (status == ENGINE_OK)
        status = write_file(&patches, ret_bytes, ret_size);
    arena_destroy(splicing.arena);
    return status;
}
