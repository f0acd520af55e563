/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/learning_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(id, text) [LEARNING_REFUSAL_##id] = text,
static const char *const refusals[] = {LEARNING_REFUSAL_MAP(X)};
#undef X

const char *learning_refusal_name(enum learning_refusal refusal)
{
    return refusals[refusal];
}

void learning_stats_init(struct learning_stats *stats)
{
    pthread_mutex_init(&stats->note_lock, NULL);
}

void learning_stats_finish(struct learning_stats *stats)
{
    struct learning_layers *layers = stats->layers;

    while (layers != NULL) {
        struct learning_layers *older = layers->older;

        free(layers);
        layers = older;
    }
    pthread_mutex_destroy(&stats->note_lock);
}

static void copy_note(char to[LEARNING_NOTE_BYTES], const char *from)
{
    if (from != NULL)
        snprintf(to, LEARNING_NOTE_BYTES, "%s", from);
}

void learning_stats_note(struct learning_stats *stats, const char *reason, const char *worst_input)
{
    pthread_mutex_lock(&stats->note_lock);
    copy_note(stats->reason, reason);
    copy_note(stats->worst_input, worst_input);
    pthread_mutex_unlock(&stats->note_lock);
}

struct learning_layers *learning_stats_layers(struct learning_stats *stats,
                                              struct learning_layers *layers)
{
    struct learning_layers *now = atomic_load_explicit(&stats->layers, memory_order_acquire);

    if (now != NULL && now->n_layers == layers->n_layers &&
        memcmp(now->names, layers->names, sizeof(now->names)) == 0) {
        free(layers);
        return now;
    }
    layers->older = now;
    atomic_store_explicit(&stats->layers, layers, memory_order_release);
    return layers;
}

void learning_stats_set(struct learning_stats *stats, enum learning_number which, double number)
{
    atomic_store_explicit(&stats->numbers[which], number, memory_order_relaxed);
    atomic_store_explicit(&stats->active, true, memory_order_relaxed);
}

void learning_stats_add(struct learning_stats *stats, enum learning_number which, double amount)
{
    double before = atomic_load_explicit(&stats->numbers[which], memory_order_relaxed);

    learning_stats_set(stats, which, before + amount);
}

void learning_stats_refused(struct learning_stats *stats, const char *reason)
{
    int which = 0;

    while (which < LEARNING_REFUSAL_OTHER && strcmp(refusals[which], reason) != 0)
        which++;
    slice_add(&stats->refused[which], 1);
    atomic_store_explicit(&stats->active, true, memory_order_relaxed);
}

void learning_stats_committed(struct learning_stats *stats, uint64_t ns)
{
    histogram_observe(&stats->commits, &histogram_durations, ns);
}

void learning_stats_collect(const struct learning_stats *stats, struct learning_totals *ret_totals)
{
    struct learning_totals totals = {0};

    totals.active = atomic_load_explicit(&stats->active, memory_order_relaxed);
    for (int i = 0; i < LEARNING_COUNT; i++)
        totals.numbers[i] = atomic_load_explicit(&stats->numbers[i], memory_order_relaxed);
    for (int i = 0; i < LEARNING_REFUSAL_COUNT; i++)
        totals.refused[i] = slice_get(&stats->refused[i]);
    histogram_collect(&stats->commits, &totals.commits);
    totals.layers = atomic_load_explicit(&stats->layers, memory_order_acquire);
    pthread_mutex_lock((pthread_mutex_t *)&stats->note_lock);
    copy_note(totals.reason, stats->reason);
    copy_note(totals.worst_input, stats->worst_input);
    pthread_mutex_unlock((pthread_mutex_t *)&stats->note_lock);
    *ret_totals = totals;
}
