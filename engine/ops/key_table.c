/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing; the hash is FNV-1a. */
#include "engine/ops/key_table.h"

#include <math.h>
#include <string.h>

struct key_entry {
    struct bytes key;
    uint32_t space;
    uint32_t value;                /* 0: free */
};

bool key_table_init(struct key_table *table, struct arena *arena, size_t keys_max)
{
    if (keys_max > UINT32_MAX / 8)
        return false;
    for (table->n_entries = 16; table->n_entries < 2 * keys_max; table->n_entries *= 2)
        ;
    table->entries = arena_calloc(arena, table->n_entries, sizeof(*table->entries));
    return table->entries != NULL;
}

static uint32_t hash(uint32_t space, const struct bytes *key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ space * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < key->length; i++)
        h = (h ^ (unsigned char)key->data[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ h >> 32);
}

/* The key's entry, or the free one where it belongs. */
static struct key_entry *find_entry(const struct key_table *table, uint32_t space,
                                    const struct bytes *key)
{
    const uint32_t mask = table->n_entries - 1;

    for (uint32_t i = hash(space, key) & mask;; i = (i + 1) & mask) {
        struct key_entry *entry = &table->entries[i];

        if (entry->value == 0 ||
            (entry->space == space && entry->key.length == key->length &&
             (key->length == 0 || memcmp(entry->key.data, key->data, key->length) == 0)))
            return entry;
    }
}

uint32_t *key_table_add(struct key_table *table, uint32_t space, struct bytes key)
{
    struct key_entry *entry = find_entry(table, space, &key);

    if (entry->value == 0) {
        entry->key = key;
        entry->space = space;
    }
    return &entry->value;
}

uint32_t key_table_find(const struct key_table *table, uint32_t space, struct bytes key)
{
    return find_entry(table, space, &key)->value;
}

struct bytes key_of(const struct tensor *tensor, int64_t index, uint64_t *room)
{
    double number;

    if (tensor->dtype == DTYPE_STRING)
        return ((const struct bytes *)tensor->data)[index];
    if (dtype_is_float(tensor->dtype)) {
        number = tensor_double_at(tensor, index);
        number = isnan(number) ? (double)NAN : number == 0 ? 0 : number;
        memcpy(room, &number, sizeof(number));
    } else {
        *room = (uint64_t)tensor_int_at(tensor, index);
    }
    return (struct bytes){(const char *)room, sizeof(*room)};
}
