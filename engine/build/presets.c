/* SPDX-License-Identifier: Apache-2.0
 * The table of presets, and what all of them share. */
#include "engine/build/preset_maker.h"
#include "spec/layer_fields.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LIST_FIRST = 8 };

#define WHOLE(name, fallback, least, most, help) {name, fallback, least, most, true, help}
#define REAL(name, fallback, least, most, help) {name, fallback, least, most, false, help}
#define DROPOUT(rate) REAL("dropout", rate, 0, 0.99, "share of numbers zeroed in training")
#define WIDTH(size) WHOLE("width", size, 1, 65536, "width of a step's vector")
#define VOCABULARY(size) \
    WHOLE("vocabulary", size, 2, 1 << 24, "number of token ids, for an input of ids [time]")
#define RECURRENT \
    WHOLE("units", 128, 1, 65536, "size of the state"), \
    WHOLE("depth", 1, 1, 16, "layers one above the other"), \
    WHOLE("bidirectional", 0, 0, 1, "1: reads backwards as well"), VOCABULARY(10000), \
    WHOLE("embedding", 64, 1, 65536, "numbers for each token"), DROPOUT(0)

static const struct preset_option mlp_options[] = {
    WHOLE("width", 128, 1, 1 << 20, "units of each hidden layer"),
    WHOLE("depth", 2, 0, 100, "hidden layers"), DROPOUT(0), {0}};
static const struct preset_option lenet5_options[] = {
    REAL("width", 1, 0.1, 64, "factor of all layers' sizes"), DROPOUT(0), {0}};
static const struct preset_option alexnet_options[] = {
    REAL("width", 1, 0.01, 16, "factor of all layers' sizes"), DROPOUT(0.5), {0}};
static const struct preset_option vgg_options[] = {
    WHOLE("depth", 16, 11, 19, "layers with weights: 11, 13, 16 or 19"),
    WHOLE("batch_norm", 1, 0, 1, "1: a batch norm behind each convolution"),
    WHOLE("width", 64, 1, 1024, "filters of the first stage"),
    WHOLE("hidden", 4096, 1, 65536, "units of the two dense layers"), DROPOUT(0.5), {0}};
static const struct preset_option resnet_options[] = {
    WHOLE("depth", 18, 8, 1202, "18, 34, 50, 101, 152 (four stages), or 6 n + 2 for small images"),
    WHOLE("width", 0, 0, 1024, "filters of the first stage; 0: 64, or 16 for 6 n + 2"), {0}};
static const struct preset_option recurrent_options[] = {RECURRENT, {0}};
static const struct preset_option transformer_options[] = {
    WIDTH(128), WHOLE("depth", 2, 1, 256, "blocks"), WHOLE("heads", 4, 1, 1024, "attentions"),
    WHOLE("hidden", 0, 0, 1 << 20, "units within a block; 0: four times the width"),
    VOCABULARY(10000), WHOLE("length", 512, 1, 1 << 20, "longest sequence, if the input's is open"),
    DROPOUT(0.1), {0}};
static const struct preset_option gpt_options[] = {
    WIDTH(128), WHOLE("depth", 4, 1, 256, "blocks"), WHOLE("heads", 4, 1, 1024, "attentions"),
    WHOLE("hidden", 0, 0, 1 << 20, "units within a block; 0: four times the width"),
    VOCABULARY(256), WHOLE("length", 256, 1, 1 << 20, "longest sequence, if the input's is open"),
    DROPOUT(0.1), {0}};

static const struct preset presets[] = {
    {"mlp", "dense layers with relu", 1, {784}, 10, mlp_options},
    {"lenet5", "two convolutions and three dense layers (LeCun et al. 1998, with relu)", 3,
     {1, 28, 28}, 10, lenet5_options},
    {"alexnet", "five convolutions and three dense layers (Krizhevsky 2014)", 3, {3, 224, 224}, 1000,
     alexnet_options},
    {"vgg", "3 x 3 convolutions in five stages (Simonyan and Zisserman 2015)", 3, {3, 224, 224}, 1000,
     vgg_options},
    {"resnet", "residual blocks of convolutions (He et al. 2016)", 3, {3, 224, 224}, 1000,
     resnet_options},
    {"lstm", "LSTM over token ids [time] or features [time, features]", 1, {NETWORK_UNKNOWN}, 2,
     recurrent_options},
    {"gru", "GRU over token ids [time] or features [time, features]", 1, {NETWORK_UNKNOWN}, 2,
     recurrent_options},
    {"transformer-encoder", "self-attention over token ids [time] or features, mean over time", 1,
     {128}, 2, transformer_options},
    {"gpt", "causal self-attention over token ids [time]: the next token at each step", 1, {128}, 0,
     gpt_options},
    {0},
};

static void preset_mlp(struct preset_maker *maker);

static preset_fn *const makers[] = {preset_mlp,  preset_lenet5, preset_alexnet,     preset_vgg,
                                    preset_resnet, preset_lstm, preset_gru, preset_transformer,
                                    preset_gpt};

_Static_assert(sizeof(makers) / sizeof(makers[0]) + 1 == sizeof(presets) / sizeof(presets[0]),
               "a maker for each preset");

const struct preset *preset_table(void)
{
    return presets;
}

