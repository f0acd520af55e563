/* SPDX-License-Identifier: Apache-2.0
 * Plain text as rows for a model of language: bytes are token ids, a row is a window of them ("tokens")
 * and the same window one byte further on ("next"). Windows follow each other without a gap; what is left
 * of the text is shorter than a window and is left out. */
#include "proto/data/table_class.h"

#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 65536 };

struct windows {
    struct table table;            /* first: a table is one of these */
    struct source *source;
    int64_t window;
    unsigned char *bytes;          /* one window and the byte behind it */
    bool begun;                    /* the first of them is there: the last one of the window before */
};

static void windows_destroy(struct table *table)
{
    struct windows *windows = (struct windows *)table;

    table_columns_free(table);
    source_destroy(windows->source);
    free(windows->bytes);
    free(windows);
}

static bool windows_rewind(struct table *table, struct problem *problem)
{
    struct windows *windows = (struct windows *)table;

    windows->begun = false;
    return source_rewind(windows->source, problem);
}

/* 1: a window is in `bytes`. 0: the text is at its end. -1 with `problem`. */
static int read_window(struct windows *windows, struct problem *problem)
{
    const size_t kept = windows->begun ? 1 : 0, wanted = (size_t)windows->window + 1 - kept;
    int64_t n;

    if (windows->begun)
        windows->bytes[0] = windows->bytes[windows->window];
    n = source_read(windows->source, windows->bytes + kept, wanted, problem);
    windows->begun = true;
    return n < 0 ? -1 : n == (int64_t)wanted;
}

static int64_t windows_next(struct table *table, int64_t rows_max, void *const *columns,
                            struct problem *problem)
{
    struct windows *windows = (struct windows *)table;
    const size_t size = (size_t)windows->window;
    int64_t rows = 0;

    for (; rows < rows_max; rows++) {
        int got = read_window(windows, problem);

        if (got <= 0)
            return got < 0 ? -1 : rows;
        for (int c = 0; c < table->n_columns; c++)
            if (columns[c] != NULL)
                memcpy((unsigned char *)columns[c] + (size_t)rows * size, windows->bytes + c, size);
    }
    return rows;
}

static const struct table_class windows_class = {windows_next, windows_rewind, windows_destroy};

/* Reads all of it, which may be packed: -1 with `problem`. */
static int64_t count_bytes(struct source *source, struct problem *problem)
{
    char *buffer = malloc(READ_BYTES);
    int64_t total = 0, n;

    if (buffer == NULL) {
        table_no_memory(problem);
        return -1;
    }
    while ((n = source_read(source, buffer, READ_BYTES, problem)) > 0)
        total += n;
    free(buffer);
    return n < 0 || !source_rewind(source, problem) ? -1 : total;
}

static bool fill(struct windows *windows, struct problem *problem)
{
    struct table *table = &windows->table;
    int64_t total = count_bytes(windows->source, problem);

    if (total < 0)
        return false;
    if (total <= windows->window)
        return problem_set(problem, 400, "bad_data",
                           "the text has %lld bytes; a window of %lld and the byte behind it are expected",
                           (long long)total, (long long)windows->window);
    table->n_rows = (total - 1) / windows->window;
    windows->bytes = malloc((size_t)windows->window + 1);
    table->columns = calloc(2, sizeof(*table->columns));
    if (windows->bytes == NULL || table->columns == NULL)
        return table_no_memory(problem);
    for (; table->n_columns < 2; table->n_columns++) {
        struct table_column *column = &table->columns[table->n_columns];
        const char *name = table->n_columns == 0 ? "tokens" : "next";

        if (!table_column_init(column, WIRE_UINT8, name, strlen(name)))
            return table_no_memory(problem);
        column->rank = 1;
        column->dims[0] = column->elements = windows->window;
    }
    return true;
}

struct table *text_windows_open(struct source *source, const struct table_options *options,
                                struct problem *problem)
{
    struct windows *windows = calloc(1, sizeof(*windows));

    if (windows == NULL) {
        source_destroy(source);
        table_no_memory(problem);
        return NULL;
    }
    windows->table.format = TABLE_TEXT;
    windows->table.class = &windows_class;
    windows->source = source;
    windows->window = options->text_window;
    if (fill(windows, problem))
        return &windows->table;
    windows_destroy(&windows->table);
    return NULL;
}
