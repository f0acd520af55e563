/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/prequential.h - how well a model does on what it has not learnt yet: each example is
 * scored, then learnt (Dawid 1984; Gama, Sebastiao and Rodrigues 2013). Loss and accuracy over a
 * sliding window and over all time; chance-corrected kappa against the window's own classes. One
 * thread at a time. */
#ifndef ENGINE_LEARN_PREQUENTIAL_H
#define ENGINE_LEARN_PREQUENTIAL_H

#include "engine/error.h"

#include <stddef.h>
#include <stdint.h>

enum { PREQUENTIAL_WINDOW_MAX = 1 << 24, PREQUENTIAL_CLASSES_MAX = 4096 };

struct prequential;

struct prequential_score {
    uint64_t examples;          /* in the window */
    double loss;                /* mean; 0 when there is none */
    double accuracy;            /* share of right classes; 0 without classes */
    double kappa;               /* Cohen 1960; 0 when chance alone would be right */
    double error;               /* mean squared, without classes */
};

/* `classes` 0: regression. NULL sets `err`. */
struct prequential *prequential_create(size_t window, uint32_t classes, struct engine_error *err);
void prequential_destroy(struct prequential *prequential);
/* One example of a classifier; a loss that is not finite counts as an example without loss. */
void prequential_add_class(struct prequential *prequential, double loss, uint32_t predicted,
                           uint32_t actual);
/* One of a regression: the squared error of its targets' mean. */
void prequential_add_error(struct prequential *prequential, double loss, double squared_error);
/* Over the window. */
struct prequential_score prequential_window(const struct prequential *prequential);
/* Over all that was added; kappa over all, too. */
struct prequential_score prequential_total(const struct prequential *prequential);
/* Examples of each class, over all: `ret` has `classes` places. */
void prequential_class_counts(const struct prequential *prequential, uint64_t *ret);

#endif
