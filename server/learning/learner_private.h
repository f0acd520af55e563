/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner_private.h - what is inside a learner, for learner*.c. But for the queue, all
 * of it belongs to the learner's thread. */
#ifndef SERVER_LEARNING_LEARNER_PRIVATE_H
#define SERVER_LEARNING_LEARNER_PRIVATE_H

#include "engine/learn/adwin.h"
#include "engine/learn/page_hinkley.h"
#include "engine/learn/prequential.h"
#include "engine/learn/publish_policy.h"
#include "engine/train/evaluation.h"
#include "engine/train/trainer.h"
#include "server/learning/checkpoint.h"
#include "server/learning/journal.h"
#include "server/learning/learner.h"
#include "server/learning/learn_method.h"
#include "server/learning/learner_gate.h"
#include "server/learning/pace.h"
#include "server/learning/recovery.h"

#include <pthread.h>

enum { LEARNER_QUEUE_MAX = 1024, LEARNER_GROUP_MAX = 64, LEARNER_METRICS_MAX = 8 };

enum learner_state {
    LEARNER_OPENING,
    LEARNER_READY,
    LEARNER_READ_ONLY,             /* serves what holds; `reason` says what is damaged or has failed */
    LEARNER_FAILED                 /* could not be opened at all */
};

struct learner {
    struct model_entry *entry;
    struct learn_config config;    /* the trainer's build as of what has been learnt, all else as asked for */
    char *state_path;
    const struct options *options;
    struct log *log;
    pthread_t thread;
    pthread_mutex_t lock;          /* of what follows */
    pthread_cond_t wake, opened;
    struct learn_job *first, **last;
    int n_queued;
    bool closing;
    bool open;                     /* what was learnt before is published, or cannot be: `state` is final */
    enum learner_state state;
    struct problem reason;         /* why not READY */

    /* The thread's own. */
    struct model *model;           /* unoptimised */
    struct trainer *trainer;
    void *file;                    /* the model file's bytes */
    size_t file_bytes;
    struct digest base;
    struct storage_dir dir;
    bool stored;                   /* dir and journal are open */
    bool ahead;                    /* the trainer is not at the journal's newest generation, and cannot be
                                      brought there: nobody may see what it holds */
    struct journal *journal;
    int64_t generation_base;       /* served generation = this + the journal's */
    uint64_t generation;           /* the journal's, steps of the open group included */
    struct learner_gate gate;      /* what of that serves */
    uint64_t group_bytes;          /* that the open group adds to the journal at most */
    uint64_t held;                 /* rows after this one are not pruned; UINT64_MAX: none is held */
    uint64_t checkpointed;         /* generation of the newest checkpoint, or of the last that failed */
    struct journal_options journal_options;
    struct pace_runner pace;
    struct learner_drift *drift;       /* NULL: not watched */
    struct learning_layers *layers;    /* NULL: not asked for; of the statistics */
    int *layer_of;                     /* by tensor that learns */
    struct publish_policy policy;
    struct learner_mix *mix;           /* NULL: none */
    int64_t mixed;                     /* copies among the rows of the step under way */
    bool show;                     /* an update of the open group is to be seen */
    struct prequential *prequential;   /* from the first update on */
    struct prequential *feedback;      /* of predictions as made; from the first late label on */
    struct adwin adwin;
    struct page_hinkley page_hinkley;
    int64_t calm;                      /* examples until the loss counts as steady again */
};

/* An update that has been computed and waits for its group's commit. */
struct learner_update {
    struct learn_job *job;
    struct journal_row row;        /* its memory is in `memory` */
    struct text answer;
    void *memory;
    char *settings;
    const char **ids;              /* erase: the places of the examples and their copies */
    size_t n_ids;
    bool waits;                    /* learner_gate_waits() */
};

/* Updates that are committed together: one transaction, one sync, one publication. */
struct learner_group {
    int n_updates;
    uint64_t begun_ns;
    struct learner_update updates[LEARNER_GROUP_MAX];
};

/* learner.c: an answer that says why not. */
void learner_refuse(struct learn_job *job, const struct problem *problem);

/* learner_commit.c: all of the group is durable and answered, or none of it is acknowledged and the
 * learner is latched. Empty afterwards. */
void learner_commit(struct learner *learner, struct learner_group *group);

/* learner_open.c */
bool learner_open(struct learner *learner, struct problem *problem);
void learner_close(struct learner *learner);
void learner_latch(struct learner *learner, const struct storage_fault *fault);
void problem_from_fault(struct problem *problem, const struct storage_fault *fault);

