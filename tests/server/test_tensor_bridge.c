/* SPDX-License-Identifier: Apache-2.0
 * Hard cases 65-67, 71, 72: what a request's tensors must be, and what is said of those that are not. */
#include "server/tensor_bridge.h"

#include "tests/support/run_suite.h"

#include <string.h>

/* A model with two batched inputs, one fixed vector and one of any rank. */
static const struct tensor_spec pair_inputs[] = {
    {"a", WIRE_FP32, 2, {-1, 3}},
    {"b", WIRE_INT64, 1, {-1}},
};
static const struct tensor_spec fixed_inputs[] = {{"v", WIRE_FP16, 1, {4}}};
static const struct tensor_spec free_inputs[] = {{"w", WIRE_BYTES, -1, {0}}};
static const struct tensor_spec outputs[] = {{"y", WIRE_FP32, 2, {-1, 2}}, {"z", WIRE_BOOL, 1, {-1}}};

enum { PAIR, FIXED, FREE };
static const struct model_entry entries[] = {
    [PAIR] = {.name = "pair", .batchable = true, .batch_size_max = 8, .inputs = pair_inputs,
              .n_inputs = 2, .outputs = outputs, .n_outputs = 2},
    [FIXED] = {.name = "fixed", .batch_size_max = 1, .inputs = fixed_inputs, .n_inputs = 1},
    [FREE] = {.name = "free", .batch_size_max = 1, .inputs = free_inputs, .n_inputs = 1},
};

static char data[1024];

#define T(name, type, rank, ...) {name, type, rank, {__VA_ARGS__}, data, 0, false}

static const struct {
    const char *name;
    int entry;
    int n_inputs;
    struct wire_tensor inputs[3];
    int64_t rows;                        /* 0: refused */
    const char *says;
} cases[] = {
    {"in order", PAIR, 2, {T("a", WIRE_FP32, 2, 2, 3), T("b", WIRE_INT64, 1, 2)}, 2, NULL},
    {"another order", PAIR, 2, {T("b", WIRE_INT64, 1, 5), T("a", WIRE_FP32, 2, 5, 3)}, 5, NULL},
    {"missing", PAIR, 1, {T("a", WIRE_FP32, 2, 2, 3)}, 0, "input 'b' is missing; model 'pair' takes "
                                                           "INT64 [-1]"},
    {"none", PAIR, 0, {{0}}, 0, "input 'a' is missing"},
    {"unknown", PAIR, 2, {T("a", WIRE_FP32, 2, 2, 3), T("c", WIRE_INT64, 1, 2)}, 0,
     "model 'pair' has no input 'c'; its inputs are 'a', 'b'"},
    {"name is a prefix", PAIR, 1, {T("", WIRE_FP32, 2, 2, 3)}, 0, "has no input ''"},
    {"case differs", PAIR, 1, {T("A", WIRE_FP32, 2, 2, 3)}, 0, "has no input 'A'"},
    {"twice", PAIR, 3, {T("a", WIRE_FP32, 2, 2, 3), T("b", WIRE_INT64, 1, 2), T("a", WIRE_FP32, 2, 2, 3)},
     0, "input 'a' is given twice"},
    {"another type", PAIR, 1, {T("a", WIRE_FP64, 2, 2, 3)}, 0, "input 'a' is FP64, expected FP32"},
    {"another width", PAIR, 1, {T("a", WIRE_FP32, 2, 2, 4)}, 0,
     "input 'a' has shape [2,4], expected [-1,3]"},
    {"rank too low", PAIR, 1, {T("a", WIRE_FP32, 1, 3)}, 0, "has shape [3], expected [-1,3]"},
    {"rank too high", PAIR, 1, {T("a", WIRE_FP32, 3, 1, 2, 3)}, 0, "has shape [1,2,3], expected"},
    {"no rows", PAIR, 1, {T("a", WIRE_FP32, 2, 0, 3)}, 0, "expected dimensions of at least 1"},
    {"rows differ", PAIR, 2, {T("a", WIRE_FP32, 2, 2, 3), T("b", WIRE_INT64, 1, 3)}, 0,
     "input 'b' has 3 rows, input 'a' has 2"},
    {"fixed", FIXED, 1, {T("v", WIRE_FP16, 1, 4)}, 1, NULL},
    {"fixed, another size", FIXED, 1, {T("v", WIRE_FP16, 1, 5)}, 0, "[5], expected [4]"},
    {"any rank: scalar", FREE, 1, {T("w", WIRE_BYTES, 0, 0)}, 1, NULL},
    {"any rank: three", FREE, 1, {T("w", WIRE_BYTES, 3, 2, 1, 2)}, 1, NULL},
};

