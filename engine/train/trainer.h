/* SPDX-License-Identifier: Apache-2.0
 * engine/train/trainer.h - a model that learns: chosen tensors, losses, an optimiser, and one step
 * after another. For whole runs over a dataset and for single updates of a model that is being served.
 *
 * The trainer owns copies of the tensors that learn, their gradients and the optimiser's state, each
 * one block; the others are read from the model in place. A step either learns or changes nothing,
 * bit for bit. The same model, options and sequence of batches give the same bits on the same type of
 * CPU, whatever the pool, and however the run is cut by saving and restoring.
 *
 * Two ways to step. In place: trainer_step() learns at once, with no memory for a second set of
 * blocks. In two phases (options.two_phase): the outcome is computed beside what is there and is
 * pending until trainer_commit() or trainer_discard(), so that a journal can be written in between.
 *
 * A trainer is used by one thread at a time, with the pool's help. */
#ifndef ENGINE_TRAIN_TRAINER_H
#define ENGINE_TRAIN_TRAINER_H

#include "engine/model.h"
#include "engine/pool.h"
#include "engine/train/head.h"
#include "engine/train/loss.h"
#include "engine/train/optimiser.h"
#include "engine/train/schedule.h"

struct trainer;

/* What a step is asked to achieve for one output. */
struct trainer_loss {
    const char *output;            /* name of a model output */
    bool by_head;                  /* the kind and class axis that fit the output's head (head.h) */
    bool axis_by_head;             /* the class axis alone */
    struct loss_form form;         /* `name` is filled with that of the output */
};

enum trainer_norm {
    TRAINER_NORM_AUTO,             /* as BATCH for (micro-)batches of 8 and more, else as FROZEN */
    TRAINER_NORM_FROZEN,           /* BatchNormalization uses and keeps its running statistics */
    TRAINER_NORM_BATCH             /* ... normalises by the batch and moves its statistics */
};

/* What makes a step refused; 0 turns a guard off. What is not finite is always refused. */
struct trainer_guards {
    double loss_most;              /* the loss is larger */
    double loss_spike;             /* it is larger than this many times its running mean */
    double gradient_most;          /* the gradient's global norm (before clipping) is larger */
    double gradient_spike;         /* it is larger than this many times its running mean */
    int64_t warmup;                /* steps before running means count; they move by a tenth a step */
};

struct trainer_options {
    /* What learns. Patterns are globs (fnmatch) over tensor names, several separated by ','. NULL: all
     * weights that reach a loss (trainer_select.h). */
    const char *learns, *frozen;
    int last_layers;               /* only the last so many layers; 0: all */
    bool spare_vectors;            /* biases, and scales of norms, do not decay */
    /* To what end; n_losses 0: one for each head, by_head. */
    int n_losses;
    const struct trainer_loss *losses;
    /* How. */
    struct optimiser_form optimiser;
    struct schedule schedule;
    enum trainer_norm norm;
    bool as_served;                /* gradients of the model as it is served: no dropout, FROZEN */
    int64_t micro_batch;           /* rows computed at a time, gradients are added up; 0: all */
    /* Called between micro-batches of a step or an evaluation, where it may wait; it must not call the
     * trainer. NULL: nothing. */
    void (*between)(void *arg);
    void *between_arg;
    uint64_t seed;                 /* of dropout */
    bool two_phase;
    struct trainer_guards guards;
    size_t bytes_max;              /* of all memory of the trainer; 0: no bound */
    int tapes_max;                 /* batch shapes kept compiled; 0: 4 */
};

/* SGD of rate 0.01, everything learns, in place. */
struct trainer_options trainer_options_default(void);

/* `model` was loaded without `optimise`, best with `for_training` (a reference is taken); `pool` is
 * borrowed, may be NULL. Strings and lists in `options` are copied. NULL sets `err`: BAD_INPUT names the
 * option, output or pattern that does not fit; UNSUPPORTED what cannot be trained; OVER_BUDGET has both
 * numbers. */
struct trainer *trainer_create(struct model *model, const struct trainer_options *options,
                               struct pool *pool, struct engine_error *err);
void trainer_destroy(struct trainer *trainer);

struct trainer_batch {
    const struct tensor *inputs;   /* one for each model input */
    const struct tensor *targets;  /* one for each loss; dimension 0 of inputs and targets is the batch */
    double rate;                   /* learning rate of this step; negative: by the schedule */
};

/* X(name, text) */
#define TRAINER_VERDICT_MAP(X) \
    X(LEARNED, "learned") \
    X(LOSS_NOT_FINITE, "the loss is not a finite number") \
    X(LOSS_TOO_LARGE, "the loss is larger than its guard allows") \
    X(LOSS_SPIKE, "the loss exceeds its running mean by more than its guard allows") \
    X(GRADIENT_NOT_FINITE, "the gradient is not a finite number") \
    X(GRADIENT_TOO_LARGE, "the gradient is larger than its guard allows") \
    X(GRADIENT_SPIKE, "the gradient exceeds its running mean by more than its guard allows") \
    X(WEIGHTS_TOO_LARGE, "weights or running statistics grow beyond all bounds")

