/* SPDX-License-Identifier: Apache-2.0
 * Specifications as JSON: every field of every layer goes in and comes out; what is malformed is
 * refused by its place. */
#include "proto/layer_spec.h"
#include "spec/layer_fields.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

/* A value for a field that is not its default. */
static void set_other(const struct layer_field *field, void *at, struct layer *inner)
{
    switch (field->kind) {
    case FIELD_INT:
        *(int64_t *)at = (int64_t)field->least + 3;
        break;
    case FIELD_REAL:
        *(double *)at = field->fallback + 0.125;
        break;
    case FIELD_FLAG:
        *(bool *)at = field->fallback == 0;
        break;
    case FIELD_CHOICE:
        *(int *)at = (int)field->fallback == 0;
        break;
    case FIELD_DIMS:
        *(struct layer_dims *)at = (struct layer_dims){2, {7, 5}};
        break;
    case FIELD_LAYERS:
        *(struct layer_list *)at = (struct layer_list){1, inner};
        break;
    }
}

/* Compares by encoding: equal texts, equal specifications. */
static void check_round_trip(const struct network_spec *network)
{
    struct text text, again;
    struct layer_spec spec;
    struct problem problem = {0};

    text_init(&text);
    text_init(&again);
    layer_spec_encode(network, &text);
    ck_assert(!text.failed);
    ck_assert_msg(layer_spec_decode(text.data, text.length, &spec, &problem), "%s: %.*s",
                  problem.text, (int)text.length, text.data);
    ck_assert(!spec.is_preset);
    layer_spec_encode(&spec.network, &again);
    ck_assert_uint_eq(text.length, again.length);
    ck_assert_mem_eq(text.data, again.data, text.length);
    layer_spec_finish(&spec);
    text_free(&text);
    text_free(&again);
}

START_TEST(every_field_of_a_layer_survives)
{
    static const char *const classes[] = {"a \"quoted\" one", "b"};
    struct layer inner = layer_with_defaults(LAYER_FLATTEN);
    struct layer layer = layer_with_defaults(_i), other = layer;
    struct network_spec network = {.name = "n", .input = {.rank = 2, .dims = {NETWORK_UNKNOWN, 4}},
                                   .task = TASK_MULTILABEL, .n_classes = 2, .classes = classes,
                                   .seed = 99, .layers = {1, &other}};
    struct text text;
    struct layer_spec spec;
    struct problem problem = {0};

    other.name = "named";
    for (size_t i = 0; i < LAYER_FIELDS; i++)
        if (layer_fields[i].layer == _i)
            set_other(&layer_fields[i], (char *)&other + layer_fields[i].offset, &inner);
    check_round_trip(&network);
    /* And into the very struct, field by field. */
    text_init(&text);
    layer_spec_encode(&network, &text);
    ck_assert(layer_spec_decode(text.data, text.length, &spec, &problem));
    ck_assert_int_eq(spec.network.layers.count, 1);
    ck_assert_str_eq(spec.network.layers.items[0].name, "named");
    ck_assert_str_eq(spec.network.classes[0], classes[0]);
    ck_assert_int_eq(spec.network.input.dims[0], NETWORK_UNKNOWN);
    ck_assert_uint_eq(spec.network.seed, 99);
    for (size_t i = 0; i < LAYER_FIELDS; i++) {
        const struct layer_field *field = &layer_fields[i];
        const char *got = (const char *)&spec.network.layers.items[0] + field->offset;
        const char *put = (const char *)&other + field->offset;

        if (field->layer != _i)
            continue;
        if (field->kind == FIELD_DIMS)
            ck_assert_mem_eq(got, put, sizeof(struct layer_dims));
        else if (field->kind == FIELD_INT || field->kind == FIELD_REAL)
            ck_assert_msg(memcmp(got, put, 8) == 0, "%s.%s", layer_kinds[_i].name, field->name);
        else if (field->kind == FIELD_CHOICE)
            ck_assert_msg(memcmp(got, put, sizeof(int)) == 0, "%s.%s", layer_kinds[_i].name, field->name);
        else if (field->kind == FIELD_FLAG)
            ck_assert(*(const bool *)got == *(const bool *)put);
        else
            ck_assert_int_eq(((const struct layer_list *)got)->items[0].type, LAYER_FLATTEN);
    }
    layer_spec_finish(&spec);
    text_free(&text);
}
END_TEST

START_TEST(the_table_has_every_layer_and_no_name_twice)
{
    for (int type = 0; type < LAYER_TYPES; type++)
        ck_assert_ptr_nonnull(layer_kinds[type].name);
    for (size_t i = 0; i < LAYER_FIELDS; i++) {
        ck_assert(strcmp(layer_fields[i].name, "type") != 0 && strcmp(layer_fields[i].name, "name") != 0);
        ck_assert_msg((layer_fields[i].kind == FIELD_CHOICE) == (layer_fields[i].choices != NULL), "%s",
                      layer_fields[i].name);
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(layer_fields[i].layer != layer_fields[k].layer ||
                              (strcmp(layer_fields[i].name, layer_fields[k].name) != 0 &&
                               layer_fields[i].offset != layer_fields[k].offset),
                          "%s: %s and %s", layer_kinds[layer_fields[i].layer].name,
                          layer_fields[i].name, layer_fields[k].name);
    }
}
END_TEST

