/* SPDX-License-Identifier: Apache-2.0
 * server/observe/log.h - leveled, structured lines to stderr: "level message key=value ..." or JSON;
 * with systemd's <N> priority prefix when stderr is the journal. Any thread. */
#ifndef SERVER_OBSERVE_LOG_H
#define SERVER_OBSERVE_LOG_H

#include "proto/text.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log;

/* Writes to `fd`, which stays the caller's. NULL when out of memory. */
struct log *log_create(int fd, enum log_level level, enum log_format format);
void log_destroy(struct log *log);
void log_set_level(struct log *log, enum log_level level);
bool log_enabled(const struct log *log, enum log_level level);
enum log_format log_format_of(const struct log *log);
/* "error", "warning", "info", "debug"; false for another name. */
bool log_level_parse(const char *name, enum log_level *ret_level);
/* True when fd is the stream that systemd connected to the journal ($JOURNAL_STREAM). */
bool log_is_journal(int fd, const char *journal_stream);

/* `fields` is a printf format of logfmt pairs: log_write(log, LOG_LEVEL_INFO, "model loaded",
 * "model=%s version=%s ms=%.1f", ...), or NULL. "%s" values are quoted when they need it. The line
 * is one write(2). A NULL log drops it. */
void log_write(struct log *log, enum log_level level, const char *message, const char *fields, ...)
    __attribute__((format(printf, 4, 5)));

/* The same line appended to `text` instead, for writers that collect lines and write them together
 * with log_write_text(). */
void log_append(const struct log *log, struct text *text, enum log_level level,
                const char *message, const char *fields, ...) __attribute__((format(printf, 5, 6)));
/* Whole lines; what the descriptor does not take at once is lost rather than waited for twice. */
void log_write_text(const struct log *log, const struct text *text);

#endif
