/* SPDX-License-Identifier: Apache-2.0
 * proto/data/record_reader.h - a text source line by line, each whole in memory, of a length that is
 * bounded. Lines end in LF or CR LF; empty ones are passed over, and so is a byte order mark. */
#ifndef PROTO_DATA_RECORD_READER_H
#define PROTO_DATA_RECORD_READER_H

#include "proto/data/source.h"

#include <stdbool.h>

struct record_reader {
    struct source *source; /* borrowed */
    size_t record_bytes_max;
    bool quotes; /* a line end between double quotes ends no record */
    char *buffer;
    size_t capacity, begin, end; /* what is read and not yet used */
    bool at_end;                 /* of the source */
    int64_t line;                /* where the last record began, from 1 */
    int64_t next_line;
};

void record_reader_init(struct record_reader *reader, struct source *source,
                        size_t record_bytes_max, bool quotes);
void record_reader_finish(struct record_reader *reader);
/* From the front again. */
bool record_reader_rewind(struct record_reader *reader, struct problem *problem);
/* 1: the next record, which may be changed in place; the byte behind it can be read and continues no
 * word. 0: the end. -1 with `problem`. */
int record_reader_next(struct record_reader *reader, char **ret_record, size_t *ret_length,
                       struct problem *problem);

#endif
