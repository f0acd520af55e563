/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_judge.h - examples on their way into a trainer, and how well it does on a part
 * of them. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_JUDGE_H
#define SERVER_TRAINING_TRAIN_JUDGE_H

#include "engine/train/augment.h"
#include "server/training/train_session.h"

/* Memory for one batch of every field. */
struct train_feed {
    const struct train_session *session;
    int64_t rows_max;
    bool wants_table;              /* train_judge() fills in train_verdict.table */
    uint32_t *examples;
    struct tensor inputs[TRAIN_ENDS_MAX], targets[TRAIN_ENDS_MAX];
};

bool train_feed_init(struct train_feed *feed, const struct train_session *session, int64_t rows_max,
                     struct problem *problem);
void train_feed_finish(struct train_feed *feed);
/* Fields of feed->examples[0 .. n - 1]. */
bool train_feed_gather(struct train_feed *feed, const struct dataset *dataset, int64_t n,
                       struct problem *problem);
/* Images of input 0 are changed, differently in every epoch. */
bool train_feed_augment(struct train_feed *feed, const struct augment *augment, uint64_t seed,
                        int64_t epoch, int64_t n, struct problem *problem);

struct train_verdict {
    double loss;                   /* mean over examples */
    bool has_metrics;
    enum evaluation_task task;     /* of the first target */
    struct evaluation_result metrics;
    char *table;                   /* each class's scores and the confusion matrix, as text, to be freed;
                                      NULL: not wanted, or no classes that a matrix would hold */
};

/* Over `examples` (NULL: all of the dataset), as the model would be served. */
bool train_judge(struct trainer *trainer, struct train_feed *feed, const struct dataset *dataset,
                 const uint32_t *examples, int64_t n, struct train_verdict *ret,
                 struct problem *problem);

/* The value of a metric by name ("loss", "accuracy", ...); NaN if it was not measured. False if there
 * is none of that name. `*ret_larger`: larger is better. */
bool train_metric(const struct train_verdict *verdict, const char *name, double *ret,
                  bool *ret_larger);

#endif
