/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/access_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { PATH_SHOWN_MAX = 256, ID_SHOWN_MAX = 128, NUMBER_BYTES = 32 };

/* What cannot be said is left empty, as "-". */
static const char *number_text(char text[NUMBER_BYTES], bool known, const char *format, double number)
{
    if (known)
        snprintf(text, NUMBER_BYTES, format, number);
    else
        snprintf(text, NUMBER_BYTES, "-");
    return text;
}

static void append_update(const struct log *log, struct text *lines,
                          const struct access_record *record)
{
    const struct access_update *update = record->update;
    char generation[NUMBER_BYTES], loss[NUMBER_BYTES];

    log_append(log, lines, LOG_LEVEL_INFO, "request",
               "method=%s path=%.*s status=%d in=%zu out=%zu us=%llu model=%s version=%s update=%s "
               "verdict=%s generation=%s examples=%" PRId64 " loss=%s commit_us=%llu peer=%s id=%.*s",
               record->method, PATH_SHOWN_MAX, record->path, record->status, record->bytes_in,
               record->bytes_out, (unsigned long long)record->duration_us, record->model,
               record->version, update->kind, update->verdict,
               number_text(generation, update->generation >= 0, "%.0f", (double)update->generation),
               update->examples, number_text(loss, !isnan(update->loss), "%.6g", update->loss),
               (unsigned long long)update->commit_us, record->peer, ID_SHOWN_MAX,
               record->request_id != NULL ? record->request_id : "-");
}

void access_log_append(const struct log *log, struct text *lines, const struct access_record *record)
{
    const char *id = record->request_id != NULL ? record->request_id : "-";
    unsigned long long duration = record->duration_us, queue = record->queue_us;
    unsigned long long compute = record->compute_us;

    if (record->update != NULL)
        append_update(log, lines, record);
    else if (record->batch_size > 0)
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
