/* SPDX-License-Identifier: Apache-2.0
 * engine/train/labels.h - class names and their ids: names are given in any order while data is
 * read, then sorted once (by their bytes, which for UTF-8 is by code point, as NumPy sorts), so that
 * ids do not depend on the order of the data. One thread while they grow, any afterwards. */
#ifndef ENGINE_TRAIN_LABELS_H
#define ENGINE_TRAIN_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct labels;

enum { LABELS_MAX = 65536, LABEL_BYTES_MAX = 1024 };

/* NULL when out of memory. */
struct labels *labels_create(void);
/* Takes NULL. */
void labels_destroy(struct labels *labels);

/* The id of the name, which is added if it is new; -1 when out of memory or beyond LABELS_MAX names
 * or LABEL_BYTES_MAX bytes. */
int labels_add(struct labels *labels, const char *name, size_t length);
/* The id of the name; -1 if there is none. */
int labels_find(const struct labels *labels, const char *name, size_t length);
int labels_count(const struct labels *labels);
/* NUL-terminated; of an id in range. */
const char *labels_name(const struct labels *labels, int id);

/* Renumbers: by bytes, or, if every name is a decimal integer, by value. */
void labels_sort(struct labels *labels);

#endif
