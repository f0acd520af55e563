/* SPDX-License-Identifier: Apache-2.0
 * Offline dynamic storage allocation. Largest first with best fit is the "greedy by size" of
 * Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020. */
#include "engine/memory_plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_MAX = 4096, CLASSES = 8 * 64 };

static size_t round_up(size_t bytes)
{
    return (bytes + MEMORY_ALIGNMENT - 1) & ~(size_t)(MEMORY_ALIGNMENT - 1);
}

/* A sortable handle: key first, then the index, so that the order is the same everywhere. */
struct key {
    size_t key;
    int index;
};

static int compare_ascending(const void *left, const void *right)
{
    const struct key *a = left, *b = right;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_descending(const void *left, const void *right)
{
    const struct key *a = left, *b = right;

    if (a->key != b->key)
        return a->key > b->key ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The smallest hole that fits among `placed` (indices by rising offset); the end if there is none.
 */
static size_t best_offset(const struct memory_item *items, const int *placed, int n_placed,
                          const struct memory_item *item)
{
    size_t best = SIZE_MAX, best_hole = SIZE_MAX, end = 0;

    for (int i = 0; i < n_placed; i++) {
        const struct memory_item *other = &items[placed[i]];
        size_t other_end = other->offset + round_up(other->bytes);

        if (other->first > item->last || other->last < item->first)
            continue;
        if (other->offset > end) {
            size_t hole = other->offset - end;

            if (hole >= item->bytes && hole < best_hole) {
                best_hole = hole;
                best = end;
            }
        }
        if (other_end > end)
            end = other_end;
    }
    return best != SIZE_MAX ? best : end;
}

static size_t plan_exact(struct memory_item *items, int count, struct key *keys, int *placed)
{
    size_t total = 0;

    for (int i = 0; i < count; i++)
        keys[i] = (struct key){items[i].bytes, i};
    qsort(keys, (size_t)count, sizeof(*keys), compare_descending);
    for (int i = 0; i < count; i++) {
        struct memory_item *item = &items[keys[i].index];
        int at = i;

        item->offset = best_offset(items, placed, i, item);
        if (item->offset + round_up(item->bytes) > total)
            total = item->offset + round_up(item->bytes);
        while (at > 0 && items[placed[at - 1]].offset > item->offset) {
            placed[at] = placed[at - 1];
            at--;
        }
        placed[at] = keys[i].index;
    }
    return total;
}

/* Size classes at eighths of powers of two: at most an eighth is wasted. */
static int size_class(size_t bytes, size_t *ret_size)
{
    size_t units = round_up(bytes) / MEMORY_ALIGNMENT;
    int power = 0;
    size_t step;

    while (units >> power >= 16)
        power++;
    step = (units + ((size_t)1 << power) - 1) >> power;
    *ret_size = (step << power) * MEMORY_ALIGNMENT;
    return power * 8 + (int)step < CLASSES ? power * 8 + (int)step : CLASSES - 1;
}

/* In order of time, each item takes a dead one's place of its own class, or new room. */
static size_t plan_by_class(struct memory_item *items, int count, struct key *keys, int *next_free)
{
    struct key *by_first = keys, *by_last = keys + count;
    int free_lists[CLASSES];
    size_t total = 0, size;
    int dead = 0;

    memset(free_lists, -1, sizeof(free_lists));
    for (int i = 0; i < count; i++) {
        by_first[i] = (struct key){(size_t)items[i].first, i};
        by_last[i] = (struct key){(size_t)items[i].last, i};
    }
    qsort(by_first, (size_t)count, sizeof(*keys), compare_ascending);
    qsort(by_last, (size_t)count, sizeof(*keys), compare_ascending);
    for (int i = 0; i < count; i++) {
        struct memory_item *item = &items[by_first[i].index];
        int class, reuse;

        while (dead < count && by_last[dead].key < (size_t)item->first) {
            class = size_class(items[by_last[dead].index].bytes, &size);
            next_free[by_last[dead].index] = free_lists[class];
            free_lists[class] = by_last[dead].index;
            dead++;
        }
        class = size_class(item->bytes, &size);
        reuse = class < CLASSES - 1 ? free_lists[class] : -1;
        if (reuse >= 0) {
            free_lists[class] = next_free[reuse];
            item->offset = items[reuse].offset;
        } else {
            item->offset = total;
            total += size;
        }
    }
    return total;
}

bool memory_plan(struct memory_item *items, int count, size_t *ret_bytes)
{
    struct key *keys;
    int *order;
    size_t sum = 0;

    for (int i = 0; i < count; i++) {
        /* An eighth and the alignment come on top in the worst case. */
        if (items[i].bytes > SIZE_MAX / 4 || __builtin_add_overflow(sum, items[i].bytes, &sum) ||
            sum > SIZE_MAX / 4)
            return false;
        items[i].offset = 0;
    }
    keys = calloc(2 * (size_t)count + 1, sizeof(*keys));
    order = calloc((size_t)count + 1, sizeof(*order));
    if (keys == NULL || order == NULL) {
        free(keys);
        free(order);
        return false;
    }
    *ret_bytes = count <= EXACT_MAX ? plan_exact(items, count, keys, order)
                                    : plan_by_class(items, count, keys, order);
    free(keys);
    free(order);
    return true;
}
