/* SPDX-License-Identifier: Apache-2.0
 * server/observe/slice.h - which slice of a sliced counter the calling thread adds to. Threads get
 * slices in turn, so few share a cache line; a shared one is still right, since adds are atomic. */
#ifndef SERVER_OBSERVE_SLICE_H
#define SERVER_OBSERVE_SLICE_H

#include <stdatomic.h>
#include <stdint.h>

enum { SLICES = 4 };

/* 0 .. SLICES - 1, the same at each call of one thread. */
int slice_of_thread(void);

static inline void slice_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static inline uint64_t slice_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
