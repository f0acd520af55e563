/* SPDX-License-Identifier: Apache-2.0
 * JSON Lines as tables: an object on each line, its keys the columns. A value is a number, true or
 * false (1, 0), a text, or numbers nested in arrays, of the same shape on every line. */
#include "config.h"

#include "proto/data/record_reader.h"
#include "proto/data/table_class.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_MAX = 1 << 28 };

struct json_lines {
    struct table table; /* first: they are one address */
    struct source *source;
    struct record_reader reader;
    enum table_missing missing;
    struct text text;
};

static void json_lines_destroy(struct table *table)
{
    struct json_lines *lines = (struct json_lines *)table;

    record_reader_finish(&lines->reader);
    source_destroy(lines->source);
    table_columns_free(table);
    text_free(&lines->text);
    free(lines);
}

static bool json_lines_rewind(struct table *table, struct problem *problem)
{
    return record_reader_rewind(&((struct json_lines *)table)->reader, problem);
}

static bool bad(const struct json_lines *lines, struct problem *problem, const char *key,
                const char *text)
{
    problem_set(problem, 400, "bad_data", "%s", text);
    if (key != NULL)
        problem_prefix(problem, "key '%.100s'", key);
    problem_prefix(problem, "line %lld", (long long)lines->reader.line);
    return false;
}

/* 1: the next line's object, to be released; 0: the end; -1 with `problem`. */
static int next_object(struct json_lines *lines, json_t **ret_object, struct problem *problem)
{
    json_error_t error;
    char *record;
    size_t length;
    int found = record_reader_next(&lines->reader, &record, &length, problem);

    if (found <= 0)
        return found;
    *ret_object = json_loadb(record, length, JSON_REJECT_DUPLICATES, &error);
    if (*ret_object == NULL) {
        problem_set(problem, 400, "bad_data", "line %lld, byte %d: %.200s",
                    (long long)lines->reader.line, error.position, error.text);
        return -1;
    }
    if (!json_is_object(*ret_object)) {
        json_decref(*ret_object);
        bad(lines, problem, NULL, "an object is expected");
        return -1;
    }
    return 1;
}

/* Shape and kind of a column by its value on the first line. */
static bool add_column(struct json_lines *lines, const char *key, const json_t *value,
                       int columns_max, struct problem *problem)
{
    struct table *table = &lines->table;
    struct table_column *column = &table->columns[table->n_columns];
    const json_t *inner = value;

    if (table->n_columns == columns_max)
        return bad(lines, problem, NULL, "there are too many keys");
    if (!table_column_init(column, json_is_string(value) ? WIRE_BYTES : WIRE_INT64, key,
                           strlen(key)))
        return table_no_memory(problem);
    table->n_columns++;
    for (; json_is_array(inner); inner = json_array_get(inner, 0)) {
        if (column->rank == WIRE_RANK_MAX - 1)
            return bad(lines, problem, key, "arrays are nested too deep");
        if (json_array_size(inner) == 0)
            return bad(lines, problem, key, "an array is empty");
        column->dims[column->rank++] = (int64_t)json_array_size(inner);
    }
    if (!wire_count(column->dims, column->rank, sizeof(double), &column->elements) ||
        column->elements > ELEMENTS_MAX)
        return bad(lines, problem, key, "an array is too large");
    if (!json_is_number(inner) && !json_is_boolean(inner) && inner != value)
        return bad(lines, problem, key, "a number is expected in an array");
    if (!json_is_number(inner) && !json_is_boolean(inner) && !json_is_string(inner))
        return bad(lines, problem, key,
                   "a number, a text or an array of numbers is expected (on the first line, too)");
    return true;
}

static bool number_of(const json_t *value, enum wire_type type, void *to, int64_t at)
{
    int64_t integer = 0;

    if (json_is_boolean(value))
        integer = json_is_true(value);
    else if (json_is_integer(value))
        integer = json_integer_value(value);
    else if (!json_is_real(value))
        return false;
    if (type == WIRE_FP64)
        ((double *)to)[at] = json_is_real(value) ? json_real_value(value) : (double)integer;
    else if (json_is_real(value))
        return false;
    else
        ((int64_t *)to)[at] = integer;
    return true;
}

/* Walks nested arrays without recursion: position by position, each level's array in a slot. `to`
 * NULL: only looks whether there is a fraction. */
static bool read_numbers(const struct json_lines *lines, const struct table_column *column,
                         const json_t *value, void *to, int64_t at, bool *ret_fraction,
                         struct problem *problem)
{
    const json_t *levels[WIRE_RANK_MAX + 1] = {value};
    size_t index[WIRE_RANK_MAX + 1] = {0};
    int level = 0;

