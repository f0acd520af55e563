/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/statistics.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH_SIZES_MAX = 128,               /* distinct batch sizes that are told apart */
    CACHE_LINE = 64
};

struct stats_slice {
    _Alignas(CACHE_LINE) struct histogram phases[STATS_PHASE_COUNT];
    struct histogram batch_rows;
    _Atomic uint64_t requests[STATS_PROTOCOL_COUNT];
    _Atomic uint64_t failures, failure_ns;
    _Atomic uint64_t rows;
};

/* A slot is taken by writing its size once; sizes that find no free slot are not told apart. */
struct batch_size_stats {
    _Atomic uint64_t size, count, gather_ns, compute_ns, scatter_ns;
};

struct model_stats {
    struct stats_slice slices[SLICES];
    struct batch_size_stats batch_sizes[BATCH_SIZES_MAX];
    _Atomic uint64_t load_failures[STATS_LOAD_FAILURE_COUNT];
    _Atomic uint64_t last_ms;
    _Atomic int64_t queued_rows, memory_bytes;
    _Atomic bool ready;
    struct learning_stats learning;
    char *name, *version;
};

struct model_stats *stats_create(const char *name, const char *version)
{
    struct model_stats *stats = aligned_alloc(CACHE_LINE, (sizeof(*stats) + CACHE_LINE - 1) /
                                                              CACHE_LINE * CACHE_LINE);

    if (stats == NULL)
        return NULL;
    memset(stats, 0, sizeof(*stats));
    learning_stats_init(&stats->learning);
    stats->name = strdup(name);
    stats->version = strdup(version);
    if (stats->name == NULL || stats->version == NULL) {
        stats_destroy(stats);
        return NULL;
    }
    return stats;
}

void stats_destroy(struct model_stats *stats)
{
    if (stats == NULL)
        return;
    learning_stats_finish(&stats->learning);
    free(stats->name);
    free(stats->version);
    free(stats);
}

const char *stats_model_name(const struct model_stats *stats)
{
    return stats->name;
}

const char *stats_model_version(const struct model_stats *stats)
{
    return stats->version;
}

static uint64_t unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void stats_success(struct model_stats *stats, enum stats_protocol protocol, int64_t rows,
                   const uint64_t phase_ns[STATS_PHASE_COUNT])
{
    struct stats_slice *slice = &stats->slices[slice_of_thread()];

    for (int i = 0; i < STATS_PHASE_COUNT; i++)
        histogram_observe(&slice->phases[i], &histogram_durations, phase_ns[i]);
    slice_add(&slice->requests[protocol], 1);
    slice_add(&slice->rows, (uint64_t)rows);
    atomic_store_explicit(&stats->last_ms, unix_ms(), memory_order_relaxed);
}

void stats_failure(struct model_stats *stats, enum stats_protocol protocol, uint64_t total_ns)
{
    struct stats_slice *slice = &stats->slices[slice_of_thread()];

    slice_add(&slice->requests[protocol], 1);
    slice_add(&slice->failures, 1);
    slice_add(&slice->failure_ns, total_ns);
}

static struct batch_size_stats *batch_size_slot(struct model_stats *stats, uint64_t size)
{
    for (size_t probe = 0; probe < BATCH_SIZES_MAX; probe++) {
        struct batch_size_stats *slot = &stats->batch_sizes[(size - 1 + probe) % BATCH_SIZES_MAX];
        uint64_t seen = slice_get(&slot->size);

        if (seen == 0 && atomic_compare_exchange_strong(&slot->size, &seen, size))
            return slot;
        if (seen == size)
            return slot;
    }
    return NULL;
}

void stats_execution(struct model_stats *stats, int64_t rows, uint64_t gather_ns,
                     uint64_t compute_ns, uint64_t scatter_ns)
{
    struct batch_size_stats *slot = batch_size_slot(stats, (uint64_t)rows);

    histogram_observe(&stats->slices[slice_of_thread()].batch_rows, &histogram_rows,
                      (uint64_t)rows);
    if (slot == NULL)
        return;
    slice_add(&slot->count, 1);
    slice_add(&slot->gather_ns, gather_ns);
    slice_add(&slot->compute_ns, compute_ns);
    slice_add(&slot->scatter_ns, scatter_ns);
}

void stats_queue_rows(struct model_stats *stats, int64_t amount)
{
    atomic_fetch_add_explicit(&stats->queued_rows, amount, memory_order_relaxed);
}

void stats_set_ready(struct model_stats *stats, bool ready, int64_t memory_bytes)
{
    atomic_store_explicit(&stats->ready, ready, memory_order_relaxed);
    atomic_store_explicit(&stats->memory_bytes, memory_bytes, memory_order_relaxed);
}

