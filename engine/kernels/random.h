/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/random.h - random numbers. Two kinds: our own, a function of (seed, index) without
 * state, so that any part of a tensor can be made by any thread; and the Mersenne Twister as NumPy
 * runs it, for operators whose reference is NumPy's legacy generator. */
#ifndef ENGINE_KERNELS_RANDOM_H
#define ENGINE_KERNELS_RANDOM_H

#include <stdint.h>

/* 64 random bits: number `index` of the stream `seed`. */
uint64_t random_bits(uint64_t seed, uint64_t index);
/* Uniform in [0, 1), 53 bits. */
double random_uniform(uint64_t seed, uint64_t index);
/* Standard normal (Box and Muller 1958), from two uniform numbers of the stream. */
double random_normal(uint64_t seed, uint64_t index);
/* A seed like no other in this process, and unlikely in another. Any thread. */
uint64_t random_fresh_seed(void);

/* MT19937 (Matsumoto and Nishimura 1998), seeded by its init_genrand. */
struct mersenne {
    uint32_t state[624];
    int next;
};

void mersenne_init(struct mersenne *mersenne, uint32_t seed);
/* Uniform in [0, 1) from 53 bits of two outputs: numpy.random.RandomState.random_sample(). */
double mersenne_uniform(struct mersenne *mersenne);

#endif
