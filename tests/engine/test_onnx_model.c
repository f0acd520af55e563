/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/onnx_load.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t row[] = {-1, 4};

START_TEST(small_model_is_read_whole)
{
    struct onnx_bytes model = {0};
    struct onnx_loaded loaded;
    const struct graph *graph;
    const struct value *x;

    onnx_put_small_model(&model);
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_msg(loaded.status == ENGINE_OK, "%s", loaded.err.text);
    graph = loaded.graph;
    ck_assert_str_eq(loaded.info.producer, "onnx_bytes 1.0");
    ck_assert_str_eq(loaded.info.graph_name, "small");
    ck_assert_int_eq(loaded.info.opset, 17);
    ck_assert_int_eq(loaded.info.ir_version, 8);
    ck_assert_int_eq(graph->n_nodes, 4);
    ck_assert_int_eq(graph->n_inputs, 1);
    ck_assert_int_eq(graph->n_outputs, 1);
    x = &graph->values[graph->inputs[0]];
    ck_assert_str_eq(x->name, "x");
    ck_assert_int_eq(x->dtype, DTYPE_F32);
    ck_assert_int_eq(x->shape.rank, 2);
    ck_assert_int_eq(x->shape.dims[0], DIM_UNKNOWN);
    ck_assert_str_eq(x->shape.symbols[0], "d1");
    ck_assert_int_eq(x->shape.dims[1], 4);
    ck_assert_str_eq(graph->nodes[3].op_type, "Softmax");
    ck_assert_int_eq(graph->nodes[3].opset, 17);
    ck_assert_int_eq(node_int(&graph->nodes[3], "axis", 7), -1);
    ck_assert_uint_eq((uintptr_t)graph->values[graph->nodes[0].inputs[1]].constant->data % 64, 0);
    arena_destroy(loaded.arena);
}
END_TEST

/* Initializers may be listed among the inputs (IR 3), and one may be an input's default. */
START_TEST(initializers_are_not_inputs)
{
    static const int64_t dims[] = {4};
    static const float items[] = {1, 2, 3, 4};
    struct onnx_bytes model = {0}, graph = {0};
    struct onnx_loaded loaded;

    onnx_put_value(&graph, 11, "w", dims, 1);
    onnx_put_float_initializer(&graph, "w", dims, 1, items, 4);
    onnx_put_relu_model(&model, &graph, 6);
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_int_eq(loaded.status, ENGINE_OK);
    ck_assert_int_eq(loaded.graph->n_inputs, 1);
    ck_assert_str_eq(loaded.graph->values[loaded.graph->inputs[0]].name, "x");
    arena_destroy(loaded.arena);
}
END_TEST

START_TEST(function_is_inlined)
{
    struct onnx_bytes model = {0};
    struct onnx_loaded loaded;

    onnx_put_call_model(&model, "f");
    onnx_put_function(&model, "f", "g");
    onnx_put_function(&model, "g", "Relu");
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_msg(loaded.status == ENGINE_OK, "%s", loaded.err.text);
    /* f has two calls of g, each with two Relu; and one Relu of the graph. */
    ck_assert_int_eq(loaded.graph->n_nodes, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(loaded.graph->nodes[i].op_type, "Relu");
        ck_assert_int_eq(loaded.graph->nodes[i].inputs[0], loaded.graph->inputs[0]);
        ck_assert_int_eq(loaded.graph->nodes[i].opset, 17);
    }
    arena_destroy(loaded.arena);
}
END_TEST

/* A function whose node refers to an attribute of the call, or to the function's default. */
static void build_reference(struct onnx_bytes *model, bool given)
{
    struct onnx_bytes function = {0}, node = {0}, attribute = {0}, fallback = {0}, graph = {0};

    onnx_put_text(&function, 1, "f");
    onnx_put_text(&function, 10, "local");
    onnx_put_text(&function, 4, "a");
    onnx_put_text(&function, 5, "b");
    onnx_put_text(&fallback, 1, "slope");
    onnx_put_int(&fallback, 20, 1);
    onnx_put_float(&fallback, 2, 0.25f);
    onnx_put_message(&function, 11, &fallback);
    onnx_put_text(&attribute, 1, "alpha");
    onnx_put_text(&attribute, 21, "slope");
    onnx_put_int(&attribute, 20, 1);
    onnx_put_text(&node, 1, "a");
    onnx_put_text(&node, 2, "b");
    onnx_put_text(&node, 4, "LeakyRelu");
    onnx_put_message(&node, 5, &attribute);
    onnx_put_message(&function, 7, &node);

    onnx_put_text(&node, 1, "x");
    onnx_put_text(&node, 2, "z");
    onnx_put_text(&node, 4, "f");
    onnx_put_text(&node, 7, "local");
    if (given)
        onnx_put_attribute_float(&node, "slope", 0.5f);
    onnx_put_message(&graph, 1, &node);
    onnx_put_relu_model(model, &graph, 17);
    onnx_put_message(model, 25, &function);
}

