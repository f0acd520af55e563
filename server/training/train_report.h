/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_report.h - what `inferd train` says while it lasts: a bar on a terminal, a line for
 * each epoch elsewhere. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_REPORT_H
#define SERVER_TRAINING_TRAIN_REPORT_H

#include "server/training/train_run.h"

struct train_report {
    const struct train_options *options;
    bool quiet, bar;               /* the bar goes to standard error */
    double shown;                  /* seconds of the monotonic clock */
};

void train_report_init(struct train_report *report, const struct train_options *options);
/* That tell it all; `report` outlives them. */
struct train_hooks train_report_hooks(struct train_report *report);
/* The head of a search's table. */
void train_report_trials(const struct train_report *report);
/* Wipes the bar away. */
void train_report_end(struct train_report *report);

#endif
