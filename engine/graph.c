/* SPDX-License-Identifier: Apache-2.0
 * Building a graph: values, nodes, and the list of uses of each value. */
#include "engine/graph.h"

#include <limits.h>
#include <string.h>

enum { FIRST_CAPACITY = 16, NO_USE = -1 };

/* Makes room for `count` items; the old array stays behind in the arena. */
static void *grow(struct arena *arena, void *items, int used, int *capacity, int count, size_t size)
{
    int64_t wanted = *capacity > 0 ? *capacity : FIRST_CAPACITY;
    void *larger;

    if (count <= *capacity)
        return items;
    while (wanted < count)
        wanted *= 2;
    if (wanted > INT_MAX)
        return NULL;
    larger = arena_calloc(arena, (size_t)wanted, size);
    if (larger == NULL)
        return NULL;
    if (used > 0)
        memcpy(larger, items, (size_t)used * size);
    *capacity = (int)wanted;
    return larger;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL || text[0] == '\0' ? "" : arena_strndup(arena, text, strlen(text));
}

struct graph *graph_create(struct arena *arena, struct graph *parent)
{
    struct graph *graph = arena_calloc(arena, 1, sizeof(*graph));

    if (graph == NULL)
        return NULL;
    graph->arena = arena;
    graph->parent = parent;
    graph->name = "";
    return graph;
}

int graph_add_value(struct graph *graph, const char *name)
{
    struct value *value;
    struct value *values;

    if (graph->n_values == INT_MAX)
        return -1;
    values = grow(graph->arena, graph->values, graph->n_values, &graph->cap_values,
                  graph->n_values + 1, sizeof(*values));
    if (values == NULL)
        return -1;
    graph->values = values;
    value = &values[graph->n_values];
    *value = (struct value){.shape.rank = RANK_UNKNOWN,
                            .producer = -1,
                            .outer = -1,
                            .first_use = NO_USE,
                            .weight_slot = -1};
    value->name = copy_text(graph->arena, name);
    if (value->name == NULL)
        return -1;
    return graph->n_values++;
}

/* `count` entries at the end of graph->uses; -1 when the arena is used up. */
static int reserve_uses(struct graph *graph, int count)
{
    struct graph_use *uses;
    int first = graph->n_uses;

    if (count > INT_MAX - first)
        return -1;
    uses = grow(graph->arena, graph->uses, graph->n_uses, &graph->cap_uses, first + count,
                sizeof(*uses));
    if (uses == NULL && first + count > 0)
        return -1;
    graph->uses = uses;
    graph->n_uses += count;
    return first;
}

static void link_use(struct graph *graph, int use, int id)
{
    struct graph_use *entry = &graph->uses[use];
    struct value *value;

    entry->value = id;
    entry->previous = NO_USE;
    entry->next = NO_USE;
    if (id == VALUE_ABSENT)
        return;
    value = &graph->values[id];
    entry->next = value->first_use;
    if (entry->next != NO_USE)
        graph->uses[entry->next].previous = use;
    value->first_use = use;
    value->n_uses++;
}

static void unlink_use(struct graph *graph, int use)
{
    struct graph_use *entry = &graph->uses[use];
    struct value *value;

    if (entry->value == VALUE_ABSENT)
        return;
    value = &graph->values[entry->value];
    if (entry->previous != NO_USE)
        graph->uses[entry->previous].next = entry->next;
    else
        value->first_use = entry->next;
    if (entry->next != NO_USE)
        graph->uses[entry->next].previous = entry->previous;
    value->n_uses--;
    entry->value = VALUE_ABSENT;
}

int graph_add_capture(struct graph *graph, const char *name, int outer)
{
    struct graph *parent = graph->parent;
    int use = reserve_uses(parent, 1);
    int id = use >= 0 ? graph_add_value(graph, name) : -1;

    if (id < 0)
        return -1;
    graph->values[id].outer = outer;
    graph->values[id].dtype = parent->values[outer].dtype;
    graph->values[id].shape = parent->values[outer].shape;
    parent->uses[use] = (struct graph_use){.node = -1, .index = id, .body = graph};
    link_use(parent, use, outer);
    return id;
}

int graph_add_constant(struct graph *graph, const char *name, const struct tensor *tensor)
{
    struct tensor *copy = arena_alloc(graph->arena, sizeof(*copy));
    int id = copy != NULL ? graph_add_value(graph, name) : -1;
    struct value *value;

    if (id < 0)
        return -1;
    *copy = *tensor;
    value = &graph->values[id];
    value->constant = copy;
    value->dtype = tensor->dtype;
    value->shape.rank = tensor->shape.rank;
    for (int i = 0; i < tensor->shape.rank; i++)
        value->shape.dims[i] = tensor->shape.dims[i];
    return id;
}

