/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/record_reader.h"

#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 65536 };

void record_reader_init(struct record_reader *reader, struct source *source,
                        size_t record_bytes_max, bool quotes)
{
    *reader = (struct record_reader){
        .source = source,
        .record_bytes_max = record_bytes_max,
        .quotes = quotes,
        .next_line = 1,
    };
}

void record_reader_finish(struct record_reader *reader)
{
    free(reader->buffer);
}

bool record_reader_rewind(struct record_reader *reader, struct problem *problem)
{
    reader->begin = 0;
    reader->end = 0;
    reader->at_end = false;
    reader->next_line = 1;
    return source_rewind(reader->source, problem);
}

/* More bytes behind those that are there: at least as many again, so that long records are not
 * copied often. */
static bool refill(struct record_reader *reader, struct problem *problem)
{
    size_t held = reader->end - reader->begin, wanted = held > READ_BYTES ? held : READ_BYTES;
    char *grown;
    int64_t n;

    if (held > reader->record_bytes_max)
        return problem_set(problem, 413, "too_large", "line %lld is longer than %zu bytes%s",
                           (long long)reader->line, reader->record_bytes_max,
                           reader->quotes ? " (is a quote open?)" : "");
    if (held > 0 && reader->begin > 0)
        memmove(reader->buffer, reader->buffer + reader->begin, held);
    reader->begin = 0;
    reader->end = held;
    if (reader->capacity < held + wanted + 1) {
        grown = realloc(reader->buffer, held + wanted + 1);
        if (grown == NULL)
            return problem_set(problem, 507, "no_memory", "out of memory");
        reader->buffer = grown;
        reader->capacity = held + wanted + 1;
    }
    n = source_read(reader->source, reader->buffer + held, wanted, problem);
    if (n < 0)
        return false;
    reader->end += (size_t)n;
    reader->at_end = (size_t)n < wanted;
    reader->buffer[reader->end] = '\n';
    return true;
}

/* The bytes of the next record without its line end, whole in the buffer. 0 at the end. */
static int find_record(struct record_reader *reader, size_t *ret_length, struct problem *problem)
{
    size_t at = 0;
    bool quoted = false;
    char byte;

    reader->line = reader->next_line;
    for (;;) {
        for (; reader->begin + at < reader->end; at++) {
            byte = reader->buffer[reader->begin + at];
            if (byte == '"')
                quoted = reader->quotes && !quoted;
            if (byte != '\n')
                continue;
            reader->next_line++;
            if (!quoted) {
                *ret_length = at;
                return 1;
            }
        }
        if (reader->at_end)
            break;
        if (!refill(reader, problem))
            return -1;
    }
    if (quoted) {
        problem_set(problem, 400, "bad_data", "line %lld: a quote is opened and never closed",
                    (long long)reader->line);
        return -1;
    }
    *ret_length = at;
    return at > 0;
}

int record_reader_next(struct record_reader *reader, char **ret_record, size_t *ret_length,
                       struct problem *problem)
{
    size_t length;
    char *record;
    int found;

    if (reader->next_line == 1 && reader->end == 0) {
        if (!refill(reader, problem))
            return -1;
        if (reader->end >= 3 && memcmp(reader->buffer, "\xef\xbb\xbf", 3) == 0)
            reader->begin = 3;
    }
    do {
        found = find_record(reader, &length, problem);
        if (found <= 0)
            return found;
        record = reader->buffer + reader->begin;
        reader->begin += length + (reader->begin + length < reader->end);
        if (length > 0 && record[length - 1] == '\r')
            record[--length] = '\n';
    } while (length == 0);
    *ret_record = record;
    *ret_length = length;
    return 1;
}