    while (level >= 0) {
        const json_t *here = levels[level];

        if (level == column->rank) {
            if (!json_is_number(here) && !json_is_boolean(here))
                return bad(lines, problem, column->name, "a number is expected");
            if (json_is_real(here) && ret_fraction != NULL)
                *ret_fraction = true;
            if (to != NULL && !number_of(here, column->type, to, at))
                return bad(lines, problem, column->name, "an integer is expected");
            at++;
            level--;
        } else if (!json_is_array(here) ||
                   json_array_size(here) != (size_t)column->dims[level]) {
            return bad(lines, problem, column->name,
                       "an array of another shape than on the first line");
        } else if (index[level] == json_array_size(here)) {
            index[level] = 0;
            level--;
        } else {
            levels[level + 1] = json_array_get(here, index[level]++);
            level++;
        }
    }
    return true;
}

/* Looks at every value of a line; 1: all is well; 2: a value is missing and the row is skipped. With
 * `columns` set the values go to row `row`. */
static int read_line(struct json_lines *lines, const json_t *object, void *const *columns,
                     int64_t row, struct problem *problem)
{
    struct table *table = &lines->table;
    size_t met = 0;

    for (int c = 0; c < table->n_columns; c++) {
        const json_t *value = json_object_get(object, table->columns[c].name);

        met += value != NULL;
        if (value != NULL && !json_is_null(value))
            continue;
        if (lines->missing == TABLE_MISSING_ROW_SKIPPED)
            return 2;
        bad(lines, problem, table->columns[c].name, "a value is expected, as on the first line");
        return -1;
    }
    if (met != json_object_size(object)) {
        bad(lines, problem, NULL, "it has keys that the first line has not");
        return -1;
    }
    for (int c = 0; c < table->n_columns; c++) {
        struct table_column *column = &table->columns[c];
        const json_t *value = json_object_get(object, column->name);
        bool fraction = false;

        if (column->type == WIRE_BYTES) {
            if (!json_is_string(value)) {
                bad(lines, problem, column->name, "a text is expected, as on the first line");
                return -1;
            }
            if (columns != NULL && columns[c] != NULL)
                table_text_keep(&lines->text, (struct wire_bytes *)columns[c] + row,
                                json_string_value(value), json_string_length(value));
            continue;
        }
        if (!read_numbers(lines, column, value, columns != NULL ? columns[c] : NULL,
                          row * column->elements, &fraction, problem))
            return -1;
        if (fraction && columns == NULL)
            column->type = WIRE_FP64;
    }
    return 1;
}

static int64_t json_lines_next(struct table *table, int64_t rows_max, void *const *columns,
                               struct problem *problem)
{
    struct json_lines *lines = (struct json_lines *)table;
    int64_t rows = 0;
    json_t *object;
    int found;

    lines->text.length = 0;
    while (rows < rows_max && lines->text.length < TABLE_TEXT_BYTES) {
        found = next_object(lines, &object, problem);
        if (found == 0)
            break;
        if (found > 0) {
            found = read_line(lines, object, columns, rows, problem);
            json_decref(object);
        }
        if (found < 0)
            return -1;
        rows += found == 1;
    }
    if (lines->text.failed) {
        table_no_memory(problem);
        return -1;
    }
    for (int c = 0; c < table->n_columns; c++)
        if (table->columns[c].type == WIRE_BYTES && columns[c] != NULL)
            table_text_settle(&lines->text, columns[c], rows);
    return rows;
}

static const struct table_class json_lines_class = {
    json_lines_next,
    json_lines_rewind,
    json_lines_destroy,
};

/* The first line gives the columns, then the whole file is read once. */
static bool find_out(struct json_lines *lines, const struct table_options *options,
                     struct problem *problem)
{
    json_t *object = NULL, *value;
    const char *key;
    int found = next_object(lines, &object, problem);
    bool good = found > 0;

    if (found < 0)
        return false;
    if (found == 0)
        return problem_set(problem, 400, "bad_data", "it is empty");
    if (json_object_size(object) == 0)
        good = bad(lines, problem, NULL, "the object is empty");
    lines->table.columns = calloc(json_object_size(object) + 1, sizeof(lines->table.columns[0]));
    if (lines->table.columns == NULL)
        good = table_no_memory(problem);
    json_object_foreach (object, key, value)
        good = good && add_column(lines, key, value, options->columns_max, problem);
    json_decref(object);
    if (!good || !record_reader_rewind(&lines->reader, problem))
        return false;
    while ((found = next_object(lines, &object, problem)) > 0) {
        found = read_line(lines, object, NULL, 0, problem);
        json_decref(object);
        if (found < 0)
            break;
        lines->table.n_rows += found == 1;
        lines->table.n_skipped += found == 2;
    }
    return found == 0 && record_reader_rewind(&lines->reader, problem);
}

struct table *json_lines_open(struct source *source, const struct table_options *options,
                              struct problem *problem)
{
    struct json_lines *lines = calloc(1, sizeof(*lines));

    if (lines == NULL) {
        source_destroy(source);
        table_no_memory(problem);
        return NULL;
    }
    lines->source = source;
    lines->table.format = TABLE_JSON_LINES;
    lines->table.class = &json_lines_class;
    lines->missing = options->missing;
    text_init(&lines->text);
    record_reader_init(&lines->reader, source, options->record_bytes_max, false);
    if (!find_out(lines, options, problem)) {
        json_lines_destroy(&lines->table);
        return NULL;
    }
    return &lines->table;
}
