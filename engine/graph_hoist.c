/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/graph_hoist.h"

#include "engine/op.h"

#include <stdlib.h>

enum { NOT_MOVED = -1 };

struct hoisting {
    struct graph *body, *parent;
    int *moved; /* by value of the body: its id in the parent, or NOT_MOVED */
};

/* True if the value is the same in every run, as far as the body can see. */
static bool is_fixed(const struct hoisting *hoisting, int id)
{
    const struct value *value = &hoisting->body->values[id];

    return hoisting->moved[id] != NOT_MOVED || value->constant != NULL ||
           (value->outer >= 0 && hoisting->parent->values[value->outer].constant != NULL);
}

static bool may_move(const struct hoisting *hoisting, const struct node *node)
{
    if (node->op == NULL || (node->op->flags & (OP_RANDOM | OP_DYNAMIC)) != 0)
        return false;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != VALUE_ABSENT && !is_fixed(hoisting, node->inputs[i]))
            return false;
    return true;
}

/* The value's id in the parent, added there if need be; -1 when the arena is used up. */
static int parent_id(struct hoisting *hoisting, int id)
{
    const struct value *value = &hoisting->body->values[id];
    int *moved = &hoisting->moved[id];

    if (*moved != NOT_MOVED)
        return *moved;
    if (value->outer >= 0)
        *moved = value->outer;
    else if (value->constant != NULL)
        *moved = graph_add_constant(hoisting->parent, value->name, value->constant);
    else
        *moved = graph_add_value(hoisting->parent, value->name);
    if (*moved >= 0 && value->outer < 0) {
        hoisting->parent->values[*moved].dtype = value->dtype;
        hoisting->parent->values[*moved].shape = value->shape;
    }
    return *moved;
}

static bool map_ids(struct hoisting *hoisting, const int *ids, int count, int *ret)
{
    for (int i = 0; i < count; i++) {
        ret[i] = ids[i] != VALUE_ABSENT ? parent_id(hoisting, ids[i]) : VALUE_ABSENT;
        if (ids[i] != VALUE_ABSENT && ret[i] < 0)
            return false;
    }
    return true;
}

static bool move_node(struct hoisting *hoisting, const struct node *node)
{
    int *inputs = arena_alloc(hoisting->body->arena, (size_t)node->n_inputs * sizeof(*inputs));
    int *outputs = arena_alloc(hoisting->body->arena, (size_t)node->n_outputs * sizeof(*outputs));
    struct node *copy;
    int id;

    if (inputs == NULL || outputs == NULL ||
        !map_ids(hoisting, node->inputs, node->n_inputs, inputs) ||
        !map_ids(hoisting, node->outputs, node->n_outputs, outputs))
        return false;
    id = graph_add_node(hoisting->parent, node->domain, node->op_type, node->name, node->n_inputs,
                        inputs, node->n_outputs, outputs);
    if (id < 0)
        return false;
    copy = &hoisting->parent->nodes[id];
    copy->opset = node->opset;
    copy->n_attributes = node->n_attributes;
    copy->attributes = node->attributes;
    copy->op = node->op;
    copy->params = node->params;
    for (int i = 0; i < node->n_outputs; i++) {
        struct value *value;

        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        value = &hoisting->body->values[node->outputs[i]];
        value->producer = -1;
        value->outer = outputs[i];
    }
    return true;
}

enum engine_status graph_hoist(struct graph *body, struct engine_error *err)
{
    struct hoisting hoisting = {.body = body, .parent = body->parent};
    bool moved_all = true;
    int kept = 0;

    hoisting.moved = malloc(((size_t)body->n_values + 1) * sizeof(int));
    if (hoisting.moved == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
    for (int i = 0; i < body->n_values; i++)
        hoisting.moved[i] = NOT_MOVED;
    for (int n = 0; n < body->n_nodes && moved_all; n++) {
        if (may_move(&hoisting, &body->nodes[n])) {
            moved_all = move_node(&hoisting, &body->nodes[n]);
            continue;
        }
        if (kept != n)
            body->nodes[kept] = body->nodes[n];
        for (int i = 0; i < body->nodes[kept].n_outputs; i++)
            if (body->nodes[kept].outputs[i] != VALUE_ABSENT)
                body->values[body->nodes[kept].outputs[i]].producer = kept;
        kept++;
    }
    body->n_nodes = kept;
    free(hoisting.moved);
    return moved_all
               ? ENGINE_OK
               : engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
}