int graph_add_ints(struct graph *graph, const char *name, const int64_t *items, size_t count)
{
    struct tensor tensor = {.dtype = DTYPE_I64, .shape = {.rank = 1, .dims = {(int64_t)count}}};

    if (count > SIZE_MAX / 8)
        return -1;
    tensor.data = arena_alloc(graph->arena, count * sizeof(*items));
    if (tensor.data == NULL)
        return -1;
    if (count > 0)
        memcpy(tensor.data, items, count * sizeof(*items));
    return graph_add_constant(graph, name, &tensor);
}

static int *copy_ids(struct arena *arena, const int *ids, int count)
{
    int *copy = arena_alloc(arena, (size_t)count * sizeof(*ids));

    if (copy != NULL && count > 0)
        memcpy(copy, ids, (size_t)count * sizeof(*ids));
    return copy;
}

bool graph_set_inputs(struct graph *graph, int index, int n_inputs, const int *inputs)
{
    int *copy = copy_ids(graph->arena, inputs, n_inputs);
    int first = copy != NULL ? reserve_uses(graph, n_inputs) : -1;
    struct node *node = &graph->nodes[index];

    if (first < 0)
        return false;
    for (int i = 0; i < node->n_inputs; i++)
        unlink_use(graph, node->first_use + i);
    node->n_inputs = n_inputs;
    node->inputs = copy;
    node->first_use = first;
    for (int i = 0; i < n_inputs; i++) {
        graph->uses[first + i] = (struct graph_use){.node = index, .index = i};
        link_use(graph, first + i, copy[i]);
    }
    return true;
}

void graph_set_input(struct graph *graph, int index, int input, int value)
{
    struct node *node = &graph->nodes[index];

    unlink_use(graph, node->first_use + input);
    ((int *)node->inputs)[input] = value;
    link_use(graph, node->first_use + input, value);
}

int graph_add_node(struct graph *graph, const char *domain, const char *op_type, const char *name,
                   int n_inputs, const int *inputs, int n_outputs, const int *outputs)
{
    struct node node = {.n_outputs = n_outputs};
    struct node *nodes;
    int id = graph->n_nodes;

    node.name = copy_text(graph->arena, name);
    node.op_type = copy_text(graph->arena, op_type);
    node.domain = copy_text(graph->arena, domain);
    node.outputs = copy_ids(graph->arena, outputs, n_outputs);
    if (node.name == NULL || node.op_type == NULL || node.domain == NULL || node.outputs == NULL ||
        id == INT_MAX)
        return -1;
    nodes = grow(graph->arena, graph->nodes, id, &graph->cap_nodes, id + 1, sizeof(*nodes));
    if (nodes == NULL)
        return -1;
    graph->nodes = nodes;
    nodes[id] = node;
    if (!graph_set_inputs(graph, id, n_inputs, inputs))
        return -1;
    graph->n_nodes++;
    for (int i = 0; i < n_outputs; i++)
        if (outputs[i] != VALUE_ABSENT)
            graph->values[outputs[i]].producer = id;
    return id;
}

static bool append_id(struct arena *arena, int **ids, int *count, int *capacity, int value)
{
    int *larger;

    if (*count == INT_MAX)
        return false;
    larger = grow(arena, *ids, *count, capacity, *count + 1, sizeof(*larger));
    if (larger == NULL)
        return false;
    *ids = larger;
    larger[(*count)++] = value;
    return true;
}

bool graph_add_input(struct graph *graph, int value)
{
    return append_id(graph->arena, &graph->inputs, &graph->n_inputs, &graph->cap_inputs, value);
}

bool graph_add_output(struct graph *graph, int value)
{
    return append_id(graph->arena, &graph->outputs, &graph->n_outputs, &graph->cap_outputs, value);
}

void graph_replace_uses(struct graph *graph, int from, int to)
{
    int use = graph->values[from].first_use;

    if (from == to)
        return;
    while (use != NO_USE) {
        struct graph_use entry = graph->uses[use];

        if (entry.node >= 0)
            ((int *)graph->nodes[entry.node].inputs)[entry.index] = to;
        else
            entry.body->values[entry.index].outer = to;
        unlink_use(graph, use);
        link_use(graph, use, to);
        use = entry.next;
    }
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
}

void graph_remove_node(struct graph *graph, int index)
{
    struct node *node = &graph->nodes[index];

    if (node->removed)
        return;
    node->removed = true;
    for (int i = 0; i < node->n_inputs; i++)
        unlink_use(graph, node->first_use + i);
    for (int i = 0; i < node->n_outputs; i++) {
        int output = node->outputs[i];

        if (output != VALUE_ABSENT && graph->values[output].producer == index)
            graph->values[output].producer = -1;
    }
}

int graph_count_uses(const struct graph *graph, int value)
{
    int count = graph->values[value].n_uses;

    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            count++;
    return count;
}

int graph_single_user(const struct graph *graph, int value)
{
    int user = -1;

    for (int use = graph->values[value].first_use; use != NO_USE; use = graph->uses[use].next) {
        if (graph->uses[use].node < 0 || (user >= 0 && graph->uses[use].node != user))
            return -1;
        user = graph->uses[use].node;
    }
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            return -1;
    return user;
}
