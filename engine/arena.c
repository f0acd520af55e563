/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, BLOCK_BYTES = 64 * 1024 };

struct block {
    struct block *previous;
    size_t start;               /* position of data[0] in the arena's running count */
    size_t used, size;
    unsigned char *data;        /* ALIGNMENT-aligned, behind this header */
};

struct arena {
    struct block *last;
    size_t bytes, bytes_max;    /* sum of block sizes */
};

struct arena *arena_create(size_t bytes_max)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    if (arena != NULL)
        arena->bytes_max = bytes_max;
    return arena;
}

void arena_destroy(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena, 0);
    free(arena);
}

static struct block *add_block(struct arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct block *block;

    if (arena->bytes_max - arena->bytes < size) {
        size = bytes;           /* near the budget: no more than needed */
        if (arena->bytes_max - arena->bytes < size)
            return NULL;
    }
    block = aligned_alloc(ALIGNMENT, ALIGNMENT + size);
    if (block == NULL)
        return NULL;
    block->previous = arena->last;
    block->start = arena->last != NULL ? arena->last->start + arena->last->used : 0;
    block->used = 0;
    block->size = size;
    block->data = (unsigned char *)block + ALIGNMENT;
    arena->last = block;
    arena->bytes += size;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct block *block = arena->last;
    void *memory;

    if (bytes > SIZE_MAX / 4)
        return NULL;
    bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (bytes == 0)
        bytes = ALIGNMENT;
    if (block == NULL || block->size - block->used < bytes) {
        block = add_block(arena, bytes);
        if (block == NULL)
            return NULL;
    }
    memory = block->data + block->used;
    block->used += bytes;
    return memory;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *memory;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    memory = arena_alloc(arena, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? arena_alloc(arena, length + 1) : NULL;

    if (copy != NULL) {
        if (length > 0)
            memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->bytes;
}

size_t arena_left(const struct arena *arena)
{
    return arena->bytes_max - arena->bytes;
}

bool arena_owns(const struct arena *arena, const void *memory)
{
    for (const struct block *block = arena->last; block != NULL; block = block->previous)
        if ((uintptr_t)memory - (uintptr_t)block->data < block->size)
            return true;
    return false;
}

size_t arena_mark(const struct arena *arena)
{
    return arena->last != NULL ? arena->last->start + arena->last->used : 0;
}

void arena_reset(struct arena *arena, size_t mark)
{
    while (arena->last != NULL && (arena->last->start >= mark || mark == 0)) {
        struct block *block = arena->last;

        arena->last = block->previous;
        arena->bytes -= block->size;
        free(block);
    }
    if (arena->last != NULL && arena->last->start + arena->last->used > mark)
        arena->last->used = mark - arena->last->start;
}
