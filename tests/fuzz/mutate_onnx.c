/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/mutate_onnx.h"

#include "engine/onnx/protobuf_reader.h"
#include "engine/op.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 24, TEXTS_MAX = 64 };

/* What a message is; LEAF is anything that is not taken apart. */
enum message {
    LEAF, MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, VALUE, TYPE, TENSOR_TYPE, SHAPE, DIM,
    FUNCTION, OPSET, SEQUENCE_TYPE
};

static const struct {
    enum message parent;
    uint32_t field;
    enum message child;
} schema[] = {
    {MODEL, 7, GRAPH}, {MODEL, 8, OPSET}, {MODEL, 25, FUNCTION}, {GRAPH, 1, NODE},
    {GRAPH, 5, TENSOR}, {GRAPH, 11, VALUE}, {GRAPH, 12, VALUE}, {GRAPH, 13, VALUE},
    {GRAPH, 15, SPARSE}, {NODE, 5, ATTRIBUTE}, {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH},
    {ATTRIBUTE, 10, TENSOR}, {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 22, SPARSE}, {SPARSE, 1, TENSOR},
    {SPARSE, 2, TENSOR}, {VALUE, 2, TYPE}, {TYPE, 1, TENSOR_TYPE}, {TYPE, 4, SEQUENCE_TYPE},
    {SEQUENCE_TYPE, 1, TYPE}, {TENSOR_TYPE, 2, SHAPE}, {SHAPE, 1, DIM}, {FUNCTION, 7, NODE},
    {FUNCTION, 9, OPSET}, {FUNCTION, 11, ATTRIBUTE},
};

struct mutation {
    uint64_t state;
    long fields;                    /* seen so far */
    long target;                    /* which one to change; -1 while counting */
    struct bytes texts[TEXTS_MAX];  /* short ones of the file, to put in each other's place */
    size_t n_texts;
};

