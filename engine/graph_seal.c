/* SPDX-License-Identifier: Apache-2.0
 * Sealing: the last rewriting of a graph, after which it never changes. All walks are iterative and
 * linear in nodes and edges; only bodies recurse, to the depth that the reader allows. */
#include "engine/graph.h"
#include "engine/graph_hoist.h"
#include "engine/op.h"

#include <stdlib.h>
#include <string.h>

/* Temporary arrays for one graph. */
struct sealing {
    struct graph *graph;
    unsigned char *live;   /* by node: some output needs it */
    unsigned char *state;  /* by node: NEW, OPEN, DONE of the depth-first walk */
    int *stack, *position; /* of the walks; position: next input to look at */
    int *order;            /* live nodes, topological */
    int n_order;
    size_t n_values;
    unsigned char *mark; /* by value, for several uses */
    int *where;          /* by value: its index among one node's inputs */
};

enum { NEW, OPEN, DONE };

static enum engine_status seal(struct graph *graph, struct engine_error *err);

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
}

static bool sealing_init(struct sealing *sealing, struct graph *graph)
{
    size_t nodes = (size_t)graph->n_nodes + 1;
    size_t values = (size_t)graph->n_values + 1;

    sealing->graph = graph;
    sealing->n_values = (size_t)graph->n_values;
    sealing->live = calloc(nodes, 1);
    sealing->state = calloc(nodes, 1);
    sealing->stack = calloc(nodes, sizeof(int));
    sealing->position = calloc(nodes, sizeof(int));
    sealing->order = calloc(nodes, sizeof(int));
    sealing->mark = calloc(values, 1);
    sealing->where = calloc(values, sizeof(int));
    return sealing->live != NULL && sealing->state != NULL && sealing->stack != NULL &&
           sealing->position != NULL && sealing->order != NULL && sealing->mark != NULL &&
           sealing->where != NULL;
}

static void sealing_finish(struct sealing *sealing)
{
    free(sealing->live);
    free(sealing->state);
    free(sealing->stack);
    free(sealing->position);
    free(sealing->order);
    free(sealing->mark);
    free(sealing->where);
}

/* The k-th body of a node, NULL past the last. */
static struct graph *node_body(const struct node *node, size_t k)
{
    for (int a = 0; a < node->n_attributes; a++) {
        const struct attribute *attribute = &node->attributes[a];

        if (attribute->type == ATTRIBUTE_GRAPH) {
            if (k == 0)
                return attribute->g;
            k--;
        } else if (attribute->type == ATTRIBUTE_GRAPHS) {
            if (k < attribute->count)
                return attribute->graphs[k];
            k -= attribute->count;
        }
    }
    return NULL;
}

/* Appends what the node's bodies capture to its inputs, each outer value once. */
static enum engine_status gather_captures(struct sealing *sealing, struct node *node,
                                          struct engine_error *err)
{
    struct graph *graph = sealing->graph;
    struct graph *body;
    size_t total = (size_t)node->n_inputs;
    int *inputs;
    int count = node->n_inputs;

    node->n_explicit_inputs = node->n_inputs;
    for (size_t k = 0; (body = node_body(node, k)) != NULL; k++)
        total += (size_t)body->n_captures;
    if (total == (size_t)node->n_inputs)
        return ENGINE_OK;
    inputs = total < INT32_MAX ? arena_alloc(graph->arena, total * sizeof(*inputs)) : NULL;
    if (inputs == NULL)
        return no_memory(err);
    memcpy(inputs, node->inputs, (size_t)node->n_inputs * sizeof(*inputs));
    for (size_t k = 0; (body = node_body(node, k)) != NULL; k++) {
        for (int i = 0; i < body->n_captures; i++) {
            int outer = body->values[body->captures[i].value].outer;

            if (!sealing->mark[outer]) {
                sealing->mark[outer] = 1;
                sealing->where[outer] = count;
                inputs[count++] = outer;
            }
            body->captures[i].node_input = sealing->where[outer];
        }
    }
    for (int i = node->n_inputs; i < count; i++)
        sealing->mark[inputs[i]] = 0;
    node->inputs = inputs;
    node->n_inputs = count;
    return ENGINE_OK;
}

/* Bodies first: what they need from outside counts as input of their nodes, and what they compute
 * from constants moves out, which adds nodes here. */
static enum engine_status seal_bodies(struct graph *graph, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;
    struct graph *body;

    for (int i = 0; i < graph->n_nodes; i++) {
        for (size_t k = 0; (body = node_body(&graph->nodes[i], k)) != NULL; k++) {
            if (!graph->nodes[i].removed && status == ENGINE_OK)
                status = seal(body, err);
        }
    }
    return status;
}