/* learner_publish.c: when predictions see what has been learnt. */
void learner_publish_begin(struct learner *learner);
/* One more update has been computed. True: predictions see it as soon as it is durable. */
bool learner_publish_plan(struct learner *learner);
/* All that is durable, now. */
bool learner_publish(struct learner *learner, struct problem *problem);
/* For /metrics. */
void learner_note_newest(const struct learner *learner);
/* After a commit, `update` its last: if one of them is to be seen. */
bool learner_show(struct learner *learner, const struct learner_update *update,
                  struct problem *problem);
/* When what waits must be seen at the latest (UINT64_MAX: no such time), and that. */
uint64_t learner_show_due_ns(const struct learner *learner);
void learner_show_late(struct learner *learner);

/* learner_file.c */
/* The bytes of the model's file and the model, with a trainer on it. */
bool learner_load(struct learner *learner, struct problem *problem);
/* Examples computed at a time; 0: all. */
int64_t learner_micro_batch(const struct learner *learner);
/* A trainer on the model file's own weights; the second puts it in the place of the one there is. */
struct trainer *learner_new_trainer(struct learner *learner, struct problem *problem);
bool learner_make_trainer(struct learner *learner, struct problem *problem);
/* The same trainer, but with the weights of another file of the same graph. */
bool learner_make_trainer_on(struct learner *learner, const void *file, size_t file_bytes,
                             struct problem *problem);

/* learner_store.c */
/* True if this very file has learnt before. */
bool learner_was_stored(const struct learner *learner);
/* The journal, made if nothing has been learnt before. */
bool learner_store(struct learner *learner, struct problem *problem);
bool learner_checkpoint(struct learner *learner);

/* learner_recover.c */
/* All that a checkpoint holds and the digest covers, data borrowed until the next step. The caller frees the
 * list; NULL when out of memory. */
struct named_tensor *learner_tensors(const struct learner *learner, size_t *ret_n);
struct digest learner_digest(const struct learner *learner);
struct recovery_trainer learner_recovery(struct learner *learner);

/* learner_step.c: computes the update and commits it to the trainer, not to the journal. */
bool learner_step(struct learner *learner, struct learn_job *job, struct learner_update *update,
                  struct problem *problem);
void learner_update_finish(struct learner_update *update);
/* The job's targets in the order of the losses, by name, into `ordered` (LEARNER_METRICS_MAX). */
bool learner_order_targets(const struct learner *learner, const struct learn_job *job,
                           struct tensor *ordered, struct problem *problem);
bool learner_has_room(struct learner *learner, const struct journal_row *row,
                      struct problem *problem);
/* The row's generation, time, key and so on, now that the trainer holds its outcome. */
void learner_fill_row(struct learner *learner, struct learner_update *update);
/* The answer goes into the row, to be given again to the same key. */
void learner_take_answer(struct learner_update *update);
/* Applies a row of the journal again. */
enum storage_status learner_replay(struct learner *learner, const struct journal_row *row,
                                   struct storage_fault *fault);

/* learner_adopt.c: what a training job came to, with what has been learnt meanwhile; likewise. */
bool learner_adopt(struct learner *learner, struct learn_job *job, struct learner_update *update,
                   struct problem *problem);

/* The trainer's state as the file of the next generation. */
enum storage_status learner_write_trained(struct learner *learner, struct storage_fault *fault);

/* learner_method.c */
/* Before recovery: the trainer as it was when the journal's newest update was learnt. */
enum storage_status learner_method_recover(struct learner *learner, struct journal *journal,
                                           struct storage_fault *fault);
/* After it: as `wanted`, if that can be. False: the change could not be made durable. */
bool learner_method_apply(struct learner *learner, const struct learn_config *wanted,
                          struct problem *problem);

/* learner_back.c: the trainer as of another generation; after a failure, back to the newest (false). */
enum storage_status learner_rebuild(struct learner *learner, const struct recovery_goal *goal,
                                    struct storage_fault *fault);
bool learner_give_up(struct learner *learner, const struct storage_fault *why,
                     struct problem *problem);
/* Rolls back, rewinds or erases; likewise. */
bool learner_go_back(struct learner *learner, struct learn_job *job, struct learner_update *update,
                     struct problem *problem);
/* The update's row into the journal, and the content of its examples out of it. */
enum storage_status learner_erase(struct learner *learner, struct learner_update *update,
                                  struct storage_fault *fault);

/* learner_watch.c: measures an update that has been computed, by what was before it. */
void learner_watch_begin(struct learner *learner);
/* Of the step that has been computed: the loss on the job's own rows, and the scores of loss 0 for them. */
double learner_own_loss(const struct learner *learner, const struct learn_job *job);
struct tensor learner_scores(const struct learner *learner, int64_t rows);
/* Returns the metrics for its answer. `result` is of the job's own rows. */
int learner_watch(struct learner *learner, const struct learn_job *job,
                  const struct trainer_result *result, struct learn_metric metrics[METRIC_COUNT]);

