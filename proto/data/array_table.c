/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/array_table.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 65536 };

struct array_table {
    struct table table; /* first: they are one address */
    struct array_column *arrays;
    int64_t at; /* rows given */
    struct text text;
    char scratch[SCRATCH_BYTES];
};

static void array_table_destroy(struct table *table)
{
    struct array_table *arrays = (struct array_table *)table;

    for (int c = 0; c < table->n_columns; c++) {
        source_destroy(arrays->arrays[c].source);
        free(arrays->arrays[c].whole);
    }
    table_columns_free(table);
    free(arrays->arrays);
    text_free(&arrays->text);
    free(arrays);
}

static bool ends_too_early(struct problem *problem)
{
    return problem_set(problem, 400, "bad_data", "it ends before all values that its shape says");
}

/* Reads and forgets `bytes`. */
static bool skip(struct array_table *arrays, struct source *source, uint64_t bytes,
                 struct problem *problem)
{
    for (; bytes > 0;) {
        size_t some = bytes < SCRATCH_BYTES ? (size_t)bytes : SCRATCH_BYTES;
        int64_t n = source_read(source, arrays->scratch, some, problem);

        if (n < 0)
            return false;
        if ((size_t)n < some)
            return ends_too_early(problem);
        bytes -= some;
    }
    return true;
}

static bool array_table_rewind(struct table *table, struct problem *problem)
{
    struct array_table *arrays = (struct array_table *)table;

    arrays->at = 0;
    for (int c = 0; c < table->n_columns; c++) {
        struct array_column *column = &arrays->arrays[c];

        column->whole_at = 0;
        if (column->whole == NULL && (!source_rewind(column->source, problem) ||
                                      !skip(arrays, column->source, column->data_begin, problem)))
            return false;
    }
    return true;
}

static void swap_bytes(char *data, size_t item_bytes, int64_t items)
{
    for (; items > 0; items--, data += item_bytes)
        for (size_t a = 0, b = item_bytes - 1; a < b; a++, b--) {
            char kept = data[a];

            data[a] = data[b];
            data[b] = kept;
        }
}

/* Exactly `bytes` of a column's data. */
static bool read_data(struct array_column *column, char *to, size_t bytes, struct problem *problem)
{
    int64_t n;

    if (column->whole != NULL) {
        memcpy(to, column->whole + column->whole_at, bytes);
        column->whole_at += bytes;
        return true;
    }
    n = source_read(column->source, to, bytes, problem);
    return n == (int64_t)bytes || (n >= 0 && ends_too_early(problem));
}

/* Strings of fixed width, one by one: the block is small (TABLE_TEXT_BYTES). */
static bool read_strings(struct array_table *arrays, struct array_column *column, int64_t items,
                         struct wire_bytes *to, struct problem *problem)
{
    const size_t bytes = column->item_bytes;
    char *item = malloc(2 * bytes);
    bool good = item != NULL || table_no_memory(problem);

    for (int64_t i = 0; good && i < items; i++) {
        struct wire_bytes string;

        good = read_data(column, item, bytes, problem) &&
               npy_string(item, &column->header, item + bytes, &string, problem);
        if (good)
            table_text_keep(&arrays->text, &to[i], string.data, string.length);
    }
    free(item);
    return good;
}

static bool read_column(struct array_table *arrays, int c, int64_t rows, void *to,
                        struct problem *problem)
{
    struct array_column *column = &arrays->arrays[c];
    const struct table_column *shape = &arrays->table.columns[c];
    const int64_t items = rows * shape->elements;

    if (to == NULL) {
        column->whole_at += (size_t)items * column->item_bytes;
        return column->whole != NULL ||
               skip(arrays, column->source, (uint64_t)items * column->item_bytes, problem);
    }
    if (shape->type == WIRE_BYTES)
        return read_strings(arrays, column, items, to, problem);
    if (!read_data(column, to, (size_t)items * column->item_bytes, problem))
        return false;
    if (column->big_endian)
        swap_bytes(to, column->item_bytes, items);
    return true;
}

/* After the last row nothing may follow; for members of a ZIP file this reads on to the checksum. */
static bool check_end(struct array_table *arrays, struct problem *problem)
{
    char more;
    int64_t n;

    for (int c = 0; c < arrays->table.n_columns; c++) {
        if (arrays->arrays[c].whole != NULL)
            continue;
        n = source_read(arrays->arrays[c].source, &more, 1, problem);
        if (n < 0)
            return false;
        if (n > 0)
            return problem_set(problem, 400, "bad_data", "it has more values than its shape says");
    }
    return true;
}

static int64_t array_table_next(struct table *table, int64_t rows_max, void *const *columns,
                                struct problem *problem)
{
    struct array_table *arrays = (struct array_table *)table;
    int64_t rows = table->n_rows - arrays->at, bytes, most;

    rows = rows < rows_max ? rows : rows_max;
    for (int c = 0; c < table->n_columns; c++) {
        bytes = table->columns[c].elements * (int64_t)arrays->arrays[c].item_bytes;
        most = TABLE_TEXT_BYTES / (bytes > 0 ? bytes : 1);
        if (table->columns[c].type == WIRE_BYTES && rows > most)
            rows = most > 0 ? most : rows > 0;
    }
    arrays->text.length = 0;
    for (int c = 0; c < table->n_columns; c++)
        if (!read_column(arrays, c, rows, columns[c], problem)) {
            problem_prefix(problem, "row %lld", (long long)arrays->at);
            if (table->columns[c].name[0] != '\0')
                problem_prefix(problem, "array '%.100s'", table->columns[c].name);
            return -1;
        }
    if (arrays->text.failed) {
        table_no_memory(problem);
        return -1;
    }
    for (int c = 0; c < table->n_columns; c++)
        if (table->columns[c].type == WIRE_BYTES && columns[c] != NULL)
            table_text_settle(&arrays->text, columns[c], rows * table->columns[c].elements);
    arrays->at += rows;
    if (rows > 0 && arrays->at == table->n_rows && !check_end(arrays, problem))
        return -1;
    return rows;
}

