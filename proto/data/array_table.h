/* SPDX-License-Identifier: Apache-2.0
 * proto/data/array_table.h - arrays whose first dimension is the row, each from a source of its own,
 * as one table: what NPY, NPZ and IDX files come to. */
#ifndef PROTO_DATA_ARRAY_TABLE_H
#define PROTO_DATA_ARRAY_TABLE_H

#include "proto/data/npy.h"
#include "proto/data/table_class.h"

/* One column. */
struct array_column {
    struct source *source;
    uint64_t data_begin;      /* bytes of header */
    struct npy_header header; /* for strings: their form */
    size_t item_bytes;
    bool big_endian;
    char *whole;              /* the data of a column-major array, rearranged; NULL for others */
    size_t whole_at;
};

/* An empty table with room for `n` columns. NULL when out of memory. */
struct table *array_table_create(enum table_format format, int n);
/* Adds a column (the table owns its source from now on, on failure as well) of `rank` dimensions, the
 * rows' first. */
bool array_table_add(struct table *table, const char *name, enum wire_type type,
                     const struct array_column *column, int rank, const int64_t *dims,
                     struct problem *problem);
/* Adds a NPY file. */
bool array_table_add_npy(struct table *table, const char *name, struct source *source,
                         size_t rearranged_bytes_max, struct problem *problem);

#endif
