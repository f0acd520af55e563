/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/message_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first chunk is part of a block that malloc still hands out from its fastest bins. */
enum { ALIGNMENT = 64, CHUNK_BYTES = 2048, FIRST_BYTES = 960 };

/* Header of everything malloc gives; the bytes follow at the next multiple of 64. (aligned_alloc() would
 * split each block into three.) */
struct block {
    struct block *next;
};

struct message_memory {
    struct block *blocks;
    char *chunk; /* where small things come from */
    size_t left;
    char first[FIRST_BYTES];
};

struct message_memory *message_memory_create(void)
{
    struct message_memory *memory = malloc(sizeof(*memory));

    if (memory == NULL)
        return NULL;
    memory->blocks = NULL;
    memory->chunk = memory->first;
    memory->left = sizeof(memory->first);
    return memory;
}

static void free_blocks(struct message_memory *memory, const struct block *until)
{
    while (memory->blocks != until) {
        struct block *block = memory->blocks;

        memory->blocks = block->next;
        free(block);
    }
}

void message_memory_destroy(struct message_memory *memory)
{
    if (memory == NULL)
        return;
    free_blocks(memory, NULL);
    free(memory);
}

struct message_mark message_memory_mark(const struct message_memory *memory)
{
    return (struct message_mark){memory->blocks, memory->chunk, memory->left};
}

void message_memory_rewind(struct message_memory *memory, const struct message_mark *mark)
{
    free_blocks(memory, mark->blocks);
    memory->chunk = mark->chunk;
    memory->left = mark->left;
}

void *message_memory_take_block(struct message_memory *memory, size_t bytes)
{
    struct block *block;
    uintptr_t data;
    size_t total;

    if (__builtin_add_overflow(bytes, sizeof(*block) + ALIGNMENT - 1, &total))
        return NULL;
    block = malloc(total);
    if (block == NULL)
        return NULL;
    block->next = memory->blocks;
    memory->blocks = block;
    data = (uintptr_t)(block + 1);
    return (char *)(block + 1) + (-data & (ALIGNMENT - 1));
}

void *message_memory_take(struct message_memory *memory, size_t bytes)
{
    const size_t alignment = alignof(max_align_t);
    size_t skip = (size_t)(-(uintptr_t)memory->chunk) & (alignment - 1);
    void *taken;

    if (bytes > FIRST_BYTES / 2) {
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
