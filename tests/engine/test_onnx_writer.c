/* SPDX-License-Identifier: Apache-2.0
 * A graph written and read again is the same graph. */
#include "config.h"

#include "engine/onnx/onnx_writer.h"
#include "engine/onnx/protobuf_reader.h"
#include "engine/onnx/protobuf_writer.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

static const struct onnx_opset opsets[] = {{"", 17}};
static const struct onnx_property metadata[] = {{"task", "classification"}, {"empty", ""}};
static const struct onnx_header header = {.producer = "inferd", .producer_version = "1",
                                          .doc = "a network", .n_opsets = 1, .opsets = opsets,
                                          .n_metadata = 2, .metadata = metadata};

static const char *const graphs[] = {
    "in x f32[N,4]; const w f32[4,2] 1 2 3 4 5 6 7 8; y = MatMul(x,w); out y",
    "in x f32[N,3,8,8]; const w f32[1,3,1,1] 1 2 3; "
    "y = Conv(x,w) pads=1,1,1,1 group=1 auto_pad='NOTSET'; z = Relu(y); out z; out y",
    "in x f32[?,2]; const lo f32[] 0; y = Clip(x,,lo); a,b = Split(y) axis=1 num_outputs=2; out a; "
    "out b",
    "in i i64[N]; const t f32[5,2] 0 1 2 3 4 5 6 7 8 9; y = Gather(t,i) axis=0; "
    "z = LeakyRelu(y) alpha=0.5; out z",
    "in x f32[N,1]; const e f32[0] ; y = Resize(x,e,e) scales=1.0,2.0 mode='linear'; out y",
};

static struct graph *round_trip(struct graph *graph, struct arena *arena, struct onnx_info *info)
{
    struct engine_error err = {0};
    struct graph *again = NULL;
    void *bytes;
    size_t size;

    ck_assert_msg(onnx_write(graph, &header, &bytes, &size, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_msg(onnx_read(bytes, size, -1, arena, &again, info, &err) == ENGINE_OK, "%s",
                  err.text);
    free(bytes);
    return again;
}

static void compare_names(const struct graph *a, const int *ids_a, const struct graph *b,
                          const int *ids_b, int count)
{
    for (int i = 0; i < count; i++) {
        if (ids_a[i] == VALUE_ABSENT)
            ck_assert_int_eq(ids_b[i], VALUE_ABSENT);
        else
            ck_assert_str_eq(a->values[ids_a[i]].name, b->values[ids_b[i]].name);
    }
}

static void compare_attribute(const struct attribute *a, const struct attribute *b)
{
    ck_assert_str_eq(a->name, b->name);
    ck_assert_int_eq(a->type, b->type);
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_float_eq(a->f, b->f);
    ck_assert_int_eq(a->i, b->i);
    ck_assert_uint_eq(a->s.length, b->s.length);
    if (a->s.length > 0)
        ck_assert_mem_eq(a->s.data, b->s.data, a->s.length);
    for (size_t i = 0; i < a->count; i++) {
        if (a->type == ATTRIBUTE_INTS)
            ck_assert_int_eq(a->ints[i], b->ints[i]);
        else if (a->type == ATTRIBUTE_FLOATS)
            ck_assert_float_eq(a->floats[i], b->floats[i]);
    }
}

START_TEST(a_graph_survives)
{
    struct arena *arena = arena_create(1 << 20);
    struct graph *graph = graph_case(arena, NULL, graphs[_i]);
    struct onnx_info info = {0};
    struct graph *again = round_trip(graph, arena, &info);

    ck_assert_int_eq(again->n_nodes, graph->n_nodes);
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *a = &graph->nodes[n], *b = &again->nodes[n];

        ck_assert_str_eq(a->op_type, b->op_type);
        ck_assert_int_eq(a->n_inputs, b->n_inputs);
        ck_assert_int_eq(a->n_outputs, b->n_outputs);
        ck_assert_int_eq(a->n_attributes, b->n_attributes);
        compare_names(graph, a->inputs, again, b->inputs, a->n_inputs);
        compare_names(graph, a->outputs, again, b->outputs, a->n_outputs);
        for (int i = 0; i < a->n_attributes; i++)
            compare_attribute(&a->attributes[i], &b->attributes[i]);
    }
    ck_assert_int_eq(again->n_inputs, graph->n_inputs);
    ck_assert_int_eq(again->n_outputs, graph->n_outputs);
    compare_names(graph, graph->inputs, again, again->inputs, graph->n_inputs);
    compare_names(graph, graph->outputs, again, again->outputs, graph->n_outputs);
    for (int v = 0; v < graph->n_values; v++) {
        const struct tensor *a = graph->values[v].constant, *b;

        if (a == NULL)
            continue;
        b = again->values[graph_case_value(again, graph->values[v].name)].constant;
        ck_assert_ptr_nonnull(b);
        ck_assert(shape_equal(&a->shape, &b->shape) && a->dtype == b->dtype);
        ck_assert_mem_eq(a->data, b->data, tensor_bytes(a));
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct value *a = &graph->values[graph->inputs[i]];
        const struct value *b = &again->values[again->inputs[i]];

        ck_assert_int_eq(a->dtype, b->dtype);
        ck_assert_int_eq(a->shape.rank, b->shape.rank);
        for (int d = 0; d < a->shape.rank; d++) {
            ck_assert_int_eq(a->shape.dims[d], b->shape.dims[d]);
            ck_assert_int_eq(a->shape.symbols[d] != NULL, b->shape.symbols[d] != NULL);
            if (a->shape.symbols[d] != NULL)
                ck_assert_str_eq(a->shape.symbols[d], b->shape.symbols[d]);
        }
    }
    ck_assert_str_eq(info.producer, "inferd 1");
    ck_assert_str_eq(info.doc, "a network");
    ck_assert_int_eq(info.opset, 17);
    ck_assert_uint_eq(info.n_metadata, 2);
    ck_assert_str_eq(info.metadata[0].text, "classification");
    ck_assert_str_eq(info.metadata[1].key, "empty");
    arena_destroy(arena);
}
END_TEST

START_TEST(bodies_are_refused_by_name)
{
    struct arena *arena = arena_create(1 << 20);
    struct graph *graph =
        graph_case(arena, NULL, "in c bool[]; in x f32[2]; y = If(c); out y");
    struct graph *body = graph_case(arena, graph, "cap v x; z = Relu(v); out z");
    struct engine_error err = {0};
    void *bytes;
    size_t size;

    graph_case_body(graph, "y", "then_branch", body);
    ck_assert_int_eq(onnx_write(graph, &header, &bytes, &size, &err), ENGINE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "then_branch"));
    arena_destroy(arena);
}
END_TEST

