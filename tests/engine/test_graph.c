/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/graph.h"
#include "engine/op.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

static struct arena *arena;
static struct graph *graph;

static void set_up(void)
{
    arena = arena_create((size_t)1 << 30);
    graph = graph_create(arena, NULL);
    ck_assert_ptr_nonnull(graph);
}

static void tear_down(void)
{
    arena_destroy(arena);
}

static int input(const char *name)
{
    int id = graph_add_value(graph, name);

    ck_assert_int_ge(id, 0);
    ck_assert(graph_add_input(graph, id));
    return id;
}

/* A node with up to two inputs and one new output; returns the output. */
static int apply(struct graph *to, const char *op, const char *name, int a, int b)
{
    int ids[2] = {a, b};
    int out = graph_add_value(to, name);

    ck_assert_int_ge(graph_add_node(to, "", op, name, b == VALUE_ABSENT ? 1 : 2, ids, 1, &out), 0);
    return out;
}

static int constant(const char *name)
{
    static float data[4];
    struct tensor tensor = {DTYPE_F32, {1, {4}}, data};

    return graph_add_constant(graph, name, &tensor);
}

START_TEST(uses_are_counted_and_replaced)
{
    int a = input("a");
    int b = apply(graph, "Relu", "b", a, VALUE_ABSENT);
    int c = apply(graph, "Add", "c", b, b);
    int d = apply(graph, "Add", "d", b, a);

    ck_assert_int_eq(graph_count_uses(graph, b), 3);
    ck_assert_int_eq(graph_single_user(graph, b), -1);
    graph_replace_uses(graph, b, a);
    ck_assert_int_eq(graph_count_uses(graph, b), 0);
    ck_assert_int_eq(graph_count_uses(graph, a), 5);
    ck_assert_int_eq(graph->nodes[1].inputs[0], a);
    ck_assert_int_eq(graph->nodes[1].inputs[1], a);
    ck_assert_int_eq(graph->nodes[2].inputs[0], a);

    graph_set_input(graph, 2, 1, c);
    ck_assert_int_eq(graph_count_uses(graph, a), 4);
    ck_assert_int_eq(graph_single_user(graph, c), 2);
    ck_assert(graph_add_output(graph, c));
    ck_assert_int_eq(graph_single_user(graph, c), -1);
    ck_assert_int_eq(graph_count_uses(graph, c), 2);
    graph_remove_node(graph, 2);
    ck_assert_int_eq(graph->values[d].producer, -1);
    ck_assert_int_eq(graph_count_uses(graph, c), 1);
    graph_replace_uses(graph, c, a);
    ck_assert_int_eq(graph->outputs[0], a);
}
END_TEST

/* Random edits against a plain recount. */
START_TEST(random_edits_keep_the_lists)
{
    uint64_t state = test_seed();
    int values[40];

    for (int i = 0; i < 40; i++)
        values[i] = graph_add_value(graph, "");
    for (int step = 0; step < 4000 * test_scale(); step++) {
        int a = values[test_random(&state) % 40], b = values[test_random(&state) % 40];
        int node = graph->n_nodes > 0 ? (int)(test_random(&state) % (uint64_t)graph->n_nodes) : -1;
        int ids[3] = {a, b, VALUE_ABSENT};

        switch (test_random(&state) % 5) {
        case 0:
            ck_assert_int_ge(graph_add_node(graph, "", "X", "", 3, ids, 0, NULL), 0);
            break;
        case 1:
            if (node >= 0 && !graph->nodes[node].removed && graph->nodes[node].n_inputs > 1)
                graph_set_input(graph, node, 1, a);
            break;
        case 2:
            if (node >= 0 && !graph->nodes[node].removed)
                ck_assert(graph_set_inputs(graph, node, (int)(test_random(&state) % 4), ids));
            break;
        case 3:
            graph_replace_uses(graph, a, b);
            break;
        default:
            if (node >= 0 && test_random(&state) % 4 == 0)
                graph_remove_node(graph, node);
        }
    }
    for (int i = 0; i < 40; i++) {
        int count = 0;

        for (int n = 0; n < graph->n_nodes; n++)
            for (int k = 0; k < graph->nodes[n].n_inputs && !graph->nodes[n].removed; k++)
                count += graph->nodes[n].inputs[k] == values[i];
        ck_assert_int_eq(graph_count_uses(graph, values[i]), count);
    }
}
END_TEST