static uint64_t next_random(struct mutation *mutation)
{
    uint64_t z = (mutation->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static enum message child_of(enum message parent, const struct protobuf_field *field)
{
    for (size_t k = 0; k < sizeof(schema) / sizeof(schema[0]); k++)
        if (schema[k].parent == parent && schema[k].field == field->number &&
            field->wire == PROTOBUF_BYTES)
            return schema[k].child;
    return LEAF;
}

static int64_t strange_int(struct mutation *mutation, int64_t old)
{
    static const int64_t strange[] = {
        0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 17, 64, 255, 65536, -1, -2, -3, -4, -9, INT32_MAX,
        INT32_MIN, (int64_t)INT32_MAX + 1, INT64_MAX, INT64_MIN, INT64_MAX / 2, (int64_t)1 << 40,
        ((int64_t)1 << 60) + 2, (int64_t)1 << 62, 1000003,
    };
    uint64_t pick = next_random(mutation) % 48;

    if (pick < sizeof(strange) / sizeof(strange[0]))
        return strange[pick];
    return pick % 2 == 0 ? (int64_t)((uint64_t)old + 1) : (int64_t)((uint64_t)old - 1);
}

static float strange_float(struct mutation *mutation)
{
    static const float strange[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 2.0f, 1e-30f, 1e30f, -1e30f,
                                    INFINITY, -INFINITY, NAN};

    return strange[next_random(mutation) % (sizeof(strange) / sizeof(strange[0]))];
}

static const char *any_operator(struct mutation *mutation)
{
    uint64_t steps = next_random(mutation) % 256;
    const struct op_def *op = NULL;

    do {
        op = op_next(op);
        if (op == NULL)
            op = op_next(NULL);
    } while (steps-- > 0);
    return op->name;
}

/* Overwrites one place of a run of numbers: raw_data is often a shape or axes. */
static void put_changed_data(struct mutation *mutation, struct onnx_bytes *out, uint32_t number,
                             const struct bytes *data)
{
    static const size_t widths[] = {1, 4, 8};
    size_t width = widths[next_random(mutation) % 3];
    struct onnx_bytes copy = {0};
    int64_t item = 0;

    onnx_put_raw(&copy, data->data, data->length);
    if (data->length >= width) {
        size_t at = next_random(mutation) % (data->length / width) * width;

        memcpy(&item, copy.data + at, width);
        item = strange_int(mutation, item);
        memcpy(copy.data + at, &item, width);
    } else if (data->length > 0) {
        copy.data[0] ^= (unsigned char)next_random(mutation);
    }
    onnx_put_message(out, number, &copy);
}

static void put_changed_bytes(struct mutation *mutation, struct onnx_bytes *out,
                              enum message parent, const struct protobuf_field *field)
{
    const struct bytes *other;

    if (parent == NODE && field->number == 4 && next_random(mutation) % 2 == 0) {
        onnx_put_text(out, field->number, any_operator(mutation));
        return;
    }
    switch (next_random(mutation) % 4) {
    case 0:
        onnx_put_bytes(out, field->number, "", 0);
        break;
    case 1:
        put_changed_data(mutation, out, field->number, &field->bytes);
        break;
    default:
        if (parent == TENSOR || mutation->n_texts == 0) {
            put_changed_data(mutation, out, field->number, &field->bytes);
            break;
        }
        other = &mutation->texts[next_random(mutation) % mutation->n_texts];
        onnx_put_bytes(out, field->number, other->data, other->length);
    }
}

static void put_same(struct onnx_bytes *out, const struct protobuf_field *field)
{
    if (field->wire == PROTOBUF_VARINT) {
        onnx_put_int(out, field->number, (int64_t)field->number_value);
    } else if (field->wire == PROTOBUF_BYTES) {
        onnx_put_bytes(out, field->number, field->bytes.data, field->bytes.length);
    } else {
        onnx_put_varint(out, (uint64_t)field->number << 3 | field->wire);
        onnx_put_raw(out, &field->number_value, field->wire == PROTOBUF_FIXED32 ? 4 : 8);
    }
}

static void put_changed(struct mutation *mutation, struct onnx_bytes *out, enum message parent,
                        const struct protobuf_field *field)
{
    uint64_t pick = next_random(mutation) % 12;

    if (pick == 0)                  /* left out */
        return;
    if (pick == 1) {                /* twice */
        put_same(out, field);
        put_same(out, field);
    } else if (field->wire == PROTOBUF_VARINT) {
        onnx_put_int(out, field->number, strange_int(mutation, (int64_t)field->number_value));
    } else if (field->wire == PROTOBUF_FIXED32) {
        onnx_put_float(out, field->number, strange_float(mutation));
    } else if (field->wire == PROTOBUF_BYTES) {
        put_changed_bytes(mutation, out, parent, field);
    }
}

static void note_text(struct mutation *mutation, const struct protobuf_field *field)
{
    if (field->wire == PROTOBUF_BYTES && field->bytes.length > 0 && field->bytes.length < 40 &&
        mutation->n_texts < TEXTS_MAX)
        mutation->texts[mutation->n_texts++] = field->bytes;
}

/* Writes the message again; its depth is bounded by the caller. */
static void rewrite(struct mutation *mutation, struct onnx_bytes *out, enum message message,
                    const struct bytes *bytes, int depth)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_start(&reader, bytes->data, bytes->length);
    while (protobuf_next(&reader, &field)) {
        enum message child = child_of(message, &field);
        bool is_target = mutation->fields++ == mutation->target;

        if (mutation->target < 0 && child == LEAF)
            note_text(mutation, &field);
        if (is_target && (child == LEAF || next_random(mutation) % 8 == 0)) {
            put_changed(mutation, out, message, &field);
        } else if (child == LEAF || depth >= DEPTH_MAX) {
            put_same(out, &field);
        } else {
            struct onnx_bytes inner = {0};

            rewrite(mutation, &inner, child, &field.bytes, depth + 1);
            onnx_put_message(out, field.number, &inner);
        }
    }
}

struct onnx_bytes mutate_onnx(const uint8_t *data, size_t size, uint64_t seed)
{
    struct mutation mutation = {.state = seed, .target = -1};
    struct bytes bytes = {.data = (const char *)data, .length = size};
    struct onnx_bytes out = {0};

    rewrite(&mutation, &out, MODEL, &bytes, 0);
    if (mutation.fields > 0) {
        onnx_bytes_free(&out);
        mutation.target = (long)(next_random(&mutation) % (uint64_t)mutation.fields);
        mutation.fields = 0;
        rewrite(&mutation, &out, MODEL, &bytes, 0);
    } else {
        onnx_put_raw(&out, data, size);
    }
    return out;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max) __attribute__((weak));

/* libFuzzer's hook: mostly a change of one field, now and then of one bit or of its own making. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    struct onnx_bytes out;

    if (seed % 8 == 0 && size > 0) {
        data[seed / 8 % size] ^= (uint8_t)(1u << seed % 7);
        return size;
    }
    if (seed % 8 == 1 && LLVMFuzzerMutate != NULL)
        return LLVMFuzzerMutate(data, size, size_max);
    out = mutate_onnx(data, size, seed);
    if (out.size <= size_max && out.size > 0) {
        memcpy(data, out.data, out.size);
        size = out.size;
    }
    onnx_bytes_free(&out);
    return size;
}