static enum engine_status gather_all_captures(struct sealing *sealing, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < sealing->graph->n_nodes && status == ENGINE_OK; i++)
        if (!sealing->graph->nodes[i].removed)
            status = gather_captures(sealing, &sealing->graph->nodes[i], err);
    return status;
}

static bool is_source(const struct value *value, bool is_input)
{
    return value->constant != NULL || value->outer >= 0 || is_input;
}

/* Values that need a producer and have none are errors; mark[] says which are graph inputs. */
static enum engine_status check_value(const struct sealing *sealing, int id,
                                      const struct node *reader, struct engine_error *err)
{
    const struct value *value = &sealing->graph->values[id];

    if (value->producer >= 0 || is_source(value, sealing->mark[id]))
        return ENGINE_OK;
    if (reader == NULL)
        return engine_error_set(err, ENGINE_BAD_MODEL, "output '%.128s' is made by no node",
                                value->name);
    return engine_error_set(err, ENGINE_BAD_MODEL,
                            "%.64s (node '%.64s'): input '%.128s' is made by no node",
                            reader->op_type, reader->name, value->name);
}

static enum engine_status mark_producer(struct sealing *sealing, int id, const struct node *reader,
                                        int *depth, struct engine_error *err)
{
    enum engine_status status;
    int producer;

    if (id == VALUE_ABSENT)
        return ENGINE_OK;
    status = check_value(sealing, id, reader, err);
    producer = sealing->graph->values[id].producer;
    if (status == ENGINE_OK && producer >= 0 && !sealing->live[producer]) {
        sealing->live[producer] = 1;
        sealing->stack[(*depth)++] = producer;
    }
    return status;
}

/* Each value has one maker at most; mark[] says which are graph inputs. */
static enum engine_status check_makers(const struct sealing *sealing, struct engine_error *err)
{
    const struct graph *graph = sealing->graph;

    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];

        for (int i = 0; i < node->n_outputs && !node->removed; i++) {
            int id = node->outputs[i];

            if (id != VALUE_ABSENT && (graph->values[id].producer != n ||
                                       is_source(&graph->values[id], sealing->mark[id])))
                return engine_error_set(err, ENGINE_BAD_MODEL, "value '%.128s' is made twice",
                                        graph->values[id].name);
        }
    }
    return ENGINE_OK;
}

/* Which nodes reach an output. */
static enum engine_status mark_live(struct sealing *sealing, struct engine_error *err)
{
    const struct graph *graph = sealing->graph;
    enum engine_status status;
    int depth = 0;

    for (int i = 0; i < graph->n_inputs; i++)
        sealing->mark[graph->inputs[i]] = 1;
    status = check_makers(sealing, err);
    for (int i = 0; i < graph->n_outputs && status == ENGINE_OK; i++)
        status = mark_producer(sealing, graph->outputs[i], NULL, &depth, err);
    while (depth > 0 && status == ENGINE_OK) {
        const struct node *node = &graph->nodes[sealing->stack[--depth]];

        for (int i = 0; i < node->n_inputs && status == ENGINE_OK; i++)
            status = mark_producer(sealing, node->inputs[i], node, &depth, err);
    }
    for (int i = 0; i < graph->n_inputs; i++)
        sealing->mark[graph->inputs[i]] = 0;
    return status;
}

/* Visits what `root` depends on, then `root`. Nodes already in order stay in order. */
static enum engine_status visit(struct sealing *sealing, int root, struct engine_error *err)
{
    const struct graph *graph = sealing->graph;
    int depth = 0;

    sealing->stack[depth++] = root;
    sealing->position[root] = 0;
    sealing->state[root] = OPEN;
    while (depth > 0) {
        int index = sealing->stack[depth - 1];
        const struct node *node = &graph->nodes[index];
        int input, producer;

        if (sealing->position[index] == node->n_inputs) {
            sealing->state[index] = DONE;
            sealing->order[sealing->n_order++] = index;
            depth--;
            continue;
        }
        input = node->inputs[sealing->position[index]++];
        producer = input != VALUE_ABSENT ? graph->values[input].producer : -1;
        if (producer < 0 || sealing->state[producer] == DONE)
            continue;
        if (sealing->state[producer] == OPEN)
            return engine_error_set(
                err, ENGINE_BAD_MODEL,
                "value '%.128s' depends on itself (a cycle through node '%.64s')",
                graph->values[input].name, node->name);
        sealing->stack[depth++] = producer;
        sealing->position[producer] = 0;
        sealing->state[producer] = OPEN;
    }
    return ENGINE_OK;
}

