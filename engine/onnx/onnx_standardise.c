/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/onnx_standardise.h"

#include "engine/onnx/onnx_writer.h"
#include "engine/onnx/protobuf_reader.h"
#include "engine/onnx/protobuf_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers, by message. */
enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, ATTRIBUTE_G = 6, ATTRIBUTE_GRAPHS_LIST = 11 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_T = 5, ATTRIBUTE_KIND = 20, KIND_TENSOR = 4 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_RAW = 9 };

enum { NAME_MAX_BYTES = 512 };

struct standardising {
    const char *input;
    const struct tensor *mean, *deviation;
    char centred[NAME_MAX_BYTES], standard[NAME_MAX_BYTES];
    char mean_name[NAME_MAX_BYTES], deviation_name[NAME_MAX_BYTES];
    struct protobuf_writer writer;
    bool used, has_body;
    const char *problem;           /* of the bytes; static */
};

static void put_constant(struct standardising *s, const char *name, const struct tensor *tensor)
{
    struct protobuf_writer *writer = &s->writer;

    protobuf_put_begin(writer, GRAPH_NODE);
    protobuf_put_text(writer, NODE_OUTPUT, name);
    protobuf_put_text(writer, NODE_OP_TYPE, "Constant");
    protobuf_put_begin(writer, NODE_ATTRIBUTE);
    protobuf_put_text(writer, ATTRIBUTE_NAME, "value");
    protobuf_put_begin(writer, ATTRIBUTE_T);
    for (int d = 0; d < tensor->shape.rank; d++)
        protobuf_put_int(writer, TENSOR_DIMS, tensor->shape.dims[d]);
    protobuf_put_int(writer, TENSOR_DATA_TYPE, tensor->dtype);
    protobuf_put_bytes(writer, TENSOR_RAW, tensor->data, tensor_bytes(tensor));
    protobuf_put_end(writer);
    protobuf_put_int(writer, ATTRIBUTE_KIND, KIND_TENSOR);
    protobuf_put_end(writer);
    protobuf_put_end(writer);
}

static void put_operator(struct standardising *s, const char *type, const char *a, const char *b,
                         const char *result)
{
    protobuf_put_begin(&s->writer, GRAPH_NODE);
    protobuf_put_text(&s->writer, NODE_INPUT, a);
    protobuf_put_text(&s->writer, NODE_INPUT, b);
    protobuf_put_text(&s->writer, NODE_OUTPUT, result);
    protobuf_put_text(&s->writer, NODE_OP_TYPE, type);
    protobuf_put_end(&s->writer);
}

static void note_problem(struct standardising *s, const struct protobuf_reader *reader)
{
    if (s->problem == NULL)
        s->problem = reader->problem;
}

static void look_for_bodies(struct standardising *s, const struct bytes *attribute)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_start(&reader, attribute->data, attribute->length);
    while (protobuf_next(&reader, &field))
        s->has_body |= field.number == ATTRIBUTE_G || field.number == ATTRIBUTE_GRAPHS_LIST;
    note_problem(s, &reader);
}

/* A node as it was, but for what it reads. */
static void put_node(struct standardising *s, const struct bytes *node)
{
    struct protobuf_reader reader;
    struct protobuf_field field;
    size_t length = strlen(s->input);

    protobuf_put_begin(&s->writer, GRAPH_NODE);
    protobuf_start(&reader, node->data, node->length);
    for (const unsigned char *from = reader.at; protobuf_next(&reader, &field); from = reader.at) {
        if (field.number == NODE_INPUT && field.wire == PROTOBUF_BYTES &&
            field.bytes.length == length && memcmp(field.bytes.data, s->input, length) == 0) {
            protobuf_put_text(&s->writer, NODE_INPUT, s->standard);
            s->used = true;
            continue;
        }
        if (field.number == NODE_ATTRIBUTE && field.wire == PROTOBUF_BYTES)
            look_for_bodies(s, &field.bytes);
        protobuf_put_raw(&s->writer, from, (size_t)(reader.at - from));
    }
    note_problem(s, &reader);
    protobuf_put_end(&s->writer);
}

static void put_graph(struct standardising *s, const struct bytes *graph)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_put_begin(&s->writer, MODEL_GRAPH);
    put_constant(s, s->mean_name, s->mean);
    put_constant(s, s->deviation_name, s->deviation);
    put_operator(s, "Sub", s->input, s->mean_name, s->centred);
    put_operator(s, "Div", s->centred, s->deviation_name, s->standard);
    protobuf_start(&reader, graph->data, graph->length);
    for (const unsigned char *from = reader.at; protobuf_next(&reader, &field); from = reader.at) {
        if (field.number == GRAPH_NODE && field.wire == PROTOBUF_BYTES)
            put_node(s, &field.bytes);
        else
            protobuf_put_raw(&s->writer, from, (size_t)(reader.at - from));
    }
    note_problem(s, &reader);
    protobuf_put_end(&s->writer);
}

static void put_model(struct standardising *s, const void *bytes, size_t size)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_start(&reader, bytes, size);
    for (const unsigned char *from = reader.at; protobuf_next(&reader, &field); from = reader.at) {
        if (field.number == MODEL_GRAPH && field.wire == PROTOBUF_BYTES)
            put_graph(s, &field.bytes);
        else
            protobuf_put_raw(&s->writer, from, (size_t)(reader.at - from));
    }
    note_problem(s, &reader);
}

enum engine_status onnx_standardise(const void *bytes, size_t size, const char *input,
                                    const struct tensor *mean, const struct tensor *deviation,
                                    void **ret_bytes, size_t *ret_size, struct engine_error *err)
{
    struct standardising s = {.input = input, .mean = mean, .deviation = deviation};
    const char *problem;
    void *made;

    if (strlen(input) > NAME_MAX_BYTES / 2)
        return engine_error_set(err, ENGINE_UNSUPPORTED, "the name of the input is too long");
    snprintf(s.mean_name, sizeof(s.mean_name), "%s/standard/mean", input);
    snprintf(s.deviation_name, sizeof(s.deviation_name), "%s/standard/deviation", input);
    snprintf(s.centred, sizeof(s.centred), "%s/standard/centred", input);
    snprintf(s.standard, sizeof(s.standard), "%s/standard", input);
    protobuf_writer_init(&s.writer, ONNX_FILE_BYTES_MAX);
    do
        put_model(&s, bytes, size);
    while (protobuf_writer_again(&s.writer));
    problem = s.writer.problem;
    made = protobuf_writer_finish(&s.writer, ret_size);
    if (made != NULL && s.problem == NULL && s.used && !s.has_body) {
        *ret_bytes = made;
        return ENGINE_OK;
    }
    free(made);
    if (s.problem != NULL)
        return engine_error_set(err, ENGINE_BAD_MODEL, "model file: %s", s.problem);
    if (made == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "the model cannot be written: %s",
                                problem != NULL ? problem : "out of memory");
    if (s.has_body)
        return engine_error_set(err, ENGINE_UNSUPPORTED,
                                "a model with If, Loop or Scan cannot be standardised");
    return engine_error_set(err, ENGINE_BAD_INPUT, "no node reads the input '%.64s'", input);
}
