/* SPDX-License-Identifier: Apache-2.0
 * Structs that no JSON could make, limits, and first weights where layers put them. Shapes and refusals
 * are in tests/server/test_network_create.c, where a specification is one line of JSON; what the
 * numbers mean is held against NumPy and ONNX Runtime by tests/http/test_create.py. */
#include "config.h"

#include "engine/build/network.h"
#include "engine/build/presets.h"
#include "engine/engine.h"
#include "spec/layer_fields.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 6 };

/* A test's network: input shape, layers to be filled in. */
struct fixture {
    struct network_spec spec;
    struct layer layers[LAYERS], inner[LAYERS];
};

static struct fixture *start(int rank, int64_t a, int64_t b, int64_t c)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fixture.spec.input.rank = rank;
    fixture.spec.input.dims[0] = a;
    fixture.spec.input.dims[1] = b;
    fixture.spec.input.dims[2] = c;
    fixture.spec.task = TASK_REGRESSION;
    fixture.spec.layers.items = fixture.layers;
    return &fixture;
}

static struct layer *add(struct fixture *fixture, int type)
{
    struct layer *layer = &fixture->layers[fixture->spec.layers.count++];

    *layer = layer_with_defaults(type);
    return layer;
}

static struct model *build(const struct fixture *fixture, struct engine_error *err)
{
    struct network_options options = {.specification = "{}"};
    struct model_options model_options = {.optimise = true};
    struct network_file file;
    struct model *model;

    if (network_write(&fixture->spec, &options, &file, err) != ENGINE_OK)
        return NULL;
    model = model_load_bytes(file.bytes, file.size, &model_options, err);
    ck_assert_msg(model != NULL, "it is written but does not load: %s", err->text);
    free(file.bytes);
    return model;
}

static const struct tensor *weight(struct model *model, const char *name)
{
    const struct graph *graph = model_graph(model);
    struct weights *weights = model_base_weights(model);
    const struct tensor *found = NULL;

    for (int slot = 0; slot < graph->n_constant_slots; slot++)
        if (strcmp(graph->values[graph->weight_values[slot]].name, name) == 0)
            found = weights_slot(weights, slot);
    weights_unref(weights);
    ck_assert_msg(found != NULL, "there is no weight '%s'", name);
    return found;
}

static void refuse(const struct fixture *fixture, enum engine_status status, const char *text)
{
    struct engine_error err = {0};

    ck_assert_ptr_null(build(fixture, &err));
    ck_assert_msg(err.status == status && strstr(err.text, text) != NULL, "%d: %s", err.status,
                  err.text);
}

START_TEST(bad_structs_are_refused)
{
    struct fixture *fixture = start(1, 4, 0, 0);

    refuse(fixture, ENGINE_BAD_INPUT, "layers: expected at least one");
    add(fixture, LAYER_DENSE)->dense.units = 3;
    fixture->layers[0].type = 99;
    refuse(fixture, ENGINE_BAD_INPUT, "layers[0].type (unknown)");
    fixture->layers[0] = layer_with_defaults(LAYER_DENSE);
    refuse(fixture, ENGINE_BAD_INPUT, "layers[0].units (dense): expected 1 to");
    fixture->layers[0].dense.units = 3;
    fixture->layers[0].dense.activation = 77;
    refuse(fixture, ENGINE_BAD_INPUT, "layers[0].activation (dense)");
    fixture->layers[0].dense.activation = 0;
    fixture->layers[0].dense.init.scale = (double)NAN;
    refuse(fixture, ENGINE_BAD_INPUT, "layers[0].init_scale (dense)");
    fixture->layers[0].dense.init.scale = 1;
    fixture->layers[0].name = "a b";
    refuse(fixture, ENGINE_BAD_INPUT, "layers[0].name (dense)");
    fixture->layers[0].name = NULL;
    fixture->spec.task = 9;
    refuse(fixture, ENGINE_BAD_INPUT, "task: expected");
    fixture->spec.task = TASK_REGRESSION;
    fixture->spec.input.dims[0] = -7;
    refuse(fixture, ENGINE_BAD_INPUT, "input.shape");
    fixture->spec.input.rank = 4;
    refuse(fixture, ENGINE_BAD_INPUT, "input.shape");
}
END_TEST

