/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/shuffle.h"

#include "engine/kernels/random.h"

#include <assert.h>

/* Luby and Rackoff need four rounds; small halves want more of them, and not to be too small. */
enum { ROUNDS = 8, BITS_MIN = 8 };

void permutation_init(struct permutation *permutation, uint32_t n, uint64_t seed, uint64_t epoch)
{
    int bits = BITS_MIN;

    while (bits < 32 && (UINT64_C(1) << bits) < n)
        bits++;
    permutation->key = random_bits(seed, epoch);
    permutation->n = n;
    permutation->low_bits = bits / 2;
    permutation->high_bits = bits - bits / 2;
}

/* One pass through the network. The halves swap places, and with them their widths, in each of an
 * even number of rounds. */
static uint32_t encipher(const struct permutation *permutation, uint32_t x)
{
    int low_bits = permutation->low_bits, high_bits = permutation->high_bits, swap;
    uint32_t low = x & ((UINT32_C(1) << low_bits) - 1), high = x >> low_bits, next;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        next = high ^ (uint32_t)(random_bits(permutation->key, round << 32 | low) >> 40);
        next &= (UINT32_C(1) << high_bits) - 1;
        high = low;
        low = next;
        swap = low_bits;
        low_bits = high_bits;
        high_bits = swap;
    }
    return high << low_bits | low;
}

uint32_t permutation_at(const struct permutation *permutation, uint32_t i)
{
    assert(i < permutation->n);
    do {
        i = encipher(permutation, i);
    } while (i >= permutation->n);
    return i;
}

void shuffle_init(struct shuffle *shuffle, uint32_t n, uint32_t block, uint32_t window,
                  uint64_t seed, uint64_t epoch)
{
    *shuffle = (struct shuffle){seed, epoch, n, block, window > 0 ? window : 1, 0, {0}};
    if (block <= 1 || n / block < 2) {
        shuffle->block = 0;
        permutation_init(&shuffle->order, n, seed, epoch);
    } else {
        /* What is left behind the last whole block comes last: let it be others in each epoch. */
        shuffle->turn = (uint32_t)(random_bits(~seed, epoch) % n);
        permutation_init(&shuffle->order, n / block, seed, epoch);
    }
}

uint32_t shuffle_at(const struct shuffle *shuffle, uint32_t i)
{
    uint64_t span = (uint64_t)shuffle->block * shuffle->window, first, count, at;
    uint32_t whole = shuffle->order.n * shuffle->block;
    struct permutation inner;

    assert(i < shuffle->n);
    if (shuffle->block == 0)
        return permutation_at(&shuffle->order, i);
    first = i < whole ? i / span * span : whole;
    count = (i < whole ? whole : shuffle->n) - first;
    if (i < whole && count > span)
        count = span;
    permutation_init(&inner, (uint32_t)count, random_bits(shuffle->seed, first + 1),
                     shuffle->epoch);
    at = first + permutation_at(&inner, i - (uint32_t)first);
    if (at < whole)
        at = (uint64_t)permutation_at(&shuffle->order, (uint32_t)(at / shuffle->block)) *
                 shuffle->block +
             at % shuffle->block;
    return (uint32_t)((at + shuffle->turn) % shuffle->n);
}
