/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/describe.h"

#include "engine/model.h"
#include "engine/model_file.h"
#include "engine/onnx/legalise.h"
#include "engine/onnx/onnx_model.h"
#include "engine/op.h"
#include "engine/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How often an operator occurs. */
struct tally {
    const char *domain, *op_type;
    int opset, count;
};

struct tallies {
    size_t count, capacity;
    struct tally *items;
    bool is_full; /* out of memory */
};

/* Model files choose their own names: none may steer a terminal. */
static void put_text(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        fputc(*c < 0x20 || *c == 0x7f ? '?' : *c, out);
}

static void put_shape(FILE *out, const struct declared_shape *shape)
{
    if (shape->rank == RANK_UNKNOWN) {
        fputs("[...]", out);
        return;
    }
    fputc('[', out);
    for (int i = 0; i < shape->rank; i++) {
        if (i > 0)
            fputc(',', out);
        if (shape->dims[i] != DIM_UNKNOWN)
            fprintf(out, "%" PRId64, shape->dims[i]);
        else
            put_text(out, shape->symbols[i] != NULL ? shape->symbols[i] : "?");
    }
    fputc(']', out);
}

static void put_values(FILE *out, const char *title, const struct graph *graph, int count,
                       const int *ids)
{
    fprintf(out, "%s\n", title);
    for (int i = 0; i < count; i++) {
        const struct value *value = &graph->values[ids[i]];
        const char *type = value->dtype == DTYPE_SEQUENCE   ? "sequence"
                           : value->dtype == DTYPE_OPTIONAL ? "optional"
                                                            : dtype_name(value->dtype);

        fputs("  ", out);
        put_text(out, value->name);
        fprintf(out, "  %s ", type);
        put_shape(out, &value->shape);
        fputc('\n', out);
    }
}

static void tally(struct tallies *tallies, const struct node *node)
{
    struct tally *larger;

    for (size_t k = 0; k < tallies->count; k++) {
        struct tally *item = &tallies->items[k];

        if (item->opset == node->opset && strcmp(item->op_type, node->op_type) == 0 &&
            strcmp(item->domain, node->domain) == 0) {
            item->count++;
            return;
        }
    }
    if (tallies->count == tallies->capacity) {
        tallies->capacity = tallies->capacity == 0 ? 64 : 2 * tallies->capacity;
        larger = realloc(tallies->items, tallies->capacity * sizeof(*larger));
        if (larger == NULL) {
            tallies->is_full = true;
            tallies->capacity = tallies->count;
            return;
        }
        tallies->items = larger;
    }
    tallies->items[tallies->count++] = (struct tally){
        .domain = node->domain, .op_type = node->op_type, .opset = node->opset, .count = 1};
}

/* Calls `visit` with every node, bodies included; the reader has bounded their depth. */
static void each_node(const struct graph *graph, void (*visit)(void *arg, const struct node *node),
                      void *arg)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->removed)
            continue;
        visit(arg, node);
        for (int k = 0; k < node->n_attributes; k++) {
            const struct attribute *attribute = &node->attributes[k];

            if (attribute->type == ATTRIBUTE_GRAPH)
                each_node(attribute->g, visit, arg);
            for (size_t g = 0; attribute->type == ATTRIBUTE_GRAPHS && g < attribute->count; g++)
                each_node(attribute->graphs[g], visit, arg);
        }
    }
}

static void tally_node(void *arg, const struct node *node)
{
    tally(arg, node);
}

static int by_name(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);

    if (order == 0)
        order = strcmp(x->op_type, y->op_type);
    return order != 0 ? order : x->opset - y->opset;
}

static void put_operators(FILE *out, const struct graph *graph)
{
    struct tallies tallies = {0};
    int nodes = 0;

    each_node(graph, tally_node, &tallies);
    if (tallies.count > 0)
        qsort(tallies.items, tallies.count, sizeof(*tallies.items), by_name);
    for (size_t k = 0; k < tallies.count; k++)
        nodes += tallies.items[k].count;
    fprintf(out, "operators (%d nodes%s)\n", nodes, tallies.is_full ? ", list cut short" : "");
    for (size_t k = 0; k < tallies.count; k++) {
        const struct tally *item = &tallies.items[k];

        fprintf(out, "  %6d  ", item->count);
        put_text(out, item->domain);
        fputs(item->domain[0] != '\0' ? "." : "", out);
        put_text(out, item->op_type);
        fprintf(out, "  opset %d\n", item->opset);
    }
    free(tallies.items);
}

struct missing {
    FILE *out;
    int count;
};