START_TEST(parameters_are_limited_before_memory_is_taken)
{
    struct fixture *fixture = start(1, 1 << 20, 0, 0);

    add(fixture, LAYER_DENSE)->dense.units = 1 << 20;
    refuse(fixture, ENGINE_OVER_BUDGET, "layers[0] (dense): its weight of shape [1048576,1048576]");
}
END_TEST

START_TEST(blocks_end_somewhere)
{
    static struct layer layers[NETWORK_DEPTH_MAX + 2];
    struct fixture *fixture = start(1, 4, 0, 0);
    struct engine_error err = {0};
    struct model *model;

    for (int depth = NETWORK_DEPTH_MAX; depth <= NETWORK_DEPTH_MAX + 1; depth++) {
        for (int d = 0; d < depth; d++) {
            layers[d] = layer_with_defaults(LAYER_RESIDUAL);
            layers[d].residual.layers = (struct layer_list){1, &layers[d + 1]};
        }
        layers[depth] = layer_with_defaults(LAYER_DENSE);
        layers[depth].dense.units = 4;
        fixture->spec.layers = (struct layer_list){1, layers};
        if (depth > NETWORK_DEPTH_MAX) {
            refuse(fixture, ENGINE_BAD_INPUT, "deeper than 4");
        } else {
            model = build(fixture, &err);
            ck_assert_msg(model != NULL, "%s", err.text);
            weight(model, "residual_0.residual_1.residual_2.residual_3.dense_0.weight");
            model_unref(model);
        }
    }
}
END_TEST

