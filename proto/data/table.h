/* SPDX-License-Identifier: Apache-2.0
 * proto/data/table.h - a data file as rows of typed columns, whatever its format: CSV, JSON Lines,
 * NPY, NPZ, IDX, and gzip around any but NPZ. What it is, its first bytes say; plain text is read as
 * windows of bytes when that is asked for. Rows are streamed:
 * memory follows from the limits, not from the file. One thread at a time.
 *
 * Problems say which line (text) or row (from 0), which column, and what was expected; the file's
 * name is for the caller to put before it. */
#ifndef PROTO_DATA_TABLE_H
#define PROTO_DATA_TABLE_H

#include "proto/data/source.h"
#include "proto/wire_tensor.h"

enum table_format { TABLE_CSV, TABLE_JSON_LINES, TABLE_NPY, TABLE_NPZ, TABLE_IDX, TABLE_TEXT };

/* Of one column: BYTES is text; CSV and JSON Lines have INT64 (every value is an integer) or FP64
 * beside it. */
struct table_column {
    const char *name;  /* CSV without header: "1", "2", ...; NPY and IDX: "" */
    enum wire_type type;
    int rank;          /* of one row's value */
    int64_t dims[WIRE_RANK_MAX];
    int64_t elements;  /* of one row's value */
    int64_t text_line; /* CSV: the first line whose value makes it text; 0: none */
};

/* CSV alone: 0 (and AUTO) is found out by reading the whole file first. */
enum table_header { TABLE_HEADER_AUTO, TABLE_HEADER_YES, TABLE_HEADER_NO };
/* A value is missing: an empty cell, in numbers also NA, N/A, NaN, nan, null, NULL and ?; in JSON
 * null or an absent key. */
enum table_missing { TABLE_MISSING_REFUSED, TABLE_MISSING_ROW_SKIPPED };

struct table_options {
    char delimiter;             /* CSV */
    enum table_header header;   /* CSV */
    enum table_missing missing; /* CSV, JSON Lines */
    int64_t text_window;        /* not 0: the file is text, rows are windows of so many bytes: column
                                   "tokens", and the same one byte further on, "next" */
    const char *const *names;   /* NPZ: only these arrays (without ".npy") */
    int n_names;                /* 0: all */
    /* 0: the defaults, which are in the comments. */
    size_t record_bytes_max;    /* one row of text; 16 MiB */
    int columns_max;            /* 65,536 */
    int64_t rows_max;           /* 2^32 - 1 */
    uint64_t unpacked_bytes_max; /* out of gzip; 64 GiB */
    size_t rearranged_bytes_max; /* a column-major array, which is read whole; 1 GiB */
};

struct table {
    enum table_format format;
    int n_columns;
    struct table_column *columns;
    int64_t n_rows;    /* all that table_next() will give */
    int64_t n_skipped; /* rows with a missing value that it will not */
    const struct table_class *class;
};

/* `storage` is borrowed until table_destroy(); `options` (may be NULL) until this returns. Reads text
 * files once from front to back, so that types and the number of rows are known. NULL with
 * `problem`. */
struct table *table_open(const struct storage *storage, const struct table_options *options,
                         struct problem *problem);
/* Takes NULL. */
void table_destroy(struct table *table);

/* The next rows, at most `rows_max`: values of column c go to columns[c], row after row, little-
 * endian in the column's type (for BYTES: struct wire_bytes, whose text lives until the next call).
 * columns[c] NULL: that one is not wanted. Returns how many rows; 0 at the end; -1 with `problem`. */
int64_t table_next(struct table *table, int64_t rows_max, void *const *columns,
                   struct problem *problem);
/* Back to the first row. */
bool table_rewind(struct table *table, struct problem *problem);
/* The number of the column of that name; -1 if there is none. */
int table_find(const struct table *table, const char *name);

#endif