static enum engine_status sort(struct sealing *sealing, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < sealing->graph->n_nodes && status == ENGINE_OK; i++)
        if (sealing->live[i] && sealing->state[i] == NEW)
            status = visit(sealing, i, err);
    return status;
}

/* True if the node's outputs are the same in every run of one weight generation. mark[] says so of
 * values. */
static bool is_constant_node(const struct sealing *sealing, const struct node *node)
{
    const struct graph *graph = sealing->graph;

    if (graph->parent != NULL || node->op == NULL ||
        (node->op->flags & (OP_RANDOM | OP_DYNAMIC)) != 0)
        return false;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != VALUE_ABSENT && graph->values[node->inputs[i]].constant == NULL &&
            !sealing->mark[node->inputs[i]])
            return false;
    return true;
}

/* Writes the live nodes in their final order, the prologue first. */
static enum engine_status reorder(struct sealing *sealing, struct engine_error *err)
{
    struct graph *graph = sealing->graph;
    struct node *nodes = arena_alloc(graph->arena, (size_t)sealing->n_order * sizeof(*nodes));
    int next_prologue = 0, next;

    if (nodes == NULL)
        return no_memory(err);
    for (int i = 0; i < sealing->n_order; i++) {
        const struct node *node = &graph->nodes[sealing->order[i]];

        sealing->live[sealing->order[i]] = is_constant_node(sealing, node) ? 2 : 1;
        if (sealing->live[sealing->order[i]] != 2)
            continue;
        graph->n_prologue++;
        for (int k = 0; k < node->n_outputs; k++)
            if (node->outputs[k] != VALUE_ABSENT)
                sealing->mark[node->outputs[k]] = 1;
    }
    next = graph->n_prologue;
    for (int i = 0; i < sealing->n_order; i++) {
        int old = sealing->order[i];

        nodes[sealing->live[old] == 2 ? next_prologue++ : next++] = graph->nodes[old];
    }
    for (int i = 0; i < graph->n_values; i++)
        graph->values[i].producer = -1;
    for (int i = 0; i < sealing->n_order; i++)
        for (int k = 0; k < nodes[i].n_outputs; k++)
            if (nodes[i].outputs[k] != VALUE_ABSENT)
                graph->values[nodes[i].outputs[k]].producer = i;
    graph->nodes = nodes;
    graph->n_nodes = graph->cap_nodes = sealing->n_order;
    memset(sealing->mark, 0, sealing->n_values);
    return ENGINE_OK;
}

/* mark[]: 1 for values read by any live node or output, 2 if read outside of the prologue. */
static void mark_reads(struct sealing *sealing)
{
    const struct graph *graph = sealing->graph;

    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i].n_inputs; k++)
            if (graph->nodes[i].inputs[k] != VALUE_ABSENT)
                sealing->mark[graph->nodes[i].inputs[k]] |= i < graph->n_prologue ? 1 : 3;
    for (int i = 0; i < graph->n_outputs; i++)
        sealing->mark[graph->outputs[i]] |= 3;
}

static enum engine_status number_captures(struct sealing *sealing, struct engine_error *err)
{
    struct graph *graph = sealing->graph;
    int count = 0;

    for (int i = 0; i < graph->n_values; i++)
        count += graph->values[i].outer >= 0 && sealing->mark[i] != 0;
    graph->captures = arena_calloc(graph->arena, (size_t)count, sizeof(*graph->captures));
    if (graph->captures == NULL)
        return no_memory(err);
    graph->n_captures = 0;
    for (int i = 0; i < graph->n_values; i++)
        if (graph->values[i].outer >= 0 && sealing->mark[i] != 0)
            graph->captures[graph->n_captures++].value = i;
    return ENGINE_OK;
}

static enum engine_status number_slots(struct sealing *sealing, struct engine_error *err)
{
    struct graph *graph = sealing->graph;
    int count = 0;

