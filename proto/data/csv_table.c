/* SPDX-License-Identifier: Apache-2.0
 * CSV files as tables. */
#include "config.h"

#include "proto/data/csv_record.h"
#include "proto/data/csv_value.h"
#include "proto/data/table_class.h"
#include "proto/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the first pass learns of a column. */
struct csv_kind {
    bool first_is_number; /* the cell of the first record */
    bool has_value;       /* some later cell is not missing */
    bool is_text, is_fraction; /* some later cell is no number; is no integer */
    int64_t text_line;
};

struct csv_table {
    struct table table; /* first: they are one address */
    struct source *source;
    struct csv_records records;
    enum table_missing missing;
    bool has_header;
    bool started; /* the header is behind us */
    struct text text;
    struct csv_kind *kinds;
};

static void csv_destroy(struct table *table)
{
    struct csv_table *csv = (struct csv_table *)table;

    csv_records_finish(&csv->records);
    source_destroy(csv->source);
    table_columns_free(table);
    text_free(&csv->text);
    free(csv->kinds);
    free(csv);
}

static bool csv_rewind(struct table *table, struct problem *problem)
{
    struct csv_table *csv = (struct csv_table *)table;

    csv->started = false;
    return csv_records_rewind(&csv->records, problem);
}

static bool bad_value(const struct csv_table *csv, int c, struct problem *problem,
                      const char *expected)
{
    const struct csv_cell *cell = &csv->records.cells[c];
    int shown = cell->length < 40 ? (int)cell->length : 40;

    return problem_set(problem, 400, "bad_data", "line %lld, column '%.100s': '%.*s'; %s is expected",
                       (long long)csv->records.reader.line, csv->table.columns[c].name, shown, cell->data,
                       expected);
}

/* 1: the record has as many cells as there are columns, and no value missing; 2: it is to be skipped;
 * 0 the end; -1 with `problem`. */
static int next_row(struct csv_table *csv, struct problem *problem)
{
    const struct table *table = &csv->table;
    int found = csv_records_next(&csv->records, problem);

    if (found == 1 && csv->has_header && !csv->started)
        found = csv_records_next(&csv->records, problem);
    csv->started = true;
    if (found <= 0)
        return found;
    if (csv->records.n_cells != table->n_columns) {
        problem_set(problem, 400, "bad_data", "line %lld has %d cells; %d are expected",
                    (long long)csv->records.reader.line, csv->records.n_cells, table->n_columns);
        return -1;
    }
    for (int c = 0; c < table->n_columns; c++) {
        if (!csv_is_missing(&csv->records.cells[c], table->columns[c].type != WIRE_BYTES))
            continue;
        if (csv->missing == TABLE_MISSING_ROW_SKIPPED)
            return 2;
        bad_value(csv, c, problem, "a value");
        return -1;
    }
    return 1;
}

/* The cells of one record into row `row` of the columns that are wanted. */
static bool store_row(struct csv_table *csv, int64_t row, void *const *columns,
                      struct problem *problem)
{
    const struct table *table = &csv->table;

    for (int c = 0; c < table->n_columns; c++) {
        const struct csv_cell *cell = &csv->records.cells[c];
        struct wire_bytes *bytes = columns[c];

        if (columns[c] == NULL)
            continue;
        if (table->columns[c].type == WIRE_INT64) {
            if (!csv_integer(cell, (int64_t *)columns[c] + row))
                return bad_value(csv, c, problem, "an integer");
        } else if (table->columns[c].type == WIRE_FP64) {
            if (!csv_number(cell, (double *)columns[c] + row))
                return bad_value(csv, c, problem, "a number");
        } else {
            if (!utf8_valid(cell->data, cell->length))
                return problem_set(problem, 400, "bad_data",
                                   "line %lld, column '%.100s': UTF-8 is expected",
                                   (long long)csv->records.reader.line, table->columns[c].name);
            table_text_keep(&csv->text, &bytes[row], cell->data, cell->length);
        }
    }
    return !csv->text.failed || table_no_memory(problem);
}

