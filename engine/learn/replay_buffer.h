/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/replay_buffer.h - a sample of past examples, mixed into later updates against
 * forgetting. Reservoir sampling (Vitter 1985): every example seen is in it with equal chance. Or
 * balanced: each class has an equal share of the places and a reservoir of its own. Which examples
 * stay and which are drawn is a function of (seed, examples seen) alone, so a replay of the same
 * stream rebuilds the same buffer bit for bit. Bytes are bounded. One thread at a time. */
#ifndef ENGINE_LEARN_REPLAY_BUFFER_H
#define ENGINE_LEARN_REPLAY_BUFFER_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLAY_CLASSES_MAX = 65536, REPLAY_EXAMPLES_MAX = 1 << 24 };

struct replay_options {
    size_t examples_max;        /* places */
    size_t example_bytes;       /* each example has as many */
    size_t bytes_max;           /* examples_max is lowered to keep to it; 0: no bound */
    uint32_t classes;           /* 0: one reservoir; else balanced over labels 0 .. classes - 1 */
    uint64_t seed;
};

struct replay_buffer;

/* NULL sets `err`: out of bounds, no room for one example a class, no memory. */
struct replay_buffer *replay_buffer_create(const struct replay_options *options,
                                           struct engine_error *err);
void replay_buffer_destroy(struct replay_buffer *buffer);

/* Offers one example; `number` identifies it to the caller (a journal place). `label` is below
 * `classes`, or ignored without classes. True if it was taken (perhaps in another's place). */
bool replay_buffer_offer(struct replay_buffer *buffer, const void *example, uint32_t label,
                         uint64_t number);
/* Draws `count` places with replacement into `ret`, for draw number `draw`: the same draw of the same
 * buffer is the same. False if it is empty. Balanced: classes in equal shares. */
bool replay_buffer_draw(const struct replay_buffer *buffer, uint64_t draw, size_t count,
                        size_t *ret);
/* The example in a place, its label and number (NULL: not wanted). */
const void *replay_buffer_at(const struct replay_buffer *buffer, size_t place, uint32_t *ret_label,
                             uint64_t *ret_number);
/* Removes the example of that number, overwriting it; false if it is not there. */
bool replay_buffer_forget(struct replay_buffer *buffer, uint64_t number);
size_t replay_buffer_count(const struct replay_buffer *buffer);
size_t replay_buffer_bytes(const struct replay_buffer *buffer);

#endif
