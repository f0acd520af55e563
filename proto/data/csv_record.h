/* SPDX-License-Identifier: Apache-2.0
 * proto/data/csv_record.h - the records of a CSV file and their cells, as RFC 4180 has them: cells in
 * double quotes may hold delimiters, line ends and doubled quotes. */
#ifndef PROTO_DATA_CSV_RECORD_H
#define PROTO_DATA_CSV_RECORD_H

#include "proto/data/record_reader.h"

struct csv_cell {
    const char *data; /* unquoted; the byte behind it may be read and continues no number */
    size_t length;
};

struct csv_records {
    struct record_reader reader; /* has the record's line */
    int columns_max;
    char delimiter;
    struct csv_cell *cells; /* of the last record */
    int n_cells, cells_capacity;
};

void csv_records_init(struct csv_records *records, struct source *source, size_t record_bytes_max,
                      int columns_max);
void csv_records_finish(struct csv_records *records);
/* From the front again. */
bool csv_records_rewind(struct csv_records *records, struct problem *problem);
/* Picks the one of comma, semicolon, tab and bar that the first line has most of outside quotes (a
 * comma if none), and rewinds. */
bool csv_records_find_delimiter(struct csv_records *records, struct problem *problem);
/* 1: `cells` are there, until the next call. 0: the end. -1 with `problem`. */
int csv_records_next(struct csv_records *records, struct problem *problem);

#endif