/* ONNX's order of gates is input, output, forget, cell. */
START_TEST(an_lstm_remembers_at_first)
{
    struct fixture *fixture = start(2, NETWORK_UNKNOWN, 3, 0);
    struct layer *layer = add(fixture, LAYER_LSTM);
    struct engine_error err = {0};
    struct model *model;
    const struct tensor *bias, *state;

    layer->recurrent.units = 2;
    layer->recurrent.bidirectional = true;
    model = build(fixture, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    bias = weight(model, "lstm_0.bias");
    ck_assert_int_eq(shape_elements(&bias->shape), 2 * 16);
    for (int i = 0; i < 32; i++)
        ck_assert_float_eq(((float *)bias->data)[i], i % 16 == 4 || i % 16 == 5 ? 1 : 0);
    /* Each gate's matrix is orthogonal by itself. */
    state = weight(model, "lstm_0.recurrent_weight");
    for (int gate = 0; gate < 8; gate++) {
        const float *m = (const float *)state->data + (ptrdiff_t)4 * gate;

        ck_assert_float_eq_tol(m[0] * m[2] + m[1] * m[3], 0, 1e-6f);
        ck_assert_float_eq_tol(m[0] * m[0] + m[1] * m[1], 1, 1e-6f);
    }
    model_unref(model);
}
END_TEST

static double variance(const struct tensor *tensor)
{
    int64_t count = shape_elements(&tensor->shape);
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += (double)((float *)tensor->data)[i] * ((float *)tensor->data)[i];
    return sum / (double)count;
}

/* Before a relu He's distribution, else Glorot's; by hand whatever is said. */
START_TEST(automatic_weights_look_ahead)
{
    struct fixture *fixture = start(1, 100, 0, 0);
    struct engine_error err = {0};
    struct model *model;

    add(fixture, LAYER_DENSE)->dense.units = 300;
    add(fixture, LAYER_DROPOUT);
    add(fixture, LAYER_ACTIVATION)->activation.function = ACTIVATION_RELU;
    add(fixture, LAYER_DENSE)->dense.units = 100;
    model = build(fixture, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert_double_eq_tol(variance(weight(model, "dense_0.weight")), 2.0 / 100, 0.001);
    ck_assert_double_eq_tol(variance(weight(model, "dense_1.weight")), 2.0 / 400, 0.0003);
    ck_assert(variance(weight(model, "dense_1.bias")) == 0);
    ck_assert_str_eq(model_metadata(model, "inferd.task"), "regression");
    ck_assert_str_eq(model_metadata(model, "inferd.specification"), "{}");
    model_unref(model);
}
END_TEST

/* The same tensor of two networks differs, and two layers of one network differ. */
START_TEST(seeds_and_layers_differ)
{
    struct fixture *fixture = start(1, 8, 0, 0);
    struct engine_error err = {0};
    struct model *models[3];

    for (int i = 0; i < 2; i++)
        add(fixture, LAYER_DENSE)->dense.units = 8;
    for (int i = 0; i < 3; i++) {
        fixture->spec.seed = i == 2 ? 5 : 4;
        models[i] = build(fixture, &err);
        ck_assert_msg(models[i] != NULL, "%s", err.text);
    }
    ck_assert_mem_eq(weight(models[0], "dense_0.weight")->data,
                     weight(models[1], "dense_0.weight")->data, 256);
    ck_assert(memcmp(weight(models[0], "dense_0.weight")->data,
                     weight(models[2], "dense_0.weight")->data, 256) != 0);
    ck_assert(memcmp(weight(models[0], "dense_0.weight")->data,
                     weight(models[0], "dense_1.weight")->data, 256) != 0);
    for (int i = 0; i < 3; i++)
        model_unref(models[i]);
}
END_TEST

/* Every option of every preset, one at a time, at 12 or what comes nearest: it loads, or it is
 * refused with words. */
START_TEST(presets_build_with_any_option)
{
    const struct preset *preset = &preset_table()[_i];

    for (int option = -1; option < 0 || preset->options[option].name != NULL; option++) {
        struct preset_setting setting = {0};
        struct preset_spec request = {.preset = preset->name, .task = -1, .n_classes = 2};
        struct arena *arena = arena_create(1 << 20);
        struct engine_error err = {0};
        struct fixture fixture = {0};
        struct model *model;

        if (preset->rank == 3)
            request.input = (struct network_input){.rank = 3, .dims = {1, 32, 32}};
        request.settings = &setting;
        request.n_settings = option >= 0;
        if (option >= 0)
            setting = (struct preset_setting){
                preset->options[option].name,
                fmin(preset->options[option].most, fmax(preset->options[option].least, 12))};
        ck_assert(preset_expand(&request, arena, &fixture.spec, &err) == ENGINE_OK ||
                  strstr(err.text, "option '") != NULL);
        if (err.status == ENGINE_OK && preset->rank != 3) {
            model = build(&fixture, &err);
            ck_assert_msg(model != NULL, "%s: %s", preset->name, err.text);
            model_unref(model);
        }
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(unknown_presets_and_options_are_named)
{
    struct preset_setting setting = {"wide", 3};
    struct preset_spec request = {.preset = "lenet6", .task = -1};
    struct arena *arena = arena_create(1 << 20);
    struct engine_error err = {0};
    struct network_spec spec;

    ck_assert_int_eq(preset_expand(&request, arena, &spec, &err), ENGINE_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "there is no preset 'lenet6'"));
    err = (struct engine_error){0};
    request.preset = "mlp";
    request.settings = &setting;
    request.n_settings = 1;
    ck_assert_int_eq(preset_expand(&request, arena, &spec, &err), ENGINE_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "no option 'wide'"));
    err = (struct engine_error){0};
    setting = (struct preset_setting){"depth", 1.5};
    ck_assert_int_eq(preset_expand(&request, arena, &spec, &err), ENGINE_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "option 'depth': expected a whole number of 0 to 100"));
    arena_destroy(arena);
}
END_TEST

static void set_up(void)
{
    struct engine_error err = {0};

    ck_assert_int_eq(engine_start(&err), ENGINE_OK);
}

Suite *make_suite(void)
{
    Suite *suite = suite_create("network");
    TCase *tcase = tcase_create("network");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, bad_structs_are_refused);
    tcase_add_test(tcase, parameters_are_limited_before_memory_is_taken);
    tcase_add_test(tcase, blocks_end_somewhere);
    tcase_add_test(tcase, an_lstm_remembers_at_first);
    tcase_add_test(tcase, automatic_weights_look_ahead);
    tcase_add_test(tcase, seeds_and_layers_differ);
    tcase_add_loop_test(tcase, presets_build_with_any_option, 0, 9);
    tcase_add_test(tcase, unknown_presets_and_options_are_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