START_TEST(seal_sorts_and_drops_what_nobody_reads)
{
    struct engine_error err = {0};
    int a = input("a");
    int c = graph_add_value(graph, "c"), b = graph_add_value(graph, "b");
    int ids[2] = {b, a};

    /* c = Add(b, a) stands before b = Relu(a). */
    ck_assert_int_ge(graph_add_node(graph, "", "Add", "late", 2, ids, 1, &c), 0);
    ck_assert_int_ge(graph_add_node(graph, "", "Relu", "early", 1, &a, 1, &b), 0);
    apply(graph, "Relu", "dead", c, VALUE_ABSENT);
    graph_add_output(graph, c);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_OK);
    ck_assert_int_eq(graph->n_nodes, 2);
    ck_assert_str_eq(graph->nodes[0].name, "early");
    ck_assert_str_eq(graph->nodes[1].name, "late");
    ck_assert_int_eq(graph->values[c].producer, 1);
    ck_assert_int_eq(graph->n_prologue, 0);
}
END_TEST

enum fault { CYCLE, SELF, UNDEFINED, UNDEFINED_OUTPUT, TWICE, TWICE_INPUT };
static const struct {
    enum fault fault;
    const char *text;
} faults[] = {
    {CYCLE, "depends on itself"},
    {SELF, "value 'x' depends on itself"},
    {UNDEFINED, "input 'ghost' is made by no node"},
    {UNDEFINED_OUTPUT, "output 'ghost' is made by no node"},
    {TWICE, "value 'x' is made twice"},
    {TWICE_INPUT, "value 'a' is made twice"},
};

START_TEST(seal_refuses)
{
    struct engine_error err = {0};
    int a = input("a");
    int x = graph_add_value(graph, "x"), y = graph_add_value(graph, "y");
    int ghost = graph_add_value(graph, "ghost");
    int from[] = {[CYCLE] = y, [SELF] = x,       [UNDEFINED] = ghost, [UNDEFINED_OUTPUT] = a,
                  [TWICE] = a, [TWICE_INPUT] = a};
    enum fault fault = faults[_i].fault;

    graph_add_node(graph, "", "Relu", "n0", 1, &from[fault], 1, fault == TWICE_INPUT ? &a : &x);
    graph_add_node(graph, "", "Relu", "n1", 1, fault == TWICE_INPUT ? &a : &x, 1, &y);
    if (fault == TWICE)
        graph_add_node(graph, "", "Relu", "n2", 1, &a, 1, &x);
    graph_add_output(graph, fault == UNDEFINED_OUTPUT ? ghost : y);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_BAD_MODEL);
    ck_assert_msg(strstr(err.text, faults[_i].text) != NULL, "row %d: %s", _i, err.text);
}
END_TEST

START_TEST(unsupported_nodes_are_named_ten_at_most)
{
    struct engine_error err = {0};
    int a = input("a");
    char name[16];

    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        a = apply(graph, i == 3 ? "Weird" : "Nope", name, a, VALUE_ABSENT);
        graph->nodes[i].opset = 13;
    }
    graph->nodes[1].domain = "com.acme";
    graph_add_output(graph, a);
    ck_assert_int_eq(graph_resolve(graph, &err), ENGINE_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "Nope-13 (node 'n0'), com.acme.Nope-13 (node 'n1')") != NULL,
                  "%s", err.text);
    ck_assert_msg(strstr(err.text, "Weird-13 (node 'n3')") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "'n9') and 2 more") != NULL, "%s", err.text);
}
END_TEST

static const struct op_def plain = {.name = "Plain"};
static const struct op_def shape_op = {.name = "Shape", .flags = OP_SHAPE_ONLY};
static const struct op_def reshape_op = {.name = "Reshape", .host_inputs = 1 << 1};
static const struct op_def loop_op = {.name = "Loop", .flags = OP_DYNAMIC};
static const struct op_def random_op = {.name = "Random", .flags = OP_RANDOM};

