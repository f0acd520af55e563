/* SPDX-License-Identifier: Apache-2.0
 * engine/buffer.h - reference-counted memory that weight generations share. Any thread. */
#ifndef ENGINE_BUFFER_H
#define ENGINE_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>

struct buffer {
    atomic_int refs;
    size_t bytes;
    void *data;                    /* 64-byte aligned, never NULL */
};

/* Not zeroed, one reference. NULL when out of memory. */
struct buffer *buffer_create(size_t bytes);
struct buffer *buffer_ref(struct buffer *buffer);
void buffer_unref(struct buffer *buffer);

#endif
