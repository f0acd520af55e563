/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/random.h"

#include <math.h>
#include <stdatomic.h>
#include <time.h>

enum { MERSENNE_WORDS = 624, MERSENNE_MIDDLE = 397 };

/* The finaliser of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_bits(uint64_t seed, uint64_t index)
{
    return mix(mix(seed + UINT64_C(0x632be59bd9b4e019)) + index * UINT64_C(0x9e3779b97f4a7c15));
}

double random_uniform(uint64_t seed, uint64_t index)
{
    return (double)(random_bits(seed, index) >> 11) * 0x1p-53;
}

double random_normal(uint64_t seed, uint64_t index)
{
    double radius = sqrt(-2.0 * log(1.0 - random_uniform(seed, 2 * index)));

    return radius * cos(2.0 * M_PI * random_uniform(seed, 2 * index + 1));
}

uint64_t random_fresh_seed(void)
{
    static _Atomic uint64_t count;
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return mix((uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec) +
           atomic_fetch_add(&count, UINT64_C(0x9e3779b97f4a7c15));
}

void mersenne_init(struct mersenne *mersenne, uint32_t seed)
{
    uint32_t *state = mersenne->state;

    state[0] = seed;
    for (uint32_t i = 1; i < MERSENNE_WORDS; i++)
        state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
    mersenne->next = MERSENNE_WORDS;
}

static void mersenne_turn(uint32_t *state)
{
    for (int i = 0; i < MERSENNE_WORDS; i++) {
        uint32_t joined = (state[i] & 0x80000000u) |
                          (state[(i + 1) % MERSENNE_WORDS] & 0x7fffffffu);

        state[i] = state[(i + MERSENNE_MIDDLE) % MERSENNE_WORDS] ^ (joined >> 1) ^
                   ((joined & 1u) != 0 ? 0x9908b0dfu : 0u);
    }
}

static uint32_t mersenne_bits(struct mersenne *mersenne)
{
    uint32_t y;

    if (mersenne->next == MERSENNE_WORDS) {
        mersenne_turn(mersenne->state);
        mersenne->next = 0;
    }
    y = mersenne->state[mersenne->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double mersenne_uniform(struct mersenne *mersenne)
{
    uint32_t high = mersenne_bits(mersenne) >> 5;
    uint32_t low = mersenne_bits(mersenne) >> 6;

    return (high * 67108864.0 + low) / 9007199254740992.0;
}
