/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/tap.h"

#include "server/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, NS_PER_S = 1000 * 1000 * 1000 };

/* How often a use wants a prediction; any thread. */
struct chooser {
    _Atomic uint32_t every, seen;
    _Atomic uint64_t gap_ns, due_ns;
};

struct tap_state {
    struct chooser choosers[TAP_USES];
    _Atomic int waiting;                 /* changed under the lock */
    _Atomic size_t waiting_bytes;
    _Atomic uint64_t taken, dropped;
    pthread_mutex_t lock;                /* of what follows, and of opening and closing */
    struct tap_sample *first, **last;
    void (*wake)(void *arg);
    void *arg;
};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Adds what the tensors take up; false if they cannot be copied as bytes or exceed `bytes_max`. */
static bool measure(const struct tensor *tensors, int count, size_t bytes_max, size_t *bytes)
{
    for (int i = 0; i < count; i++) {
        size_t own = tensor_bytes(&tensors[i]);

        if (tensors[i].dtype == DTYPE_STRING || tensors[i].dtype == DTYPE_SEQUENCE ||
            tensors[i].dtype == DTYPE_OPTIONAL || own > bytes_max || *bytes > bytes_max)
            return false;
        *bytes += aligned(own);
    }
    return *bytes <= bytes_max;
}

static char *copy(const struct tensor *from, int count, struct tensor *to, char *data)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = tensor_bytes(&from[i]);

        to[i] = from[i];
        to[i].data = data;
        if (bytes > 0)
            memcpy(data, from[i].data, bytes);
        data += aligned(bytes);
    }
    return data;
}

struct tap_sample *tap_sample_create(const struct tap_prediction *prediction, size_t bytes_max)
{
    size_t count = (size_t)prediction->n_inputs + (size_t)prediction->n_outputs;
    size_t id_bytes = prediction->id != NULL ? strlen(prediction->id) + 1 : 0;
    size_t head = aligned(sizeof(struct tap_sample) + count * sizeof(struct tensor));
    size_t bytes = head + aligned(id_bytes);
    struct tap_sample *sample;
    struct tensor *tensors;
    char *data;

    if (!measure(prediction->inputs, prediction->n_inputs, bytes_max, &bytes) ||
        !measure(prediction->outputs, prediction->n_outputs, bytes_max, &bytes))
        return NULL;
    sample = aligned_alloc(ALIGNMENT, bytes);
    if (sample == NULL)
        return NULL;
    tensors = (struct tensor *)(sample + 1);
    data = (char *)sample + head;
    *sample = (struct tap_sample){
        .uses = prediction->uses, .generation = prediction->generation,
        .time_ms = clock_unix_ms(),
        .rows = prediction->rows, .n_inputs = prediction->n_inputs,
        .n_outputs = prediction->n_outputs, .inputs = tensors,
        .outputs = tensors + prediction->n_inputs, .bytes = bytes, .references = 1};
    if (id_bytes > 0) {
        sample->id = memcpy(data, prediction->id, id_bytes);
        data += aligned(id_bytes);
    }
    data = copy(prediction->inputs, prediction->n_inputs, tensors, data);
    copy(prediction->outputs, prediction->n_outputs, tensors + prediction->n_inputs, data);
    return sample;
}

struct tap_sample *tap_sample_ref(struct tap_sample *sample)
{
    atomic_fetch_add_explicit(&sample->references, 1, memory_order_relaxed);
    return sample;
}

void tap_sample_unref(struct tap_sample *sample)
{
    if (sample != NULL &&
        atomic_fetch_sub_explicit(&sample->references, 1, memory_order_acq_rel) == 1)
        free(sample);
}

bool tap_init(struct tap *tap)
{
    atomic_init(&tap->uses, 0);
    tap->state = calloc(1, sizeof(*tap->state));
    if (tap->state == NULL)
        return false;
    pthread_mutex_init(&tap->state->lock, NULL);
    tap->state->last = &tap->state->first;
    return true;
}

void tap_finish(struct tap *tap)
{
    if (tap->state == NULL)
        return;
    tap_detach(tap);
    pthread_mutex_destroy(&tap->state->lock);
    free(tap->state);
    tap->state = NULL;
}

void tap_attach(struct tap *tap, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&tap->state->lock);
    tap->state->wake = wake;
    tap->state->arg = arg;
    pthread_mutex_unlock(&tap->state->lock);
}

void tap_detach(struct tap *tap)
{
    struct tap_sample *sample;

    pthread_mutex_lock(&tap->state->lock);
    atomic_store_explicit(&tap->uses, 0, memory_order_relaxed);
    tap->state->wake = NULL;
    pthread_mutex_unlock(&tap->state->lock);
    while ((sample = tap_take(tap)) != NULL)
        tap_sample_unref(sample);
}

