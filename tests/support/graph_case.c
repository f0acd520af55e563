/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/graph_case.h"

#include "engine/model_private.h"
#include "tests/support/op_case.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 64, TEXT_MAX = (1 << 16) };

static char *trim(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static int find(const struct graph *graph, const char *name)
{
    for (int i = graph->n_values - 1; i >= 0; i--)
        if (strcmp(graph->values[i].name, name) == 0)
            return i;
    return -1;
}

int graph_case_value(const struct graph *graph, const char *name)
{
    int id = find(graph, name);

    ck_assert_msg(id >= 0, "no value is named '%s'", name);
    return id;
}

/* Splits "a,b,,c" into value ids; unknown names become new values if `make`. */
static int ids_of(struct graph *graph, char *list, bool make, int ids[IDS_MAX])
{
    int count = 0;

    if (*trim(list) == '\0')
        return 0;
    while (list != NULL) {
        char *name = strsep(&list, ",");

        name = trim(name);
        ck_assert_int_lt(count, IDS_MAX);
        if (*name == '\0')
            ids[count++] = VALUE_ABSENT;
        else if (make && find(graph, name) < 0)
            ids[count++] = graph_add_value(graph, name);
        else
            ids[count++] = graph_case_value(graph, name);
    }
    return count;
}

/* "f32[N,4]" */
static void declare(struct graph *graph, int id, char *type)
{
    struct value *value = &graph->values[id];
    char *dims = strchr(type, '['), *close;
    char text[TEXT_MAX];

    if (dims != NULL) {
        *dims++ = '\0';
        close = strchr(dims, ']');
        ck_assert_ptr_nonnull(close);
        *close = '\0';
        value->shape.rank = 0;
        while (dims != NULL && *dims != '\0') {
            char *dim = trim(strsep(&dims, ","));
            int d = value->shape.rank++;

            value->shape.dims[d] = DIM_UNKNOWN;
            value->shape.symbols[d] = NULL;
            if (isdigit((unsigned char)*dim))
                value->shape.dims[d] = atoll(dim);
            else if (strcmp(dim, "?") != 0)
                value->shape.symbols[d] = arena_strndup(graph->arena, dim, strlen(dim));
        }
    }
    snprintf(text, sizeof(text), "%s[0]", trim(type));
    value->dtype = op_case_tensor(graph->arena, text).dtype;
}

/* `text` goes on to the closing quote. */
static void set_string(struct graph *graph, int node, const char *name, const char *text)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_STRING};

    attribute.s.length = strcspn(text, "'");
    attribute.s.data = arena_strndup(graph->arena, text, attribute.s.length);
    ck_assert(node_set_attribute(graph, &graph->nodes[node], &attribute));
}

static void set_floats(struct graph *graph, int node, const char *name, char *items)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_FLOATS};
    float *floats = arena_calloc(graph->arena, IDS_MAX, sizeof(*floats));

    ck_assert_ptr_nonnull(floats);
    while (items != NULL && *items != '\0' && attribute.count < IDS_MAX)
        floats[attribute.count++] = strtof(strsep(&items, ","), NULL);
    attribute.floats = floats;
    ck_assert(node_set_attribute(graph, &graph->nodes[node], &attribute));
}

static void add_attributes(struct graph *graph, int node, char *text)
{
    char *save = NULL;

    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char *items = strchr(word, '=');
        int64_t ints[IDS_MAX];
        size_t count = 0;

        ck_assert_ptr_nonnull(items);
        *items++ = '\0';
        if (items[0] == '\'') {
            set_string(graph, node, word, items + 1);
            continue;
        }
        if (strpbrk(items, ".,") != NULL && strpbrk(items, ".,")[0] == '.' &&
            strchr(items, ',') != NULL) {
            set_floats(graph, node, word, items);
            continue;
        }
        if (strchr(items, '.') != NULL) {
            ck_assert(node_set_float(graph, &graph->nodes[node], word, strtof(items, NULL)));
            continue;
        }
        if (strchr(items, ',') == NULL) {
            ck_assert(node_set_int(graph, &graph->nodes[node], word, atoll(items)));
            continue;
        }
        while (items != NULL && *items != '\0' && count < IDS_MAX)
            ints[count++] = atoll(strsep(&items, ","));
        ck_assert(node_set_ints(graph, &graph->nodes[node], word, ints, count));
    }
}

