/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/network_create.h"

#include "engine/build/presets.h"
#include "server/status_map.h"

static bool fail(struct problem *problem, const struct engine_error *err)
{
    problem_from_engine(problem, err);
    return false;
}

bool network_resolve(const struct layer_spec *spec, struct arena *arena, struct network_spec *ret,
                     struct problem *problem)
{
    struct engine_error err = {0};

    *ret = spec->network;
    return !spec->is_preset || preset_expand(&spec->preset, arena, ret, &err) == ENGINE_OK ||
           fail(problem, &err);
}

bool network_create(const struct network_spec *network, int64_t parameters_max,
                    struct network_file *ret, struct problem *problem)
{
    struct network_options options = {.parameters_max = parameters_max};
    struct engine_error err = {0};
    struct text text;
    bool ok = true;

    text_init(&text);
    layer_spec_encode(network, &text);
    text_append(&text, "", 1);
    options.specification = text.data;
    if (text.failed)
        ok = problem_set(problem, 507, "no_memory", "out of memory");
    else if (network_write(network, &options, ret, &err) != ENGINE_OK)
        ok = fail(problem, &err);
    text_free(&text);
    return ok;
}
