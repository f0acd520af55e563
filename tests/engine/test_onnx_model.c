/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/onnx/onnx_model.h"
#include "tests/support/onnx_bytes.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEGABYTE = 1 << 20 };
static const int64_t row[] = {-1, 4};

/* A model read into an arena of its own. */
struct loaded {
    struct arena *arena;
    struct graph *graph;
    struct onnx_info info;
    struct engine_error err;
    enum engine_status status;
};

static struct loaded load(struct onnx_bytes *model, size_t budget)
{
    struct loaded loaded = {.arena = arena_create(budget)};
    /* A copy without slack, so that ASan sees a read past the end. */
    unsigned char *copy = malloc(model->size > 0 ? model->size : 1);

    ck_assert_ptr_nonnull(loaded.arena);
    ck_assert_ptr_nonnull(copy);
    if (model->size > 0)
        memcpy(copy, model->data, model->size);
    loaded.status = onnx_read(copy, model->size, -1, loaded.arena, &loaded.graph, &loaded.info,
                              &loaded.err);
    free(copy);
    onnx_bytes_free(model);
    return loaded;
}

/* --- Broken files --- */

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

/* x -> Relu -> y, after what the caller has put into `graph`. */
static void finish_relu(struct onnx_bytes *model, struct onnx_bytes *graph, int opset)
{
    onnx_put_node(graph, "Relu", "x", "y", NULL);
    onnx_put_value(graph, 11, "x", row, 2);
    onnx_put_value(graph, 12, "y", row, 2);
    onnx_put_model(model, graph, opset);
}

static void build_ir_999(struct onnx_bytes *model)
{
    onnx_put_small_model(model);
    onnx_put_int(model, 1, 999);
}

static void build_opset_0(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    finish_relu(model, &graph, 0);
}

static void build_opset_999(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    finish_relu(model, &graph, 999);
}

static void build_no_opset(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0}, import = {0};

    finish_relu(model, &graph, 17);
    model->size -= 6;   /* the import: tag, length, empty domain, version */
    onnx_put_text(&import, 1, "com.example");
    onnx_put_int(&import, 2, 1);
    onnx_put_message(model, 8, &import);
}

static void build_undefined(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Add", "x nowhere", "z", NULL);
    finish_relu(model, &graph, 17);
}

static void build_defined_twice(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "x", "y", NULL);
    finish_relu(model, &graph, 17);
}

static void build_output_is_input(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "y", "x", NULL);
    finish_relu(model, &graph, 17);
}

static void build_never_produced(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_value(&graph, 12, "missing", row, 2);
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
}

static void build_latin1_name(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {0};

    onnx_put_node(&graph, "Relu", "x", "caf\xe9", NULL);
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
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
    finish_relu(model, &graph, 17);
}

static void put_function(struct onnx_bytes *model, const char *name, const char *calls)
{
    struct onnx_bytes function = {0}, node = {0};

    onnx_put_text(&function, 1, name);
    onnx_put_text(&function, 10, "local");
    onnx_put_text(&function, 4, "a");
    onnx_put_text(&function, 5, "b");
    for (int i = 0; i < 2; i++) {
        onnx_put_text(&node, 1, "a");
        onnx_put_text(&node, 2, i == 0 ? "b" : "c");
        onnx_put_text(&node, 4, calls);
        onnx_put_text(&node, 7, strcmp(calls, "Relu") == 0 ? "" : "local");
        onnx_put_message(&function, 7, &node);
    }
    onnx_put_message(model, 25, &function);
}

static void put_call(struct onnx_bytes *model, const char *function)
{
    struct onnx_bytes graph = {0}, node = {0};

    onnx_put_text(&node, 1, "x");
    onnx_put_text(&node, 2, "z");
    onnx_put_text(&node, 4, function);
    onnx_put_text(&node, 7, "local");
    onnx_put_message(&graph, 1, &node);
    finish_relu(model, &graph, 17);
}

static void build_function_cycle(struct onnx_bytes *model)
{
    put_call(model, "f");
    put_function(model, "f", "g");
    put_function(model, "g", "f");
}

