/* SPDX-License-Identifier: Apache-2.0
 * tests/support/fault_disk.h - the model of a disk beneath fault_calls.h: nodes (files, directories)
 * with what is durable, and what has been done since. Out of bounds or memory: abort(). */
#ifndef TESTS_SUPPORT_FAULT_DISK_H
#define TESTS_SUPPORT_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FAULT_DISK_ROOT = 0 };

/* The tree beneath `root` becomes the durable state; `image` is where fault_disk_image() writes. */
void fault_disk_adopt(const char *root, const char *image);
/* The node of that name now; -1 if there is none. */
int fault_disk_child(int parent, const char *name, size_t length);
int fault_disk_make(int parent, const char *name, bool directory);
void fault_disk_unlink(int parent, const char *name);
void fault_disk_rename(int from_parent, const char *from, int to_parent, const char *to);
void fault_disk_write(int node, const void *data, size_t bytes, off_t at);
void fault_disk_truncate(int node, size_t size);
void fault_disk_sync(int node);
/* What has been done since the last sync never becomes durable, but for being done again. */
void fault_disk_lose(int node);
/* What a power cut leaves: the durable state and, by `seed`, none, all, or any part of the rest. */
void fault_disk_image(uint64_t seed);

#endif
