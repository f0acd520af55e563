/* SPDX-License-Identifier: Apache-2.0
 * server/observe/log.h - leveled, structured lines to stderr: "level message key=value ..." or JSON;
 * with systemd's <N> priority prefix when stderr is the journal. Any thread. */
#ifndef SERVER_OBSERVE_LOG_H
#define SERVER_OBSERVE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log;

/* `fields` is a printf format of logfmt pairs: log_write(log, LOG_LEVEL_INFO, "model loaded",
 * "model=%s version=%s ms=%.1f", ...). "%s" values are quoted when they need it. */
void log_write(struct log *log, enum log_level level, const char *message, const char *fields, ...)
    __attribute__((format(printf, 4, 5)));

#endif
