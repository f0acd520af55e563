/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/learning_stats.h"

#include <string.h>

#define X(id, text) [LEARNING_REFUSAL_##id] = text,
static const char *const refusals[] = {LEARNING_REFUSAL_MAP(X)};
#undef X

const char *learning_refusal_name(enum learning_refusal refusal)
{
    return refusals[refusal];
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
    *ret_totals = totals;
}