#define X(name, text) TRAINER_##name,
enum trainer_verdict { TRAINER_VERDICT_MAP(X) };
#undef X
const char *trainer_verdict_text(enum trainer_verdict verdict);

struct trainer_result {
    enum trainer_verdict verdict;  /* not LEARNED: nothing has changed */
    int64_t step;                  /* number of this step, from 1 */
    int64_t examples;
    double loss;                   /* of the weights before the step, on examples they have not learned:
                                      the prequential score. Without regularisers */
    double rate;
    double gradient_norm;          /* before clipping; 0 unless it was computed */
    double update_norm;            /* 0 unless learned */
    bool clipped;
    /* Borrowed until the next step: by loss, and by tensor as trainer_tensor_name() numbers them. */
    const double *losses, *gradient_norms, *update_norms;
};

/* Another options.micro_batch from now on: a step that is repeated must be cut as it was. */
void trainer_set_micro_batch(struct trainer *trainer, int64_t rows);
/* What else of the options a step that is repeated must have as it was. */
struct trainer_manner {
    struct optimiser_form optimiser;   /* of the trainer's kind */
    struct trainer_guards guards;
    uint64_t seed;
};
struct trainer_manner trainer_manner(const struct trainer *trainer);
/* From now on. BAD_INPUT (nothing has changed) names what is out of its range, or the kind. */
enum engine_status trainer_set_manner(struct trainer *trainer, const struct trainer_manner *manner,
                                      struct engine_error *err);
/* One step. Everything is checked before any compute: BAD_INPUT names the input, target or number and
 * changes nothing. A refusal by a guard is ENGINE_OK with its verdict. With two_phase no step may be
 * pending. */
enum engine_status trainer_step(struct trainer *trainer, const struct trainer_batch *batch,
                                struct trainer_result *ret_result, struct engine_error *err);
/* In two phases, after a step that learned: makes it the trainer's state, or forgets it (all is as
 * before the step, bit for bit). */
void trainer_commit(struct trainer *trainer);
void trainer_discard(struct trainer *trainer);
bool trainer_pending(const struct trainer *trainer);

/* Loss and logits without learning, as the model is served: no dropout, running statistics. `targets`
 * NULL: no loss. Learns nothing and counts nothing. */
enum engine_status trainer_evaluate(struct trainer *trainer, const struct trainer_batch *batch,
                                    double *ret_loss, struct engine_error *err);
/* The value that loss number `index` attaches to (logits for cross-entropies): all rows of the last
 * trainer_evaluate(), or of the last trainer_step() before it moved the weights. Valid until the next
 * of either. */
const struct tensor *trainer_value(const struct trainer *trainer, int index);

int trainer_n_losses(const struct trainer *trainer);
const struct loss_form *trainer_loss_form(const struct trainer *trainer, int index);
const char *trainer_loss_output(const struct trainer *trainer, int index);
/* What lies between that output and the value (head.h): how to tell the value from an answer. */
const struct head *trainer_loss_head(const struct trainer *trainer, int index);
/* Tensors that learn: the indices of per-tensor norms. */
int trainer_n_learning(const struct trainer *trainer);
const char *trainer_tensor_name(const struct trainer *trainer, int index);
int64_t trainer_n_parameters(const struct trainer *trainer);
/* Steps learned so far. */
int64_t trainer_steps(const struct trainer *trainer);
/* Of all its memory: blocks, compiled shapes and what they compute in. */
size_t trainer_bytes(const struct trainer *trainer);

/* All that a checkpoint holds and a digest covers, in a fixed order: the tensors that learn (by their
 * names), running statistics, the optimiser's blocks tensor by tensor ("fc.weight/first_moment"), and
 * the counters ("inferd/steps" int64[1], "inferd/guards" double[n]). While a step is pending, as it
 * will be once committed. Data are borrowed until the next step. */
enum trainer_part { TRAINER_WEIGHT, TRAINER_STATISTIC, TRAINER_OPTIMISER, TRAINER_COUNTER };

struct trainer_entry {
    enum trainer_part part;
    const char *name;
    struct tensor tensor;
};

int trainer_n_entries(const struct trainer *trainer);
struct trainer_entry trainer_entry(const struct trainer *trainer, int index);
/* Takes over such a list; order does not matter, names and shapes do. BAD_INPUT names an entry that is
 * missing, unknown, of another type or shape, or not finite, and changes nothing. No step may be
 * pending. What was learned since goes on bit for bit as in the trainer that saved it. */
enum engine_status trainer_restore(struct trainer *trainer, int n_entries,
                                   const struct trainer_entry *entries, struct engine_error *err);

/* The reverse of trainer_publish(): weights and statistics become those of `from`, another load of
 * a file of the same graph, found by name; optimiser and counters stay. BAD_INPUT names one that
 * `from` lacks, and nothing has changed then. No step may be pending. */
enum engine_status trainer_take(struct trainer *trainer, const struct weights *from,
                                struct engine_error *err);

/* The learned weights and statistics (of the pending step, if there is one) as a further generation of
 * `from`, which may belong to another load of the same file, optimised or not: tensors are found by
 * name. BAD_INPUT names one that `from` lacks. */
struct weights *trainer_publish(struct trainer *trainer, struct weights *from,
                                struct engine_error *err);

#endif