void preset_fail(struct preset_maker *maker, const char *format, ...)
{
    char text[320];
    va_list args;

    if (maker->status != ENGINE_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    maker->status = engine_error_set(maker->err, ENGINE_BAD_INPUT, "preset '%s': %s",
                                     maker->preset->name, text);
}

/* The list's room is the power of two at or above its count. */
struct layer *preset_add(struct preset_maker *maker, struct layer_list *list, int type)
{
    bool is_full = list->count == 0 ||
                   (list->count >= LIST_FIRST && (list->count & (list->count - 1)) == 0);
    size_t room = list->count == 0 ? LIST_FIRST : 2 * (size_t)list->count;
    struct layer *items;

    if (maker->status != ENGINE_OK)
        return &maker->nowhere;
    if (is_full) {
        items = arena_calloc(maker->arena, room, sizeof(*items));
        if (items == NULL) {
            maker->status = engine_error_set(maker->err, ENGINE_NO_MEMORY, "out of memory");
            return &maker->nowhere;
        }
        if (list->count > 0)
            memcpy(items, list->items, (size_t)list->count * sizeof(*items));
        list->items = items;
    }
    list->items[list->count] = layer_with_defaults(type);
    return &list->items[list->count++];
}

static int find_option(const struct preset *preset, const char *name)
{
    for (int i = 0; preset->options[i].name != NULL; i++)
        if (strcmp(preset->options[i].name, name) == 0)
            return i;
    return -1;
}

double preset_number(const struct preset_maker *maker, const char *name)
{
    int index = find_option(maker->preset, name);

    assert(index >= 0);
    return maker->numbers[index];
}

int64_t preset_whole(const struct preset_maker *maker, const char *name)
{
    return (int64_t)preset_number(maker, name);
}

void preset_dense(struct preset_maker *maker, struct layer_list *list, int64_t units,
                  enum activation activation)
{
    struct layer *layer = preset_add(maker, list, LAYER_DENSE);

    layer->dense.units = units;
    layer->dense.activation = (int)activation;
}

void preset_dropout(struct preset_maker *maker, struct layer_list *list, double rate)
{
    if (rate > 0)
        preset_add(maker, list, LAYER_DROPOUT)->dropout.rate = rate;
}

void preset_head(struct preset_maker *maker)
{
    const struct network_spec *spec = maker->spec;
    int64_t units = spec->task == TASK_BINARY                              ? 1
                    : spec->task == TASK_REGRESSION && spec->n_classes == 0 ? 1
                                                                            : spec->n_classes;

    preset_dense(maker, &maker->spec->layers, units, ACTIVATION_NONE);
}

static void preset_mlp(struct preset_maker *maker)
{
    struct layer_list *layers = &maker->spec->layers;

    if (maker->spec->input.rank > 1)
        preset_add(maker, layers, LAYER_FLATTEN);
    for (int64_t i = 0; i < preset_whole(maker, "depth"); i++) {
        preset_dense(maker, layers, preset_whole(maker, "width"), ACTIVATION_RELU);
        preset_dropout(maker, layers, preset_number(maker, "dropout"));
    }
    preset_head(maker);
}

static void read_settings(struct preset_maker *maker, const struct preset_spec *request)
{
    const struct preset *preset = maker->preset;

    for (int i = 0; preset->options[i].name != NULL; i++)
        maker->numbers[i] = preset->options[i].fallback;
    for (int i = 0; i < request->n_settings; i++) {
        const struct preset_setting *setting = &request->settings[i];
        int index = find_option(preset, setting->name);
        const struct preset_option *option = &preset->options[index >= 0 ? index : 0];

        if (index < 0)
            preset_fail(maker, "there is no option '%.64s'", setting->name);
        else if (!(setting->number >= option->least && setting->number <= option->most) ||
                 (option->is_whole && setting->number != floor(setting->number)))
            preset_fail(maker, "option '%s': expected %s of %.10g to %.10g, got %.10g", option->name,
                        option->is_whole ? "a whole number" : "a number", option->least,
                        option->most, setting->number);
        else
            maker->numbers[index] = setting->number;
    }
}

/* A regression's number of classes is that of its outputs while layers are made. */
static void read_request(struct preset_maker *maker, const struct preset_spec *request)
{
    const struct preset *preset = maker->preset;
    struct network_spec *spec = maker->spec;

    *spec = (struct network_spec){.name = preset->name, .input = request->input,
                                  .task = request->task, .n_classes = request->n_classes,
                                  .classes = request->classes, .seed = request->seed};
    if (spec->input.rank == 0) {
        spec->input.rank = preset->rank;
        memcpy(spec->input.dims, preset->dims, sizeof(spec->input.dims));
    }
    if (spec->task < 0)
        spec->task = TASK_CLASSIFICATION;
    if (spec->task == TASK_BINARY && spec->n_classes == 0)
        spec->n_classes = 2;
    if (spec->n_classes == 0 && spec->task != TASK_REGRESSION)
        spec->n_classes = preset->n_classes > 0 ? preset->n_classes
                                                : preset_whole(maker, "vocabulary");
}

enum engine_status preset_expand(const struct preset_spec *request, struct arena *arena,
                                 struct network_spec *ret, struct engine_error *err)
{
    struct preset_maker maker = {.arena = arena, .spec = ret, .err = err};
    size_t index = 0;

    while (presets[index].name != NULL && strcmp(presets[index].name, request->preset) != 0)
        index++;
    if (presets[index].name == NULL)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "there is no preset '%.64s'; there are mlp, lenet5, alexnet, vgg, "
                                "resnet, lstm, gru, transformer-encoder and gpt",
                                request->preset);
    maker.preset = &presets[index];
    read_settings(&maker, request);
    if (maker.status != ENGINE_OK)
        return maker.status;
    read_request(&maker, request);
    makers[index](&maker);
    if (ret->task == TASK_REGRESSION)
        ret->n_classes = 0;
    return maker.status;
}