/* 2^15 calls from 15 functions, each of which calls the next twice; then deeper than allowed. */
static void build_function_doubling(struct onnx_bytes *model)
{
    char name[8], next[8];

    put_call(model, "f0");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(next, sizeof(next), "f%d", i + 1);
        put_function(model, name, i == 19 ? "Relu" : next);
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
    struct loaded loaded;

    broken[_i].build(&model);
    loaded = load(&model, 512 * (size_t)MEGABYTE);
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
    struct loaded loaded;

    for (int i = 0; i < 100000; i++)
        onnx_put_bytes(&graph, 1, "\x22\x01R", 3);
    finish_relu(&model, &graph, 17);
    loaded = load(&model, MEGABYTE);
    ck_assert_int_eq(loaded.status, ENGINE_NO_MEMORY);
    ck_assert_uint_le(arena_bytes(loaded.arena), MEGABYTE);
    arena_destroy(loaded.arena);
}
END_TEST

/* --- Whole files --- */

START_TEST(small_model_is_read_whole)
{
    struct onnx_bytes model = {0};
    struct loaded loaded;
    const struct graph *graph;
    const struct value *x;

    onnx_put_small_model(&model);
    loaded = load(&model, MEGABYTE);
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

/* Every prefix of a good file is either refused or a model. */
START_TEST(truncation_at_every_byte_is_survived)
{
    struct onnx_bytes whole = {0};

    onnx_put_small_model(&whole);
    for (size_t size = 0; size < whole.size; size++) {
        struct onnx_bytes part = {0};
        struct loaded loaded;

        onnx_put_raw(&part, whole.data, size);
        loaded = load(&part, MEGABYTE);
        ck_assert_msg(loaded.status != ENGINE_OK || loaded.graph != NULL, "%zu bytes", size);
        ck_assert_msg(loaded.status == ENGINE_OK || loaded.err.text[0] != '\0', "%zu bytes", size);
        arena_destroy(loaded.arena);
    }
    onnx_bytes_free(&whole);
}
END_TEST

/* Initializers may be listed among the inputs (IR 3), and one may be an input's default. */
START_TEST(initializers_are_not_inputs)
{
    static const int64_t dims[] = {4};
    static const float items[] = {1, 2, 3, 4};
    struct onnx_bytes model = {0}, graph = {0};
    struct loaded loaded;

    onnx_put_value(&graph, 11, "w", dims, 1);
    onnx_put_float_initializer(&graph, "w", dims, 1, items, 4);
    finish_relu(&model, &graph, 6);
    loaded = load(&model, MEGABYTE);
    ck_assert_int_eq(loaded.status, ENGINE_OK);
    ck_assert_int_eq(loaded.graph->n_inputs, 1);
    ck_assert_str_eq(loaded.graph->values[loaded.graph->inputs[0]].name, "x");
    arena_destroy(loaded.arena);
}
END_TEST

/* --- Tensors --- */

static const struct {
    const char *name;
    int type;
    int64_t numbers[3];     /* in int32_data, or int64_data / uint64_data for 64-bit types */
    size_t count;
    double wanted[3];
    bool fits;
} typed[] = {
    {"int8", DTYPE_I8, {-128, 127, 0}, 3, {-128, 127, 0}, true},
    {"int8 too large", DTYPE_I8, {128}, 1, {0}, false},
    {"uint8", DTYPE_U8, {0, 255, 1}, 3, {0, 255, 1}, true},
    {"uint8 negative", DTYPE_U8, {-1}, 1, {0}, false},
    {"int16", DTYPE_I16, {-32768, 32767, 5}, 3, {-32768, 32767, 5}, true},
    {"uint16", DTYPE_U16, {65535, 0, 5}, 3, {65535, 0, 5}, true},
    {"uint16 too large", DTYPE_U16, {65536}, 1, {0}, false},
    {"int32", DTYPE_I32, {INT32_MIN, INT32_MAX, -1}, 3, {INT32_MIN, INT32_MAX, -1}, true},
    {"int32 without sign extension", DTYPE_I32, {0xffffffff}, 1, {-1}, true},
    {"int32 too large", DTYPE_I32, {INT64_C(1) << 40}, 1, {0}, false},
    {"bool", DTYPE_BOOL, {0, 1, 7}, 3, {0, 1, 1}, true},
    {"float16", DTYPE_F16, {0x3c00, 0xc000, 0}, 3, {1, -2, 0}, true},
    {"bfloat16", DTYPE_BF16, {0x3f80, 0xc000, 0}, 3, {1, -2, 0}, true},
    {"int64", DTYPE_I64, {INT64_C(-5), INT64_C(1) << 40, 0}, 3, {-5, 1099511627776.0, 0}, true},
    {"uint32", DTYPE_U32, {0xffffffff, 0, 1}, 3, {4294967295.0, 0, 1}, true},
    {"uint32 too large", DTYPE_U32, {INT64_C(1) << 32}, 1, {0}, false},
    {"uint64", DTYPE_U64, {INT64_C(1) << 62, 0, 1}, 3, {4611686018427387904.0, 0, 1}, true},
};

START_TEST(typed_fields_are_narrowed)
{
    int type = typed[_i].type;
    uint32_t field = type == DTYPE_I64 ? 7 : type == DTYPE_U32 || type == DTYPE_U64 ? 11 : 5;
    struct arena *arena = arena_create(MEGABYTE);

    for (int packed = 0; packed < 2; packed++) {
        struct onnx_bytes bytes = {0}, list = {0};
        struct engine_error err = {0};
        struct tensor tensor;
        enum engine_status status;

        onnx_put_int(&bytes, 1, (int64_t)typed[_i].count);
        onnx_put_int(&bytes, 2, type);
        for (size_t i = 0; i < typed[_i].count; i++) {
            if (packed)
                onnx_put_varint(&list, (uint64_t)typed[_i].numbers[i]);
            else
                onnx_put_int(&bytes, field, typed[_i].numbers[i]);
        }
        if (packed)
            onnx_put_message(&bytes, field, &list);
        status = onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err);
        ck_assert_msg((status == ENGINE_OK) == typed[_i].fits, "%s: %s", typed[_i].name, err.text);
        for (size_t i = 0; i < typed[_i].count && typed[_i].fits; i++)
            ck_assert_msg(tensor_double_at(&tensor, (int64_t)i) == typed[_i].wanted[i],
                          "%s: element %zu is %g", typed[_i].name, i,
                          tensor_double_at(&tensor, (int64_t)i));
        onnx_bytes_free(&bytes);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(strings_are_copied)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes bytes = {0};
    struct engine_error err = {0};
    struct tensor tensor;
    const struct bytes *items;

    onnx_put_int(&bytes, 1, 2);
    onnx_put_int(&bytes, 2, DTYPE_STRING);
    onnx_put_bytes(&bytes, 6, "a\0\xff", 3);
    onnx_put_bytes(&bytes, 6, "", 0);
    ck_assert_int_eq(onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err), ENGINE_OK);
    onnx_bytes_free(&bytes);
    items = tensor.data;
    ck_assert_uint_eq(items[0].length, 3);
    ck_assert_mem_eq(items[0].data, "a\0\xff", 3);
    ck_assert_uint_eq(items[1].length, 0);
    arena_destroy(arena);
}
END_TEST

