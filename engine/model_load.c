/* SPDX-License-Identifier: Apache-2.0
 * From a file to a model: read, legalise, resolve, optimise. The file's bytes are given back as
 * soon as the graph holds its own, unless the model is to keep them. */
#include "engine/model_file.h"
#include "engine/model_private.h"
#include "engine/onnx/legalise.h"
#include "engine/onnx/onnx_model.h"
#include "engine/optimise/optimise.h"

#include <stdlib.h>
#include <string.h>

/* What a loader works on. */
struct loading {
    const struct model_options *options;
    struct arena *arena;
    struct graph *graph;
    struct onnx_info info;
    struct model_signature signature;
};

static enum engine_status build(struct loading *loading, const void *bytes, size_t size, int dir_fd,
                                struct engine_error *err)
{
    enum engine_status status =
        onnx_read(bytes, size, dir_fd, loading->arena, &loading->graph, &loading->info, err);

    if (status == ENGINE_OK && !model_describe(loading->arena, loading->graph, &loading->signature))
        status = engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    if (status == ENGINE_OK)
        status = onnx_legalise(loading->graph, err);
    if (status == ENGINE_OK && loading->options->inference_mode &&
        !optimise_inference_mode(loading->graph))
        status = engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    if (status == ENGINE_OK)
        status = graph_resolve(loading->graph, err);
    if (status == ENGINE_OK && loading->options->rewrite != NULL)
        status = loading->options->rewrite(loading->graph, loading->options->rewrite_arg, err);
    if (status == ENGINE_OK && loading->options->optimise)
        status = optimise_graph(loading->graph, err);
    else if (status == ENGINE_OK && loading->options->for_training)
        status = optimise_for_training(loading->graph, err);
    return status;
}

/* Parts of the loader know an arena that is used up; why it is, is known here. */
static void explain_budget(const struct loading *loading, size_t size, struct engine_error *err)
{
    size_t budget = loading->options->memory_bytes_max;

    if (err == NULL || err->status != ENGINE_NO_MEMORY || budget == 0)
        return;
    *err = (struct engine_error){0};
    engine_error_set(
        err, ENGINE_OVER_BUDGET,
        "model needs more memory than its budget of %zu bytes: the file has %zu, the graph "
        "has taken %zu",
        budget, size, arena_bytes(loading->arena));
}

static struct model *load(const void *bytes, size_t size, int dir_fd,
                          const struct model_options *options, struct engine_error *err)
{
    struct loading loading = {.options = options};
    size_t budget = options->memory_bytes_max;
    struct model *model;

    if (budget > 0 && size >= budget) {
        engine_error_set(err, ENGINE_OVER_BUDGET,
                         "model file has %zu bytes, the model's budget is %zu", size, budget);
        return NULL;
    }
    loading.arena = arena_create(budget > 0 ? budget - size : SIZE_MAX / 2);
    if (loading.arena == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
        return NULL;
    }
    if (build(&loading, bytes, size, dir_fd, err) != ENGINE_OK) {
        explain_budget(&loading, size, err);
        arena_destroy(loading.arena);
        return NULL;
    }
    model =
        model_create(loading.arena, loading.graph, &loading.signature, &loading.info, options, err);
    if (model == NULL && err != NULL && err->status == ENGINE_NO_MEMORY && budget > 0)
        engine_error_prefix(err, "budget of %zu bytes", budget);
    return model;
}

struct model *model_load_bytes(const void *bytes, size_t size, const struct model_options *options,
                               struct engine_error *err)
{
    struct model *model = load(bytes, size, -1, options, err);
    void *copy;

    if (model == NULL || !options->keep_source)
        return model;
    copy = malloc(size);
    if (copy == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory to keep a model file of %zu bytes",
                         size);
        model_unref(model);
        return NULL;
    }
    memcpy(copy, bytes, size);
    model->source.bytes = copy;
    model->source.size = size;
    return model;
}

struct model *model_load_file(const char *path, const struct model_options *options,
                              struct engine_error *err)
{
    struct model_file file;
    struct model *model;

    if (model_file_open(path, options->memory_bytes_max, &file, err) != ENGINE_OK)
        return NULL;
    model = load(file.bytes, file.size, file.dir_fd, options, err);
    if (model != NULL && options->keep_source)
        model->source = file;
    else
        model_file_close(&file);
    return model;
}
