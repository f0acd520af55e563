/* SPDX-License-Identifier: Apache-2.0
 * Attention as exporters spell it, MatMul(Softmax(MatMul(q, k) / c + mask), v), becomes inferd.Attention,
 * which also reads through the Transposes before its operands and writes through the one behind. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <math.h>
#include <string.h>

enum { WALK_MAX = 16 };

/* The pattern's pieces, found from the softmax. */
struct attention {
    int q, k, v, mask;          /* values */
    int scores, values, last;   /* both products, and the node whose output the new one makes */
    int softmax, scaled, masked;    /* nodes in between; -1 where there is none */
    float scale;
    int transposes[4];          /* nodes read through: of q, k, v, and of the result; -1 */
};

/* True when `value` is surely float32: some declare it, most follow from a product of ours. */
static bool is_float(const struct graph *graph, int value)
{
    static const char *const same[] = {"Add", "Concat", "Div", "Mul", "Reshape", "Split", "Sub", "Transpose"};

    for (int step = 0; step < WALK_MAX && value >= 0; step++) {
        const struct value *it = &graph->values[value];
        const struct node *node = it->producer >= 0 ? &graph->nodes[it->producer] : NULL;
        bool follows = false;

        if (it->dtype != DTYPE_NONE)
            return it->dtype == DTYPE_F32;
        if (node == NULL || node->removed || node->n_inputs < 1)
            return false;
        if (strcmp(node->domain, "inferd") == 0 && strcmp(node->op_type, "PackedGemm") == 0)
            return true;
        for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
            follows |= pattern_is(graph, it->producer, same[i]);
        if (!follows)
            return false;
        value = node->inputs[0];
    }
    return false;
}

/* The Transpose that makes `value`, if it leaves the last dimension (`inner`) where it is. */
static int transpose_before(const struct graph *graph, int value, bool inner)
{
    int node = pattern_producer(graph, value, "Transpose");
    size_t count = 0;
    const int64_t *perm = node >= 0 ? node_ints(&graph->nodes[node], "perm", &count) : NULL;

    return perm != NULL && count >= 2 && (!inner || perm[count - 1] == (int64_t)count - 1) ? node : -1;
}

/* The product that makes `value`, used once: directly, or times a constant number. */
static int scores_before(const struct graph *graph, int value, struct attention *ret)
{
    int node = pattern_producer(graph, value, NULL), inner = -1;
    float factor = 1;

    ret->scaled = -1;
    ret->scale = 1;
    if (pattern_is(graph, node, "MatMul"))
        return node;
    if (pattern_is(graph, node, "Div") && pattern_scalar(graph, pattern_input(graph, node, 1), &factor)) {
        inner = pattern_input(graph, node, 0);
        ret->scale = 1 / factor;
    } else if (pattern_is(graph, node, "Mul")) {
        for (int i = 0; i < 2; i++)
            if (pattern_scalar(graph, pattern_input(graph, node, i), &ret->scale))
                inner = pattern_input(graph, node, !i);
    }
    ret->scaled = node;
    node = pattern_producer(graph, inner, "MatMul");
    return node >= 0 && isfinite(ret->scale) && graph_single_user(graph, inner) == ret->scaled ? node : -1;
}

/* Through the sum with a mask, if there is one: either of its operands may be the scores. */
static bool match_scores(const struct graph *graph, int value, struct attention *match)
{
    int sum = pattern_producer(graph, value, "Add");

    match->mask = VALUE_ABSENT;
    match->masked = -1;
    if (sum < 0) {
        match->scores = scores_before(graph, value, match);
        return match->scores >= 0;
    }
    for (int i = 0; i < 2; i++) {
        int inner = pattern_input(graph, sum, i);

        match->mask = pattern_input(graph, sum, !i);
        match->masked = sum;
        match->scores = scores_before(graph, inner, match);
        if (match->scores >= 0 && graph_single_user(graph, inner) == sum)
            return true;
    }
    return false;
}

static bool match_attention(const struct graph *graph, int softmax, struct attention *match)
{
    int scores = pattern_input(graph, softmax, 0), weights = graph->nodes[softmax].outputs[0];
    int last = pattern_user(graph, weights, "MatMul"), after;
    int64_t axis = node_int(&graph->nodes[softmax], "axis", -1);

    if (last < 0 || pattern_input(graph, last, 0) != weights || pattern_input(graph, last, 1) == weights ||
        graph_single_user(graph, scores) != softmax || !match_scores(graph, scores, match))
        return false;
    match->softmax = softmax;
    match->q = pattern_input(graph, match->scores, 0);
    match->k = pattern_input(graph, match->scores, 1);
    match->v = pattern_input(graph, last, 1);
    match->values = match->last = last;
    match->transposes[0] = transpose_before(graph, match->q, true);
    match->transposes[1] = transpose_before(graph, match->k, false);
    match->transposes[2] = transpose_before(graph, match->v, true);
    match->transposes[3] = -1;
    /* The softmax must be over the keys; its rank is known from a Transpose alone. */
    if (axis != -1) {
        size_t count = 0;

        if (match->transposes[0] >= 0)
            node_ints(&graph->nodes[match->transposes[0]], "perm", &count);
        if (axis + 1 != (int64_t)count)
            return false;
    }
    after = pattern_user(graph, graph->nodes[last].outputs[0], "Transpose");
    if (after >= 0 && transpose_before(graph, graph->nodes[after].outputs[0], true) == after) {
        match->transposes[3] = after;
        match->last = after;
    }
    return is_float(graph, match->q) && is_float(graph, match->k) && is_float(graph, match->v) &&
           (match->mask == VALUE_ABSENT || match->mask >= 0);
}

static bool copy_perm(struct graph *graph, int transpose, const char *name)
{
    size_t count = 0;
    const int64_t *perm;

    if (transpose < 0)
        return true;
    perm = node_ints(&graph->nodes[transpose], "perm", &count);
    return node_set_ints(graph, pattern_last(graph), name, perm, count);
}

static bool fuse(struct graph *graph, const struct attention *match)
{
    int output = graph->nodes[match->last].outputs[0];
    int inputs[4] = {match->q, match->k, match->v, match->mask};
    const int nodes[] = {match->last,   match->values, match->softmax,
                         match->masked, match->scaled, match->scores};
    static const char *const names[] = {"perm_q", "perm_k", "perm_v", "perm_y"};

    for (int i = 0; i < 3; i++)
        if (match->transposes[i] >= 0)
            inputs[i] = graph->nodes[match->transposes[i]].inputs[0];
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        if (nodes[i] >= 0)
            graph_remove_node(graph, nodes[i]);
    if (pattern_add(graph, match->softmax, "inferd.Attention", 4, inputs, output) < 0 ||
        !node_set_float(graph, pattern_last(graph), "scale", match->scale))
        return false;
    for (int i = 0; i < 4; i++)
        if (!copy_perm(graph, match->transposes[i], names[i]))
            return false;
    return true;
}

bool optimise_fuse_attention(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        struct attention match;

        if (pattern_is(graph, i, "Softmax") && match_attention(graph, i, &match) && !fuse(graph, &match))
            return false;
    }
    return true;
}