static const struct {
    const char *json, *text;
} refused[] = {
    {"", "not valid JSON"},
    {"[1]", "a specification is an array, expected an object"},
    {"{}", "layers is missing, and so is preset"},
    {"{\"layers\": [{\"type\": \"flatten\"}]}", "input.shape is missing"},
    {"{\"input\": {\"shape\": [4]}, \"layers\": 3}", "layers is an integer, expected a list of layers"},
    {"{\"input\": {\"shape\": [4]}, \"layers\": []}", "layers: expected at least one layer"},
    {"{\"input\": {\"shape\": [1,2,3,4,5]}, \"layers\": [{}]}", "input.shape has 5 numbers"},
    {"{\"input\": {\"shape\": [\"4\"]}, \"layers\": [{}]}", "input.shape is a string, expected"},
    {"{\"input\": {\"shape\": 4, \"datatype\": \"FP16\"}, \"layers\": [{}]}",
     "input.datatype is 'FP16', expected auto, FP32 or INT64"},
    {"{\"input\": {\"shape\": 4, \"what\": 1}, \"layers\": [{}]}", "unknown field 'input.what'"},
    {"{\"input\": {\"shape\": 4}, \"layers\": [{}]}", "layers[0].type is missing"},
    {"{\"input\": {\"shape\": 4}, \"layers\": [{\"type\": \"flatten\", \"type\": \"dense\"}]}",
     "not valid JSON"},
    {"{\"input\": {\"shape\": 4}, \"layers\": [{\"type\": \"residual\", \"layers\": [{\"type\": "
     "\"dense\", \"units\": \"3\"}]}]}",
     "layers[0].layers[0].units is a string, expected an integer"},
    {"{\"input\": {\"shape\": 4}, \"layers\": [{\"type\": \"dense\", \"units\": 3, \"bias\": 1}]}",
     "layers[0].bias is an integer, expected true or false"},
    {"{\"input\": {\"shape\": 4}, \"classes\": true, \"layers\": [{}]}",
     "classes is a boolean, expected a number or a list of names"},
    {"{\"input\": {\"shape\": 4}, \"classes\": [1], \"layers\": [{}]}", "expected names as strings"},
    {"{\"input\": {\"shape\": 4}, \"classes\": 0, \"layers\": [{}]}", "classes is 0, expected 1 to"},
    {"{\"preset\": \"mlp\", \"layers\": []}", "unknown field 'layers'"},
    {"{\"preset\": 3}", "preset is an integer, expected a string"},
    {"{\"preset\": \"mlp\", \"options\": {\"width\": \"wide\"}}",
     "options.width is a string, expected a number"},
};

START_TEST(malformed_ones_are_refused_by_place)
{
    struct problem problem = {0};
    struct layer_spec spec;

    ck_assert(!layer_spec_decode(refused[_i].json, strlen(refused[_i].json), &spec, &problem));
    ck_assert_int_eq(problem.status, 400);
    ck_assert_msg(strstr(problem.text, refused[_i].text) != NULL, "%s: %s", refused[_i].json,
                  problem.text);
}
END_TEST

START_TEST(a_preset_keeps_what_is_said)
{
    static const char json[] = "{\"preset\": \"vgg\", \"task\": \"binary\", \"seed\": 3, \"input\": "
                               "{\"shape\": [1, 8, 9]}, \"options\": {\"depth\": 11, \"width\": 4.5}}";
    struct problem problem = {0};
    struct layer_spec spec;

    ck_assert_msg(layer_spec_decode(json, strlen(json), &spec, &problem), "%s", problem.text);
    ck_assert(spec.is_preset);
    ck_assert_str_eq(spec.preset.preset, "vgg");
    ck_assert_int_eq(spec.preset.task, TASK_BINARY);
    ck_assert_int_eq(spec.preset.input.rank, 3);
    ck_assert_int_eq(spec.preset.input.dims[2], 9);
    ck_assert_int_eq(spec.preset.n_settings, 2);
    ck_assert_str_eq(spec.preset.settings[1].name, "width");
    ck_assert_double_eq(spec.preset.settings[1].number, 4.5);
    layer_spec_finish(&spec);
    layer_spec_finish(&spec);
}
END_TEST

START_TEST(deep_blocks_are_refused)
{
    struct text text;
    struct problem problem = {0};
    struct layer_spec spec;

    text_init(&text);
    text_puts(&text, "{\"input\": {\"shape\": 4}, \"layers\": [");
    for (int d = 0; d <= NETWORK_DEPTH_MAX; d++)
        text_puts(&text, "{\"type\": \"residual\", \"layers\": [");
    text_puts(&text, "{\"type\": \"flatten\"}");
    for (int d = 0; d <= NETWORK_DEPTH_MAX; d++)
        text_puts(&text, "]}");
    text_puts(&text, "]}");
    ck_assert(!layer_spec_decode(text.data, text.length, &spec, &problem));
    ck_assert_msg(strstr(problem.text, "deeper than 4") != NULL, "%s", problem.text);
    text_free(&text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("layer_spec");
    TCase *tcase = tcase_create("layer_spec");

    tcase_add_loop_test(tcase, every_field_of_a_layer_survives, 0, LAYER_TYPES);
    tcase_add_test(tcase, the_table_has_every_layer_and_no_name_twice);
    tcase_add_loop_test(tcase, malformed_ones_are_refused_by_place, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tcase, a_preset_keeps_what_is_said);
    tcase_add_test(tcase, deep_blocks_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
