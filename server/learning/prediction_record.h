/* SPDX-License-Identifier: Apache-2.0
 * server/learning/prediction_record.h - a logged prediction's tensors as bytes, and back: for each
 * the name of its datatype, rank and dimensions (8 bytes each, numbers little-endian), then its
 * data. Strings and sequences have no such form. */
#ifndef SERVER_LEARNING_PREDICTION_RECORD_H
#define SERVER_LEARNING_PREDICTION_RECORD_H

#include "server/serving/tap.h"

/* How many bytes the sample's tensors make; 0 if one of them has no such form. */
size_t prediction_record_bytes(const struct tap_sample *sample);
/* Writes them to `to`. */
void prediction_record_write(const struct tap_sample *sample, void *to);
/* A sample with those tensors, and `id`, of that generation and time. NULL when the bytes are not
 * such a record, or out of memory. */
struct tap_sample *prediction_record_read(const void *bytes, size_t size, const char *id,
                                          int64_t generation, int64_t time_ms);

#endif
