/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_curve.h - what each epoch came to, as a table (CSV) and as a picture (SVG). */
#ifndef SERVER_TRAINING_TRAIN_CURVE_H
#define SERVER_TRAINING_TRAIN_CURVE_H

#include "proto/problem.h"

#include <stdint.h>

/* Doubles alone: a checkpoint holds them as a tensor. NaN: not measured. */
struct train_point {
    double epoch, rate, loss, validation_loss, metric;
};

enum { TRAIN_POINT_NUMBERS = sizeof(struct train_point) / sizeof(double) };

/* `metric`: its name. */
bool train_curve_csv(const char *path, const struct train_point *points, int64_t n, const char *metric,
                     struct problem *problem);
bool train_curve_svg(const char *path, const struct train_point *points, int64_t n, const char *metric,
                     struct problem *problem);

#endif
