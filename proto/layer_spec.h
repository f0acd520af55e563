/* SPDX-License-Identifier: Apache-2.0
 * proto/layer_spec.h - a network's specification as JSON: the body of PUT /v2/models/M and the file
 * that `inferd create` reads. Layers and fields are those of spec/layer_fields.h; docs/training.md
 * describes them.
 *
 *   {"input": {"shape": [1, 28, 28]}, "task": "classification", "classes": 10, "seed": 1,
 *    "layers": [{"type": "conv", "filters": 8, "kernel": 3, "activation": "relu"}, ...]}
 *   {"preset": "lenet5", "classes": ["cat", "dog"], "options": {"width": 0.5}}
 *
 * Kinds, names and counts are checked here; ranges and shapes where the network is built
 * (engine/build/network.h), whose errors name the same places. */
#ifndef PROTO_LAYER_SPEC_H
#define PROTO_LAYER_SPEC_H

#include "proto/problem.h"
#include "proto/text.h"
#include "spec/network_spec.h"

#include <stddef.h>

struct layer_spec {
    bool is_preset;
    struct network_spec network; /* if not */
    struct preset_spec preset;   /* if so */
    void *memory;                /* owner of what both point to */
};

/* The caller bounds `size`; the bytes may go afterwards. On failure `problem` is set (400, or 507 when
 * out of memory), naming the place ("layers[3].kernel"), and nothing is held. Any thread. */
bool layer_spec_decode(const void *bytes, size_t size, struct layer_spec *ret_spec,
                       struct problem *problem);
void layer_spec_finish(struct layer_spec *spec);

/* Appends the JSON of a network (blocks no deeper than NETWORK_DEPTH_MAX), without fields that have
 * their default. */
void layer_spec_encode(const struct network_spec *network, struct text *text);

#endif
