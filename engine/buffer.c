/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/buffer.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

struct buffer *buffer_create(size_t bytes)
{
    struct buffer *buffer;

    _Static_assert(sizeof(*buffer) <= ALIGNMENT, "the header is one aligned unit");
    if (bytes > SIZE_MAX / 2)
        return NULL;
    buffer =
        aligned_alloc(ALIGNMENT, (ALIGNMENT + bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
    if (buffer == NULL)
        return NULL;
    atomic_init(&buffer->refs, 1);
    buffer->bytes = bytes;
    buffer->data = (unsigned char *)buffer + ALIGNMENT;
    return buffer;
}

struct buffer *buffer_ref(struct buffer *buffer)
{
    if (buffer != NULL)
        atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

void buffer_unref(struct buffer *buffer)
{
    if (buffer != NULL && atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1)
        free(buffer);
}
