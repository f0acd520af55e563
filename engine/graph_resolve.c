/* SPDX-License-Identifier: Apache-2.0
 * Finding the operator of every node. */
#include "engine/graph.h"
#include "engine/op.h"

#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 10, MEMO_SLOTS = 256 };

struct resolver {
    int n_unsupported;
    size_t used;
    char text[400];
    /* op_find() walks the whole table; a large graph asks for the same few names again and again.
     */
    struct {
        const char *domain, *name;
        const struct op_def *op;
    } memo[MEMO_SLOTS];
};

static const struct op_def *find(struct resolver *resolver, const struct node *node)
{
    unsigned hash = 5381;

    for (const char *c = node->op_type; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    hash %= MEMO_SLOTS;
    if (resolver->memo[hash].name == NULL ||
        strcmp(resolver->memo[hash].name, node->op_type) != 0 ||
        strcmp(resolver->memo[hash].domain, node->domain) != 0) {
        resolver->memo[hash].domain = node->domain;
        resolver->memo[hash].name = node->op_type;
        resolver->memo[hash].op = op_find(node->domain, node->op_type);
    }
    return resolver->memo[hash].op;
}

static void note_unsupported(struct resolver *resolver, const struct node *node)
{
    size_t room = sizeof(resolver->text) - resolver->used;
    bool standard = node->domain[0] == '\0' || strcmp(node->domain, "ai.onnx") == 0;
    int length;

    if (resolver->n_unsupported++ >= NAMED_MAX)
        return;
    length = snprintf(resolver->text + resolver->used, room, "%s%.40s%s%.40s-%d (node '%.40s')",
                      resolver->used > 0 ? ", " : "", standard ? "" : node->domain,
                      standard ? "" : ".", node->op_type, node->opset, node->name);
    if (length > 0)
        resolver->used += (size_t)length < room ? (size_t)length : room - 1;
}

static enum engine_status bad_count(const struct node *node, const char *what, int count, int min,
                                    int max, struct engine_error *err)
{
    if (max == OP_VARIADIC)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "%.64s (node '%.64s'): has %d %s, needs at least %d", node->op_type,
                                node->name, count, what, min);
    return engine_error_set(err, ENGINE_BAD_MODEL,
                            "%.64s (node '%.64s'): has %d %s, needs %d to %d", node->op_type,
                            node->name, count, what, min, max);
}

static enum engine_status check_counts(struct node *node, struct engine_error *err)
{
    const struct op_def *op = node->op;

    while (node->n_inputs > 0 && node->inputs[node->n_inputs - 1] == VALUE_ABSENT)
        node->n_inputs--;
    while (node->n_outputs > 0 && node->outputs[node->n_outputs - 1] == VALUE_ABSENT)
        node->n_outputs--;
    if (node->n_inputs < op->inputs_min ||
        (op->inputs_max != OP_VARIADIC && node->n_inputs > op->inputs_max))
        return bad_count(node, "inputs", node->n_inputs, op->inputs_min, op->inputs_max, err);
    if (node->n_outputs < op->outputs_min ||
        (op->outputs_max != OP_VARIADIC && node->n_outputs > op->outputs_max))
        return bad_count(node, "outputs", node->n_outputs, op->outputs_min, op->outputs_max, err);
    for (int i = 0; i < op->inputs_min; i++)
        if (node->inputs[i] == VALUE_ABSENT)
            return engine_error_set(err, ENGINE_BAD_MODEL,
                                    "%.64s (node '%.64s'): input %d is missing", node->op_type,
                                    node->name, i);
    return ENGINE_OK;
}

/* A required output that a model leaves out is made all the same: operators rely on it. */
static enum engine_status make_outputs(struct graph *graph, int index, struct engine_error *err)
{
    struct node *node = &graph->nodes[index];

    for (int i = 0; i < node->op->outputs_min; i++) {
        int value;

        if (node->outputs[i] != VALUE_ABSENT)
            continue;
        value = graph_add_value(graph, "");
        if (value < 0)
            return engine_error_set(err, ENGINE_NO_MEMORY,
                                    "graph is larger than its memory budget");
        graph->values[value].producer = index;
        ((int *)node->outputs)[i] = value;
    }
    return ENGINE_OK;
}

static enum engine_status resolve_node(struct resolver *resolver, struct graph *graph,
                                       struct node *node, struct engine_error *err)
{
    const struct op_def *op = find(resolver, node);
    struct op_init init = {.node = node, .arena = graph->arena};
    enum engine_status status;

    if (op == NULL) {
        note_unsupported(resolver, node);
        return ENGINE_OK;
    }
    node->op = op;
    status = check_counts(node, err);
    if (status == ENGINE_OK)
        status = make_outputs(graph, (int)(node - graph->nodes), err);
    if (status != ENGINE_OK)
        return status;
    node->params = arena_calloc(graph->arena, 1, op->params_size);
    if (node->params == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    init.params = node->params;
    return op->init != NULL ? op->init(&init, err) : ENGINE_OK;
}

static enum engine_status resolve_graph(struct resolver *resolver, struct graph *graph,
                                        struct engine_error *err)
{
    enum engine_status status;

    for (int i = 0; i < graph->n_nodes; i++) {
        struct node *node = &graph->nodes[i];

        if (node->removed)
            continue;
        if (node->op == NULL) {
            status = resolve_node(resolver, graph, node, err);
            if (status != ENGINE_OK)
                return status;
        }
        for (int a = 0; a < node->n_attributes; a++) {
            const struct attribute *attribute = &node->attributes[a];
            size_t count = attribute->type == ATTRIBUTE_GRAPHS ? attribute->count : 0;

            status = attribute->type == ATTRIBUTE_GRAPH ? resolve_graph(resolver, attribute->g, err)
                                                        : ENGINE_OK;
            for (size_t g = 0; g < count && status == ENGINE_OK; g++)
                status = resolve_graph(resolver, attribute->graphs[g], err);
            if (status != ENGINE_OK)
                return status;
        }
    }
    return ENGINE_OK;
}

enum engine_status graph_resolve(struct graph *graph, struct engine_error *err)
{
    struct resolver resolver = {.n_unsupported = 0};
    enum engine_status status = resolve_graph(&resolver, graph, err);

    if (status != ENGINE_OK || resolver.n_unsupported == 0)
        return status;
    if (resolver.n_unsupported > NAMED_MAX)
        return engine_error_set(err, ENGINE_UNSUPPORTED, "unsupported operators: %s and %d more",
                                resolver.text, resolver.n_unsupported - NAMED_MAX);
    return engine_error_set(err, ENGINE_UNSUPPORTED, "unsupported operators: %s", resolver.text);
}
