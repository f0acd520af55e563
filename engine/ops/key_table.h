/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/key_table.h - from keys (strings or numbers, each in a numbered space of the caller's)
 * to positive integers: the vocabulary of operators that look labels and n-grams up. Filled while a
 * model is loaded, then only read: any thread. */
#ifndef ENGINE_OPS_KEY_TABLE_H
#define ENGINE_OPS_KEY_TABLE_H

#include "engine/arena.h"
#include "engine/tensor.h"

#include <stdbool.h>
#include <stdint.h>

struct key_entry;

struct key_table {
    struct key_entry *entries;
    uint32_t n_entries;            /* a power of two, at least twice the keys */
};

/* Room for `keys_max` keys from `arena`. False when that is used up or the number too large. */
bool key_table_init(struct key_table *table, struct arena *arena, size_t keys_max);
/* Where the value of the key is, 0 if it was not there: the caller sets it. The key's bytes are
 * borrowed. No more than keys_max different keys may be added. */
uint32_t *key_table_add(struct key_table *table, uint32_t space, struct bytes key);
/* 0 if it is not there. */
uint32_t key_table_find(const struct key_table *table, uint32_t space, struct bytes key);

/* Element `index` as a key: equal numbers have equal bytes, all NaNs are one, and so are both zeros.
 * The bytes of a number are put into `room`, which must live as long as the key. */
struct bytes key_of(const struct tensor *tensor, int64_t index, uint64_t *room);

#endif
