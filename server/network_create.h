/* SPDX-License-Identifier: Apache-2.0
 * server/network_create.h - a decoded specification, or a preset asked for, to the bytes of an ONNX
 * file with first weights, in whose property inferd.specification the whole specification stands.
 * Any thread; takes as long as the weights are many. */
#ifndef SERVER_NETWORK_CREATE_H
#define SERVER_NETWORK_CREATE_H

#include "engine/arena.h"
#include "engine/build/network.h"
#include "proto/layer_spec.h"

/* The network that is meant: a preset is expanded into `arena`. What `ret` points to lives as long as
 * `spec` and `arena`. */
bool network_resolve(const struct layer_spec *spec, struct arena *arena, struct network_spec *ret,
                     struct problem *problem);
/* `parameters_max` 0: the engine's limit. */
bool network_create(const struct network_spec *network, int64_t parameters_max,
                    struct network_file *ret, struct problem *problem);

#endif
