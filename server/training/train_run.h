/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_run.h - one training run: epochs over the examples, each judged, the best one
 * kept. It prints nothing: who wants to know is told by hooks. One thread at a time. */
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

/* Where a run stands after a step. */
struct train_moment {
    int64_t epoch, epochs;         /* the epoch under way, from 1 */
    int64_t step, steps;           /* done in it, and in a whole one */
    double loss;                   /* the epoch's mean so far; NaN: nothing learned yet */
    double examples_a_second, seconds_left;
};

/* What a hook wants; checkpoints are written only where options->checkpoint names a file. */
enum train_order {
    TRAIN_GO_ON,
    TRAIN_CHECKPOINT,              /* and go on */
    TRAIN_PAUSE,                   /* a checkpoint, then end: problem 499 */
    TRAIN_STOP                     /* end at once: problem 499 */
};

struct train_epoch {
    const struct train_point *point;
    const struct train_verdict *verdict;
    bool judged;                   /* by a validation part */
    bool best;                     /* of all so far */
    int64_t examples;
};

/* Who is told of a run, or of a search; on its thread. Functions may be NULL. */
struct train_hooks {
    void *arg;
    enum train_order (*step)(void *arg, const struct train_moment *moment);
    enum train_order (*epoch)(void *arg, const struct train_epoch *epoch);
    /* A search: run `number` (from 1) came to `outcome` at "rate=0.01 batch=32". */
    void (*trial)(void *arg, int number, const struct train_outcome *outcome, const char *setting);
    /* Its end: all trials follow once more, the best first. NULL: they do not. */
    void (*ranked)(void *arg);
    /* A search that goes on: true with the outcome that this run had before. */
    bool (*known)(void *arg, int number, struct train_outcome *ret);
};

/* Seconds of the monotonic clock. */
double train_clock(void);

/* Trains and, if options->output is set, writes the model. False with `problem`. A run that diverges is
 * a problem (422); `ret` is then of what went before. `hooks` may be NULL. */
bool train_run(const struct train_options *options, const struct train_session *session,
               const struct train_hooks *hooks, struct train_outcome *ret, struct problem *problem);

/* How the session's model does as it came, on the part of the examples that epochs are judged by, or on
 * all if there is none. */
bool train_measure(const struct train_options *options, const struct train_session *session,
                   struct train_verdict *ret, struct problem *problem);

#endif
