/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/onnx_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void onnx_bytes_free(struct onnx_bytes *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof(*bytes));
}

void onnx_put_raw(struct onnx_bytes *bytes, const void *data, size_t size)
{
    if (bytes->capacity - bytes->size < size) {
        bytes->capacity = 2 * (bytes->size + size) + 64;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL)
            abort();
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void onnx_put_varint(struct onnx_bytes *bytes, uint64_t number)
{
    unsigned char byte;

    while (number >= 0x80) {
        byte = (unsigned char)(number | 0x80);
        onnx_put_raw(bytes, &byte, 1);
        number >>= 7;
    }
    byte = (unsigned char)number;
    onnx_put_raw(bytes, &byte, 1);
}

void onnx_put_int(struct onnx_bytes *bytes, uint32_t field, int64_t number)
{
    onnx_put_varint(bytes, (uint64_t)field << 3);
    onnx_put_varint(bytes, (uint64_t)number);
}

void onnx_put_float(struct onnx_bytes *bytes, uint32_t field, float number)
{
    onnx_put_varint(bytes, (uint64_t)field << 3 | 5);
    onnx_put_raw(bytes, &number, sizeof(number));
}

void onnx_put_bytes(struct onnx_bytes *bytes, uint32_t field, const void *data, size_t size)
{
    onnx_put_varint(bytes, (uint64_t)field << 3 | 2);
    onnx_put_varint(bytes, size);
    onnx_put_raw(bytes, data, size);
}

void onnx_put_text(struct onnx_bytes *bytes, uint32_t field, const char *text)
{
    onnx_put_bytes(bytes, field, text, strlen(text));
}

void onnx_put_message(struct onnx_bytes *bytes, uint32_t field, struct onnx_bytes *inner)
{
    onnx_put_bytes(bytes, field, inner->data, inner->size);
    onnx_bytes_free(inner);
}

/* Each name of a list as a text field; "-" is an empty one. */
static void put_names(struct onnx_bytes *bytes, uint32_t field, const char *names)
{
    while (*names != '\0') {
        size_t length = strcspn(names, " ");

        if (length == 1 && names[0] == '-')
            onnx_put_bytes(bytes, field, "", 0);
        else
            onnx_put_bytes(bytes, field, names, length);
        names += length;
        names += strspn(names, " ");
    }
}

void onnx_put_node(struct onnx_bytes *graph, const char *op_type, const char *inputs,
                   const char *outputs, struct onnx_bytes *attributes)
{
    struct onnx_bytes node = {0};
    char name[64];

    put_names(&node, 1, inputs);
    put_names(&node, 2, outputs);
    snprintf(name, sizeof(name), "%s_%.30s", op_type, outputs);
    onnx_put_text(&node, 3, name);
    onnx_put_text(&node, 4, op_type);
    if (attributes != NULL) {
        onnx_put_raw(&node, attributes->data, attributes->size);
        onnx_bytes_free(attributes);
    }
    onnx_put_message(graph, 1, &node);
}

void onnx_put_float_initializer(struct onnx_bytes *graph, const char *name, const int64_t *dims,
                                size_t rank, const float *items, size_t count)
{
    struct onnx_bytes tensor = {0};

    for (size_t i = 0; i < rank; i++)
        onnx_put_int(&tensor, 1, dims[i]);
    onnx_put_int(&tensor, 2, 1);
    onnx_put_text(&tensor, 8, name);
    onnx_put_bytes(&tensor, 9, items, count * sizeof(*items));
    onnx_put_message(graph, 5, &tensor);
}

void onnx_put_value(struct onnx_bytes *graph, uint32_t field, const char *name, const int64_t *dims,
                    size_t rank)
{
    struct onnx_bytes shape = {0}, tensor = {0}, type = {0}, value = {0};

    for (size_t i = 0; i < rank; i++) {
        struct onnx_bytes dim = {0};
        char symbol[32];

        snprintf(symbol, sizeof(symbol), "d%lld", (long long)-dims[i]);
        if (dims[i] >= 0)
            onnx_put_int(&dim, 1, dims[i]);
        else
            onnx_put_text(&dim, 2, symbol);
        onnx_put_message(&shape, 1, &dim);
    }
    onnx_put_int(&tensor, 1, 1);
    onnx_put_message(&tensor, 2, &shape);
    onnx_put_message(&type, 1, &tensor);
    onnx_put_text(&value, 1, name);
    onnx_put_message(&value, 2, &type);
    onnx_put_message(graph, field, &value);
}

static void start_attribute(struct onnx_bytes *attribute, const char *name, int type)
{
    onnx_put_text(attribute, 1, name);
    onnx_put_int(attribute, 20, type);
}

void onnx_put_attribute_int(struct onnx_bytes *attributes, const char *name, int64_t item)
{
    struct onnx_bytes attribute = {0};

    start_attribute(&attribute, name, 2);
    onnx_put_int(&attribute, 3, item);
    onnx_put_message(attributes, 5, &attribute);
}

void onnx_put_attribute_float(struct onnx_bytes *attributes, const char *name, float item)
{
    struct onnx_bytes attribute = {0};

    start_attribute(&attribute, name, 1);
    onnx_put_float(&attribute, 2, item);
    onnx_put_message(attributes, 5, &attribute);
}

void onnx_put_attribute_text(struct onnx_bytes *attributes, const char *name, const char *text)
{
    struct onnx_bytes attribute = {0};

    start_attribute(&attribute, name, 3);
    onnx_put_text(&attribute, 4, text);
    onnx_put_message(attributes, 5, &attribute);
}

void onnx_put_attribute_ints(struct onnx_bytes *attributes, const char *name, const int64_t *items,
                             size_t count)
{
    struct onnx_bytes attribute = {0};

    start_attribute(&attribute, name, 7);
    for (size_t i = 0; i < count; i++)
        onnx_put_int(&attribute, 8, items[i]);
    onnx_put_message(attributes, 5, &attribute);
}

void onnx_put_attribute_graph(struct onnx_bytes *attributes, const char *name,
                              struct onnx_bytes *graph)
{
    struct onnx_bytes attribute = {0};

    start_attribute(&attribute, name, 5);
    onnx_put_message(&attribute, 6, graph);
    onnx_put_message(attributes, 5, &attribute);
}

void onnx_put_model(struct onnx_bytes *model, struct onnx_bytes *graph, int opset)
{
    struct onnx_bytes import = {0};

    onnx_put_int(model, 1, 8);
    onnx_put_text(model, 2, "onnx_bytes");
    onnx_put_text(model, 3, "1.0");
    onnx_put_message(model, 7, graph);
    onnx_put_text(&import, 1, "");
    onnx_put_int(&import, 2, opset);
    onnx_put_message(model, 8, &import);
}

void onnx_put_small_model(struct onnx_bytes *model)
{
    static const int64_t x[] = {-1, 4}, w1[] = {4, 5}, b1[] = {5}, w2[] = {5, 3}, b2[] = {3};
    static const int64_t y[] = {-1, 3};
    struct onnx_bytes graph = {0}, attributes = {0};
    float items[20];

    for (int i = 0; i < 20; i++)
        items[i] = (float)((i * 7) % 11 - 5) / 4.0f;
    onnx_put_node(&graph, "Gemm", "x w1 b1", "h1", NULL);
    onnx_put_node(&graph, "Relu", "h1", "h2", NULL);
    onnx_put_node(&graph, "Gemm", "h2 w2 b2", "h3", NULL);
    onnx_put_attribute_int(&attributes, "axis", -1);
    onnx_put_node(&graph, "Softmax", "h3", "y", &attributes);
    onnx_put_text(&graph, 2, "small");
    onnx_put_float_initializer(&graph, "w1", w1, 2, items, 20);
    onnx_put_float_initializer(&graph, "b1", b1, 1, items, 5);
    onnx_put_float_initializer(&graph, "w2", w2, 2, items, 15);
    onnx_put_float_initializer(&graph, "b2", b2, 1, items, 3);
    onnx_put_value(&graph, 11, "x", x, 2);
    onnx_put_value(&graph, 12, "y", y, 2);
    onnx_put_model(model, &graph, 17);
}
