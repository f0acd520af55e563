/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/create_options.h"

#include "engine/build/presets.h"
#include "spec/layer_fields.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct create_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct create_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(options->error, sizeof(options->error), format, args);
    va_end(args);
    return false;
}

static bool parse_shape(struct create_options *options, char *text)
{
    const char *at = text;
    char *end;

    options->has_input = true;
    options->input.rank = 0;
    for (;;) {
        bool is_open = *at == '?';
        long long number;

        errno = 0;
        number = is_open ? NETWORK_UNKNOWN : strtoll(at, &end, 10);
        if (is_open)
            end = (char *)at + 1;
        if (end == at || errno != 0 || options->input.rank == NETWORK_RANK_MAX ||
            (!is_open && number < 1) || (*end != '\0' && *end != ',' && *end != 'x'))
            return fail(options, "--input-shape: expected numbers like 1,28,28 (? for a length that "
                                 "each request chooses), got '%.64s'", text);
        options->input.dims[options->input.rank++] = number;
        if (*end == '\0')
            return true;
        at = end + 1;
    }
}

static bool parse_whole(struct create_options *options, const char *name, const char *text,
                        long long least, long long most, long long *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || *ret < least || *ret > most)
        return fail(options, "%s: expected %lld to %lld, got '%.64s'", name, least, most, text);
    return true;
}

/* "10", or "cat,dog". */
static bool parse_classes(struct create_options *options, char *text)
{
    size_t count = 1;
    long long number;
    char *at;

    options->has_classes = true;
    if (strspn(text, "0123456789") == strlen(text)) {
        if (!parse_whole(options, "--classes", text, 1, NETWORK_CLASSES_MAX, &number))
            return false;
        options->n_classes = number;
        return true;
    }
    for (at = text; *at != '\0'; at++)
        count += *at == ',';
    free(options->classes);
    free(options->class_text);
    options->class_text = strdup(text);
    options->classes = calloc(count, sizeof(*options->classes));
    if (options->class_text == NULL || options->classes == NULL)
        return fail(options, "out of memory");
    at = options->class_text;
    for (size_t i = 0; i < count; i++)
        options->classes[i] = strsep(&at, ",");
    options->n_classes = (int64_t)count;
    return true;
}

static bool parse_choice(struct create_options *options, const char *name, const char *text,
                         const char *const *choices, int *ret)
{
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *ret = i;
            return true;
        }
    }
    return fail(options, "%s: there is no '%.64s'; --help tells more", name, text);
}

static bool parse_setting(struct create_options *options, char *text)
{
    struct preset_setting *setting = &options->settings[options->n_settings];
    char *equals = strchr(text, '='), *end;

    if (options->n_settings == CREATE_SETTINGS_MAX)
        return fail(options, "--set: more than %d", CREATE_SETTINGS_MAX);
    if (equals == NULL || equals == text)
        return fail(options, "--set: expected name=number, got '%.64s'", text);
    setting->number = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0')
        return fail(options, "--set %.64s: expected a number", text);
    *equals = '\0';
    setting->name = text;
    options->n_settings++;
    return true;
}

