/* SPDX-License-Identifier: Apache-2.0
 * engine/train/curve.h - how learning went, as text: a table (CSV), a picture (SVG that stands alone
 * and follows the reader's light or dark scheme), and a confusion matrix. Pure functions; numbers are
 * written independent of the locale. */
#ifndef ENGINE_TRAIN_CURVE_H
#define ENGINE_TRAIN_CURVE_H

#include <stddef.h>
#include <stdint.h>

struct labels;

/* One epoch. NaN: not measured. */
struct curve_point {
    int64_t epoch;
    double train_loss, validation_loss;
    double train_metric, validation_metric;
    double learning_rate, seconds;
};

struct curve {
    const char *title;  /* e.g. the model's name */
    const char *metric; /* e.g. "accuracy"; NULL: none */
    const struct curve_point *points;
    int64_t n_points;
    int64_t best_epoch; /* marked in the picture; negative: none */
};

/* Each returns text to be freed, NUL-terminated, or NULL when out of memory. */

/* "epoch,train_loss,validation_loss,train_accuracy,validation_accuracy,learning_rate,seconds" and a
 * line for each point; what was not measured is empty. */
char *curve_csv(const struct curve *curve, size_t *ret_length);
/* Loss above metric, over epochs. Losses that span more than two decades are drawn on a logarithmic
 * axis. */
char *curve_svg(const struct curve *curve, size_t *ret_length);
/* Rows are targets, columns answers; at the end of each row the class's recall. `labels` NULL: class
 * numbers. Names are cut to fit. */
char *confusion_text(const double *confusion, int classes, const struct labels *labels,
                     size_t *ret_length);

#endif
