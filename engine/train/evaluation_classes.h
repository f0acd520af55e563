/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation_classes.h - what follows from which class was answered: counts, and the
 * confusion matrix where it is small enough to hold. */
#ifndef ENGINE_TRAIN_EVALUATION_CLASSES_H
#define ENGINE_TRAIN_EVALUATION_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

struct evaluation_result;

/* Sums of weights, by class. */
struct class_counts {
    int classes;
    double *hits;      /* answered and right */
    double *answered;
    double *targets;
    double *confusion; /* classes x classes, NULL if there are too many */
    double total;
};

/* part / whole; 0 where there is no denominator. */
double class_ratio(double part, double whole);

/* False when out of memory. */
bool class_counts_init(struct class_counts *counts, int classes, bool with_confusion);
void class_counts_finish(struct class_counts *counts);
void class_counts_add(struct class_counts *counts, int target, int answer, double weight);
/* Fills in accuracy, precision, recall, F1 in all their forms. */
void class_counts_measure(const struct class_counts *counts, struct evaluation_result *result);
void class_counts_scores(const struct class_counts *counts, int class_id, double *ret_precision,
                         double *ret_recall, double *ret_f1);

#endif
