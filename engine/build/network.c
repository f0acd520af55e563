/* SPDX-License-Identifier: Apache-2.0
 * The walk over a specification: first on trial, to know that it fits and how large it is, then with
 * weights. */
#include "config.h"

#include "engine/build/network.h"

#include "engine/build/network_build.h"
#include "engine/onnx/onnx_writer.h"
#include "spec/layer_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_DIM_MAX = 1 << 24, OPSET = 17, INPUT_ELEMENTS_MAX = 1 << 28 };

static build_layer_fn *const builders[LAYER_TYPES] = {
    [LAYER_DENSE] = build_dense,
    [LAYER_CONV] = build_conv,
    [LAYER_MAX_POOL] = build_pool,
    [LAYER_AVG_POOL] = build_pool,
    [LAYER_GLOBAL_POOL] = build_global_pool,
    [LAYER_BATCH_NORM] = build_batch_norm,
    [LAYER_LAYER_NORM] = build_layer_norm,
    [LAYER_DROPOUT] = build_dropout,
    [LAYER_ACTIVATION] = build_activation,
    [LAYER_FLATTEN] = build_flatten,
    [LAYER_RESHAPE] = build_reshape,
    [LAYER_PERMUTE] = build_permute,
    [LAYER_EMBEDDING] = build_embedding,
    [LAYER_POSITION] = build_position,
    [LAYER_RNN] = build_recurrent,
    [LAYER_LSTM] = build_recurrent,
    [LAYER_GRU] = build_recurrent,
    [LAYER_ATTENTION] = build_attention,
    [LAYER_RESIDUAL] = build_residual,
};

static bool takes_ids(int type)
{
    return type == LAYER_EMBEDDING || type == LAYER_FLATTEN || type == LAYER_RESHAPE ||
           type == LAYER_PERMUTE;
}