static int64_t csv_next(struct table *table, int64_t rows_max, void *const *columns,
                        struct problem *problem)
{
    struct csv_table *csv = (struct csv_table *)table;
    int64_t rows = 0;
    int found;

    csv->text.length = 0;
    while (rows < rows_max && csv->text.length < TABLE_TEXT_BYTES) {
        found = next_row(csv, problem);
        if (found < 0)
            return -1;
        if (found == 0)
            break;
        if (found == 1 && !store_row(csv, rows++, columns, problem))
            return -1;
    }
    for (int c = 0; c < table->n_columns; c++)
        if (table->columns[c].type == WIRE_BYTES && columns[c] != NULL)
            table_text_settle(&csv->text, columns[c], rows);
    return rows;
}

static const struct table_class csv_class = {csv_next, csv_rewind, csv_destroy};

/* The first record: how many columns, and which look like numbers. Its cells are kept as names, which
 * they may turn out to be. */
static bool read_first(struct csv_table *csv, struct problem *problem)
{
    struct table *table = &csv->table;
    int found = csv_records_next(&csv->records, problem);
    double number;

    if (found < 0)
        return false;
    if (found == 0)
        return problem_set(problem, 400, "bad_data", "it is empty");
    table->columns = calloc((size_t)csv->records.n_cells, sizeof(table->columns[0]));
    csv->kinds = calloc((size_t)csv->records.n_cells, sizeof(csv->kinds[0]));
    if (table->columns == NULL || csv->kinds == NULL)
        return table_no_memory(problem);
    for (int c = 0; c < csv->records.n_cells; c++) {
        const struct csv_cell *cell = &csv->records.cells[c];

        if (!table_column_init(&table->columns[c], WIRE_BYTES, cell->data, cell->length))
            return table_no_memory(problem);
        table->n_columns++;
        csv->kinds[c].first_is_number =
            csv_is_missing(cell, true) || csv_number(cell, &number);
    }
    return true;
}

/* What the record says of the columns' kinds. */
static void learn_kinds(struct csv_table *csv)
{
    int64_t integer;
    double number;

    for (int c = 0; c < csv->table.n_columns; c++) {
        const struct csv_cell *cell = &csv->records.cells[c];
        struct csv_kind *kind = &csv->kinds[c];

        if (kind->is_text || csv_is_missing(cell, true))
            continue;
        kind->has_value = true;
        if (!kind->is_fraction && csv_integer(cell, &integer))
            continue;
        kind->is_fraction = true;
        if (!csv_number(cell, &number)) {
            kind->is_text = true;
            kind->text_line = csv->records.reader.line;
        }
    }
}

/* A first record is a header if it has a word over numbers, or nothing but different words over
 * words. */
static bool looks_like_header(const struct csv_table *csv)
{
    bool words = true;

    for (int c = 0; c < csv->table.n_columns; c++) {
        if (!csv->kinds[c].first_is_number && csv->kinds[c].has_value && !csv->kinds[c].is_text)
            return true;
        words = words && !csv->kinds[c].first_is_number;
        for (int d = 0; words && d < c && d < 1000; d++)
            words = strcmp(csv->table.columns[c].name, csv->table.columns[d].name) != 0;
    }
    return words && csv->table.n_rows > 0;
}

