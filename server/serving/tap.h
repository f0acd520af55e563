/* SPDX-License-Identifier: Apache-2.0
 * server/serving/tap.h - what becomes of a live prediction after it was computed. A served version has one
 * tap; whoever wants to see predictions opens it for a use, and gets copies of some of them.
 *
 *   prediction (any thread): tap_wants() -> tap_sample_create() -> tap_offer()
 *   consumer (one thread):   tap_attach(), tap_open() ... tap_take() -> tap_sample_unref()
 *
 * A tap that nobody has opened costs a prediction one relaxed load. Which predictions are taken (one in N,
 * at most so many a second) and whether there is room is decided before anything is copied; what finds no
 * room is dropped and counted. So a slow consumer costs predictions nothing, and memory is bounded by
 * TAP_SAMPLES_MAX and TAP_BYTES_MAX.
 *
 * To add a use: a line of TAP_USE_MAP, and its consumer in server/learning/learner_tap.c. */
#ifndef SERVER_SERVING_TAP_H
#define SERVER_SERVING_TAP_H

#include "engine/tensor.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, what for) */
#define TAP_USE_MAP(X) \
    X(SHADOW, "a candidate's answers are compared") \
    X(FEATURES, "the distribution of inputs is watched")

#define X(name, meaning) TAP_##name,
enum tap_use { TAP_USE_MAP(X) TAP_USES };
#undef X

enum { TAP_SAMPLES_MAX = 256, TAP_BYTES_MAX = 16 << 20 };

/* A copy of one prediction, in one block. Nothing in it changes once it has been made. */
struct tap_sample {
    unsigned uses;                       /* bits 1 << enum tap_use */
    int64_t generation;                  /* whose weights made the outputs */
    int64_t time_ms;                     /* Unix time */
    int64_t rows;
    const char *id;                      /* of the request, or NULL */
    int n_inputs, n_outputs;
    const struct tensor *inputs, *outputs;   /* in the model's order */
    size_t bytes;                        /* of all of it */
    _Atomic int references;
    struct tap_sample *next;             /* the tap's */
};

/* Everything by which a sample is made; nothing is kept. */
struct tap_prediction {
    unsigned uses;
    int64_t generation, rows;
    const char *id;
    const struct tensor *inputs, *outputs;
    int n_inputs, n_outputs;
};

/* With one reference. NULL: out of memory, more than `bytes_max`, or tensors of strings or sequences. */
struct tap_sample *tap_sample_create(const struct tap_prediction *prediction, size_t bytes_max);
struct tap_sample *tap_sample_ref(struct tap_sample *sample);
/* NULL is fine. Any thread. */
void tap_sample_unref(struct tap_sample *sample);

struct tap_rate {
    uint32_t every;                      /* one prediction in so many; 0 and 1: each */
    uint32_t per_second;                 /* at most; 0: no limit */
};

struct tap_counts {
    uint64_t taken, dropped;             /* offered and accepted; wanted, but there was no room */
};

struct tap {
    _Atomic unsigned uses;               /* read by tap_wants(); all else is tap.c's */
    struct tap_state *state;
};

/* False when out of memory. */
bool tap_init(struct tap *tap);
/* Nobody is attached any more. */
void tap_finish(struct tap *tap);

/* --- of the consumer --- */

/* `wake` is called, on any thread and under a lock of the tap's, when a sample has been offered: it must
 * not call the tap, but for tap_waits(). One consumer at a time. */
void tap_attach(struct tap *tap, void (*wake)(void *arg), void *arg);
/* Closes every use and drops what waits; `wake` is not called any more when it returns. */
void tap_detach(struct tap *tap);
/* Opens it for one more use, or changes that use's rate; nothing when nobody is attached. */
void tap_open(struct tap *tap, enum tap_use use, struct tap_rate rate);
void tap_close(struct tap *tap, enum tap_use use);
bool tap_waits(const struct tap *tap);
/* The oldest sample that waits, which is the caller's then, or NULL. */
struct tap_sample *tap_take(struct tap *tap);
struct tap_counts tap_counts(const struct tap *tap);

/* --- of predictions --- */

/* The uses that want the prediction that has just been computed, as far as there is room for it. */
unsigned tap_choose(struct tap *tap);
static inline unsigned tap_wants(struct tap *tap)
{
    return atomic_load_explicit(&tap->uses, memory_order_relaxed) == 0 ? 0 : tap_choose(tap);
}
/* Takes the reference over; NULL counts as dropped. */
void tap_offer(struct tap *tap, struct tap_sample *sample);

#endif