/* "a,b = Domain.Op(x,y) axis=1" */
static void add_operator(struct graph *graph, char *statement)
{
    char *equals = strchr(statement, '='), *open = strchr(statement, '('), *close, *op, *dot;
    int inputs[IDS_MAX], outputs[IDS_MAX];
    int n_inputs, n_outputs, node;
    const char *domain = "";

    ck_assert_msg(equals != NULL && open != NULL, "not a statement: %s", statement);
    *equals = *open = '\0';
    close = strchr(open + 1, ')');
    ck_assert_ptr_nonnull(close);
    *close = '\0';
    op = trim(equals + 1);
    dot = strrchr(op, '.');
    if (dot != NULL) {
        *dot = '\0';
        domain = op;
        op = dot + 1;
    }
    n_inputs = ids_of(graph, open + 1, false, inputs);
    n_outputs = ids_of(graph, statement, true, outputs);
    node = graph_add_node(graph, domain, op, trim(statement), n_inputs, inputs, n_outputs, outputs);
    ck_assert_int_ge(node, 0);
    graph->nodes[node].opset = 17;
    add_attributes(graph, node, close + 1);
}

static void add_statement(struct graph *graph, char *statement)
{
    char *name, *rest = statement;
    struct tensor tensor;
    int id;

    if (strncmp(statement, "in ", 3) == 0) {
        rest += 3;
        name = strsep(&rest, " ");
        id = graph_add_value(graph, name);
        declare(graph, id, rest);
        ck_assert(graph_add_input(graph, id));
    } else if (strncmp(statement, "const ", 6) == 0) {
        rest += 6;
        name = strsep(&rest, " ");
        tensor = op_case_tensor(graph->arena, rest);
        ck_assert_int_ge(graph_add_constant(graph, name, &tensor), 0);
    } else if (strncmp(statement, "cap ", 4) == 0) {
        rest += 4;
        name = strsep(&rest, " ");
        id = graph_case_value(graph->parent, trim(rest));
        ck_assert_int_ge(graph_add_capture(graph, name, id), 0);
    } else if (strncmp(statement, "out ", 4) == 0) {
        ck_assert(graph_add_output(graph, graph_case_value(graph, trim(rest + 4))));
    } else {
        add_operator(graph, statement);
    }
}

struct graph *graph_case(struct arena *arena, struct graph *parent, const char *text)
{
    struct graph *graph = graph_create(arena, parent);
    char copy[TEXT_MAX], *rest = copy;

    ck_assert_ptr_nonnull(graph);
    ck_assert_uint_lt(strlen(text), sizeof(copy));
    memcpy(copy, text, strlen(text) + 1);
    while (rest != NULL) {
        char *statement = trim(strsep(&rest, ";"));

        if (*statement != '\0')
            add_statement(graph, statement);
    }
    return graph;
}

void graph_case_body(struct graph *graph, const char *value, const char *name, struct graph *body)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_GRAPH, .g = body};
    int node = graph->values[graph_case_value(graph, value)].producer;

    ck_assert(node_set_attribute(graph, &graph->nodes[node], &attribute));
}

struct model *graph_case_try(struct arena *arena, struct graph *graph,
                             const struct model_options *options, struct engine_error *err)
{
    static const struct model_options unbounded;
    struct model_signature signature;

    ck_assert(model_describe(arena, graph, &signature));
    if (graph_resolve(graph, err) != ENGINE_OK) {
        arena_destroy(arena);
        return NULL;
    }
    return model_create(arena, graph, &signature, NULL, options != NULL ? options : &unbounded,
                        err);
}

struct model *graph_case_model(const char *text, const struct model_options *options)
{
    struct arena *arena = arena_create((size_t)1 << 30);
    struct engine_error err = {0};
    struct model *model = graph_case_try(arena, graph_case(arena, NULL, text), options, &err);

    ck_assert_msg(model != NULL, "%s: %s", text, err.text);
    return model;
}