/* y = Reshape(x + w * w, Gather(Shape(x), i)) */
START_TEST(seal_marks_prologue_slots_and_host_values)
{
    struct engine_error err = {0};
    int x = input("x"), w = constant("w"), unused = constant("unused"), i = constant("i");
    int sum, shape, target, y, ww, noise;

    shape = apply(graph, "Shape", "shape", x, VALUE_ABSENT);
    target = apply(graph, "Gather", "target", shape, i);
    ww = apply(graph, "Mul", "ww", w, w);
    noise = apply(graph, "Random", "noise", w, VALUE_ABSENT);
    sum = apply(graph, "Add", "sum", x, ww);
    sum = apply(graph, "Add", "sum2", sum, noise);
    y = apply(graph, "Reshape", "y", sum, target);
    for (int n = 0; n < graph->n_nodes; n++)
        graph->nodes[n].op = &plain;
    graph->nodes[0].op = &shape_op;
    graph->nodes[3].op = &random_op;
    graph->nodes[6].op = &reshape_op;
    graph_add_output(graph, y);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_OK);

    ck_assert_int_eq(graph->n_prologue, 1);
    ck_assert_str_eq(graph->nodes[0].name, "ww");
    ck_assert_int_eq(graph->n_constant_slots, 2);
    ck_assert_int_eq(graph->n_weight_slots, 3);
    ck_assert_int_eq(graph->values[unused].weight_slot, -1);
    ck_assert_int_eq(graph->weight_values[graph->values[w].weight_slot], w);
    ck_assert_int_eq(graph->weight_values[2], ww);
    ck_assert(graph->values[target].host && graph->values[shape].host && graph->values[i].host);
    ck_assert(!graph->values[x].host && !graph->values[w].host && !graph->values[sum].host);
}
END_TEST

START_TEST(seal_gathers_captures_once)
{
    struct engine_error err = {0};
    int a = input("a"), c = input("c"), y;
    struct graph *body[2];
    struct attribute attribute = {.type = ATTRIBUTE_GRAPH};
    int captured[2], unread;

    y = apply(graph, "If", "if", c, VALUE_ABSENT);
    for (int i = 0; i < 2; i++) {
        body[i] = graph_create(arena, graph);
        unread = graph_add_capture(body[i], "c", c);
        captured[i] = graph_add_capture(body[i], "a", a);
        ck_assert_int_ge(unread, 0);
        graph_add_output(body[i], apply(body[i], "Relu", "r", captured[i], VALUE_ABSENT));
        attribute.name = i == 0 ? "then_branch" : "else_branch";
        attribute.g = body[i];
        ck_assert(node_set_attribute(graph, &graph->nodes[0], &attribute));
    }
    ck_assert_int_eq(graph_count_uses(graph, a), 2);
    ck_assert_int_eq(graph_single_user(graph, a), -1);
    graph_add_output(graph, y);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_OK);
    ck_assert_int_eq(graph->nodes[0].n_explicit_inputs, 1);
    ck_assert_int_eq(graph->nodes[0].n_inputs, 2);
    ck_assert_int_eq(graph->nodes[0].inputs[1], a);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(body[i]->n_captures, 1);
        ck_assert_int_eq(body[i]->captures[0].value, captured[i]);
        ck_assert_int_eq(body[i]->captures[0].node_input, 1);
    }
}
END_TEST

/* A loop's body that packs its weights: r = Mul(t, Neg(k)), and Neg(Neg(k)) in a body of the body.
 */
START_TEST(seal_moves_constant_work_out_of_bodies)
{
    struct engine_error err = {0};
    int m = input("m"), y;
    struct graph *outer = graph_create(arena, graph), *inner = graph_create(arena, outer);
    struct attribute attribute = {.name = "body", .type = ATTRIBUTE_GRAPH};
    static float data[4];
    struct tensor tensor = {DTYPE_F32, {1, {4}}, data};
    int k = graph_add_constant(outer, "k", &tensor), t = graph_add_value(outer, "t"), neg, r,
        caught;

    y = apply(graph, "Loop", "loop", m, VALUE_ABSENT);
    neg = apply(outer, "Neg", "neg", k, VALUE_ABSENT);
    graph_add_input(outer, t);
    r = apply(outer, "Mul", "r", t, neg);
    graph_add_output(outer, r);
    graph_add_output(outer, apply(outer, "Loop", "nested", t, VALUE_ABSENT));
    caught = graph_add_capture(inner, "k", k);
    graph_add_output(inner, apply(inner, "Abs", "twice",
                                  apply(inner, "Neg", "once", caught, VALUE_ABSENT), VALUE_ABSENT));
    attribute.g = outer;
    ck_assert(node_set_attribute(graph, &graph->nodes[0], &attribute));
    attribute.g = inner;
    ck_assert(node_set_attribute(outer, &outer->nodes[2], &attribute));
    for (int i = 0; i < outer->n_nodes; i++)
        outer->nodes[i].op = i == 2 ? &loop_op : &plain;
    for (int i = 0; i < inner->n_nodes; i++)
        inner->nodes[i].op = &plain;
    graph->nodes[0].op = &loop_op;
    graph_add_output(graph, y);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_OK);

    ck_assert_int_eq(inner->n_nodes, 0);
    ck_assert_int_eq(outer->n_nodes, 2);
    ck_assert_int_eq(graph->n_prologue, 3);
    ck_assert_int_eq(graph->n_nodes, 4);
    ck_assert_int_eq(inner->n_captures, 1);
    ck_assert_int_eq(outer->n_captures, 2);
    /* k twice (each body's own copy would do), neg and twice. */
    ck_assert_int_ge(graph->n_weight_slots - graph->n_constant_slots, 2);
}
END_TEST

