/* SPDX-License-Identifier: Apache-2.0
 * server/observe/access_log.h - one line for each request. Each network thread collects its lines
 * and writes them together when it has nothing better to do. */
#ifndef SERVER_OBSERVE_ACCESS_LOG_H
#define SERVER_OBSERVE_ACCESS_LOG_H

#include "server/observe/log.h"

#include <stddef.h>
#include <stdint.h>

/* What an update of a model's weights came to. */
struct access_update {
    const char *kind;                 /* "finetune", "rollback": a constant; NULL: it was none */
    const char *verdict;              /* "learned", "replayed", or why it was refused: a constant */
    int64_t generation;               /* that it led to; -1: none */
    int64_t examples;
    double loss;                      /* before the update; NaN: none */
    uint64_t commit_us;               /* from its computed state to its durable one */
};

struct access_record {
    const char *method, *path;        /* as they came; the path is cut at 256 bytes */
    int status;                       /* 499: the client went away before it was answered */
    size_t bytes_in, bytes_out;       /* bodies */
    uint64_t duration_us, queue_us, compute_us;
    int batch_size;                   /* 0: no prediction was made */
    const char *model, *version;      /* "" when there is none */
    const char *peer;
    const struct access_update *update;   /* NULL: none */
    const char *request_id;           /* X-Request-Id, or NULL */
};

void access_log_append(const struct log *log, struct text *lines, const struct access_record *record);

#endif
