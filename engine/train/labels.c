/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

struct label {
    uint64_t hash;
    size_t length;
    char *name; /* NUL-terminated */
};

struct labels {
    struct label *labels; /* by id */
    int n, capacity;
    int *slots; /* open addressing: id + 1, 0 for empty; a power of two, at most half full */
    size_t n_slots;
};

/* FNV-1a (Fowler, Noll and Vo), 64 bits. Names come with the data: a flood of equal hashes costs no
 * more than LABELS_MAX steps for each name. */
static uint64_t hash_of(const char *name, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

struct labels *labels_create(void)
{
    struct labels *labels = calloc(1, sizeof(*labels));

    if (labels == NULL)
        return NULL;
    labels->n_slots = FIRST_SLOTS;
    labels->slots = calloc(labels->n_slots, sizeof(labels->slots[0]));
    if (labels->slots == NULL) {
        free(labels);
        return NULL;
    }
    return labels;
}

void labels_destroy(struct labels *labels)
{
    if (labels == NULL)
        return;
    for (int i = 0; i < labels->n; i++)
        free(labels->labels[i].name);
    free(labels->labels);
    free(labels->slots);
    free(labels);
}

/* The slot of the name, or the empty one where it belongs. */
static size_t find_slot(const struct labels *labels, uint64_t hash, const char *name, size_t length)
{
    size_t slot = hash & (labels->n_slots - 1);

    for (; labels->slots[slot] != 0; slot = (slot + 1) & (labels->n_slots - 1)) {
        const struct label *label = &labels->labels[labels->slots[slot] - 1];

        if (label->hash == hash && label->length == length &&
            memcmp(label->name, name, length) == 0)
            break;
    }
    return slot;
}

static void fill_slots(struct labels *labels)
{
    memset(labels->slots, 0, labels->n_slots * sizeof(labels->slots[0]));
    for (int id = 0; id < labels->n; id++) {
        const struct label *label = &labels->labels[id];

        labels->slots[find_slot(labels, label->hash, label->name, label->length)] = id + 1;
    }
}

/* Room for one more name. */
static bool grow(struct labels *labels)
{
    if (labels->n == labels->capacity) {
        int capacity = labels->capacity > 0 ? labels->capacity * 2 : 16;
        struct label *grown = realloc(labels->labels, (size_t)capacity * sizeof(*grown));

        if (grown == NULL)
            return false;
        labels->labels = grown;
        labels->capacity = capacity;
    }
    if (2 * (size_t)(labels->n + 1) > labels->n_slots) {
        int *slots = calloc(labels->n_slots * 2, sizeof(slots[0]));

        if (slots == NULL)
            return false;
        free(labels->slots);
        labels->slots = slots;
        labels->n_slots *= 2;
        fill_slots(labels);
    }
    return true;
}

int labels_add(struct labels *labels, const char *name, size_t length)
{
    uint64_t hash = hash_of(name, length);
    size_t slot = find_slot(labels, hash, name, length);
    struct label *label;

    if (labels->slots[slot] != 0)
        return labels->slots[slot] - 1;
    if (labels->n == LABELS_MAX || length > LABEL_BYTES_MAX || !grow(labels))
        return -1;
    label = &labels->labels[labels->n];
    label->name = malloc(length + 1);
    if (label->name == NULL)
        return -1;
    memcpy(label->name, name, length);
    label->name[length] = '\0';
    label->length = length;
    label->hash = hash;
    labels->n++;
    labels->slots[find_slot(labels, hash, name, length)] = labels->n;
    return labels->n - 1;
}

int labels_find(const struct labels *labels, const char *name, size_t length)
{
    return labels->slots[find_slot(labels, hash_of(name, length), name, length)] - 1;
}

int labels_count(const struct labels *labels)
{
    return labels->n;
}

const char *labels_name(const struct labels *labels, int id)
{
    assert(id >= 0 && id < labels->n);
    return labels->labels[id].name;
}

static bool is_integer(const struct label *label)
{
    size_t i = label->length > 0 && label->name[0] == '-';

    if (i == label->length || label->length > 18)
        return false;
    for (; i < label->length; i++)
        if (label->name[i] < '0' || label->name[i] > '9')
            return false;
    return true;
}

static int compare_bytes(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    size_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->name, b->name, common);

    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_values(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    long long x = strtoll(a->name, NULL, 10), y = strtoll(b->name, NULL, 10);

    return x != y ? (x > y) - (x < y) : compare_bytes(left, right);
}

void labels_sort(struct labels *labels)
{
    bool integers = true;

    for (int id = 0; id < labels->n; id++)
        integers = integers && is_integer(&labels->labels[id]);
    if (labels->n > 0)
        qsort(labels->labels, (size_t)labels->n, sizeof(labels->labels[0]),
              integers ? compare_values : compare_bytes);
    fill_slots(labels);
}
