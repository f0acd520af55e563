/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner.h - one served model version that learns: a thread of its own with the trainer,
 * the journal and the checkpoints. What network threads send it queues; what is in the queue together
 * shares one commit.
 *
 * The order of an update is the promise: checked, scored by the weights that serve, computed beside
 * them, guarded, written to the journal and synced, published, acknowledged. What is not acknowledged
 * has either happened whole or not at all.
 *
 * Once a write has failed the learner is latched: updates get 503 until a restart, predictions go on.
 * Where recovery finds damage, the last state that holds is served and updates get 503 as well. */
#ifndef SERVER_LEARNING_LEARNER_H
#define SERVER_LEARNING_LEARNER_H

#include "engine/engine.h"
#include "proto/learn_message.h"
#include "proto/problem.h"
#include "proto/text.h"
#include "server/learning/digest.h"
#include "server/learning/feedback.h"
#include "server/learning/learn_config.h"
#include "server/serving/registry.h"

struct learner;
struct pace;

enum learn_kind {
    LEARN_JOB_FINETUNE,            /* inputs, targets, rate, key */
    LEARN_JOB_EVALUATE,            /* inputs, targets */
    LEARN_JOB_GENERATIONS,         /* first: below which generation (0: from the newest); count */
    LEARN_JOB_ROLLBACK,            /* first: to which generation, or -1: label, or time_ms; key */
    LEARN_JOB_LABEL,               /* first: which generation, -1: the newest; label; key */
    LEARN_JOB_PROMOTE,             /* first: which generation, -1: the newest; key */
    LEARN_JOB_EXPORT,
    LEARN_JOB_REWIND,              /* first, last: the generations to be left out; key */
    LEARN_JOB_ERASE,               /* places: of the examples; key */
    LEARN_JOB_FEEDBACK,            /* targets, served, rate, key */
    LEARN_JOB_ADOPT,               /* file, basis, first: what training from there on has made; key */
    LEARN_JOB_RELEASE              /* what a training job has had held is not any more */
};

/* What a training job begins from. */
struct learn_basis {
    /* Of LEARN_JOB_EXPORT: the updates after the generation exported, or (if it is not 0) after
     * `first`, are to be kept one by one until ADOPT or RELEASE, so that they can be applied to
     * what the job comes to. */
    bool hold;
    struct digest base;            /* of the model's file: filled by EXPORT, compared by ADOPT */
    struct learn_config config;    /* filled by EXPORT */
};

/* What a learner is asked for. Its owner is the handler until learner_submit(), the learner until
 * `finish` is called, the callee afterwards. */
struct learn_job {
    enum learn_kind kind;
    struct model_entry *entry;     /* a reference */
    struct tensor *inputs;         /* one for each model input, in the model's order */
    int n_targets;
    struct tensor *targets;
    const char *const *target_names;
    int64_t rows;
    double rate;                   /* NaN: the config's */
    const char *key;               /* Idempotency-Key, or NULL */
    struct digest body;            /* of the request, with the key */
    int64_t if_match;              /* generation that must be the newest; -1: any */
    int64_t first, last, count;
    const char *label;             /* or NULL */
    int64_t time_ms;               /* Unix time */
    const void *file;              /* an ONNX file of the same graph */
    size_t file_bytes;
    struct learn_basis *basis;     /* NULL: not wanted */
    bool of_serving;               /* EXPORT: what serves, where a candidate is newer */
    const struct learn_place *places;
    size_t n_places;
    struct learn_served served;
    const char *principal;         /* who asks, or NULL */
    const char *note;              /* JSON object for the row's settings, of a job that goes back or
                                      promotes; or NULL */
    uint64_t deadline_ns;          /* CLOCK_MONOTONIC */
    /* Filled by the learner before `finish`, for the access log. */
    struct {
        bool partly;               /* erase: of some only copies were left, what they taught first stays */
        bool hidden;               /* durable, but predictions do not see it yet */
        bool replayed;             /* the key had been applied before */
        double loss;               /* before the update; 0 examples: none */
        int64_t examples;
        uint64_t commit_ns;
    } outcome;
    bool (*is_abandoned)(const struct learn_job *job);
    /* On the learner's thread, once. problem->status 0: `body` is the answer (its memory may be taken),
     * computed from or leading to `generation`. */
    void (*finish)(struct learn_job *job, struct text *body, const char *content_type,
                   int64_t generation, const struct problem *problem);
    struct learn_job *next;        /* the learner's */
};

struct learner_params {
    struct model_entry *entry;     /* a reference is taken */
    const struct learn_config *config;   /* copied */
    const char *state_path;
    const struct options *options;
    struct log *log;
    struct pace *pace;                   /* may be NULL */
};

/* True if something has been learnt on this version of the model and is to be recovered before it serves.
 * Reads the directory only. */
bool learner_has_state(const char *state_path, const struct model_entry *entry);

/* Starts the thread, which opens the model, the journal and the newest state. NULL when out of memory. */
struct learner *learner_create(const struct learner_params *params);
/* Waits until it is open; what was learnt before is published then. False sets `err`: the state cannot be
 * recovered at all, and the model should not serve without it. */
bool learner_wait(struct learner *learner, struct engine_error *err);
/* Takes the job over. False (untouched, `problem` set: 503) when it is closing or the queue is full. */
bool learner_submit(struct learner *learner, struct learn_job *job, struct problem *problem);
/* Finishes what is queued, writes a checkpoint, ends the thread and lets the entry go. */
void learner_destroy(struct learner *learner);

#endif
