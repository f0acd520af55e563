/* SPDX-License-Identifier: Apache-2.0
 * Gelu as exporters spell it: x/2 (1 + Erf(x / sqrt 2)), or with sqrt(2 / pi) (x + 0.044715 x^3) and
 * Tanh, the factors x and 1/2 multiplied in whatever order. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <math.h>

/* x if `value` is x * factor (or x / divisor), used once; -1 otherwise. */
static int scaled_input(const struct graph *graph, int value, double factor)
{
    int node = pattern_producer(graph, value, "Mul"), left, right;

    if (node >= 0) {
        left = pattern_input(graph, node, 0);
        right = pattern_input(graph, node, 1);
        return pattern_is_scalar(graph, right, factor)  ? left
               : pattern_is_scalar(graph, left, factor) ? right
                                                        : -1;
    }
    node = pattern_producer(graph, value, "Div");
    if (node >= 0 && pattern_is_scalar(graph, pattern_input(graph, node, 1), 1 / factor))
        return pattern_input(graph, node, 0);
    return -1;
}

/* x if `value` is x^3, spelled Pow(x, 3) or Mul(Mul(x, x), x). */
static int cubed_input(const struct graph *graph, int value)
{
    int node = pattern_producer(graph, value, "Pow"), square, x;

    if (node >= 0)
        return pattern_is_scalar(graph, pattern_input(graph, node, 1), 3) ? pattern_input(graph, node, 0)
                                                                         : -1;
    node = pattern_producer(graph, value, "Mul");
    if (node < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        square = pattern_producer(graph, pattern_input(graph, node, i), "Mul");
        x = pattern_input(graph, node, !i);
        if (square >= 0 && pattern_input(graph, square, 0) == x && pattern_input(graph, square, 1) == x)
            return x;
    }
    return -1;
}

/* x if `value` is x + 0.044715 x^3. */
static int tanh_argument(const struct graph *graph, int value)
{
    int sum = pattern_producer(graph, value, "Add");

    for (int i = 0; i < 2 && sum >= 0; i++) {
        int x = pattern_input(graph, sum, !i);
        int cube = scaled_input(graph, pattern_input(graph, sum, i), 0.044715);

        if (cube >= 0 && cubed_input(graph, cube) == x)
            return x;
    }
    return -1;
}

/* x of the function inside, given the Erf or Tanh node. */
static int inner_input(const struct graph *graph, int node, bool is_tanh)
{
    int argument = pattern_input(graph, node, 0);

    if (!is_tanh)
        return scaled_input(graph, argument, M_SQRT1_2);
    argument = scaled_input(graph, argument, sqrt(M_2_PI));
    return argument >= 0 ? tanh_argument(graph, argument) : -1;
}

/* The node that finishes x/2 * gate, `gate` being read only there; it may take two products. */
static int final_product(const struct graph *graph, int gate, int x)
{
    int first = pattern_user(graph, gate, "Mul"), second, other;

    if (first < 0)
        return -1;
    other = pattern_other(graph, first, gate);
    if (scaled_input(graph, other, 0.5) == x)
        return first;
    second = pattern_user(graph, graph->nodes[first].outputs[0], "Mul");
    if (second < 0)
        return -1;
    if (other == x)
        return pattern_is_scalar(graph, pattern_other(graph, second, graph->nodes[first].outputs[0]), 0.5)
                   ? second
                   : -1;
    return pattern_is_scalar(graph, other, 0.5) &&
                   pattern_other(graph, second, graph->nodes[first].outputs[0]) == x
               ? second
               : -1;
}

bool optimise_fuse_gelu(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        bool is_tanh = pattern_is(graph, i, "Tanh");
        int x, sum, last, output;

        if (!is_tanh && !pattern_is(graph, i, "Erf"))
            continue;
        x = inner_input(graph, i, is_tanh);
        sum = pattern_user(graph, graph->nodes[i].outputs[0], "Add");
        if (x < 0 || sum < 0 ||
            !pattern_is_scalar(graph, pattern_other(graph, sum, graph->nodes[i].outputs[0]), 1))
            continue;
        last = final_product(graph, graph->nodes[sum].outputs[0], x);
        if (last < 0)
            continue;
        /* What only served the old last node reaches no output now, and graph_seal() drops it. */
        output = graph->nodes[last].outputs[0];
        graph_remove_node(graph, last);
        if (pattern_add(graph, i, "Gelu", 1, &x, output) < 0 ||
            (is_tanh && !pattern_set_string(graph, pattern_last(graph), "approximate", "tanh")))
            return false;
    }
    return true;
}
