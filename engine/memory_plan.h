/* SPDX-License-Identifier: Apache-2.0
 * engine/memory_plan.h - lifetimes to offsets in one block of memory: a pure function. */
#ifndef ENGINE_MEMORY_PLAN_H
#define ENGINE_MEMORY_PLAN_H

#include <stdbool.h>
#include <stddef.h>

enum { MEMORY_ALIGNMENT = 64 };

/* Alive in steps first .. last, both included. */
struct memory_item {
    size_t bytes;
    int first, last;
    size_t offset;                 /* set by memory_plan(), a multiple of MEMORY_ALIGNMENT */
};

/* Items whose lives overlap get bytes that do not. Best fit, largest first, quadratic in `count` up
 * to a few thousand items; beyond, a faster and slightly wasteful way. False when out of memory or
 * when the sum passes size_t. `ret_bytes` is the size of the block. */
bool memory_plan(struct memory_item *items, int count, size_t *ret_bytes);

#endif
