/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/message_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CHUNK_BYTES = 2048 };

/* Header of everything malloc gives; the bytes follow at the next multiple of 64. */
struct block {
    struct block *next;
};

struct message_memory {
    struct block *blocks;
    char *chunk; /* where small things come from */
    size_t left;
    char first[CHUNK_BYTES];
};

struct message_memory *message_memory_create(void)
{
    struct message_memory *memory = aligned_alloc(ALIGNMENT, (sizeof(*memory) + 63) / 64 * 64);

    if (memory == NULL)
        return NULL;
    memory->blocks = NULL;
    memory->chunk = memory->first;
    memory->left = sizeof(memory->first);
    return memory;
}

void message_memory_destroy(struct message_memory *memory)
{
    struct block *block, *next;

    if (memory == NULL)
        return;
    for (block = memory->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(memory);
}

void *message_memory_take_block(struct message_memory *memory, size_t bytes)
{
    struct block *block;
    size_t total;

    if (__builtin_add_overflow(bytes, 2 * ALIGNMENT - 1, &total))
        return NULL;
    block = aligned_alloc(ALIGNMENT, total / ALIGNMENT * ALIGNMENT);
    if (block == NULL)
        return NULL;
    block->next = memory->blocks;
    memory->blocks = block;
    return (char *)block + ALIGNMENT;
}

void *message_memory_take(struct message_memory *memory, size_t bytes)
{
    const size_t alignment = alignof(max_align_t);
    size_t skip = (size_t)(-(uintptr_t)memory->chunk) & (alignment - 1);
    void *taken;

    if (bytes > CHUNK_BYTES / 2) {
        taken = message_memory_take_block(memory, bytes);
    } else {
        if (memory->left < skip || memory->left - skip < bytes) {
            memory->chunk = message_memory_take_block(memory, CHUNK_BYTES);
            memory->left = memory->chunk != NULL ? CHUNK_BYTES : 0;
            if (memory->chunk == NULL)
                return NULL;
            skip = 0;
        }
        taken = memory->chunk + skip;
        memory->chunk += skip + bytes;
        memory->left -= skip + bytes;
    }
    if (taken != NULL)
        memset(taken, 0, bytes);
    return taken;
}
