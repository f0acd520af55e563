/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/access_log.h"

enum { PATH_SHOWN_MAX = 256, ID_SHOWN_MAX = 128 };

void access_log_append(const struct log *log, struct text *lines, const struct access_record *record)
{
    const char *id = record->request_id != NULL ? record->request_id : "-";
    unsigned long long duration = record->duration_us, queue = record->queue_us;
    unsigned long long compute = record->compute_us;

    if (record->batch_size > 0)
        log_append(log, lines, LOG_LEVEL_INFO, "request",
                   "method=%s path=%.*s status=%d in=%zu out=%zu us=%llu queue_us=%llu "
                   "compute_us=%llu batch=%d model=%s version=%s peer=%s id=%.*s",
                   record->method, PATH_SHOWN_MAX, record->path, record->status, record->bytes_in,
                   record->bytes_out, duration, queue, compute, record->batch_size, record->model,
                   record->version, record->peer, ID_SHOWN_MAX, id);
    else
        log_append(log, lines, LOG_LEVEL_INFO, "request",
                   "method=%s path=%.*s status=%d in=%zu out=%zu us=%llu peer=%s id=%.*s",
                   record->method, PATH_SHOWN_MAX, record->path, record->status, record->bytes_in,
                   record->bytes_out, duration, record->peer, ID_SHOWN_MAX, id);
}
