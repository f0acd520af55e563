/* SPDX-License-Identifier: Apache-2.0
 * engine/train/trainer_private.h - what the trainer's files know of each other: trainer.c makes it,
 * trainer_tapes.c compiles it for batch shapes, trainer_step.c learns, trainer_state.c saves, restores
 * and publishes. */
#ifndef ENGINE_TRAIN_TRAINER_PRIVATE_H
#define ENGINE_TRAIN_TRAINER_PRIVATE_H

#include "engine/arena.h"
#include "engine/grad/tape.h"
#include "engine/train/head.h"
#include "engine/train/trainer.h"
#include "engine/train/trainer_select.h"

enum { TAPES_MAX = 16, NORM_BATCH_LEAST = 8 };

/* A loss and where it attaches. */
struct trainer_end {
    int output;                    /* of the model */
    struct head head;
    struct loss_form form;
    bool axis_by_head;             /* form.class_axis follows from the head once a rank is known */
};

/* Two sets of running statistics alternate within a step, the third holds those before it. */
enum { STATISTICS_SETS = 3 };

/* What a checkpoint keeps besides blocks; doubles because a tensor holds them. */
struct trainer_counters {
    int64_t steps;
    double guards[3];              /* running means of loss and gradient norm; steps they have seen */
};

/* A compiled batch shape. */
struct trainer_tape {
    struct tape *tape;
    struct shape *shapes;          /* of the model's inputs */
    bool frozen_norm;
    uint64_t used;                 /* larger: more recently */
};

struct trainer {
    struct model *model;
    const struct graph *graph;
    struct pool *pool;
    struct trainer_options options;
    struct arena *arena;           /* everything small that lives as long as the trainer */
    int n_ends;
    struct trainer_end *ends;
    int *targets;                  /* value ids by end */
    struct selection selection;
    struct parameters *parameters; /* by selection.slots */
    struct parameters *statistics; /* by selection.states; without decay */
    const char **names;            /* of the tensors that learn, then of the statistics */
    int now;                       /* index of the set of blocks that holds the state ... */
    struct optimiser_blocks sets[2];   /* ... in place there is one */
    float *gradients;
    float *statistic_sets[STATISTICS_SETS];
    int statistics_now, statistics_next;
    struct trainer_counters counters, next_counters;
    uint32_t most, next_most;      /* bits of the largest weight */
    bool pending;
    double *partial;               /* by chunk */
    double *gradient_norms, *update_norms;   /* by tensor */
    double *losses, *divisors;     /* by end */
    const void **weight_pointers;  /* by tensor, for tape_bind() */
    void **gradient_pointers;
    const void **state_pointers;   /* by state of a tape */
    void **next_state_pointers;
    int n_tapes;
    struct trainer_tape tapes[TAPES_MAX];
    uint64_t clock;
    size_t block_bytes;
    /* Values of the ends, of all rows: a tape's own, or copies when a batch was cut. */
    struct tensor *values;
    float **value_copies;
    size_t *value_bytes;
    struct trainer_entry *entries;
    int n_entries;
};

/* trainer_tapes.c. The compiled form of these input shapes, least recently used ones give way; fills in
 * the ends' class axes. `any_norm`: the caller evaluates, either form of a norm will do. */
struct tape *trainer_tape(struct trainer *trainer, const struct shape *shapes, bool any_norm,
                          struct engine_error *err);
void trainer_drop_tapes(struct trainer *trainer);
/* Binds a tape to the current weights, and to statistics read from set `from`, written to set `to` (-1:
 * not written). */
void trainer_bind(struct trainer *trainer, struct tape *tape, int from, int to);

/* trainer_batch.c. Rows `from` .. `from` + n - 1 of a tensor whose dimension 0 is the batch. */
struct tensor trainer_rows(const struct tensor *tensor, int64_t from, int64_t n);
/* Types, shapes and numbers of a batch but for the targets; *ret_rows is dimension 0. */
enum engine_status trainer_check_batch(const struct trainer *trainer,
                                       const struct trainer_batch *batch, int64_t *ret_rows,
                                       struct engine_error *err);
/* Compiles what the batch's slices need, checks the targets, and sums the divisors. */
enum engine_status trainer_check_targets(struct trainer *trainer, const struct trainer_batch *batch,
                                         int64_t rows, bool evaluates, struct engine_error *err);
int64_t trainer_slice_rows(const struct trainer *trainer, int64_t rows);
/* Between two slices. */
void trainer_between(const struct trainer *trainer);
/* The forward pass of a slice, its values kept, its losses added up. `grads`: their gradients too. */
enum engine_status trainer_forward(struct trainer *trainer, struct tape *tape,
                                   const struct trainer_batch *batch, int64_t from, int64_t n,
                                   int64_t rows, const struct grad_context *context, bool grads,
                                   struct engine_error *err);
/* The tape for rows `from` .. of a batch. */
struct tape *trainer_slice_tape(struct trainer *trainer, const struct trainer_batch *batch, int64_t n,
                                bool evaluates, struct engine_error *err);

/* trainer_state.c */
bool trainer_list_entries(struct trainer *trainer);

enum engine_status trainer_no_memory(struct engine_error *err);

#endif
