/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/create.h"

#include "engine/engine.h"
#include "server/create_options.h"
#include "server/network_create.h"
#include "server/whole_file.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { SPEC_BYTES_MAX = 16 << 20 };

static bool is_file(const char *what)
{
    size_t length = strlen(what);

    return strchr(what, '/') != NULL || (length > 5 && strcmp(what + length - 5, ".json") == 0);
}

static bool read_spec(const char *path, struct layer_spec *ret, struct problem *problem)
{
    struct engine_error err = {0};
    struct model_file file;
    bool ok;

    if (model_file_open(path, SPEC_BYTES_MAX, &file, &err) != ENGINE_OK)
        return problem_set(problem, 404, "not_found", "%s", err.text);
    ok = layer_spec_decode(file.bytes, file.size, ret, problem);
    model_file_close(&file);
    return ok;
}

/* What the command line says goes before what the file says. */
static bool apply(const struct create_options *options, struct layer_spec *spec,
                  struct problem *problem)
{
    struct network_input *input = spec->is_preset ? &spec->preset.input : &spec->network.input;
    int64_t *n_classes = spec->is_preset ? &spec->preset.n_classes : &spec->network.n_classes;
    const char *const **classes = spec->is_preset ? &spec->preset.classes : &spec->network.classes;

    if (options->n_settings > 0 && !spec->is_preset)
        return problem_set(problem, 400, "bad_request", "--set is for presets");
    if (options->has_input) {
        input->rank = options->input.rank;
        memcpy(input->dims, options->input.dims, sizeof(input->dims));
    }
    if (options->input.type != INPUT_AUTO)
        input->type = options->input.type;
    if (options->has_task)
        *(spec->is_preset ? &spec->preset.task : &spec->network.task) = options->task;
    if (options->has_classes) {
        *n_classes = options->n_classes;
        *classes = options->classes;
    }
    if (options->has_seed)
        *(spec->is_preset ? &spec->preset.seed : &spec->network.seed) = options->seed;
    if (options->n_settings > 0) {
        if (spec->preset.n_settings > 0)
            return problem_set(problem, 400, "bad_request", "options: both in the file and as --set");
        spec->preset.settings = options->settings;
        spec->preset.n_settings = options->n_settings;
    }
    return true;
}

static bool print_spec(const struct network_spec *network, struct problem *problem)
{
    struct text text;
    bool ok;

    text_init(&text);
    layer_spec_encode(network, &text);
    text_puts(&text, "\n");
    ok = !text.failed && fwrite(text.data, 1, text.length, stdout) == text.length;
    text_free(&text);
    return ok || problem_set(problem, 500, "io", "standard output cannot be written");
}

static bool make_file(const struct create_options *options, const struct network_spec *network,
                      struct problem *problem)
{
    struct network_file file = {0};
    bool ok = network_create(network, 0, &file, problem);

    if (ok && options->output != NULL &&
        whole_file_write(options->output, &(struct whole_part){file.bytes, file.size}, 1, problem))
        fprintf(stderr, "%s: %lld parameters, %zu bytes\n", options->output,
                (long long)file.n_parameters, file.size);
    else
        ok = false;
    free(file.bytes);
    return ok;
}

static bool create(const struct create_options *options, struct problem *problem)
{
    struct layer_spec spec = {.is_preset = true, .preset = {.preset = options->what, .task = -1}};
    struct arena *arena = arena_create(SIZE_MAX / 2);
    struct network_spec network;
    bool ok = arena != NULL || problem_set(problem, 507, "no_memory", "out of memory");

    ok = ok && (!is_file(options->what) || read_spec(options->what, &spec, problem)) &&
         apply(options, &spec, problem) && network_resolve(&spec, arena, &network, problem) &&
         (!options->print || print_spec(&network, problem)) &&
         (options->output == NULL || make_file(options, &network, problem));
    layer_spec_finish(&spec);
    arena_destroy(arena);
    return ok;
}

int create_run(int argc, char **argv)
{
    struct create_options options;
    struct problem problem = {0};
    int code = EX_OK;

    if (!create_options_parse(&options, argc, argv)) {
        fprintf(stderr, "inferd: create: %s\n", options.error);
        code = EX_USAGE;
    } else if (options.help) {
        create_options_help(stdout);
    } else if (options.list) {
        create_list(stdout, options.markdown);
    } else if (!create(&options, &problem)) {
        fprintf(stderr, "inferd: create: %s\n", problem.text);
        code = problem.status == 500 ? EX_CANTCREAT : problem.status == 404 ? EX_NOINPUT : EX_DATAERR;
    }
    create_options_finish(&options);
    return code;
}
