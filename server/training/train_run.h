/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_run.h - one training run: epochs over the examples, each judged, the best one
 * kept. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_RUN_H
#define SERVER_TRAINING_TRAIN_RUN_H

#include "server/training/train_files.h"
#include "server/training/train_judge.h"

struct train_outcome {
    double score;                  /* of the best epoch: larger is better; -INFINITY: none */
    double metric;                 /* the same as the metric has it */
    int64_t epochs, best_epoch;
    int64_t refused;               /* steps that guards refused */
    double seconds;
    bool has_test;
    struct train_verdict test;
};

/* Trains and, if options->output is set, writes the model. False with `problem`. A run that diverges is
 * a problem (422); `ret` is then of what went before. */
bool train_run(const struct train_options *options, const struct train_session *session,
               struct train_outcome *ret, struct problem *problem);

#endif
