/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_session.h - what the runs of one `inferd train`, or of one job of the daemon,
 * share: the model as it came, the examples and their split, the threads. One thread at a time. */
#ifndef SERVER_TRAINING_TRAIN_SESSION_H
#define SERVER_TRAINING_TRAIN_SESSION_H

#include "engine/engine.h"
#include "engine/train/batches.h"
#include "engine/train/evaluation.h"
#include "engine/train/lora.h"
#include "engine/train/split.h"
#include "engine/train/trainer.h"
#include "server/training/train_data.h"
#include "server/training/train_options.h"

struct train_session {
    struct model *model;           /* not optimised, holds its file's bytes */
    struct lora lora;              /* that the model was rewritten with; rank 0: none */
    struct pool *pool;
    struct dataset *dataset, *test;   /* test may be NULL */
    struct labels *labels;         /* of text targets, or NULL */
    bool labels_of_model;          /* the model's file had them */
    struct split split;            /* part 0 to learn from, part 1 (if any) to judge by */
    int n_inputs, n_targets;       /* fields of both datasets */
    bool (*stopped)(const void *arg);   /* the material's, or NULL */
    const void *arg;
};

/* What trainer_create() gets; lists live in `ret_form` and `weights`, which the caller keeps. False with
 * `problem`: an option that does not fit. `steps` is what a schedule spans by default. */
bool train_trainer_options(const struct train_options *options, const struct train_session *session,
                           int64_t steps, struct trainer_loss *ret_loss,
                           struct trainer_options *ret, struct problem *problem);

/* Where a job's model and examples come from, instead of from the files that options name. */
struct train_material {
    const void *model;             /* bytes of an ONNX file, which outlive the session */
    size_t model_bytes, memory_bytes_max;
    struct train_file data;
    const char *spill_dir;
    /* Asked while examples are loaded and judged: true ends that with problem 499. Or NULL. */
    bool (*stopped)(const void *arg);
    const void *arg;
};

/* Loads model and data; `material` NULL: those of the options. Finish it either way. */
bool train_session_open(struct train_session *session, const struct train_options *options,
                        const struct train_material *material, struct problem *problem);
/* Another model of the same graph in the place of the session's. */
bool train_session_exchange(struct train_session *session, const void *model, size_t model_bytes,
                            size_t memory_bytes_max, struct problem *problem);
void train_session_finish(struct train_session *session);

#endif
