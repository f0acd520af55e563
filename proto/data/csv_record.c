/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/csv_record.h"

#include <stdlib.h>

enum { FIRST_CELLS = 64 };

void csv_records_init(struct csv_records *records, struct source *source, size_t record_bytes_max,
                      int columns_max)
{
    *records = (struct csv_records){.columns_max = columns_max, .delimiter = ','};
    record_reader_init(&records->reader, source, record_bytes_max, true);
}

void csv_records_finish(struct csv_records *records)
{
    record_reader_finish(&records->reader);
    free(records->cells);
}

bool csv_records_rewind(struct csv_records *records, struct problem *problem)
{
    return record_reader_rewind(&records->reader, problem);
}

static bool no_memory(struct problem *problem)
{
    return problem_set(problem, 507, "no_memory", "out of memory");
}

static bool bad_cell(const struct csv_records *records, const char *text, struct problem *problem)
{
    return problem_set(problem, 400, "bad_data", "line %lld, column %d: %s",
                       (long long)records->reader.line, records->n_cells + 1, text);
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 && byte != '\t';
}

/* Unquotes in place, from behind the quote at *p to behind the one that closes. */
static bool unquote(struct csv_records *records, char **p, const char *end, struct csv_cell *cell,
                    struct problem *problem)
{
    char *from = *p + 1, *to = from, *begin = from;

    for (;; from++) {
        if (from >= end)
            return bad_cell(records, "a quote is opened and never closed", problem);
        if (*from == '"') {
            if (from + 1 == end || from[1] != '"')
                break;
            from++;
        }
        if (is_control(*from) && *from != '\n' && *from != '\r')
            return bad_cell(records, "a byte that no text has", problem);
        *to++ = *from;
    }
    *cell = (struct csv_cell){begin, (size_t)(to - begin)};
    *to = '"';
    *p = from + 1;
    if (*p < end && **p != records->delimiter)
        return bad_cell(records, "text follows a closing quote", problem);
    return true;
}

static bool add_cell(struct csv_records *records, const struct csv_cell *cell,
                     struct problem *problem)
{
    if (records->n_cells == records->columns_max)
        return problem_set(problem, 413, "too_large", "line %lld: there are more than %d columns",
                           (long long)records->reader.line, records->columns_max);
    if (records->n_cells == records->cells_capacity) {
        int capacity = records->cells_capacity > 0 ? 2 * records->cells_capacity : FIRST_CELLS;
        struct csv_cell *grown = realloc(records->cells, (size_t)capacity * sizeof(*grown));

        if (grown == NULL)
            return no_memory(problem);
        records->cells = grown;
        records->cells_capacity = capacity;
    }
    records->cells[records->n_cells++] = *cell;
    return true;
}

static bool split(struct csv_records *records, char *p, const char *end, struct problem *problem)
{
    struct csv_cell cell;
    char *first;

    records->n_cells = 0;
    for (;; p++) {
        if (p < end && *p == '"') {
            if (!unquote(records, &p, end, &cell, problem))
                return false;
        } else {
            for (first = p; p < end && *p != records->delimiter; p++)
                if (*p == '"' || is_control(*p))
                    return bad_cell(records,
                                    *p == '"' ? "a quote stands inside a cell that has none in front"
                                              : "a byte that no text has",
                                    problem);
            cell = (struct csv_cell){first, (size_t)(p - first)};
        }
        if (!add_cell(records, &cell, problem))
            return false;
        if (p >= end)
            return true;
    }
}

int csv_records_next(struct csv_records *records, struct problem *problem)
{
    size_t length;
    char *record;
    int found = record_reader_next(&records->reader, &record, &length, problem);

    if (found <= 0)
        return found;
    return split(records, record, record + length, problem) ? 1 : -1;
}

bool csv_records_find_delimiter(struct csv_records *records, struct problem *problem)
{
    static const char delimiters[] = ",;\t|";
    size_t length = 0, counts[4] = {0}, best = 0;
    bool quoted = false;
    char *record = NULL;

    if (record_reader_next(&records->reader, &record, &length, problem) < 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        quoted ^= record[i] == '"';
        for (size_t d = 0; d < 4; d++)
            counts[d] += !quoted && record[i] == delimiters[d];
    }
    for (size_t d = 1; d < 4; d++)
        if (counts[d] > counts[best])
            best = d;
    records->delimiter = delimiters[best];
    return csv_records_rewind(records, problem);
}
