/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_files.h - what a run leaves behind: checkpoints to go on from, and the model.
 * A checkpoint is a safetensors file, replaced at once. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_FILES_H
#define SERVER_TRAINING_TRAIN_FILES_H

#include "server/training/train_session.h"

/* What an epoch came to. Doubles alone: a checkpoint holds them as a tensor. NaN: not measured. */
struct train_point {
    double epoch, rate, loss, validation_loss, metric, seconds;
};

enum { TRAIN_POINT_NUMBERS = sizeof(struct train_point) / sizeof(double) };

/* Where a run stands between two steps. */
struct train_progress {
    int64_t epochs;                /* done */
    int64_t step;                  /* done of the next one, of which these are the losses: */
    int64_t learned;
    double sum, rate;              /* the rate of the last step that learned */
    int64_t refused;               /* steps, of all epochs */
    int64_t best_epoch;            /* 0: none yet */
    int64_t since_best;
    double best_score;             /* larger is better */
    float *best;                   /* weights and statistics of the best epoch, one after another */
    int64_t best_count;
    struct train_point *points;    /* by epoch */
    int64_t n_points, cap_points;
};

/* `fingerprint` is what must be the same when a run goes on. */
bool train_checkpoint_write(const char *path, const struct trainer *trainer,
                            const struct train_progress *progress, const char *fingerprint,
                            struct problem *problem);
/* Into a fresh trainer, and progress whose `best` has its memory. */
bool train_checkpoint_read(const char *path, struct trainer *trainer, struct train_progress *progress,
                           const char *fingerprint, struct problem *problem);

/* Copies weights and statistics of the trainer; train_best_restore() puts them back. */
void train_best_keep(const struct trainer *trainer, struct train_progress *progress);
bool train_best_restore(struct trainer *trainer, const struct train_progress *progress,
                        struct problem *problem);
/* Floats that train_best_keep() needs. */
int64_t train_best_count(const struct trainer *trainer);

/* The learning curve to options->log (CSV) and options->curve (SVG), where they are named. */
bool train_curve_write(const struct train_options *options, const struct train_progress *progress,
                       struct problem *problem);

/* The model's file with the trainer's weights. */
bool train_model_write(const char *path, const struct train_session *session, struct trainer *trainer,
                       struct problem *problem);

#endif