/* The whole file once: kinds of columns and the number of records behind the first. */
static bool survey(struct csv_table *csv, struct problem *problem)
{
    int found;

    while ((found = csv_records_next(&csv->records, problem)) == 1) {
        if (csv->records.n_cells != csv->table.n_columns)
            return problem_set(problem, 400, "bad_data", "line %lld has %d cells; %d are expected",
                               (long long)csv->records.reader.line, csv->records.n_cells,
                               csv->table.n_columns);
        learn_kinds(csv);
        csv->table.n_rows++;
    }
    return found == 0;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool check_names(const struct table *table, struct problem *problem)
{
    const char **names = calloc((size_t)table->n_columns, sizeof(names[0]));
    bool good = names != NULL || table_no_memory(problem);

    for (int c = 0; good && c < table->n_columns; c++)
        names[c] = table->columns[c].name;
    if (good)
        qsort(names, (size_t)table->n_columns, sizeof(names[0]), by_text);
    for (int c = 1; good && c < table->n_columns; c++)
        if (strcmp(names[c - 1], names[c]) == 0)
            good = problem_set(problem, 400, "bad_data", "line 1: column '%.100s' is there twice",
                               names[c]);
    free(names);
    return good;
}

static bool name_columns(struct csv_table *csv, struct problem *problem)
{
    struct table *table = &csv->table;
    char number[16];

    for (int c = 0; c < table->n_columns; c++) {
        struct table_column *column = &table->columns[c];
        const struct csv_kind *kind = &csv->kinds[c];

        if (csv->has_header && !utf8_valid(column->name, strlen(column->name)))
            return problem_set(problem, 400, "bad_data", "line 1, column %d: its name is not UTF-8",
                               c + 1);
        if (!csv->has_header || column->name[0] == '\0') {
            free((char *)(uintptr_t)column->name);
            snprintf(number, sizeof(number), "%d", c + 1);
            column->name = strdup(number);
            if (column->name == NULL)
                return table_no_memory(problem);
        }
        column->text_line = kind->text_line;
        if (kind->has_value && !kind->is_text)
            column->type = kind->is_fraction ? WIRE_FP64 : WIRE_INT64;
    }
    return check_names(table, problem);
}

/* Rows that next() will skip do not count. */
static bool count_skipped(struct csv_table *csv, struct problem *problem)
{
    int found;

    if (csv->missing != TABLE_MISSING_ROW_SKIPPED)
        return true;
    if (!csv_rewind(&csv->table, problem))
        return false;
    while ((found = next_row(csv, problem)) > 0)
        csv->table.n_skipped += found == 2;
    csv->table.n_rows -= csv->table.n_skipped;
    return found == 0;
}

static bool find_out(struct csv_table *csv, const struct table_options *options,
                     struct problem *problem)
{
    csv->records.delimiter = options->delimiter;
    if (options->delimiter == '\0' && !csv_records_find_delimiter(&csv->records, problem))
        return false;
    if (!read_first(csv, problem) || !survey(csv, problem))
        return false;
    csv->has_header = options->header == TABLE_HEADER_YES ||
                      (options->header == TABLE_HEADER_AUTO && looks_like_header(csv));
    if (!csv->has_header) {
        /* It is a row like the others. */
        if (!csv_rewind(&csv->table, problem) || csv_records_next(&csv->records, problem) != 1)
            return false;
        learn_kinds(csv);
        csv->table.n_rows++;
    }
    return name_columns(csv, problem) && count_skipped(csv, problem) &&
           csv_rewind(&csv->table, problem);
}

struct table *csv_open(struct source *source, const struct table_options *options,
                       struct problem *problem)
{
    struct csv_table *csv = calloc(1, sizeof(*csv));

    if (csv == NULL) {
        source_destroy(source);
        table_no_memory(problem);
        return NULL;
    }
    csv->source = source;
    csv->table.format = TABLE_CSV;
    csv->table.class = &csv_class;
    csv->missing = options->missing;
    text_init(&csv->text);
    csv_records_init(&csv->records, source, options->record_bytes_max, options->columns_max);
    if (options->delimiter != '\0' && !csv_is_delimiter(options->delimiter)) {
        problem_set(problem, 400, "bad_data",
                    "the delimiter must be one of , ; : | tab and space");
        csv_destroy(&csv->table);
        return NULL;
    }
    if (!find_out(csv, options, problem)) {
        csv_destroy(&csv->table);
        return NULL;
    }
    return &csv->table;
}