START_TEST(raw_bools_are_normalised)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes bytes = {0};
    struct engine_error err = {0};
    struct tensor tensor;

    onnx_put_int(&bytes, 1, 3);
    onnx_put_int(&bytes, 2, DTYPE_BOOL);
    onnx_put_bytes(&bytes, 9, "\x00\x01\xfe", 3);
    ck_assert_int_eq(onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err), ENGINE_OK);
    ck_assert_mem_eq(tensor.data, "\x00\x01\x01", 3);
    onnx_bytes_free(&bytes);
    arena_destroy(arena);
}
END_TEST

START_TEST(sequences_nest_only_so_deep)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes inner = {0}, tensor = {0};
    struct engine_error err = {0};
    struct tensor sequence;

    onnx_put_int(&tensor, 2, DTYPE_F32);
    onnx_put_float(&tensor, 4, 2.5f);
    onnx_put_message(&inner, 3, &tensor);
    ck_assert_int_eq(onnx_sequence_read(inner.data, inner.size, arena, &sequence, &err), ENGINE_OK);
    ck_assert_int_eq(sequence.dtype, DTYPE_SEQUENCE);
    ck_assert_int_eq(sequence.shape.dims[0], 1);
    ck_assert(((struct tensor *)sequence.data)->dtype == DTYPE_F32);
    for (int depth = 0; depth < 1000; depth++) {
        struct onnx_bytes outer = {0};

        onnx_put_message(&outer, 5, &inner);
        inner = outer;
    }
    ck_assert_int_eq(onnx_sequence_read(inner.data, inner.size, arena, &sequence, &err),
                     ENGINE_BAD_MODEL);
    onnx_bytes_free(&inner);
    arena_destroy(arena);
}
END_TEST

