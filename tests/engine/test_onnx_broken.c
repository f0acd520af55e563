/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/onnx_load.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t row[] = {-1, 4};

static void build_empty(struct onnx_bytes *model)
{
    (void)model;
}

static void build_text(struct onnx_bytes *model)
{
    onnx_put_raw(model, "<html>not found</html>", 22);
}

static void build_no_graph(struct onnx_bytes *model)
{
    onnx_put_int(model, 1, 8);
}

static void build_two_graphs(struct onnx_bytes *model)
{
    onnx_put_small_model(model);
    onnx_put_bytes(model, 7, "", 0);
}

static void build_ir_999(struct onnx_bytes *model)
{
    onnx_put_small_model(model);
    onnx_put_int(model, 1, 999);
}

static void build_opset_0(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_relu_model(model, &graph, 0);
}

static void build_opset_999(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_relu_model(model, &graph, 999);
}

static void build_no_opset(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, import = {0};

    onnx_put_relu_model(model, &graph, 17);
    model->size -= 6; /* the import: tag, length, empty domain, version */
    onnx_put_text(&import, 1, "com.example");
    onnx_put_int(&import, 2, 1);
    onnx_put_message(model, 8, &import);
}

static void build_undefined(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Add", "x nowhere", "z", NULL);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_defined_twice(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "x", "y", NULL);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_output_is_input(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "y", "x", NULL);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_never_produced(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_value(&graph, 12, "missing", row, 2);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_no_outputs(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_value(&graph, 11, "x", row, 2);
    onnx_put_model(model, &graph, 17);
}

static void build_nul_in_name(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, node = {0};

    onnx_put_bytes(&node, 2, "a\0b", 3);
    onnx_put_text(&node, 4, "Relu");
    onnx_put_message(&graph, 1, &node);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_latin1_name(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "x", "caf\xe9", NULL);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_long_name(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, node = {0};
    char *name = calloc(1, MEGABYTE);

    ck_assert_ptr_nonnull(name);
    memset(name, 'n', MEGABYTE - 1);
    onnx_put_text(&node, 1, "x");
    onnx_put_text(&node, 2, name);
    onnx_put_text(&node, 4, "Relu");
    onnx_put_message(&graph, 1, &node);
    onnx_put_relu_model(model, &graph, 17);
    free(name);
}

static void build_our_domain(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, node = {0};

    onnx_put_text(&node, 1, "x");
    onnx_put_text(&node, 2, "z");
    onnx_put_text(&node, 4, "AlignAxis");
    onnx_put_text(&node, 7, "inferd");
    onnx_put_message(&graph, 1, &node);
    onnx_put_relu_model(model, &graph, 17);
}

/* Bodies 20 deep: If in If in If. */
static void build_deep(struct onnx_bytes *model)
{
    struct onnx_bytes body = {0};

    onnx_put_node(&body, "Relu", "x", "y", NULL);
    onnx_put_value(&body, 12, "y", row, 2);
    for (int depth = 0; depth < 20; depth++) {
        struct onnx_bytes graph = {0}, attributes = {0};

        onnx_put_attribute_graph(&attributes, "then_branch", &body);
        onnx_put_node(&graph, "If", "x", "y", &attributes);
        onnx_put_value(&graph, 12, "y", row, 2);
        body = graph;
    }
    onnx_put_value(&body, 11, "x", row, 2);
    onnx_put_model(model, &body, 17);
}

/* 34 KB of nothing but nesting, far deeper than any stack that recursion would need. */
static void build_bomb(struct onnx_bytes *model)
{
    struct onnx_bytes inner = {0};

    for (int depth = 0; depth < 3000; depth++) {
        struct onnx_bytes outer = {0}, attribute = {0};

        onnx_put_message(&attribute, 6, &inner);
        onnx_put_message(&outer, 5, &attribute);
        inner = outer;
        outer = (struct onnx_bytes){0};
        onnx_put_message(&outer, 1, &inner);
        inner = outer;
    }
    onnx_put_model(model, &inner, 17);
}

static void build_type_bomb(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, value = {0}, inner = {0};

    for (int depth = 0; depth < 5000; depth++) {
        struct onnx_bytes sequence = {0}, type = {0};

        onnx_put_message(&sequence, 1, &inner);
        onnx_put_message(&type, 4, &sequence);
        inner = type;
    }
    onnx_put_text(&value, 1, "x");
    onnx_put_message(&value, 2, &inner);
    onnx_put_message(&graph, 11, &value);
    onnx_put_node(&graph, "Relu", "x", "missing", NULL);
    onnx_put_value(&graph, 12, "nothing", row, 2);
    onnx_put_model(model, &graph, 17);
}

static void build_empty_nodes(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    for (int i = 0; i < 1000; i++)
        onnx_put_bytes(&graph, 1, "", 0);
    onnx_put_model(model, &graph, 17);
}

static void build_million_nodes(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    for (int i = 0; i < ONNX_NODES_MAX + 1; i++)
        onnx_put_bytes(&graph, 1, "\x22\x01R", 3);
    onnx_put_relu_model(model, &graph, 17);
}

/* A tensor with given dims, raw bytes and floats, as initializer "w". */
static void put_tensor(struct onnx_bytes *model, const int64_t *dims, size_t rank, int type,
                       size_t raw, size_t floats)
{
    static const unsigned char zeros[64];
    struct onnx_bytes graph = {0}, tensor = {0};

    for (size_t i = 0; i < rank; i++)
        onnx_put_int(&tensor, 1, dims[i]);
    onnx_put_int(&tensor, 2, type);
    onnx_put_text(&tensor, 8, "w");
    if (raw > 0)
        onnx_put_bytes(&tensor, 9, zeros, raw);
    if (floats > 0)
        onnx_put_bytes(&tensor, 4, zeros, 4 * floats);
    onnx_put_message(&graph, 5, &tensor);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_raw_short(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){2, 3}, 2, 1, 23, 0);
}

