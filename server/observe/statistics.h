/* SPDX-License-Identifier: Apache-2.0
 * server/observe/statistics.h - the numbers of one model version: how many predictions, by which
 * protocol, how long each phase took, how large batches were. Written by network threads and
 * workers without locks, read by /metrics and by /v2/.../stats. Owned by struct metrics. */
#ifndef SERVER_OBSERVE_STATISTICS_H
#define SERVER_OBSERVE_STATISTICS_H

#include "proto/text.h"
#include "server/observe/histogram.h"
#include "server/observe/learning_stats.h"

#include <stdbool.h>
#include <stdint.h>

/* The life of one prediction. TOTAL is from the request's arrival to its encoded answer. */
#define STATS_PHASE_MAP(X) \
    X(QUEUE, "queue") X(DECODE, "decode") X(COMPUTE, "compute") X(ENCODE, "encode") \
    X(TOTAL, "total")
#define STATS_PROTOCOL_MAP(X) \
    X(V2_JSON, "v2_json") X(V2_BINARY, "v2_binary") X(V1, "v1")
/* Why a load failed. */
#define STATS_LOAD_FAILURE_MAP(X) \
    X(BAD_MODEL, "bad_model") X(UNSUPPORTED, "unsupported") X(OVER_BUDGET, "over_budget") \
    X(NO_MEMORY, "no_memory") X(IO, "io") X(BAD_CONFIG, "bad_config") X(OTHER, "other")

#define X(id, text) STATS_PHASE_##id,
enum stats_phase { STATS_PHASE_MAP(X) STATS_PHASE_COUNT };
#undef X
#define X(id, text) STATS_PROTOCOL_##id,
enum stats_protocol { STATS_PROTOCOL_MAP(X) STATS_PROTOCOL_COUNT };
#undef X
#define X(id, text) STATS_LOAD_FAILURE_##id,
enum stats_load_failure { STATS_LOAD_FAILURE_MAP(X) STATS_LOAD_FAILURE_COUNT };
#undef X

struct model_stats;

/* All that was counted, summed at about one moment. */
struct model_totals {
    struct histogram_totals phases[STATS_PHASE_COUNT];   /* ns; successes only */
    struct histogram_totals batch_rows;                  /* one observation for each execution */
    uint64_t requests[STATS_PROTOCOL_COUNT];             /* successes and failures */
    uint64_t failures, failure_ns;
    uint64_t rows;                                       /* of successes */
    uint64_t last_ms;                                    /* Unix time of the last success; 0: none */
    uint64_t load_failures[STATS_LOAD_FAILURE_COUNT];
    int64_t queued_rows;
    int64_t memory_bytes;
    bool ready;
    struct learning_totals learning;
};

/* Made and destroyed by struct metrics alone. Both names are copied. NULL when out of memory. */
struct model_stats *stats_create(const char *name, const char *version);
void stats_destroy(struct model_stats *stats);

const char *stats_model_name(const struct model_stats *stats);
const char *stats_model_version(const struct model_stats *stats);

/* A prediction that was answered with 200. */
void stats_success(struct model_stats *stats, enum stats_protocol protocol, int64_t rows,
                   const uint64_t phase_ns[STATS_PHASE_COUNT]);
/* One that this model refused or could not answer. */
void stats_failure(struct model_stats *stats, enum stats_protocol protocol, uint64_t total_ns);
/* One run of the model over `rows` rows, joined from one request or more. */
void stats_execution(struct model_stats *stats, int64_t rows, uint64_t gather_ns,
                     uint64_t compute_ns, uint64_t scatter_ns);
/* Rows waiting in the model's queue: add what comes, subtract what goes. */
void stats_queue_rows(struct model_stats *stats, int64_t amount);
int64_t stats_queued_rows(const struct model_stats *stats);
/* The version serves (with this much memory) from now on, or no longer does. */
void stats_set_ready(struct model_stats *stats, bool ready, int64_t memory_bytes);
void stats_load_failed(struct model_stats *stats, enum stats_load_failure why);

/* For its learner. */
struct learning_stats *stats_learning(struct model_stats *stats);

void stats_collect(const struct model_stats *stats, struct model_totals *ret_totals);
/* One element of Triton's "model_stats" array. */
void stats_encode(const struct model_stats *stats, struct text *text);

#endif
