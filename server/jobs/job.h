/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job.h - one training job: what was asked, how far it is, what it came to, and its latest
 * events. Reference-counted: the manager's list, the job's thread and every listener hold it. What does
 * not say otherwise is for any thread. */
#ifndef SERVER_JOBS_JOB_H
#define SERVER_JOBS_JOB_H

#include "proto/text.h"
#include "server/jobs/job_request.h"
#include "server/learning/digest.h"
#include "server/training/train_run.h"

#include <pthread.h>
#include <stdatomic.h>

enum { JOB_ID_BYTES = 16, JOB_KEY_BYTES = 255, JOB_EVENTS_MAX = 256, JOB_EVENT_BYTES = 512,
       JOB_MODEL_BYTES = 64, JOB_VERSION_BYTES = 20, JOB_SETTING_BYTES = 256 };

/* X(name, text, final) */
#define JOB_STATE_MAP(X) \
    X(QUEUED, "queued", false) \
    X(RUNNING, "running", false) \
    X(DONE, "done", true)            /* adopted, or finished without promote */ \
    X(HELD, "held", true)            /* finished, and not adopted: `error` says why */ \
    X(FAILED, "failed", true) \
    X(CANCELLED, "cancelled", true)

#define X(name, text, final) JOB_##name,
enum job_state { JOB_STATE_MAP(X) JOB_STATES };
#undef X

const char *job_state_text(enum job_state state);
bool job_state_is_final(enum job_state state);
/* False if there is none of that name. */
bool job_state_find(const char *text, enum job_state *ret);

/* What the work has come to, in the order of its phases. */
enum job_phase {
    JOB_PHASE_WAITING,             /* nothing is there yet */
    JOB_PHASE_TRAINING,            /* the model it begins from is in its directory */
    JOB_PHASE_TRAINED              /* the result is */
};

/* A run of a search; of one that diverged score is -INFINITY. */
struct job_trial {
    double score, metric;
    int64_t best_epoch;
    char setting[JOB_SETTING_BYTES];
};

struct job_record {
    enum job_state state;
    enum job_phase phase;
    int64_t created_ms, started_ms, finished_ms;   /* Unix time; 0: not yet */
    int restarts;                  /* of the daemon, in its midst */
    int64_t base_generation;       /* that it began from; 0: not yet */
    struct digest base;            /* of the model's file */
    int64_t generation;            /* that its result became; 0: none */
    struct train_moment moment;    /* steps 0: none yet */
    int64_t epochs_done, best_epoch, refused;
    double metric;                 /* of the best epoch; NaN: none yet */
    double serving_metric;         /* of what served when it was done, on the same examples */
    char error[400];
};

struct job_event {
    int64_t id;                    /* Unix time in milliseconds, or one more than the one before */
    char name[16];
    char data[JOB_EVENT_BYTES];
};

struct job {
    char id[JOB_ID_BYTES + 1];
    char model[JOB_MODEL_BYTES + 1], version[JOB_VERSION_BYTES + 1];
    char key[JOB_KEY_BYTES + 1];   /* Idempotency-Key, or "" */
    struct digest body;            /* of the request with that key */
    struct job_request request;
    char *path;                    /* of its directory */
    _Atomic int references;
    atomic_bool cancel;            /* asked to end */
    atomic_bool pause;             /* the daemon stops: to be gone on with */

    pthread_mutex_t saving;        /* one writes job.json at a time */
    pthread_mutex_t lock;          /* of all that follows */
    struct job_record record;
    struct job_trial *trials;
    int n_trials, cap_trials;
    struct job_event *events;      /* a ring: number k is events[k % JOB_EVENTS_MAX] */
    int64_t n_events, last_event_id;
    bool told;                     /* the last of them, which says how it ended */

    /* The manager's, under its lock. */
    struct job *next;
    bool busy;                     /* has a thread */
    bool over;                     /* ... which has come to its end */
    pthread_t thread;
};

/* One reference. NULL when out of memory. `request` is taken over, also on failure. */
struct job *job_create(const char *id, const char *path, struct job_request *request);
struct job *job_ref(struct job *job);
/* Takes NULL. */
void job_unref(struct job *job);

/* Whether it is to end, or to pause; of a job. */
bool job_is_stopped(const void *job);
/* A copy of what changes. */
struct job_record job_record(struct job *job);
/* Its JSON: without the trials of a search, with them, or as job.json has it. */
enum job_form { JOB_FORM_BRIEF, JOB_FORM_FULL, JOB_FORM_OWN };
void job_encode(struct job *job, enum job_form form, struct text *text);
/* As job.json would have it with that record. */
void job_encode_as(struct job *job, const struct job_record *record, struct text *text);

/* To the listeners: {"state": ...} or how far it is. */
void job_tell_state(struct job *job);
void job_tell(struct job *job, const char *name, const struct text *data);
/* Appends events with ids above `after`, the oldest first, as server-sent events, at most `bytes` or so.
 * Returns the id of the last (or `after`); *ret_end: the job is over and there is no more. */
int64_t job_events(struct job *job, int64_t after, size_t bytes, struct text *text, bool *ret_end);
/* Whether job_events() would give something, or the end. */
bool job_has_events(struct job *job, int64_t after);

#endif
