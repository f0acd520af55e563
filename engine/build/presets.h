/* SPDX-License-Identifier: Apache-2.0
 * engine/build/presets.h - well-known networks as specifications, from a few options. Any thread. */
#ifndef ENGINE_BUILD_PRESETS_H
#define ENGINE_BUILD_PRESETS_H

#include "engine/arena.h"
#include "engine/error.h"
#include "spec/network_spec.h"

struct preset_option {
    const char *name;
    double fallback, least, most;
    bool is_whole;
    const char *help;
};

struct preset {
    const char *name, *help;
    int rank;                       /* default shape of one example */
    int64_t dims[NETWORK_RANK_MAX];
    int64_t n_classes;              /* default; 0: the vocabulary */
    const struct preset_option *options; /* ends with a NULL name */
};

/* All presets; ends with a NULL name. */
const struct preset *preset_table(void);

/* The network that `request` asks for. Layers live in `arena`, other texts are those of the request.
 * BAD_INPUT names the preset, option or shape and what was expected. */
enum engine_status preset_expand(const struct preset_spec *request, struct arena *arena,
                                 struct network_spec *ret, struct engine_error *err);

#endif
