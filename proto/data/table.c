/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/table.h"

#include "proto/data/table_class.h"

#include <stdlib.h>
#include <string.h>

enum { PEEK_BYTES = 8, RECORD_BYTES = 16 << 20, COLUMNS = 65536, REARRANGED_BYTES = 1 << 30 };

static void complete(const struct table_options *options, struct table_options *ret)
{
    *ret = options != NULL ? *options : (struct table_options){0};
    if (ret->record_bytes_max == 0)
        ret->record_bytes_max = RECORD_BYTES;
    if (ret->columns_max == 0)
        ret->columns_max = COLUMNS;
    if (ret->rows_max == 0)
        ret->rows_max = UINT32_MAX;
    if (ret->unpacked_bytes_max == 0)
        ret->unpacked_bytes_max = UINT64_C(64) << 30;
    if (ret->rearranged_bytes_max == 0)
        ret->rearranged_bytes_max = REARRANGED_BYTES;
}

/* What is neither packed nor ZIP, by its first bytes. Consumes `source`. */
static struct table *open_plain(struct source *source, const struct table_options *options,
                                struct problem *problem)
{
    unsigned char peek[PEEK_BYTES] = {0};
    int64_t n;

    if (options->text_window > 0)
        return text_windows_open(source, options, problem);
    n = source_read(source, peek, sizeof(peek), problem);
    if (n < 0 || !source_rewind(source, problem)) {
        source_destroy(source);
        return NULL;
    }
    if (memcmp(peek, "\x93NUMPY", 6) == 0)
        return npy_open(source, options, problem);
    if (n >= 4 && peek[0] == 0 && peek[1] == 0 && peek[2] >= 8 && peek[2] <= 14)
        return idx_open(source, options, problem);
    if (peek[0] == '{' || memcmp(peek, "\xef\xbb\xbf{", 4) == 0)
        return json_lines_open(source, options, problem);
    return csv_open(source, options, problem);
}

struct table *table_open(const struct storage *storage, const struct table_options *options,
                         struct problem *problem)
{
    const size_t n = storage->length < 4 ? (size_t)storage->length : 4;
    unsigned char magic[4] = {0};
    struct table_options all;
    struct source *source;
    struct table *table;

    complete(options, &all);
    if (!storage_read(storage, 0, magic, n, problem))
        return NULL;
    if (all.text_window == 0 && (memcmp(magic, "PK\3\4", 4) == 0 || memcmp(magic, "PK\5\6", 4) == 0)) {
        table = npz_open(storage, &all, problem);
    } else {
        source = source_create(storage, 0, storage->length);
        if (magic[0] == 0x1f && magic[1] == 0x8b)
            source = source_unpack(source, PACKED_GZIP, all.unpacked_bytes_max, 0);
        if (source == NULL) {
            table_no_memory(problem);
            return NULL;
        }
        table = open_plain(source, &all, problem);
    }
    if (table != NULL && table->n_rows > all.rows_max) {
        problem_set(problem, 413, "too_large", "it has %lld rows; at most %lld are allowed",
                    (long long)table->n_rows, (long long)all.rows_max);
        table_destroy(table);
        return NULL;
    }
    return table;
}

void table_destroy(struct table *table)
{
    if (table != NULL)
        table->class->destroy(table);
}

int64_t table_next(struct table *table, int64_t rows_max, void *const *columns,
                   struct problem *problem)
{
    return table->class->next(table, rows_max, columns, problem);
}

bool table_rewind(struct table *table, struct problem *problem)
{
    return table->class->rewind(table, problem);
}

int table_find(const struct table *table, const char *name)
{
    for (int c = 0; c < table->n_columns; c++)
        if (strcmp(table->columns[c].name, name) == 0)
            return c;
    return -1;
}

bool table_column_init(struct table_column *column, enum wire_type type, const char *name,
                       size_t length)
{
    *column = (struct table_column){.type = type, .elements = 1};
    column->name = strndup(name, length);
    return column->name != NULL;
}

void table_columns_free(struct table *table)
{
    for (int c = 0; c < table->n_columns; c++)
        free((char *)(uintptr_t)table->columns[c].name);
    free(table->columns);
}

void table_text_keep(struct text *text, struct wire_bytes *cell, const char *data, size_t length)
{
    *cell = (struct wire_bytes){(const char *)(uintptr_t)text->length, length};
    text_append(text, data, length);
}

void table_text_settle(const struct text *text, struct wire_bytes *cells, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        cells[i].data = cells[i].length > 0 ? text->data + (uintptr_t)cells[i].data : "";
}

bool table_no_memory(struct problem *problem)
{
    return problem_set(problem, 507, "no_memory", "out of memory");
}
