/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/onnx/onnx_names.h"

#include <string.h>
#include <sys/random.h>

enum { SLOTS_MIN = 16 };

void onnx_names_init(struct onnx_names *names, struct arena *arena)
{
    memset(names, 0, sizeof(*names));
    names->arena = arena;
    /* Without randomness the table still works; only its defence is gone. */
    if (getrandom(names->key, sizeof(names->key), GRND_NONBLOCK) != sizeof(names->key))
        names->key[0] = (uint64_t)(uintptr_t)names;
}

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
static uint64_t sip_hash(const uint64_t key[2], const struct bytes *text)
{
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };
    uint64_t word;
    size_t i = 0;

    for (; i + 8 <= text->length; i += 8) {
        memcpy(&word, text->data + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (i < text->length)
        memcpy(&word, text->data + i, text->length - i);
    word |= (uint64_t)text->length << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot of the name, or the free one where it would go. */
static struct onnx_name *slot_of(const struct onnx_names *names, const struct bytes *name,
                                 uint64_t hash)
{
    size_t at = hash & (names->n_slots - 1);

    for (;; at = (at + 1) & (names->n_slots - 1)) {
        struct onnx_name *slot = &names->slots[at];

        if (slot->name.data == NULL)
            return slot;
        if (slot->hash == hash && slot->name.length == name->length &&
            memcmp(slot->name.data, name->data, name->length) == 0)
            return slot;
    }
}

static bool grow(struct onnx_names *names)
{
    struct onnx_names bigger = *names;

    bigger.n_slots = names->n_slots == 0 ? SLOTS_MIN : 2 * names->n_slots;
    bigger.slots = arena_calloc(names->arena, bigger.n_slots, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < names->n_slots; i++)
        if (names->slots[i].name.data != NULL)
            *slot_of(&bigger, &names->slots[i].name, names->slots[i].hash) = names->slots[i];
    *names = bigger;
    return true;
}

bool onnx_names_find(const struct onnx_names *names, const struct bytes *name, int *ret_number)
{
    const struct onnx_name *slot;

    if (names->n_names == 0 || name->data == NULL)
        return false;
    slot = slot_of(names, name, sip_hash(names->key, name));
    if (slot->name.data == NULL)
        return false;
    *ret_number = slot->number;
    return true;
}

enum onnx_names_result onnx_names_add(struct onnx_names *names, const struct bytes *name,
                                      int number)
{
    uint64_t hash = sip_hash(names->key, name);
    struct onnx_name *slot;

    if (2 * (names->n_names + 1) > names->n_slots && !grow(names))
        return ONNX_NAMES_NO_MEMORY;
    slot = slot_of(names, name, hash);
    if (slot->name.data != NULL)
        return ONNX_NAMES_TWICE;
    slot->name = *name;
    slot->hash = hash;
    slot->number = number;
    names->n_names++;
    return ONNX_NAMES_ADDED;
}