static void put_missing(void *arg, const struct node *node)
{
    struct missing *missing = arg;

    if (op_find(node->domain, node->op_type) != NULL)
        return;
    if (missing->count++ == 0)
        fputs("not supported\n", missing->out);
    fputs("  ", missing->out);
    put_text(missing->out, node->domain);
    fputs(node->domain[0] != '\0' ? "." : "", missing->out);
    put_text(missing->out, node->op_type);
    fprintf(missing->out, "-%d (node '", node->opset);
    put_text(missing->out, node->name);
    fputs("')\n", missing->out);
}

static void put_header(FILE *out, const char *path, const struct onnx_info *info)
{
    put_text(out, path);
    fputs("\n  producer    ", out);
    put_text(out, info->producer[0] != '\0' ? info->producer : "not stated");
    fprintf(out, "\n  format      IR version %" PRId64, info->ir_version);
    for (size_t k = 0; k < info->n_opsets; k++) {
        fputs(", opset ", out);
        put_text(out, info->opsets[k].domain);
        fprintf(out, "%s%d", info->opsets[k].domain[0] != '\0' ? " " : "", info->opsets[k].version);
    }
    fputc('\n', out);
    for (size_t k = 0; k < info->n_metadata; k++) {
        fputs("  metadata    ", out);
        put_text(out, info->metadata[k].key);
        fputs(" = ", out);
        put_text(out, info->metadata[k].text);
        fputc('\n', out);
    }
}

/* With every open dimension at 1. */
static void put_plan(FILE *out, struct model *model)
{
    int count = model_n_inputs(model);
    struct shape *shapes = calloc((size_t)count + 1, sizeof(*shapes));
    struct engine_error err = {0};
    struct plan *plan = NULL;

    for (int i = 0; shapes != NULL && i < count; i++) {
        const struct declared_shape *declared = &model_input(model, i)->shape;

        shapes[i].rank = declared->rank == RANK_UNKNOWN ? 1 : declared->rank;
        for (int d = 0; d < shapes[i].rank; d++)
            shapes[i].dims[d] = declared->rank == RANK_UNKNOWN || declared->dims[d] == DIM_UNKNOWN
                                    ? 1
                                    : declared->dims[d];
    }
    if (shapes != NULL)
        plan = model_plan(model, shapes, 1, &err);
    fputs("plan with open dimensions at 1\n", out);
    if (plan == NULL) {
        fputs("  none: ", out);
        put_text(out, err.text);
        fputc('\n', out);
    } else if (plan_is_dynamic(plan)) {
        fputs("  made during each run: shapes depend on data\n", out);
    } else {
        fprintf(out, "  %d steps, %zu bytes of activations and scratch", plan_n_steps(plan),
                plan_arena_bytes(plan));
        if (plan_flops(plan) > 0)
            fprintf(out, ", %" PRId64 " floating-point operations", plan_flops(plan));
        fputc('\n', out);
    }
    plan_unref(plan);
    free(shapes);
}

static bool put_loaded(FILE *out, const char *path)
{
    struct model_options options = {.optimise = true, .inference_mode = true};
    struct engine_error err = {0};
    struct model *model = model_load_file(path, &options, &err);

    if (model == NULL) {
        fputs("does not load\n  ", out);
        put_text(out, err.text);
        fputc('\n', out);
        return false;
    }
    fprintf(out, "size\n  %" PRId64 " parameters, %zu bytes held when loaded\n",
            model_parameter_count(model), model_bytes(model));
    put_plan(out, model);
    model_unref(model);
    return true;
}

static void put_graph(FILE *out, const char *path, struct graph *graph,
                      const struct onnx_info *info)
{
    struct missing missing = {.out = out};
    struct engine_error err = {0};

    put_header(out, path, info);
    put_values(out, "inputs", graph, graph->n_inputs, graph->inputs);
    put_values(out, "outputs", graph, graph->n_outputs, graph->outputs);
    put_operators(out, graph);
    /* What an older form becomes is what must be supported. */
    if (onnx_legalise(graph, &err) == ENGINE_OK)
        each_node(graph, put_missing, &missing);
}

enum engine_status describe_model(const char *path, FILE *out, bool *ret_loads,
                                  struct engine_error *err)
{
    struct arena *arena = arena_create(SIZE_MAX / 2);
    struct model_file file;
    struct onnx_info info;
    struct graph *graph;
    enum engine_status status;
    bool loads;

    if (arena == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
    status = model_file_open(path, 0, &file, err);
    if (status == ENGINE_OK) {
        status = onnx_read(file.bytes, file.size, file.dir_fd, arena, &graph, &info, err);
        model_file_close(&file);
    }
    if (status == ENGINE_OK)
        put_graph(out, path, graph, &info);
    arena_destroy(arena);
    if (status != ENGINE_OK)
        return status;
    loads = put_loaded(out, path);
    if (ret_loads != NULL)
        *ret_loads = loads;
    return ENGINE_OK;
}