START_TEST(replaced_values_are_replaced_in_captures)
{
    int a = input("a"), b = input("b");
    struct graph *body = graph_create(arena, graph);
    int captured = graph_add_capture(body, "a", a);

    graph_replace_uses(graph, a, b);
    ck_assert_int_eq(body->values[captured].outer, b);
    ck_assert_int_eq(graph_count_uses(graph, a), 0);
    ck_assert_int_eq(graph_count_uses(graph, b), 1);
}
END_TEST

/* Quadratic work would run into the test's time limit. */
START_TEST(a_hundred_thousand_nodes_are_edited_and_sealed)
{
    struct engine_error err = {0};
    int a = input("a"), x = a;

    for (int i = 0; i < 100000; i++)
        x = apply(graph, "Relu", "n", x, i % 2 == 0 ? a : VALUE_ABSENT);
    for (int i = 0; i < 99998; i += 2) {
        graph_replace_uses(graph, graph->nodes[i].outputs[0], graph->nodes[i].inputs[0]);
        graph_remove_node(graph, i);
    }
    graph_add_output(graph, x);
    ck_assert_int_eq(graph_seal(graph, &err), ENGINE_OK);
    ck_assert_int_eq(graph->n_nodes, 50001);
}
END_TEST

START_TEST(attributes_have_defaults_and_are_replaced)
{
    int64_t items[3] = {1, 2, 3};
    struct node *node;
    size_t count;

    apply(graph, "X", "x", input("a"), VALUE_ABSENT);
    node = &graph->nodes[0];
    ck_assert_int_eq(node_int(node, "axis", -1), -1);
    ck_assert(node_set_int(graph, node, "axis", 2) && node_set_int(graph, node, "axis", 3));
    ck_assert_int_eq(node_int(node, "axis", -1), 3);
    ck_assert(node_set_float(graph, node, "alpha", 0.5f));
    ck_assert_float_eq(node_float(node, "alpha", 0), 0.5f);
    ck_assert_float_eq(node_float(node, "axis", 7), 7);
    ck_assert(node_set_ints(graph, node, "pads", items, 3));
    ck_assert_int_eq(node_ints(node, "pads", &count)[2], 3);
    ck_assert_uint_eq(count, 3);
    ck_assert_ptr_null(node_ints(node, "none", &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(node_string(node, "mode", NULL));
    ck_assert_int_eq(node->n_attributes, 3);
}
END_TEST

START_TEST(budget_is_reported_not_crashed)
{
    struct arena *small = arena_create(4096);
    struct graph *tight = graph_create(small, NULL);
    int id = 0;

    for (int i = 0; i < 1000 && id >= 0; i++)
        id = graph_add_value(tight, "some name");
    ck_assert_int_eq(id, -1);
    arena_destroy(small);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, uses_are_counted_and_replaced);
    tcase_add_test(tc, random_edits_keep_the_lists);
    tcase_add_test(tc, seal_sorts_and_drops_what_nobody_reads);
    tcase_add_loop_test(tc, seal_refuses, 0, (int)(sizeof(faults) / sizeof(faults[0])));
    tcase_add_test(tc, unsupported_nodes_are_named_ten_at_most);
    tcase_add_test(tc, seal_marks_prologue_slots_and_host_values);
    tcase_add_test(tc, seal_gathers_captures_once);
    tcase_add_test(tc, seal_moves_constant_work_out_of_bodies);
    tcase_add_test(tc, replaced_values_are_replaced_in_captures);
    tcase_add_test(tc, a_hundred_thousand_nodes_are_edited_and_sealed);
    tcase_add_test(tc, attributes_have_defaults_and_are_replaced);
    tcase_add_test(tc, budget_is_reported_not_crashed);
    suite_add_tcase(suite, tc);
    return suite;
}
