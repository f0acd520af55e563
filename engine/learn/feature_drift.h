/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/feature_drift.h - have the inputs changed? Each feature of a reference sample is cut
 * into bins of equal counts; the population stability index (PSI) compares the shares of a later
 * window with them: sum of (p - q) ln(p / q). Common usage: below 0.1 none, above 0.25 a shift.
 * Not a number is a bin of its own. One thread at a time. */
#ifndef ENGINE_LEARN_FEATURE_DRIFT_H
#define ENGINE_LEARN_FEATURE_DRIFT_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FEATURE_DRIFT_BINS = 10, FEATURE_DRIFT_FEATURES_MAX = 1 << 20 };

struct feature_drift;

/* Collects the first `reference_rows` rows as the reference, then counts. NULL sets `err`. */
struct feature_drift *feature_drift_create(size_t features, size_t reference_rows,
                                           struct engine_error *err);
void feature_drift_destroy(struct feature_drift *drift);
/* rows x features values. */
void feature_drift_add(struct feature_drift *drift, const float *values, size_t rows);
/* True once the reference is whole. */
bool feature_drift_ready(const struct feature_drift *drift);
/* Rows in the window that is being counted. */
uint64_t feature_drift_rows(const struct feature_drift *drift);
/* PSI of one feature, 0 before the reference is whole or a row has been counted. */
double feature_drift_index(const struct feature_drift *drift, size_t feature);
/* The largest and its feature. */
double feature_drift_worst(const struct feature_drift *drift, size_t *ret_feature);
/* A whole reference as bytes, for another process: not longer than this, and written to `to`. */
size_t feature_drift_saved_bytes(const struct feature_drift *drift);
void feature_drift_save(const struct feature_drift *drift, void *to);
/* What has been saved, ready to count. NULL sets `err`: BAD_INPUT if the bytes are not a reference of that
 * many features, bit for bit. */
struct feature_drift *feature_drift_restore(size_t features, const void *saved, size_t bytes,
                                            struct engine_error *err);
/* Begins the next window against the same reference. */
void feature_drift_next(struct feature_drift *drift);

#endif