/* An option that takes a value. */
static bool parse_value(struct create_options *options, const char *name, char *value)
{
    long long number = 0;

    if (strcmp(name, "--input-shape") == 0)
        return parse_shape(options, value);
    if (strcmp(name, "--input-type") == 0)
        return parse_choice(options, name, value, input_type_names, &options->input.type);
    if (strcmp(name, "--classes") == 0)
        return parse_classes(options, value);
    if (strcmp(name, "--task") == 0)
        return (options->has_task = parse_choice(options, name, value, task_names, &options->task));
    if (strcmp(name, "--set") == 0)
        return parse_setting(options, value);
    if (strcmp(name, "--seed") == 0) {
        options->has_seed = parse_whole(options, name, value, 0, INT64_MAX, &number);
        options->seed = (uint64_t)number;
        return options->has_seed;
    }
    options->output = value;
    return true;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = {"--input-shape", "--input-type", "--classes", "--task",
                                        "--set",         "--seed",       "--output"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool parse_flag(struct create_options *options, const char *name)
{
    if (strcmp(name, "--help") == 0)
        options->help = true;
    else if (strcmp(name, "--list") == 0)
        options->list = true;
    else if (strcmp(name, "--markdown") == 0)
        options->markdown = true;
    else if (strcmp(name, "--print") == 0)
        options->print = true;
    else
        return fail(options, "there is no option '%.64s'", name);
    return true;
}

bool create_options_parse(struct create_options *options, int argc, char **argv)
{
    memset(options, 0, sizeof(*options));
    for (int i = 0; i < argc; i++) {
        const char *name = strcmp(argv[i], "-o") == 0 ? "--output" : argv[i];

        if (takes_value(name)) {
            if (i + 1 == argc)
                return fail(options, "%s needs a value", argv[i]);
            if (!parse_value(options, name, argv[++i]))
                return false;
        } else if (name[0] == '-') {
            if (!parse_flag(options, name))
                return false;
        } else if (options->what != NULL) {
            return fail(options, "one preset or file, not '%.64s' as well", argv[i]);
        } else {
            options->what = argv[i];
        }
    }
    if (options->help || options->list)
        return true;
    if (options->what == NULL)
        return fail(options, "name a preset or a specification's file; --list shows what there is");
    if (options->output == NULL && !options->print)
        return fail(options, "name the file to write: -o model.onnx");
    return true;
}

void create_options_finish(struct create_options *options)
{
    free(options->classes);
    free(options->class_text);
}

void create_options_help(FILE *out)
{
    fputs("usage: inferd create PRESET|SPEC.json [OPTIONS] -o MODEL.onnx\n"
          "       inferd create --list\n\n"
          "Makes a network with first weights as an ONNX file.\n\n"
          "  -o, --output FILE       where it goes; replaced at once if it exists\n"
          "  --input-shape 1,28,28   shape of one example: features, time,features (? for an open\n"
          "                          length), or channels,height,width\n"
          "  --input-type TYPE       FP32 or INT64 (token ids); by default what the first layer takes\n"
          "  --classes N|A,B,C       how many classes, or their names\n"
          "  --task TASK             classification, binary, multilabel or regression\n"
          "  --seed N                of the first weights: the same seed, the same weights\n"
          "  --set NAME=NUMBER       an option of the preset, again and again\n"
          "  --print                 write the whole specification as JSON to standard output\n"
          "  --list [--markdown]     the presets with their options, the layers with their fields\n",
          out);
}

static void list_presets(FILE *out, bool markdown)
{
    if (markdown)
        fputs("| preset | option | default | range | meaning |\n| --- | --- | --- | --- | --- |\n", out);
    for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
        fprintf(out, markdown ? "| **%s** | | | | %s |\n" : "%s: %s\n", preset->name, preset->help);
        for (const struct preset_option *o = preset->options; o->name != NULL; o++)
            fprintf(out,
                    markdown ? "| | %s | %.10g | %.10g to %.10g | %s |\n"
                             : "    %-14s %-8.10g %.10g to %.10g: %s\n",
                    o->name, o->fallback, o->least, o->most, o->help);
    }
}

/* "required", "[default]" or a choice's name. */
static void default_text(const struct layer_field *field, char text[32])
{
    if (field->required)
        snprintf(text, 32, "required");
    else if (field->kind == FIELD_CHOICE)
        snprintf(text, 32, "%s", field->choices[(int)field->fallback]);
    else if (field->kind == FIELD_FLAG)
        snprintf(text, 32, "%s", field->fallback != 0 ? "true" : "false");
    else
        snprintf(text, 32, "%.10g", field->fallback);
}

static void range_text(const struct layer_field *field, char text[160])
{
    size_t used = 0;

    text[0] = '\0';
    if (field->kind == FIELD_FLAG)
        snprintf(text, 160, "true, false");
    else if (field->kind == FIELD_LAYERS)
        snprintf(text, 160, "list of layers");
    else if (field->kind != FIELD_CHOICE)
        snprintf(text, 160, "%.10g to %.10g%s", field->least, field->most,
                 field->kind == FIELD_DIMS ? ", one or a list" : "");
    for (int i = 0; field->kind == FIELD_CHOICE && field->choices[i] != NULL && used < 160; i++)
        used += (size_t)snprintf(text + used, 160 - used, "%s%s", i > 0 ? ", " : "",
                                 field->choices[i]);
}

static void list_layers(FILE *out, bool markdown)
{
    char fallback[32], range[160];

    if (markdown)
        fputs("| layer | field | default | values | meaning |\n| --- | --- | --- | --- | --- |\n", out);
    for (int type = 0; type < LAYER_TYPES; type++) {
        fprintf(out, markdown ? "| **%s** | | | | %s |\n" : "%s: %s\n", layer_kinds[type].name,
                layer_kinds[type].help);
        for (size_t i = 0; i < LAYER_FIELDS; i++) {
            if (layer_fields[i].layer != type)
                continue;
            default_text(&layer_fields[i], fallback);
            range_text(&layer_fields[i], range);
            fprintf(out,
                    markdown ? "| | %s | %s | %s | %s |\n" : "    %-16s %-10s %s: %s\n",
                    layer_fields[i].name, fallback, range, layer_fields[i].help);
        }
    }
}

void create_list(FILE *out, bool markdown)
{
    fputs(markdown ? "### Presets\n\n" : "Presets, with options for --set (default, range):\n\n", out);
    list_presets(out, markdown);
    fputs(markdown ? "\n### Layers\n\n" : "\nLayers of a specification, with fields (default, values):\n\n",
          out);
    list_layers(out, markdown);
}
