/* SPDX-License-Identifier: Apache-2.0
 * engine/arena.h - memory that grows in blocks, is bounded by a budget and is given back all at
 * once. Used for a graph's life and for the dynamic executor's run. One thread at a time. */
#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* `bytes_max` bounds the sum of all blocks. NULL when out of memory. */
struct arena *arena_create(size_t bytes_max);
void arena_destroy(struct arena *arena);
/* 64-byte aligned, not zeroed; NULL when the budget or memory is used up. `bytes` may be 0. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* count * size, checked, zeroed. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);
size_t arena_bytes(const struct arena *arena);
/* What the budget still allows. */
size_t arena_left(const struct arena *arena);
/* True if `memory` lies in one of its blocks. */
bool arena_owns(const struct arena *arena, const void *memory);
/* A mark and the way back to it: everything allocated since is given back. */
size_t arena_mark(const struct arena *arena);
void arena_reset(struct arena *arena, size_t mark);

#endif
