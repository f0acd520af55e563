/* SPDX-License-Identifier: Apache-2.0
 * Specifications in JSON, as PUT takes them: what decodes survives encoding; what is built loads, and
 * takes no more parameters than allowed. */
#include "engine/build/network.h"
#include "engine/build/presets.h"
#include "engine/engine.h"
#include "proto/layer_spec.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMETERS_MAX = 100000, MEMORY_MAX = 1 << 26 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Encoded, decoded and encoded again, it reads the same. */
static void round_trip(const struct network_spec *network)
{
    struct problem problem = {0};
    struct layer_spec again;
    struct text first, second;

    text_init(&first);
    text_init(&second);
    layer_spec_encode(network, &first);
    require(!first.failed && layer_spec_decode(first.data, first.length, &again, &problem));
    layer_spec_encode(&again.network, &second);
    require(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
    layer_spec_finish(&again);
    text_free(&first);
    text_free(&second);
}

static void build(const struct network_spec *network)
{
    struct network_options options = {.parameters_max = PARAMETERS_MAX};
    struct model_options model_options = {.optimise = true, .memory_bytes_max = MEMORY_MAX};
    struct engine_error err = {0};
    struct network_file file;
    struct model *model;

    if (network_write(network, &options, &file, &err) != ENGINE_OK) {
        require(err.text[0] != '\0');
        return;
    }
    require(file.n_parameters <= PARAMETERS_MAX);
    model = model_load_bytes(file.bytes, file.size, &model_options, &err);
    require(model != NULL || err.status == ENGINE_OVER_BUDGET);
    model_unref(model);
    free(file.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct engine_error err = {0};
    struct problem problem = {0};
    struct network_spec network;
    struct layer_spec spec;
    struct arena *arena;

    if (!started)
        require(engine_start(&err) == ENGINE_OK);
    started = true;
    if (!layer_spec_decode(data, size, &spec, &problem)) {
        require(problem.status >= 400 && problem.reason != NULL && problem.text[0] != '\0');
        return 0;
    }
    arena = arena_create(MEMORY_MAX);
    network = spec.network;
    if (spec.is_preset && preset_expand(&spec.preset, arena, &network, &err) != ENGINE_OK) {
        require(err.text[0] != '\0');
    } else {
        round_trip(&network);
        build(&network);
    }
    arena_destroy(arena);
    layer_spec_finish(&spec);
    return 0;
}
