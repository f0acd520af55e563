/* SPDX-License-Identifier: Apache-2.0
 * The model object: what it holds, its signature and its life. model_load.c makes it from a file.
 */
#include "engine/model_private.h"

#include <stdlib.h>
#include <string.h>

static struct model_io *describe(struct arena *arena, const struct graph *graph, const int *ids,
                                 int count)
{
    struct model_io *io = arena_calloc(arena, (size_t)count, sizeof(*io));

    for (int i = 0; i < count && io != NULL; i++) {
        const struct value *value = &graph->values[ids[i]];

        io[i].name = value->name;
        io[i].dtype = value->dtype;
        io[i].shape = value->shape;
    }
    return io;
}

/* Float constants that are more than a single number of a formula. */
static int64_t count_parameters(const struct graph *graph)
{
    int64_t count = 0;

    for (int i = 0; i < graph->n_values; i++) {
        const struct tensor *constant = graph->values[i].constant;

        if (constant != NULL && dtype_is_float(constant->dtype) && constant->shape.rank > 0)
            count += shape_elements(&constant->shape);
    }
    for (int n = 0; n < graph->n_nodes; n++)
        for (int a = 0; a < graph->nodes[n].n_attributes && !graph->nodes[n].removed; a++)
            if (graph->nodes[n].attributes[a].type == ATTRIBUTE_GRAPH)
                count += count_parameters(graph->nodes[n].attributes[a].g);
    return count;
}

static struct model *model_alloc(struct arena *arena, struct graph *graph)
{
    struct model *model = calloc(1, sizeof(*model));

    if (model == NULL || pthread_mutex_init(&model->lock, NULL) != 0) {
        free(model);
        arena_destroy(arena);
        return NULL;
    }
    atomic_init(&model->refs, 1);
    model->arena = arena;
    model->graph = graph;
    model->source.dir_fd = -1;
    return model;
}

bool model_describe(struct arena *arena, const struct graph *graph, struct model_signature *ret)
{
    ret->n_inputs = graph->n_inputs;
    ret->n_outputs = graph->n_outputs;
    ret->inputs = describe(arena, graph, graph->inputs, graph->n_inputs);
    ret->outputs = describe(arena, graph, graph->outputs, graph->n_outputs);
    ret->n_parameters = count_parameters(graph);
    return ret->inputs != NULL && ret->outputs != NULL;
}

struct model *model_create(struct arena *arena, struct graph *graph,
                           const struct model_signature *signature, const struct onnx_info *info,
                           const struct model_options *options, struct engine_error *err)
{
    struct model *model = model_alloc(arena, graph);
    enum engine_status status;

    if (model == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
        return NULL;
    }
    model->options = *options;
    if (model->options.plans_max <= 0)
        model->options.plans_max = PLANS_MAX_DEFAULT;
    if (info != NULL)
        model->info = *info;
    model->signature = *signature;
    model->plans = calloc((size_t)model->options.plans_max, sizeof(struct plan *));
    if (model->plans == NULL)
        status = engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
    else
        status = graph_seal(graph, err);
    if (status == ENGINE_OK)
        model->base = weights_create_base(model, err);
    if (model->base == NULL) {
        model_unref(model);
        return NULL;
    }
    return model;
}

struct model *model_ref(struct model *model)
{
    if (model != NULL)
        atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void model_unref(struct model *model)
{
    if (model == NULL || atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) != 1)
        return;
    model_drop_plans(model);
    free(model->plans);
    weights_destroy(model->base);
    arena_destroy(model->arena);
    model_file_close(&model->source);
    pthread_mutex_destroy(&model->lock);
    free(model);
}

const struct graph *model_graph(const struct model *model)
{
    return model->graph;
}

int model_n_inputs(const struct model *model)
{
    return model->signature.n_inputs;
}

int model_n_outputs(const struct model *model)
{
    return model->signature.n_outputs;
}

const struct model_io *model_input(const struct model *model, int index)
{
    return &model->signature.inputs[index];
}

const struct model_io *model_output(const struct model *model, int index)
{
    return &model->signature.outputs[index];
}

size_t model_bytes(const struct model *model)
{
    return arena_bytes(model->arena) + model->base->bytes + model->source.size;
}

const char *model_producer(const struct model *model)
{
    return model->info.producer != NULL ? model->info.producer : "";
}

int64_t model_parameter_count(const struct model *model)
{
    return model->signature.n_parameters;
}

const char *model_metadata(const struct model *model, const char *key)
{
    for (size_t i = 0; i < model->info.n_metadata; i++)
        if (strcmp(model->info.metadata[i].key, key) == 0)
            return model->info.metadata[i].text;
    return NULL;
}