/* learner_feedback.c: scores the prediction that a label belongs to as it was made, and counts it.
 * `metrics` is what ret_made->metrics will point to. */
void learner_score_served(struct learner *learner, const struct learn_job *job,
                          struct learn_made *ret_made, struct learn_metric metrics[METRIC_COUNT]);

/* learner_drift.c: the inputs of live predictions against a reference. Nothing happens if the model's config
 * does not want it. */
struct learner_drift;
void learner_drift_begin(struct learner *learner);
void learner_drift_end(struct learner *learner);
void learner_drift_sample(struct learner *learner, const struct tap_sample *sample);

/* learner_layers.c: norms of the step by layer, for /metrics. */
void learner_note_layers(struct learner *learner, const struct trainer_result *result);

/* learner_tap.c: copies of live predictions. Taken from learner_create() to learner_destroy(). */
void learner_tap_begin(struct learner *learner);
/* Deals with the oldest one that waits, if there is one. */
void learner_sample(struct learner *learner);

/* learner_answer.c: jobs that change nothing. */
void learner_answer(struct learner *learner, struct learn_job *job);
void learner_reply(struct learn_job *job, struct text *body, const char *content_type,
                   int64_t generation);
void learner_fail(struct learn_job *job, const struct problem *problem);
/* learner_list.c: LEARN_JOB_GENERATIONS. */
void learner_list(struct learner *learner, struct learn_job *job);
/* learner_answer.c */
/* The metrics of these values of the first loss (trainer_value()) that exist, all or (unless `ranking`)
 * accuracy and error alone; none where values and targets are no table of rows. */
int learner_measure(const struct learner *learner, const struct tensor *values,
                    const struct tensor *targets, bool ranking,
                    struct learn_metric metrics[METRIC_COUNT]);
/* Loss (NaN: none) and metrics of a step or an evaluation as a JSON body. */
void learner_encode(const struct learn_job *job, double loss, const struct learn_metric *metrics,
                    int n_metrics, int64_t generation, int durable, struct text *text);

/* learn_row.c: settings and examples of a row, and back. */
char *learn_row_settings(const struct learn_job *job, const struct learn_config *config, double rate,
                         int64_t micro_batch);

/* What a step learns from: the job's own rows, then copies of earlier examples. */
struct learn_batch {
    int n_inputs, n_targets;
    const struct tensor *inputs, *targets;
    int64_t rows, own;             /* all, and the first of them; 1 of a model that is not batchable */
    const struct journal_spot *origins;   /* of rows own .. rows - 1 */
};

/* One example for each row; memory in `ret_memory`, freed by the caller. */
bool learn_row_examples(const struct learn_batch *batch, struct journal_row *row, void **ret_memory);
/* Bytes of one row of all tensors; those of row `row` to `to`, where the next goes is returned. */
size_t learn_row_bytes(const struct tensor *tensors, int count, int64_t rows);
char *learn_row_pack(const struct tensor *tensors, int count, int64_t rows, int64_t row, char *to);

/* How many of its own examples are held out at one in `holdout`. */
int64_t learn_row_held(const struct journal_row *row, int64_t holdout);
/* One in how many of the row's examples is held out; 0: none. */
int64_t learn_row_holdout(const struct journal_row *row);
/* Tensors as they were, without erased examples and those that are held out, in memory that the caller
 * frees. */
struct learn_replay {
    int n_inputs, n_targets;
    struct tensor *inputs, *targets;
    int64_t rows;
    double rate;
    int64_t micro_batch;           /* 0: all at once */
    bool told;                     /* the row says by what method: */
    struct learn_config method;
    void *memory;
};
/* Space for `inputs` and `targets`, which are one list with types and shapes. False: too large, no memory. */
bool learn_replay_allocate(struct learn_replay *replay);
void learn_replay_finish(struct learn_replay *replay);
bool learn_row_replay(const struct journal_row *row, int64_t holdout, struct learn_replay *ret,
                      struct storage_fault *fault);

/* learner_mix.c: past examples, mixed into updates against forgetting. */
struct learner_mix;
/* Nothing happens if the model's config does not want it. */
void learner_mix_begin(struct learner *learner);
void learner_mix_end(struct learner *learner);
/* What was learnt has gone back: the sample is taken anew before it is used again. */
void learner_mix_drop(struct learner *learner);
/* The job's rows, and as many copies as the config wants; `ret_mixed` is their memory, and the caller's. */
bool learner_mix_draw(struct learner *learner, const struct learn_job *job,
                      struct learn_batch *ret_batch, struct learn_replay *ret_mixed,
                      struct problem *problem);
/* The batch's own rows may be drawn from now on, but for those that are held out; `row` is their row. */
void learner_mix_keep(struct learner *learner, const struct learn_batch *batch,
                      const struct journal_row *row);

#endif
