/* SPDX-License-Identifier: Apache-2.0
 * proto/data/csv_value.h - what a cell of a CSV file says. Numbers are decimal, as people and programs
 * write them: blanks around, a sign, a fraction that begins or ends in its point, an exponent. */
#ifndef PROTO_DATA_CSV_VALUE_H
#define PROTO_DATA_CSV_VALUE_H

#include "proto/data/csv_record.h"

/* Nothing, or blanks alone; of numbers also NA, N/A, NaN, nan, null, NULL and ?. */
bool csv_is_missing(const struct csv_cell *cell, bool number);
/* A finite number, correctly rounded. */
bool csv_number(const struct csv_cell *cell, double *ret);
/* Digits with or without a sign that fit 64 bits. */
bool csv_integer(const struct csv_cell *cell, int64_t *ret);
/* A byte that may separate cells: no part of a number, a word or a quote. */
bool csv_is_delimiter(char byte);

#endif