    for (int i = 0; i < graph->n_values; i++) {
        const struct value *value = &graph->values[i];

        count += (value->constant != NULL && sealing->mark[i] != 0) ||
                 (value->producer >= 0 && value->producer < graph->n_prologue &&
                  (sealing->mark[i] & 2) != 0);
    }
    graph->weight_values = arena_alloc(graph->arena, (size_t)count * sizeof(int));
    if (graph->weight_values == NULL)
        return no_memory(err);
    for (int i = 0; i < graph->n_values; i++) {
        if (graph->values[i].constant == NULL || sealing->mark[i] == 0)
            continue;
        graph->values[i].weight_slot = graph->n_weight_slots;
        graph->weight_values[graph->n_weight_slots++] = i;
    }
    graph->n_constant_slots = graph->n_weight_slots;
    for (int i = 0; i < graph->n_prologue; i++) {
        for (int k = 0; k < graph->nodes[i].n_outputs; k++) {
            int output = graph->nodes[i].outputs[k];

            if (output == VALUE_ABSENT || (sealing->mark[output] & 2) == 0)
                continue;
            graph->values[output].weight_slot = graph->n_weight_slots;
            graph->weight_values[graph->n_weight_slots++] = output;
        }
    }
    return ENGINE_OK;
}

/* mark[] becomes 1 for values that depend on the data of a graph input or on chance: no plan can
 * know them, so looking further back from them is of no use. What a body captures may be known. */
static void mark_data_dependent(struct sealing *sealing)
{
    struct graph *graph = sealing->graph;

    memset(sealing->mark, 0, sealing->n_values);
    for (int i = 0; i < graph->n_inputs; i++)
        sealing->mark[graph->inputs[i]] = 1;
    for (int i = graph->n_prologue; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        uint32_t flags = node->op != NULL ? node->op->flags : 0;
        unsigned char depends = (flags & (OP_RANDOM | OP_DYNAMIC)) != 0;

        for (int k = 0; k < node->n_inputs && !depends && (flags & OP_SHAPE_ONLY) == 0; k++)
            depends = node->inputs[k] != VALUE_ABSENT && sealing->mark[node->inputs[k]];
        for (int k = 0; k < node->n_outputs; k++)
            if (node->outputs[k] != VALUE_ABSENT)
                sealing->mark[node->outputs[k]] = depends;
    }
}

/* What decides shapes within a body decides them outside. */
static void mark_host_captures(struct sealing *sealing, const struct node *node)
{
    const struct graph *body;

    for (size_t k = 0; (body = node_body(node, k)) != NULL; k++) {
        for (int i = 0; i < body->n_captures; i++) {
            int input = node->inputs[body->captures[i].node_input];

            if (body->values[body->captures[i].value].host && !sealing->mark[input])
                sealing->graph->values[input].host = true;
        }
    }
}

static void mark_host(struct sealing *sealing)
{
    struct graph *graph = sealing->graph;

    mark_data_dependent(sealing);
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct node *node = &graph->nodes[i];
        uint32_t wanted = node->op != NULL ? node->op->host_inputs : 0;
        bool output_wanted = false;

        for (int k = 0; k < node->n_outputs; k++)
            if (node->outputs[k] != VALUE_ABSENT && graph->values[node->outputs[k]].host)
                output_wanted = true;
        mark_host_captures(sealing, node);
        if (output_wanted && (node->op->flags & OP_SHAPE_ONLY) == 0)
            wanted = UINT32_MAX;
        for (int k = 0; k < node->n_inputs; k++) {
            int input = node->inputs[k];
            bool bit = k < 32 ? (wanted >> k & 1) != 0 : wanted == UINT32_MAX;

            if (bit && input != VALUE_ABSENT && !sealing->mark[input])
                graph->values[input].host = true;
        }
    }
}

static enum engine_status seal_steps(struct sealing *sealing, struct engine_error *err)
{
    struct graph *graph = sealing->graph;
    enum engine_status status = gather_all_captures(sealing, err);

    if (status == ENGINE_OK)
        status = mark_live(sealing, err);
    if (status == ENGINE_OK)
        status = sort(sealing, err);
    if (status == ENGINE_OK)
        status = reorder(sealing, err);
    if (status == ENGINE_OK && graph->parent != NULL)
        status = graph_hoist(graph, err);
    if (status != ENGINE_OK)
        return status;
    mark_reads(sealing);
    status = number_captures(sealing, err);
    if (status == ENGINE_OK && graph->parent == NULL)
        status = number_slots(sealing, err);
    if (status != ENGINE_OK)
        return status;
    mark_host(sealing);
    graph->uses = NULL;
    graph->n_uses = graph->cap_uses = 0;
    return ENGINE_OK;
}

static enum engine_status seal(struct graph *graph, struct engine_error *err)
{
    struct sealing sealing = {0};
    enum engine_status status = seal_bodies(graph, err);

    if (status != ENGINE_OK)
        return status;
    if (sealing_init(&sealing, graph))
        status = seal_steps(&sealing, err);
    else
        status = engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
    sealing_finish(&sealing);
    return status;
}

enum engine_status graph_seal(struct graph *graph, struct engine_error *err)
{
    return seal(graph, err);
}
