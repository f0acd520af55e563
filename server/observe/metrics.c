/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/metrics.h"

#include "server/observe/metrics_table.h"
#include "server/observe/slice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_LINE = 64, ENGINE_TEXT_MAX = 96 };

static const char reason_other[] = "other";

struct metrics_slice {
    _Alignas(CACHE_LINE) _Atomic uint64_t values[METRIC_NUMBERS];
};

/* A slot is taken by writing its reason once. */
struct reason_count {
    _Atomic(const char *) reason;
    _Atomic uint64_t count;
};

/* A list that only grows at its tail, so a walk needs no lock. */
struct model_node {
    struct model_stats *stats;
    _Atomic(struct model_node *) next;
};

struct metrics {
    struct metrics_slice slices[SLICES];
    struct reason_count reasons[METRIC_REASONS_MAX];
    _Atomic(struct model_node *) models;
    pthread_mutex_t lock;                /* of adding a model */
    char isa[ENGINE_TEXT_MAX], blas[ENGINE_TEXT_MAX];
};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = aligned_alloc(CACHE_LINE, (sizeof(*metrics) + CACHE_LINE - 1) /
                                                            CACHE_LINE * CACHE_LINE);

    if (metrics == NULL)
        return NULL;
    memset(metrics, 0, sizeof(*metrics));
    pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    struct model_node *node, *next;

    if (metrics == NULL)
        return;
    for (node = metrics->models; node != NULL; node = next) {
        next = node->next;
        stats_destroy(node->stats);
        free(node);
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

void metrics_describe_engine(struct metrics *metrics, const char *isa, const char *blas)
{
    strncpy(metrics->isa, isa, sizeof(metrics->isa) - 1);
    strncpy(metrics->blas, blas, sizeof(metrics->blas) - 1);
}

const char *metrics_isa(const struct metrics *metrics)
{
    return metrics->isa;
}

const char *metrics_blas(const struct metrics *metrics)
{
    return metrics->blas;
}

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount)
{
    slice_add(&metrics->slices[slice_of_thread()].values[metric], (uint64_t)amount);
}

int64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    uint64_t sum = 0;

    for (int i = 0; i < SLICES; i++)
        sum += slice_get(&metrics->slices[i].values[metric]);
    return (int64_t)sum;
}

void metrics_http_response(struct metrics *metrics, int status)
{
    if (status >= 200 && status < 600)
        metrics_add(metrics, (enum metric)(METRIC_HTTP_2XX + status / 100 - 2), 1);
}

/* The slot of a reason, taken if it is new; the last slot is for "other". */
static struct reason_count *reason_slot(struct metrics *metrics, const char *reason)
{
    struct reason_count *other = &metrics->reasons[METRIC_REASONS_MAX - 1];

    atomic_store_explicit(&other->reason, reason_other, memory_order_relaxed);
    for (int i = 0; reason != NULL && i < METRIC_REASONS_MAX; i++) {
        struct reason_count *slot = &metrics->reasons[i];
        const char *seen = atomic_load_explicit(&slot->reason, memory_order_acquire);

        if (seen == NULL && atomic_compare_exchange_strong(&slot->reason, &seen, reason))
            return slot;
        if (seen == reason || strcmp(seen, reason) == 0)
            return slot;
    }
    return other;
}

void metrics_request_error(struct metrics *metrics, const char *reason)
{
    slice_add(&reason_slot(metrics, reason)->count, 1);
}

const char *metrics_reason(const struct metrics *metrics, int index, uint64_t *ret_count)
{
    if (index < 0 || index >= METRIC_REASONS_MAX)
        return NULL;
    *ret_count = slice_get(&metrics->reasons[index].count);
    return atomic_load_explicit(&metrics->reasons[index].reason, memory_order_acquire);
}

uint64_t metrics_request_errors(const struct metrics *metrics, const char *reason)
{
    for (int i = 0; i < METRIC_REASONS_MAX; i++) {
        uint64_t count = 0;
        const char *seen = metrics_reason(metrics, i, &count);

        if (seen != NULL && strcmp(seen, reason) == 0)
            return count;
    }
    return 0;
}

static struct model_node *model_node_create(const char *name, const char *version)
{
    struct model_node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->stats = stats_create(name, version);
    if (node->stats == NULL) {
        free(node);
        return NULL;
    }
    return node;
}

struct model_stats *metrics_model(struct metrics *metrics, const char *name, const char *version)
{
    _Atomic(struct model_node *) *link = &metrics->models;
    struct model_node *node;

    pthread_mutex_lock(&metrics->lock);
    for (node = *link; node != NULL; link = &node->next, node = *link) {
        if (strcmp(stats_model_name(node->stats), name) == 0 &&
            strcmp(stats_model_version(node->stats), version) == 0)
            break;
    }
    if (node == NULL) {
        node = model_node_create(name, version);
        if (node != NULL)
            atomic_store_explicit(link, node, memory_order_release);
    }
    pthread_mutex_unlock(&metrics->lock);
    return node != NULL ? node->stats : NULL;
}

void metrics_each_model(const struct metrics *metrics,
                        void (*visit)(void *arg, const struct model_stats *stats), void *arg)
{
    const struct model_node *node = atomic_load_explicit(&metrics->models, memory_order_acquire);

    for (; node != NULL; node = atomic_load_explicit(&node->next, memory_order_acquire))
        visit(arg, node->stats);
}
