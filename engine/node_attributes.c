/* SPDX-License-Identifier: Apache-2.0
 * Reading and writing the attributes of a node. */
#include "engine/graph.h"

#include <string.h>

const struct attribute *node_attribute(const struct node *node, const char *name)
{
    for (int i = 0; i < node->n_attributes; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

static const struct attribute *find_typed(const struct node *node, const char *name,
                                          enum attribute_type type)
{
    const struct attribute *attribute = node_attribute(node, name);

    return attribute != NULL && attribute->type == type ? attribute : NULL;
}

int64_t node_int(const struct node *node, const char *name, int64_t fallback)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_INT);

    return attribute != NULL ? attribute->i : fallback;
}

float node_float(const struct node *node, const char *name, float fallback)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_FLOAT);

    return attribute != NULL ? attribute->f : fallback;
}

const char *node_string(const struct node *node, const char *name, const char *fallback)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_STRING);

    return attribute != NULL ? attribute->s.data : fallback;
}

const int64_t *node_ints(const struct node *node, const char *name, size_t *ret_count)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_INTS);

    *ret_count = attribute != NULL ? attribute->count : 0;
    return attribute != NULL ? attribute->ints : NULL;
}

const float *node_floats(const struct node *node, const char *name, size_t *ret_count)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_FLOATS);

    *ret_count = attribute != NULL ? attribute->count : 0;
    return attribute != NULL ? attribute->floats : NULL;
}

const struct bytes *node_strings(const struct node *node, const char *name, size_t *ret_count)
{
    const struct attribute *attribute = find_typed(node, name, ATTRIBUTE_STRINGS);

    *ret_count = attribute != NULL ? attribute->count : 0;
    return attribute != NULL ? attribute->strings : NULL;
}

bool node_set_attribute(struct graph *graph, struct node *node, const struct attribute *attribute)
{
    struct attribute *old = (struct attribute *)node_attribute(node, attribute->name);
    struct attribute *larger;
    struct attribute copy = *attribute;

    copy.name = arena_strndup(graph->arena, attribute->name, strlen(attribute->name));
    if (copy.name == NULL)
        return false;
    if (old != NULL) {
        *old = copy;
        return true;
    }
    larger = arena_calloc(graph->arena, (size_t)node->n_attributes + 1, sizeof(*larger));
    if (larger == NULL)
        return false;
    if (node->n_attributes > 0)
        memcpy(larger, node->attributes, (size_t)node->n_attributes * sizeof(*larger));
    larger[node->n_attributes++] = copy;
    node->attributes = larger;
    return true;
}

bool node_set_int(struct graph *graph, struct node *node, const char *name, int64_t item)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_INT, .i = item};

    return node_set_attribute(graph, node, &attribute);
}

bool node_set_float(struct graph *graph, struct node *node, const char *name, float item)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_FLOAT, .f = item};

    return node_set_attribute(graph, node, &attribute);
}

bool node_set_ints(struct graph *graph, struct node *node, const char *name, const int64_t *items,
                   size_t count)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_INTS, .count = count};
    int64_t *copy;

    if (count > SIZE_MAX / sizeof(*copy))
        return false;
    copy = arena_alloc(graph->arena, count * sizeof(*copy));
    if (copy == NULL)
        return false;
    if (count > 0)
        memcpy(copy, items, count * sizeof(*copy));
    attribute.ints = copy;
    return node_set_attribute(graph, node, &attribute);
}