/* What is wrong with the specification as a whole. */
static void fail_spec(struct build *build, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail_spec(struct build *build, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (build->status == ENGINE_OK)
        build->status = engine_error_set(build->err, ENGINE_BAD_INPUT, "%s", text);
}

static void declare(struct build *build, int id, const struct example_shape *shape,
                    enum dtype dtype)
{
    struct value *value = &build->graph->values[id];

    value->dtype = dtype;
    value->shape = (struct declared_shape){.rank = shape->rank + 1,
                                           .dims = {DIM_UNKNOWN},
                                           .symbols = {"batch"}};
    for (int d = 0; d < shape->rank; d++) {
        value->shape.dims[d + 1] = shape->dims[d];
        if (shape->dims[d] == NETWORK_UNKNOWN)
            value->shape.symbols[d + 1] = "time";
    }
}

static void check_input(struct build *build, const struct network_input *input)
{
    int64_t elements = 1;

    if (input->rank < 1 || input->rank > 3)
        fail_spec(build, "input.shape: expected 1 to 3 dimensions of one example");
    for (int d = 0; d < input->rank && build->status == ENGINE_OK; d++) {
        if (input->dims[d] == NETWORK_UNKNOWN && d == 0 && input->rank < 3)
            continue;
        if (input->dims[d] < 1 || input->dims[d] > INPUT_DIM_MAX)
            fail_spec(build, "input.shape: expected dimensions of at least 1%s",
                      input->dims[d] == NETWORK_UNKNOWN
                          ? "; only a sequence's length, in front, may be open"
                          : "");
        else
            elements *= input->dims[d];
        if (elements > INPUT_ELEMENTS_MAX)
            fail_spec(build, "input.shape: it is too large");
    }
    if (input->type < 0 || input->type > INPUT_INT64)
        fail_spec(build, "input.datatype: expected FP32 or INT64");
    if (input->name != NULL && (input->name[0] == '\0' || strlen(input->name) > NETWORK_NAME_MAX))
        fail_spec(build, "input.name: expected 1 to 64 bytes");
}

static void start(struct build *build)
{
    const struct network_input *input = &build->spec->input;
    const struct layer_list *layers = &build->spec->layers;
    bool is_ids = input->type == INPUT_INT64;

    check_input(build, input);
    if (layers->count < 1)
        fail_spec(build, "layers: expected at least one");
    if (build->status != ENGINE_OK)
        return;
    for (int i = 0; i < layers->count && input->type == INPUT_AUTO && takes_ids(layers->items[i].type);
         i++)
        is_ids |= layers->items[i].type == LAYER_EMBEDDING;
    build->shape.rank = input->rank;
    memcpy(build->shape.dims, input->dims, sizeof(build->shape.dims));
    build->dtype = is_ids ? DTYPE_I64 : DTYPE_F32;
    build->at = graph_add_value(build->graph, input->name != NULL ? input->name : "input");
    if (build->at < 0 || !graph_add_input(build->graph, build->at))
        build_no_memory(build);
    else
        declare(build, build->at, &build->shape, build->dtype);
    build->frames[0] = (struct build_frame){.list = layers, .index = -1};
    build->depth = 1;
}

/* Its given name, or its type and how many of that type came before. */
static void name_layer(struct build *build, const struct layer *layer)
{
    const struct build_frame *frame = &build->frames[build->depth - 1];

    if (layer->name != NULL)
        snprintf(build->name, sizeof(build->name), "%.*s%.*s", BUILD_NAME_MAX - NETWORK_NAME_MAX - 2,
                 frame->prefix, NETWORK_NAME_MAX, layer->name);
    else
        snprintf(build->name, sizeof(build->name), "%.*s%s_%d", BUILD_NAME_MAX - NETWORK_NAME_MAX - 2,
                 frame->prefix, layer_kinds[layer->type].name, build->counts[layer->type]++);
}

static void add_layer(struct build *build, const struct layer *layer)
{
    build_check(build, layer);
    if (build->status != ENGINE_OK)
        return;
    name_layer(build, layer);
    if (build->dtype != DTYPE_F32 && !takes_ids(layer->type)) {
        build_fail(build, NULL, "expected numbers, got ids (INT64): an embedding comes first");
        return;
    }
    builders[layer->type](build, layer);
    if (build->status == ENGINE_OK && build->dtype == DTYPE_F32)
        declare(build, build->at, &build->shape, build->dtype);
}

static void add_layers(struct build *build)
{
    while (build->status == ENGINE_OK && build->depth > 0) {
        struct build_frame *frame = &build->frames[build->depth - 1];

        if (++frame->index < frame->list->count)
            add_layer(build, &frame->list->items[frame->index]);
        else if (build->depth > 1)
            build_residual_end(build);
        else
            break;
    }
}

/* What the last layer gives must be what the task takes. */
static void check_head(struct build *build)
{
    const struct network_spec *spec = build->spec;
    int64_t wanted = spec->task == TASK_BINARY ? 1 : spec->n_classes;
    int64_t got = build->shape.dims[build->shape.rank - 1];
    char text[160];

    build->frames[0].index = spec->layers.count - 1;
    if (spec->task < 0 || spec->task > TASK_REGRESSION)
        fail_spec(build, "task: expected classification, binary, multilabel or regression");
    if (build->status != ENGINE_OK)
        return;
    if (spec->n_classes < 0 || spec->n_classes > NETWORK_CLASSES_MAX)
        fail_spec(build, "classes: expected 1 to a million");
    if (spec->classes != NULL && spec->n_classes == 0)
        fail_spec(build, "classes: names without a number");
    for (int64_t i = 0; spec->classes != NULL && i < spec->n_classes; i++)
        if (spec->classes[i][0] == '\0' || strchr(spec->classes[i], '\n') != NULL)
            fail_spec(build, "classes[%lld]: expected a name of one line", (long long)i);
    if (spec->task == TASK_REGRESSION && spec->n_classes > 0)
        fail_spec(build, "classes: a regression has none");
    if (spec->task == TASK_BINARY && spec->n_classes > 0 && spec->n_classes != 2)
        fail_spec(build, "classes: binary has two, or none is said");
    if (build->dtype != DTYPE_F32)
        build_fail(build, NULL, "the network ends in ids, expected numbers");
    if (got == NETWORK_UNKNOWN || (wanted > 0 && got != wanted))
        build_fail(build, NULL, "gives %s for each example, the task '%s' with %lld %s needs %lld",
                   example_text(&build->shape, text), task_names[spec->task], (long long)wanted,
                   spec->task == TASK_BINARY ? "probability" : "classes", (long long)wanted);
    if (spec->task == TASK_CLASSIFICATION && got < 2)
        build_fail(build, NULL, "a classification needs two classes at least; one probability is "
                                "the task binary");
}

/* logits, then the function that makes them an answer. */
static void add_head(struct build *build)
{
    int task = build->spec->task, output;

    check_head(build);
    if (build->status != ENGINE_OK)
        return;
    if (build->at == build->graph->inputs[0])
        build->at = BUILD_NODE(build, "Identity", "logits", build->at);
    if (build->status != ENGINE_OK)
        return;
    /* The last value takes the name that trainers and people look for. */
    build->graph->values[build->at].name = task == TASK_REGRESSION ? "output" : "logits";
    output = build->at;
    if (task != TASK_REGRESSION) {
        snprintf(build->name, sizeof(build->name), "probabilities");
        output = BUILD_NODE(build, task == TASK_CLASSIFICATION ? "Softmax" : "Sigmoid", "",
                            build->at);
        if (task == TASK_CLASSIFICATION)
            build_int(build, "axis", -1);
    }
    if (build->status != ENGINE_OK || !graph_add_output(build->graph, output))
        build_no_memory(build);
    else
        declare(build, output, &build->shape, DTYPE_F32);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Names given by hand may meet those given by number, or the head's. */
static void check_names(struct build *build)
{
    const struct graph *graph = build->graph;
    const char **names = calloc((size_t)graph->n_values + 1, sizeof(*names));

    if (names == NULL) {
        build_no_memory(build);
        return;
    }
    for (int v = 0; v < graph->n_values; v++)
        names[v] = graph->values[v].name;
    qsort(names, (size_t)graph->n_values, sizeof(*names), compare_names);
    for (int v = 1; v < graph->n_values; v++)
        if (strcmp(names[v - 1], names[v]) == 0)
            fail_spec(build, "layers: two tensors would be named '%.200s'", names[v]);
    free(names);
}

static enum engine_status run(struct build *build, struct arena *arena, bool is_trial)
{
    build->is_trial = is_trial;
    build->mask = NO_VALUE;
    build->n_layers = 0;
    build->n_parameters = 0;
    build->n_tensors = 0;
    memset(build->counts, 0, sizeof(build->counts));
    build->graph = graph_create(arena, NULL);
    if (build->graph == NULL)
        build_no_memory(build);
    else
        start(build);
    add_layers(build);
    if (build->status == ENGINE_OK)
        add_head(build);
    if (build->status == ENGINE_OK && is_trial)
        check_names(build);
    return build->status;
}

/* Names, one a line. NULL when out of memory. */
static char *join_classes(const struct network_spec *spec)
{
    size_t size = 1, used = 0;
    char *text;

    for (int64_t i = 0; i < spec->n_classes; i++)
        size += strlen(spec->classes[i]) + 1;
    text = malloc(size);
    for (int64_t i = 0; text != NULL && i < spec->n_classes; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? "\n" : "",
                                 spec->classes[i]);
    return text;
}

static enum engine_status write_model(const struct build *build,
                                      const struct network_options *options,
                                      struct network_file *ret)
{
    static const struct onnx_opset opset = {"", OPSET};
    const struct network_spec *spec = build->spec;
    struct onnx_property properties[3] = {{"inferd.task", task_names[spec->task]}};
    struct onnx_header header = {.producer = PACKAGE_NAME,
                                 .producer_version = PACKAGE_VERSION,
                                 .n_opsets = 1,
                                 .opsets = &opset,
                                 .n_metadata = 1,
                                 .metadata = properties};
    char *classes = NULL;
    enum engine_status status;

    if (spec->classes != NULL) {
        classes = join_classes(spec);
        if (classes == NULL)
            return engine_error_set(build->err, ENGINE_NO_MEMORY, "out of memory for the network");
        properties[header.n_metadata++] = (struct onnx_property){"inferd.classes", classes};
    }
    if (options->specification != NULL)
        properties[header.n_metadata++] =
            (struct onnx_property){"inferd.specification", options->specification};
    build->graph->name = spec->name != NULL && spec->name[0] != '\0' ? spec->name : "network";
    ret->n_parameters = build->n_parameters;
    status = onnx_write(build->graph, &header, &ret->bytes, &ret->size, build->err);
    free(classes);
    return status;
}

enum engine_status network_write(const struct network_spec *spec,
                                 const struct network_options *options, struct network_file *ret,
                                 struct engine_error *err)
{
    int64_t parameters_max =
        options->parameters_max > 0 ? options->parameters_max : NETWORK_PARAMETERS_MAX;
    struct arena *arena = arena_create(SIZE_MAX / 2);
    struct build *build = calloc(1, sizeof(*build));
    enum engine_status status;
    size_t mark;

    if (arena == NULL || build == NULL) {
        arena_destroy(arena);
        free(build);
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory for the network");
    }
    build->spec = spec;
    build->err = err;
    build->parameters_max = parameters_max;
    mark = arena_mark(arena);
    status = run(build, arena, true);
    if (status == ENGINE_OK) {
        arena_reset(arena, mark);
        status = run(build, arena, false);
    }
    if (status == ENGINE_OK)
        status = write_model(build, options, ret);
    arena_destroy(arena);
    free(build);
    return status;
}
