/* SPDX-License-Identifier: Apache-2.0
 * proto/data/table_class.h - what the formats' readers share, for them alone. */
#ifndef PROTO_DATA_TABLE_CLASS_H
#define PROTO_DATA_TABLE_CLASS_H

#include "proto/data/table.h"
#include "proto/text.h"

struct table_class {
    int64_t (*next)(struct table *table, int64_t rows_max, void *const *columns,
                    struct problem *problem);
    bool (*rewind)(struct table *table, struct problem *problem);
    void (*destroy)(struct table *table);
};

/* All take over `source`, on failure as well; options are complete. NULL with `problem`. */
struct table *csv_open(struct source *source, const struct table_options *options,
                       struct problem *problem);
struct table *json_lines_open(struct source *source, const struct table_options *options,
                              struct problem *problem);
struct table *npy_open(struct source *source, const struct table_options *options,
                       struct problem *problem);
struct table *idx_open(struct source *source, const struct table_options *options,
                       struct problem *problem);
struct table *text_windows_open(struct source *source, const struct table_options *options,
                                struct problem *problem);
struct table *npz_open(const struct storage *storage, const struct table_options *options,
                       struct problem *problem);

/* A scalar column of that name, copied; false when out of memory. */
bool table_column_init(struct table_column *column, enum wire_type type, const char *name,
                       size_t length);
void table_columns_free(struct table *table);

/* Texts of one block of rows: they move while it grows, so cells hold offsets (as pointers from
 * NULL) until all are there. */
void table_text_keep(struct text *text, struct wire_bytes *cell, const char *data, size_t length);
void table_text_settle(const struct text *text, struct wire_bytes *cells, int64_t n);

bool table_no_memory(struct problem *problem);

/* A block of rows ends early when it has so much text. */
enum { TABLE_TEXT_BYTES = 1 << 20 };

#endif
