/* SPDX-License-Identifier: Apache-2.0
 * proto/message_memory.h - what one decoded message holds: blocks taken one by one, freed together.
 * One thread at a time. */
#ifndef PROTO_MESSAGE_MEMORY_H
#define PROTO_MESSAGE_MEMORY_H

#include <stddef.h>

struct message_memory;

/* NULL when out of memory. */
struct message_memory *message_memory_create(void);
/* Takes NULL. */
void message_memory_destroy(struct message_memory *memory);
/* Where a memory stands; message_memory_rewind() gives back all that was taken since. */
struct message_mark {
    void *blocks, *chunk;
    size_t left;
};
struct message_mark message_memory_mark(const struct message_memory *memory);
void message_memory_rewind(struct message_memory *memory, const struct message_mark *mark);
/* `bytes` of zeros for small things, aligned for any type; NULL when out of memory. */
void *message_memory_take(struct message_memory *memory, size_t bytes);
/* A block of its own, not zeroed, aligned to 64 bytes; NULL when out of memory. */
void *message_memory_take_block(struct message_memory *memory, size_t bytes);

#endif