static const struct table_class array_class = {
    array_table_next,
    array_table_rewind,
    array_table_destroy,
};

struct table *array_table_create(enum table_format format, int n)
{
    struct array_table *arrays = calloc(1, sizeof(*arrays));

    if (arrays == NULL)
        return NULL;
    arrays->table.format = format;
    arrays->table.class = &array_class;
    text_init(&arrays->text);
    arrays->arrays = calloc((size_t)n + 1, sizeof(arrays->arrays[0]));
    arrays->table.columns = calloc((size_t)n + 1, sizeof(arrays->table.columns[0]));
    if (arrays->arrays == NULL || arrays->table.columns == NULL) {
        array_table_destroy(&arrays->table);
        return NULL;
    }
    return &arrays->table;
}

bool array_table_add(struct table *table, const char *name, enum wire_type type,
                     const struct array_column *column, int rank, const int64_t *dims,
                     struct problem *problem)
{
    struct array_table *arrays = (struct array_table *)table;
    const int c = table->n_columns++;
    int64_t count;

    arrays->arrays[c] = *column;
    if (!table_column_init(&table->columns[c], type, name, strlen(name)))
        return table_no_memory(problem);
    if (rank == 0)
        return problem_set(problem, 400, "bad_data", "it is a single value; rows are expected");
    if (!wire_count(dims, rank, column->item_bytes + sizeof(struct wire_bytes), &count) ||
        !wire_count(dims + 1, rank - 1, column->item_bytes + sizeof(struct wire_bytes),
                    &table->columns[c].elements))
        return problem_set(problem, 400, "bad_data", "its shape is too large");
    table->columns[c].rank = rank - 1;
    memcpy(table->columns[c].dims, dims + 1, (size_t)(rank - 1) * sizeof(dims[0]));
    if (c > 0 && dims[0] != table->n_rows)
        return problem_set(problem, 400, "bad_data", "it has %lld rows, '%.100s' has %lld",
                           (long long)dims[0], table->columns[0].name, (long long)table->n_rows);
    table->n_rows = dims[0];
    return true;
}

/* Reads the header; the source then stands at the data. */
static bool read_header(struct source *source, struct array_column *column, struct problem *problem)
{
    unsigned char prefix[NPY_PREFIX_BYTES], *bytes;
    int64_t n = source_read(source, prefix, sizeof(prefix), problem);
    bool good = false;
    size_t length;

    if (n < 0)
        return false;
    if (n < NPY_PREFIX_BYTES)
        return problem_set(problem, 400, "bad_data", "it is no .npy file");
    length = npy_data_offset(prefix, problem);
    if (length == 0)
        return false;
    if (length < NPY_PREFIX_BYTES)
        return problem_set(problem, 400, "bad_data", "its header is too short");
    bytes = malloc(length);
    if (bytes == NULL)
        return table_no_memory(problem);
    memcpy(bytes, prefix, sizeof(prefix));
    n = source_read(source, bytes + sizeof(prefix), length - sizeof(prefix), problem);
    if (n >= 0)
        good = npy_parse_header(bytes, sizeof(prefix) + (size_t)n, &column->header, problem) != 0;
    free(bytes);
    column->data_begin = length;
    column->item_bytes = column->header.item_bytes;
    return good;
}

/* A column-major array is read whole and turned. */
static bool read_whole(struct array_column *column, size_t bytes_max, struct problem *problem)
{
    const struct npy_header *header = &column->header;
    int64_t count, n;
    char *data;
    bool good;

    if (!wire_count(header->dims, header->rank, header->item_bytes, &count) ||
        (uint64_t)count > bytes_max / header->item_bytes)
        return problem_set(problem, 413, "too_large",
                           "it is column-major and larger than the %zu bytes that may be turned: "
                           "save it as numpy.ascontiguousarray(array)",
                           bytes_max);
    data = malloc((size_t)count * header->item_bytes + 1);
    column->whole = malloc((size_t)count * header->item_bytes + 1);
    good = data != NULL && column->whole != NULL;
    if (!good)
        table_no_memory(problem);
    if (good) {
        n = source_read(column->source, data, (size_t)count * header->item_bytes + 1, problem);
        good = n == count * (int64_t)header->item_bytes ||
               (n >= 0 && problem_set(problem, 400, "bad_data",
                                      "its length is not what its shape says"));
    }
    if (good)
        npy_rearrange(data, column->whole, header, count);
    free(data);
    return good;
}

bool array_table_add_npy(struct table *table, const char *name, struct source *source,
                         size_t rearranged_bytes_max, struct problem *problem)
{
    struct array_column column = {.source = source};
    bool good = read_header(source, &column, problem);

    if (good && column.header.column_major && column.header.rank > 1)
        good = read_whole(&column, rearranged_bytes_max, problem);
    if (!good) {
        source_destroy(source);
        free(column.whole);
        return false;
    }
    return array_table_add(table, name, column.header.type, &column, column.header.rank,
                           column.header.dims, problem);
}
