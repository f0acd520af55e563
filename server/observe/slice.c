/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/slice.h"

int slice_of_thread(void)
{
    static _Atomic unsigned threads;
    static _Thread_local int slice = -1;

    if (slice < 0)
        slice = (int)(atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SLICES);
    return slice;
}