/* Messages within messages, whose lengths take one to three bytes. */
START_TEST(lengths_nest)
{
    static const char filler[20000];
    struct protobuf_writer writer;
    struct protobuf_reader reader;
    struct protobuf_field field;
    unsigned char *bytes;
    size_t size;

    protobuf_writer_init(&writer, SIZE_MAX);
    do {
        for (int d = 0; d < 5; d++)
            protobuf_put_begin(&writer, 3);
        protobuf_put_bytes(&writer, 9, filler, (size_t)_i);
        for (int d = 0; d < 5; d++)
            protobuf_put_end(&writer);
        protobuf_put_int(&writer, 1, -1);
    } while (protobuf_writer_again(&writer));
    bytes = protobuf_writer_finish(&writer, &size);
    ck_assert_ptr_nonnull(bytes);
    protobuf_start(&reader, bytes, size);
    for (int d = 0; d < 5; d++) {
        ck_assert(protobuf_next(&reader, &field));
        ck_assert_uint_eq(field.number, 3);
        protobuf_start(&reader, field.bytes.data, field.bytes.length);
    }
    ck_assert(protobuf_next(&reader, &field));
    ck_assert_uint_eq(field.bytes.length, (size_t)_i);
    ck_assert(!protobuf_next(&reader, &field) && reader.problem == NULL);
    free(bytes);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
    struct protobuf_writer writer;
    size_t size;

    protobuf_writer_init(&writer, 10);
    do
        protobuf_put_text(&writer, 1, "more than ten");
    while (protobuf_writer_again(&writer));
    ck_assert_ptr_null(protobuf_writer_finish(&writer, &size));
    ck_assert_ptr_nonnull(writer.problem);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_writer");
    TCase *tcase = tcase_create("writer");

    tcase_add_loop_test(tcase, a_graph_survives, 0, sizeof(graphs) / sizeof(graphs[0]));
    tcase_add_test(tcase, bodies_are_refused_by_name);
    tcase_add_loop_test(tcase, lengths_nest, 100, 140);
    tcase_add_loop_test(tcase, lengths_nest, 16360, 16400);
    tcase_add_test(tcase, what_is_too_large_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
