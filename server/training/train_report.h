/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_report.h - what a run says while it lasts: a bar on a terminal, a line for each
 * epoch elsewhere. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_REPORT_H
#define SERVER_TRAINING_TRAIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct train_report {
    bool quiet, bar;               /* the bar goes to standard error */
    int64_t epochs, steps_a_epoch;
    double started, shown;         /* seconds of the monotonic clock */
    int64_t steps_before;          /* that were taken before this run, by one that it resumes */
};

void train_report_init(struct train_report *report, bool quiet, int64_t epochs, int64_t steps_a_epoch,
                       int64_t steps_before);
double train_report_clock(void);
/* After step `step` of `epoch` (both from 0): redraws the bar at most ten times a second. */
void train_report_step(struct train_report *report, int64_t epoch, int64_t step, double loss,
                       double examples_a_second);
/* A line at the end of an epoch. */
void train_report_epoch(struct train_report *report, const char *line);
/* Wipes the bar away. */
void train_report_end(struct train_report *report);

#endif