/* --- Functions and bodies --- */

START_TEST(function_is_inlined)
{
    struct onnx_bytes model = {0};
    struct loaded loaded;

    put_call(&model, "f");
    put_function(&model, "f", "g");
    put_function(&model, "g", "Relu");
    loaded = load(&model, MEGABYTE);
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
    finish_relu(model, &graph, 17);
    onnx_put_message(model, 25, &function);
}

START_TEST(function_attributes_are_resolved)
{
    for (int given = 0; given < 2; given++) {
        struct onnx_bytes model = {0};
        struct loaded loaded;

        build_reference(&model, given != 0);
        loaded = load(&model, MEGABYTE);
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
    struct loaded loaded;

    onnx_put_node(&inner, "Add", "x late", "u", NULL);
    onnx_put_value(&inner, 12, "u", row, 2);
    onnx_put_attribute_graph(&attributes, "then_branch", &inner);
    onnx_put_node(&outer, "If", "c", "v", &attributes);
    onnx_put_value(&outer, 12, "v", row, 2);
    onnx_put_attribute_graph(&attributes, "then_branch", &outer);
    onnx_put_node(&graph, "If", "c", "z", &attributes);
    onnx_put_node(&graph, "Relu", "x", "late", NULL);   /* defined after the body in the file */
    onnx_put_value(&graph, 11, "c", NULL, 0);
    finish_relu(&model, &graph, 17);
    loaded = load(&model, MEGABYTE);
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

static void put_constant(struct onnx_bytes *graph, const char *output, struct onnx_bytes *attributes)
{
    onnx_put_node(graph, "Constant", "", output, attributes);
}

START_TEST(constant_nodes_become_constants)
{
    static const int64_t ints[] = {3, -4};
    struct onnx_bytes model = {0}, graph = {0}, attributes = {0};
    struct loaded loaded;
    int found = 0;

    onnx_put_attribute_int(&attributes, "value_int", 5);
    put_constant(&graph, "i", &attributes);
    onnx_put_attribute_float(&attributes, "value_float", 0.5f);
    put_constant(&graph, "f", &attributes);
    onnx_put_attribute_ints(&attributes, "value_ints", ints, 2);
    put_constant(&graph, "is", &attributes);
    onnx_put_attribute_text(&attributes, "value_string", "word");
    put_constant(&graph, "s", &attributes);
    finish_relu(&model, &graph, 17);
    loaded = load(&model, MEGABYTE);
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
    TCase *bad = tcase_create("broken"), *good = tcase_create("whole");

    tcase_set_timeout(bad, 60);
    tcase_set_timeout(good, 60);
    tcase_add_loop_test(bad, broken_file_is_refused_with_a_reason, 0,
                        sizeof(broken) / sizeof(broken[0]));
    tcase_add_test(bad, budget_bounds_what_a_file_can_take);
    tcase_add_test(bad, truncation_at_every_byte_is_survived);
    tcase_add_test(bad, sequences_nest_only_so_deep);
    tcase_add_test(good, small_model_is_read_whole);
    tcase_add_test(good, initializers_are_not_inputs);
    tcase_add_loop_test(good, typed_fields_are_narrowed, 0, sizeof(typed) / sizeof(typed[0]));
    tcase_add_test(good, strings_are_copied);
    tcase_add_test(good, raw_bools_are_normalised);
    tcase_add_test(good, function_is_inlined);
    tcase_add_test(good, function_attributes_are_resolved);
    tcase_add_test(good, bodies_capture_outer_values);
    tcase_add_test(good, constant_nodes_become_constants);
    suite_add_tcase(suite, bad);
    suite_add_tcase(suite, good);
    return suite;
}