static void build_raw_long(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){2, 3}, 2, 1, 25, 0);
}

static void build_raw_and_floats(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){6}, 1, 1, 24, 6);
}

static void build_no_data(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){6}, 1, 1, 0, 0);
}

static void build_wrong_field(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){6}, 1, 7, 0, 6);
}

static void build_dims_overflow(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){(int64_t)1 << 40, (int64_t)1 << 40}, 2, 1, 4, 0);
}

static void build_dims_wrap_to_16(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){16, ((int64_t)1 << 60) + 2}, 2, 2, 32, 0);
}

static void build_dims_huge_and_empty(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){(int64_t)1 << 40, (int64_t)1 << 40, 0}, 3, 1, 0, 0);
}

static void build_dims_negative(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){-6, -1}, 2, 1, 24, 0);
}

static void build_dims_nine(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, 1, 4, 0);
}

static void build_type_99(struct onnx_bytes *model)
{
    put_tensor(model, (int64_t[]){1}, 1, 99, 4, 0);
}

static void build_initializer_twice(struct onnx_bytes *model)
{
    static const float one = 1.0f;
    struct onnx_bytes graph = {0};

    onnx_put_float_initializer(&graph, "w", NULL, 0, &one, 1);
    onnx_put_float_initializer(&graph, "w", NULL, 0, &one, 1);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_sparse_huge(struct onnx_bytes *model)
{
    static const float one = 1.0f;
    struct onnx_bytes graph = {0}, values = {0}, sparse = {0};

    onnx_put_int(&values, 1, 1);
    onnx_put_int(&values, 2, 1);
    onnx_put_bytes(&values, 9, &one, 4);
    onnx_put_text(&values, 8, "w");
    onnx_put_message(&sparse, 1, &values);
    onnx_put_int(&sparse, 3, (int64_t)1 << 36);
    onnx_put_message(&graph, 15, &sparse);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_external(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, tensor = {0}, entry = {0};

    onnx_put_int(&tensor, 1, 1);
    onnx_put_int(&tensor, 2, 1);
    onnx_put_text(&tensor, 8, "w");
    onnx_put_text(&entry, 1, "location");
    onnx_put_text(&entry, 2, "w.bin");
    onnx_put_message(&tensor, 13, &entry);
    onnx_put_int(&tensor, 14, 1);
    onnx_put_message(&graph, 5, &tensor);
    onnx_put_relu_model(model, &graph, 17);
}

static void build_function_cycle(struct onnx_bytes *model)
{
    onnx_put_call_model(model, "f");
    onnx_put_function(model, "f", "g");
    onnx_put_function(model, "g", "f");
}

/* 2^15 calls from 15 functions, each of which calls the next twice; then deeper than allowed. */
static void build_function_doubling(struct onnx_bytes *model)
{
    char name[8], next[8];

    onnx_put_call_model(model, "f0");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(next, sizeof(next), "f%d", i + 1);
        onnx_put_function(model, name, i == 19 ? "Relu" : next);
    }
}

static const struct {
    const char *name;
    void (*build)(struct onnx_bytes *model);
    enum engine_status status;
    const char *text;
} broken[] = {
    {"no bytes", build_empty, ENGINE_BAD_MODEL, "empty"},
    {"text", build_text, ENGINE_BAD_MODEL, "not an ONNX"},
    {"no graph", build_no_graph, ENGINE_BAD_MODEL, "0 graphs"},
    {"two graphs", build_two_graphs, ENGINE_BAD_MODEL, "2 graphs"},
    {"IR 999", build_ir_999, ENGINE_UNSUPPORTED, "IR version 999"},
    {"opset 0", build_opset_0, ENGINE_BAD_MODEL, "opset 0"},
    {"opset 999", build_opset_999, ENGINE_UNSUPPORTED, "opset 999"},
    {"no default opset", build_no_opset, ENGINE_BAD_MODEL, "Relu (node 'Relu_y'): no opset"},
    {"undefined name", build_undefined, ENGINE_BAD_MODEL, "Add (node 'Add_z'): reads 'nowhere'"},
    {"defined twice", build_defined_twice, ENGINE_BAD_MODEL, "'y' is defined twice"},
    {"output is input", build_output_is_input, ENGINE_BAD_MODEL, "'x' is defined twice"},
    {"never produced", build_never_produced, ENGINE_BAD_MODEL, "'missing' is never produced"},
    {"no outputs", build_no_outputs, ENGINE_BAD_MODEL, "no outputs"},
    {"NUL in a name", build_nul_in_name, ENGINE_BAD_MODEL, "NUL"},
    {"Latin-1 name", build_latin1_name, ENGINE_BAD_MODEL, "UTF-8"},
    {"name of 1 MB", build_long_name, ENGINE_BAD_MODEL, "too long"},
    {"our own domain", build_our_domain, ENGINE_UNSUPPORTED, "'inferd'"},
    {"deep bodies", build_deep, ENGINE_BAD_MODEL, "deeper than 16"},
    {"recursion bomb", build_bomb, ENGINE_BAD_MODEL, "no op_type"},
    {"type bomb", build_type_bomb, ENGINE_BAD_MODEL, "'nothing' is never produced"},
    {"empty nodes", build_empty_nodes, ENGINE_BAD_MODEL, "no op_type"},
    {"a million nodes", build_million_nodes, ENGINE_BAD_MODEL, "more than 1000000 nodes"},
    {"raw too short", build_raw_short, ENGINE_BAD_MODEL, "raw_data has 23 bytes"},
    {"raw too long", build_raw_long, ENGINE_BAD_MODEL, "raw_data has 25 bytes"},
    {"raw and typed", build_raw_and_floats, ENGINE_BAD_MODEL, "raw_data beside"},
    {"no data", build_no_data, ENGINE_BAD_MODEL, "0 elements, its dims need 6"},
    {"wrong field", build_wrong_field, ENGINE_BAD_MODEL, "not in the field of its type"},
    {"dims overflow", build_dims_overflow, ENGINE_BAD_MODEL, "too large"},
    {"dims wrap", build_dims_wrap_to_16, ENGINE_BAD_MODEL, "too large"},
    {"dims overflow, empty", build_dims_huge_and_empty, ENGINE_BAD_MODEL, "too large"},
    {"dims negative", build_dims_negative, ENGINE_BAD_MODEL, "negative"},
    {"nine dims", build_dims_nine, ENGINE_BAD_MODEL, "more than 8 dims"},
    {"type 99", build_type_99, ENGINE_UNSUPPORTED, "element type 99"},
    {"initializer twice", build_initializer_twice, ENGINE_BAD_MODEL, "'w' is defined twice"},
    {"huge sparse", build_sparse_huge, ENGINE_NO_MEMORY, "budget"},
    {"external data", build_external, ENGINE_UNSUPPORTED, "loaded from a file"},
    {"functions in a cycle", build_function_cycle, ENGINE_BAD_MODEL, "calls itself"},
    {"functions too deep", build_function_doubling, ENGINE_BAD_MODEL, "deeper than 16"},
};

START_TEST(broken_file_is_refused_with_a_reason)
{
    struct onnx_bytes model = {0};
    struct onnx_loaded loaded;

    broken[_i].build(&model);
    loaded = onnx_load(&model, 512 * (size_t)MEGABYTE);
    ck_assert_msg(loaded.status == broken[_i].status, "%s: status %d: %s", broken[_i].name,
                  loaded.status, loaded.err.text);
    ck_assert_msg(strstr(loaded.err.text, broken[_i].text) != NULL, "%s: %s", broken[_i].name,
                  loaded.err.text);
    arena_destroy(loaded.arena);
}
END_TEST

START_TEST(budget_bounds_what_a_file_can_take)
{
    struct onnx_bytes model = {0}, graph = {0};
    struct onnx_loaded loaded;

    for (int i = 0; i < 100000; i++)
        onnx_put_bytes(&graph, 1, "\x22\x01R", 3);
    onnx_put_relu_model(&model, &graph, 17);
    loaded = onnx_load(&model, MEGABYTE);
    ck_assert_int_eq(loaded.status, ENGINE_NO_MEMORY);
    ck_assert_uint_le(arena_bytes(loaded.arena), MEGABYTE);
    arena_destroy(loaded.arena);
}
END_TEST

/* Every prefix of a good file is either refused or a model. */
START_TEST(truncation_at_every_byte_is_survived)
{
    struct onnx_bytes whole = {0};

    onnx_put_small_model(&whole);
    for (size_t size = 0; size < whole.size; size++) {
        struct onnx_bytes part = {0};
        struct onnx_loaded loaded;

        onnx_put_raw(&part, whole.data, size);
        loaded = onnx_load(&part, MEGABYTE);
        ck_assert_msg(loaded.status != ENGINE_OK || loaded.graph != NULL, "%zu bytes", size);
        ck_assert_msg(loaded.status == ENGINE_OK || loaded.err.text[0] != '\0', "%zu bytes", size);
        arena_destroy(loaded.arena);
    }
    onnx_bytes_free(&whole);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_broken");
    TCase *tc = tcase_create("onnx_broken");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, broken_file_is_refused_with_a_reason, 0,
                        sizeof(broken) / sizeof(broken[0]));
    tcase_add_test(tc, budget_bounds_what_a_file_can_take);
    tcase_add_test(tc, truncation_at_every_byte_is_survived);
    suite_add_tcase(suite, tc);
    return suite;
}
