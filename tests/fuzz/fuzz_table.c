/* SPDX-License-Identifier: Apache-2.0
 * Data files of any format. The first byte picks how they are read: whether rows with missing values
 * are skipped, whether there is a header, how many rows at a time. What was read once must come again
 * after a rewind, and be as many rows as was said. */
#include "proto/data/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROW_BYTES_MAX = 1 << 16, COLUMNS_MAX = 64, STEP_MAX = 8 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* FNV-1a over what was read of each column, texts by their bytes. */
static void digest(const struct table *table, int64_t rows, void *const *columns, uint64_t *hashes)
{
    for (int c = 0; c < table->n_columns; c++) {
        const int64_t items = rows * table->columns[c].elements;
        const struct wire_bytes *texts = columns[c];
        uint64_t hash = hashes[c];

        for (int64_t i = 0; i < items; i++) {
            const bool text = table->columns[c].type == WIRE_BYTES;
            const size_t size = text ? texts[i].length : wire_type_bytes(table->columns[c].type);
            const unsigned char *p = text ? (const unsigned char *)texts[i].data
                                          : (const unsigned char *)columns[c] + (size_t)i * size;

            for (size_t b = 0; b < size; b++)
                hash = (hash ^ p[b]) * UINT64_C(0x100000001b3);
            hash = (hash ^ size) * UINT64_C(0x100000001b3);
        }
        hashes[c] = hash;
    }
}

/* All rows; -1 if there was a problem. */
static int64_t read_all(struct table *table, int64_t step, void *const *columns, uint64_t *hashes)
{
    struct problem problem = {0};
    int64_t total = 0, rows;

    memset(hashes, 1, COLUMNS_MAX * sizeof(hashes[0]));
    while ((rows = table_next(table, step, columns, &problem)) > 0) {
        require(rows <= step);
        digest(table, rows, columns, hashes);
        total += rows;
    }
    require(rows == 0 || (problem.status >= 400 && problem.text[0] != '\0'));
    return rows < 0 ? -1 : total;
}

static void read_twice(struct table *table, int64_t step, void *const *columns)
{
    struct problem problem = {0};
    uint64_t first[COLUMNS_MAX], second[COLUMNS_MAX];
    int64_t rows = read_all(table, step, columns, first);

    require(rows < 0 || rows == table->n_rows);
    if (table_rewind(table, &problem)) {
        require(read_all(table, 1, columns, second) == rows);
        require(rows < 0 || memcmp(first, second, sizeof(first)) == 0);
    } else {
        require(rows < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table_options options = {
        .record_bytes_max = 1 << 16,
        .columns_max = COLUMNS_MAX,
        .rows_max = 1 << 16,
        .unpacked_bytes_max = 1 << 20,
        .rearranged_bytes_max = 1 << 16,
    };
    void *columns[COLUMNS_MAX] = {NULL};
    struct storage storage = {.memory = data, .fd = -1, .length = size};
    struct problem problem = {0};
    struct table *table;
    int64_t step = 1, bytes = 0, elements;

    if (size > 0) {
        options.missing = data[0] & 1 ? TABLE_MISSING_ROW_SKIPPED : TABLE_MISSING_REFUSED;
        options.header = data[0] / 2 % 3;
        step = 1 + data[0] / 6 % STEP_MAX;
        storage = (struct storage){.memory = data + 1, .fd = -1, .length = size - 1};
    }
    table = table_open(&storage, &options, &problem);
    if (table == NULL) {
        require(problem.status >= 400 && problem.reason != NULL && problem.text[0] != '\0');
        return 0;
    }
    require(table->n_columns >= 1 && table->n_columns <= COLUMNS_MAX);
    for (int c = 0; c < table->n_columns; c++) {
        elements = table->columns[c].elements;
        bytes += elements < ROW_BYTES_MAX ? elements * 16 : ROW_BYTES_MAX;
    }
    if (bytes < ROW_BYTES_MAX) {
        for (int c = 0; c < table->n_columns; c++) {
            columns[c] = calloc((size_t)(step * table->columns[c].elements) + 1, 16);
            require(columns[c] != NULL);
        }
        read_twice(table, step, columns);
    }
    for (int c = 0; c < table->n_columns; c++)
        free(columns[c]);
    table_destroy(table);
    return 0;
}