START_TEST(inputs_are_put_in_order_or_refused)
{
    const struct model_entry *entry = &entries[cases[_i].entry];
    struct wire_tensor inputs[3];
    struct tensor tensors[3];
    struct problem problem = {0};
    int64_t rows = 0;
    bool bound;

    for (int i = 0; i < cases[_i].n_inputs; i++) {
        inputs[i] = cases[_i].inputs[i];
        ck_assert(wire_count(inputs[i].dims, inputs[i].rank, 1, &inputs[i].count));
    }
    bound = tensor_bridge_inputs(entry, inputs, cases[_i].n_inputs, tensors, &rows, &problem);
    if (cases[_i].says != NULL) {
        ck_assert_msg(!bound && problem.status == 400, "%s: taken", cases[_i].name);
        ck_assert_msg(strstr(problem.text, cases[_i].says) != NULL, "%s: said '%s'", cases[_i].name,
                      problem.text);
        return;
    }
    ck_assert_msg(bound, "%s: %s", cases[_i].name, problem.text);
    ck_assert_msg(rows == cases[_i].rows, "%s: %lld rows", cases[_i].name, (long long)rows);
    for (int i = 0; i < entry->n_inputs; i++) {
        ck_assert_int_eq(tensors[i].dtype, dtype_from_wire_type(entry->inputs[i].type));
        ck_assert_ptr_eq(tensors[i].data, data);
        if (entry->batchable)
            ck_assert_int_eq(tensors[i].shape.dims[0], rows);
    }
}
END_TEST

START_TEST(long_names_are_cut)
{
    static char name[4096];
    struct wire_tensor input = T(name, WIRE_FP32, 2, 1, 3);
    struct tensor tensors[2];
    struct problem problem = {0};
    int64_t rows;

    memset(name, 'n', sizeof(name) - 1);
    input.count = 3;
    ck_assert(!tensor_bridge_inputs(&entries[PAIR], &input, 1, tensors, &rows, &problem));
    ck_assert_uint_lt(strlen(problem.text), 256);
}
END_TEST

START_TEST(types_go_there_and_back)
{
#define X(name, size, tf) WIRE_##name,
    static const enum wire_type types[] = {WIRE_TYPE_MAP(X)};
#undef X

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        enum dtype dtype = dtype_from_wire_type(types[i]);

        ck_assert_msg(wire_type_from_dtype(dtype) == types[i], "%s", wire_type_name(types[i]));
        ck_assert_msg(types[i] == WIRE_BYTES || dtype_size(dtype) == wire_type_bytes(types[i]),
                      "%s has another size in the engine", wire_type_name(types[i]));
    }
    ck_assert_int_eq(wire_type_from_dtype(DTYPE_NONE), WIRE_NONE);
    ck_assert_int_eq(wire_type_from_dtype(DTYPE_SEQUENCE), WIRE_NONE);
    ck_assert_int_eq(dtype_from_wire_type(WIRE_NONE), DTYPE_NONE);
}
END_TEST

START_TEST(a_model_is_described)
{
    const struct model_io io = {"x", DTYPE_F32, {.rank = 3, .dims = {DIM_UNKNOWN, 2, DIM_UNKNOWN}}};
    const struct model_io unknown = {"x", DTYPE_I8, {.rank = RANK_UNKNOWN}};
    const struct model_io sequence = {"s", DTYPE_SEQUENCE, {.rank = RANK_UNKNOWN}};
    struct tensor_spec spec;
    struct engine_error err = {0};

    ck_assert(tensor_spec_from_io(&io, &spec, &err));
    ck_assert_int_eq(spec.type, WIRE_FP32);
    ck_assert_int_eq(spec.rank, 3);
    ck_assert_int_eq(spec.dims[0], -1);
    ck_assert_int_eq(spec.dims[1], 2);
    ck_assert(tensor_spec_from_io(&unknown, &spec, &err));
    ck_assert_int_eq(spec.rank, -1);
    ck_assert(!tensor_spec_from_io(&sequence, &spec, &err));
    ck_assert_int_eq(err.status, ENGINE_UNSUPPORTED);
    ck_assert(strstr(err.text, "'s'") != NULL);
}
END_TEST

START_TEST(outputs_point_to_the_run)
{
    const struct tensor tensor = {DTYPE_F32, {2, {3, 2}}, data};
    struct wire_tensor wire;
    struct problem problem = {0};

    ck_assert_int_eq(tensor_bridge_find_output(&entries[PAIR], "z"), 1);
    ck_assert_int_eq(tensor_bridge_find_output(&entries[PAIR], "Z"), -1);
    ck_assert(tensor_bridge_output(&entries[PAIR], 0, &tensor, &wire, &problem));
    ck_assert_str_eq(wire.name, "y");
    ck_assert_int_eq(wire.type, WIRE_FP32);
    ck_assert_int_eq(wire.count, 6);
    ck_assert_int_eq(wire.dims[0], 3);
    ck_assert_ptr_eq(wire.data, data);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("tensor_bridge");
    TCase *tc = tcase_create("tensor_bridge");

    tcase_add_loop_test(tc, inputs_are_put_in_order_or_refused, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, long_names_are_cut);
    tcase_add_test(tc, types_go_there_and_back);
    tcase_add_test(tc, a_model_is_described);
    tcase_add_test(tc, outputs_point_to_the_run);
    suite_add_tcase(suite, tc);
    return suite;
}