void stats_load_failed(struct model_stats *stats, enum stats_load_failure why)
{
    slice_add(&stats->load_failures[why], 1);
}

struct learning_stats *stats_learning(struct model_stats *stats)
{
    return &stats->learning;
}

void stats_collect(const struct model_stats *stats, struct model_totals *ret_totals)
{
    struct model_totals totals = {0};

    for (int s = 0; s < SLICES; s++) {
        const struct stats_slice *slice = &stats->slices[s];

        for (int i = 0; i < STATS_PHASE_COUNT; i++)
            histogram_collect(&slice->phases[i], &totals.phases[i]);
        histogram_collect(&slice->batch_rows, &totals.batch_rows);
        for (int i = 0; i < STATS_PROTOCOL_COUNT; i++)
            totals.requests[i] += slice_get(&slice->requests[i]);
        totals.failures += slice_get(&slice->failures);
        totals.failure_ns += slice_get(&slice->failure_ns);
        totals.rows += slice_get(&slice->rows);
    }
    for (int i = 0; i < STATS_LOAD_FAILURE_COUNT; i++)
        totals.load_failures[i] = slice_get(&stats->load_failures[i]);
    totals.last_ms = slice_get(&stats->last_ms);
    totals.queued_rows = atomic_load_explicit(&stats->queued_rows, memory_order_relaxed);
    totals.memory_bytes = atomic_load_explicit(&stats->memory_bytes, memory_order_relaxed);
    totals.ready = atomic_load_explicit(&stats->ready, memory_order_relaxed);
    learning_stats_collect(&stats->learning, &totals.learning);
    *ret_totals = totals;
}

static void duration_encode(struct text *text, const char *name, uint64_t count, uint64_t ns)
{
    text_printf(text, "\"%s\":{\"count\":%llu,\"ns\":%llu}", name, (unsigned long long)count,
                (unsigned long long)ns);
}

/* perf_analyzer reads all eight without asking whether they are there. */
static void inference_stats_encode(struct text *text, const struct model_totals *totals)
{
    const struct {
        const char *name;
        enum stats_phase phase;
    } phases[] = {
        {"success", STATS_PHASE_TOTAL},         {"queue", STATS_PHASE_QUEUE},
        {"compute_input", STATS_PHASE_DECODE},  {"compute_infer", STATS_PHASE_COMPUTE},
        {"compute_output", STATS_PHASE_ENCODE},
    };

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        const struct histogram_totals *phase = &totals->phases[phases[i].phase];

        duration_encode(text, phases[i].name, phase->count, phase->sum);
        text_puts(text, ",");
    }
    duration_encode(text, "fail", totals->failures, totals->failure_ns);
    text_puts(text, ",");
    duration_encode(text, "cache_hit", 0, 0);
    text_puts(text, ",");
    duration_encode(text, "cache_miss", 0, 0);
}

static void batch_sizes_encode(struct text *text, const struct model_stats *stats)
{
    const char *comma = "";

    for (int i = 0; i < BATCH_SIZES_MAX; i++) {
        const struct batch_size_stats *slot = &stats->batch_sizes[i];
        uint64_t size = slice_get(&slot->size), count = slice_get(&slot->count);

        if (size == 0)
            continue;
        text_printf(text, "%s{\"batch_size\":%llu,", comma, (unsigned long long)size);
        duration_encode(text, "compute_input", count, slice_get(&slot->gather_ns));
        text_puts(text, ",");
        duration_encode(text, "compute_infer", count, slice_get(&slot->compute_ns));
        text_puts(text, ",");
        duration_encode(text, "compute_output", count, slice_get(&slot->scatter_ns));
        text_puts(text, "}");
        comma = ",";
    }
}

void stats_encode(const struct model_stats *stats, struct text *text)
{
    struct model_totals totals;

    stats_collect(stats, &totals);
    text_puts(text, "{\"name\":");
    text_json_string(text, stats->name, strlen(stats->name));
    text_puts(text, ",\"version\":");
    text_json_string(text, stats->version, strlen(stats->version));
    text_printf(text, ",\"last_inference\":%llu,\"inference_count\":%llu,\"execution_count\":%llu,",
                (unsigned long long)totals.last_ms, (unsigned long long)totals.rows,
                (unsigned long long)totals.batch_rows.count);
    text_puts(text, "\"inference_stats\":{");
    inference_stats_encode(text, &totals);
    text_puts(text, "},\"response_stats\":{},\"batch_stats\":[");
    batch_sizes_encode(text, stats);
    text_printf(text, "],\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":%lld}]}",
                (long long)totals.memory_bytes);
}