void tap_open(struct tap *tap, enum tap_use use, struct tap_rate rate)
{
    struct chooser *chooser = &tap->state->choosers[use];

    pthread_mutex_lock(&tap->state->lock);
    atomic_store_explicit(&chooser->every, rate.every, memory_order_relaxed);
    atomic_store_explicit(&chooser->gap_ns,
                          rate.per_second > 0 ? (uint64_t)NS_PER_S / rate.per_second : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&chooser->due_ns, 0, memory_order_relaxed);
    if (tap->state->wake != NULL)
        atomic_fetch_or_explicit(&tap->uses, 1u << use, memory_order_relaxed);
    pthread_mutex_unlock(&tap->state->lock);
}

void tap_close(struct tap *tap, enum tap_use use)
{
    pthread_mutex_lock(&tap->state->lock);
    atomic_fetch_and_explicit(&tap->uses, ~(1u << use), memory_order_relaxed);
    pthread_mutex_unlock(&tap->state->lock);
}

bool tap_waits(const struct tap *tap)
{
    return atomic_load_explicit(&tap->state->waiting, memory_order_relaxed) > 0;
}

struct tap_sample *tap_take(struct tap *tap)
{
    struct tap_state *state = tap->state;
    struct tap_sample *sample;

    pthread_mutex_lock(&state->lock);
    sample = state->first;
    if (sample != NULL) {
        state->first = sample->next;
        if (state->first == NULL)
            state->last = &state->first;
        sample->next = NULL;
        atomic_fetch_sub_explicit(&state->waiting, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&state->waiting_bytes, sample->bytes, memory_order_relaxed);
    }
    pthread_mutex_unlock(&state->lock);
    return sample;
}

struct tap_counts tap_counts(const struct tap *tap)
{
    return (struct tap_counts){
        atomic_load_explicit(&tap->state->taken, memory_order_relaxed),
        atomic_load_explicit(&tap->state->dropped, memory_order_relaxed)};
}

/* Of several threads that find it due at once, one takes it. */
static bool is_due(struct chooser *chooser, uint64_t *now_ns)
{
    uint32_t every = atomic_load_explicit(&chooser->every, memory_order_relaxed);
    uint64_t gap_ns = atomic_load_explicit(&chooser->gap_ns, memory_order_relaxed), due_ns;

    if (every > 1 &&
        atomic_fetch_add_explicit(&chooser->seen, 1, memory_order_relaxed) % every != 0)
        return false;
    if (gap_ns == 0)
        return true;
    if (*now_ns == 0)
        *now_ns = clock_now_ns();
    due_ns = atomic_load_explicit(&chooser->due_ns, memory_order_relaxed);
    return *now_ns >= due_ns &&
           atomic_compare_exchange_strong_explicit(&chooser->due_ns, &due_ns, *now_ns + gap_ns,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static bool has_room(const struct tap_state *state)
{
    return atomic_load_explicit(&state->waiting, memory_order_relaxed) < TAP_SAMPLES_MAX &&
           atomic_load_explicit(&state->waiting_bytes, memory_order_relaxed) < TAP_BYTES_MAX;
}

unsigned tap_choose(struct tap *tap)
{
    unsigned uses = atomic_load_explicit(&tap->uses, memory_order_relaxed), wanted = 0;
    uint64_t now_ns = 0;

    for (int i = 0; i < TAP_USES; i++)
        if ((uses & 1u << i) != 0 && is_due(&tap->state->choosers[i], &now_ns))
            wanted |= 1u << i;
    if (wanted == 0 || has_room(tap->state))
        return wanted;
    atomic_fetch_add_explicit(&tap->state->dropped, 1, memory_order_relaxed);
    return 0;
}

/* Under the lock. */
static bool fits(const struct tap *tap, const struct tap_sample *sample)
{
    const struct tap_state *state = tap->state;
    size_t waiting = atomic_load_explicit(&state->waiting_bytes, memory_order_relaxed);

    return state->wake != NULL && has_room(state) && sample->bytes <= TAP_BYTES_MAX - waiting &&
           (sample->uses & atomic_load_explicit(&tap->uses, memory_order_relaxed)) != 0;
}

void tap_offer(struct tap *tap, struct tap_sample *sample)
{
    struct tap_state *state = tap->state;
    bool accepted;

    pthread_mutex_lock(&state->lock);
    accepted = sample != NULL && fits(tap, sample);
    if (accepted) {
        sample->next = NULL;
        *state->last = sample;
        state->last = &sample->next;
        atomic_fetch_add_explicit(&state->waiting, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&state->waiting_bytes, sample->bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&state->taken, 1, memory_order_relaxed);
        state->wake(state->arg);
    } else {
        atomic_fetch_add_explicit(&state->dropped, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&state->lock);
    if (!accepted)
        tap_sample_unref(sample);
}