START_TEST(function_attributes_are_resolved)
{
    for (int given = 0; given < 2; given++) {
        struct onnx_bytes model = {0};
        struct onnx_loaded loaded;

        build_reference(&model, given != 0);
        loaded = onnx_load(&model, MEGABYTE);
        ck_assert_msg(loaded.status == ENGINE_OK, "%s", loaded.err.text);
        ck_assert_str_eq(loaded.graph->nodes[0].op_type, "LeakyRelu");
        ck_assert(node_float(&loaded.graph->nodes[0], "alpha", 9.0f) == (given ? 0.5f : 0.25f));
        arena_destroy(loaded.arena);
    }
}
END_TEST

/* Names of the graph around are seen two bodies further in, through a capture in each. */
START_TEST(bodies_capture_outer_values)
{
    struct onnx_bytes model = {0}, graph = {0}, inner = {0}, outer = {0}, attributes = {0};
    const struct graph *first, *second;
    struct onnx_loaded loaded;

    onnx_put_node(&inner, "Add", "x late", "u", NULL);
    onnx_put_value(&inner, 12, "u", row, 2);
    onnx_put_attribute_graph(&attributes, "then_branch", &inner);
    onnx_put_node(&outer, "If", "c", "v", &attributes);
    onnx_put_value(&outer, 12, "v", row, 2);
    onnx_put_attribute_graph(&attributes, "then_branch", &outer);
    onnx_put_node(&graph, "If", "c", "z", &attributes);
    onnx_put_node(&graph, "Relu", "x", "late", NULL); /* defined after the body in the file */
    onnx_put_value(&graph, 11, "c", NULL, 0);
    onnx_put_relu_model(&model, &graph, 17);
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_msg(loaded.status == ENGINE_OK, "%s", loaded.err.text);
    first = node_attribute(&loaded.graph->nodes[0], "then_branch")->g;
    second = node_attribute(&first->nodes[0], "then_branch")->g;
    ck_assert_ptr_eq(first->parent, loaded.graph);
    ck_assert_ptr_eq(second->parent, first);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "x" : "late";
        const struct value *value = &second->values[second->nodes[0].inputs[i]];

        ck_assert_str_eq(value->name, name);
        value = &first->values[value->outer];
        ck_assert_str_eq(value->name, name);
        value = &loaded.graph->values[value->outer];
        ck_assert_str_eq(value->name, name);
        ck_assert_int_eq(value->outer, -1);
    }
    arena_destroy(loaded.arena);
}
END_TEST

static void put_constant(struct onnx_bytes *graph, const char *output,
                         struct onnx_bytes *attributes)
{
    onnx_put_node(graph, "Constant", "", output, attributes);
}

START_TEST(constant_nodes_become_constants)
{
    static const int64_t ints[] = {3, -4};
    struct onnx_bytes model = {0}, graph = {0}, attributes = {0};
    struct onnx_loaded loaded;
    int found = 0;

    onnx_put_attribute_int(&attributes, "value_int", 5);
    put_constant(&graph, "i", &attributes);
    onnx_put_attribute_float(&attributes, "value_float", 0.5f);
    put_constant(&graph, "f", &attributes);
    onnx_put_attribute_ints(&attributes, "value_ints", ints, 2);
    put_constant(&graph, "is", &attributes);
    onnx_put_attribute_text(&attributes, "value_string", "word");
    put_constant(&graph, "s", &attributes);
    onnx_put_relu_model(&model, &graph, 17);
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_msg(loaded.status == ENGINE_OK, "%s", loaded.err.text);
    ck_assert_int_eq(loaded.graph->n_nodes, 1);
    for (int i = 0; i < loaded.graph->n_values; i++) {
        const struct value *value = &loaded.graph->values[i];

        if (value->constant == NULL)
            continue;
        found++;
        if (strcmp(value->name, "i") == 0)
            ck_assert(value->constant->shape.rank == 0 && tensor_int_at(value->constant, 0) == 5);
        else if (strcmp(value->name, "f") == 0)
            ck_assert(tensor_double_at(value->constant, 0) == 0.5);
        else if (strcmp(value->name, "is") == 0)
            ck_assert(value->constant->shape.dims[0] == 2 &&
                      tensor_int_at(value->constant, 1) == -4);
        else
            ck_assert_mem_eq(((struct bytes *)value->constant->data)->data, "word", 4);
    }
    ck_assert_int_eq(found, 4);
    arena_destroy(loaded.arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_model");
    TCase *tc = tcase_create("onnx_model");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, small_model_is_read_whole);
    tcase_add_test(tc, initializers_are_not_inputs);
    tcase_add_test(tc, function_is_inlined);
    tcase_add_test(tc, function_attributes_are_resolved);
    tcase_add_test(tc, bodies_capture_outer_values);
    tcase_add_test(tc, constant_nodes_become_constants);
    suite_add_tcase(suite, tc);
    return suite;
}
