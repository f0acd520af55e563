/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/log.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SPEC_MAX = 24, VALUE_MAX = 2048 };

struct log {
    int fd;
    bool journal;
    enum log_format format;
    atomic_int level;
};

static const struct {
    const char *name;
    int priority;              /* of syslog(3) */
} levels[] = {{"error", 3}, {"warning", 4}, {"info", 6}, {"debug", 7}};

struct log *log_create(int fd, enum log_level level, enum log_format format)
{
    struct log *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return NULL;
    log->fd = fd;
    log->format = format;
    log->journal = log_is_journal(fd, getenv("JOURNAL_STREAM"));
    atomic_init(&log->level, (int)level);
    return log;
}

void log_destroy(struct log *log)
{
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return log != NULL &&
           (int)level <= atomic_load_explicit((atomic_int *)&log->level, memory_order_relaxed);
}

enum log_format log_format_of(const struct log *log)
{
    return log->format;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(name, levels[i].name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_is_journal(int fd, const char *journal_stream)
{
    unsigned long long device, inode;
    struct stat status;

    return journal_stream != NULL && sscanf(journal_stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &status) == 0 && (unsigned long long)status.st_dev == device &&
           (unsigned long long)status.st_ino == inode;
}

static void append_time(struct text *text)
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    text_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000);
}

/* One printf conversion, cut out of the format so that snprintf can do it alone. */
struct spec {
    char text[SPEC_MAX];
    char conversion;           /* 's', 'd', 'f', '%' ... */
    int longs;                 /* l 1, ll and j 2, z and t 3 */
    bool precision_follows;    /* ".*" */
};

static const char *read_spec(const char *format, struct spec *spec)
{
    size_t used = 0;

    memset(spec, 0, sizeof(*spec));
    spec->text[used++] = *format++;
    while (*format != '\0' && strchr("-+ #0123456789.*", *format) != NULL && used < SPEC_MAX - 4) {
        spec->precision_follows |= *format == '*';
        spec->text[used++] = *format++;
    }
    while (*format != '\0' && strchr("hljzt", *format) != NULL && used < SPEC_MAX - 2) {
        spec->longs += *format == 'l' ? 1 : *format == 'j' ? 2 : *format == 'h' ? 0 : 3;
        spec->text[used++] = *format++;
    }
    spec->conversion = *format;
    spec->text[used] = *format;
    return *format != '\0' ? format + 1 : format;
}

/* Appends one conversion's text to `value`; returns false when it is not a plain number. */
static bool append_conversion(const struct spec *spec, va_list *args, char *value, size_t *used)
{
    size_t room = VALUE_MAX - *used;
    char *at = value + *used;
    int written, precision = spec->precision_follows ? va_arg(*args, int) : INT_MAX;
    bool number = true;

    switch (spec->conversion) {
    case 's': {
        const char *string = va_arg(*args, const char *);

        written = snprintf(at, room, "%.*s", precision, string != NULL ? string : "");
        number = false;
        break;
    }
    case 'c':
        written = snprintf(at, room, "%c", va_arg(*args, int));
        number = false;
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'o': {
        bool is_signed = spec->conversion == 'd' || spec->conversion == 'i';
        long long wide = spec->longs > 0 ? va_arg(*args, long long)
                         : is_signed     ? va_arg(*args, int)
                                         : (long long)va_arg(*args, unsigned int);

        written = snprintf(at, room, is_signed                 ? "%lld"
                                     : spec->conversion == 'x' ? "%llx"
                                     : spec->conversion == 'o' ? "%llo"
                                                               : "%llu", wide);
        number = spec->conversion != 'x' && spec->conversion != 'o';
        break;
    }
    default: {
        double real = va_arg(*args, double);

        written = spec->precision_follows ? snprintf(at, room, spec->text, precision, real)
                                          : snprintf(at, room, spec->text, real);
        number = isfinite(real);
    }
    }
    if (written > 0)
        *used += (size_t)written < room ? (size_t)written : room - 1;
    return number;
}

static bool needs_quotes(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] == '"' || value[i] == '=' || value[i] == '\\' ||
            value[i] >= 0x7f)
            return true;
    return length == 0;
}

/* The value of one pair up to the next blank of the format. */
static const char *append_value(struct text *text, enum log_format format, const char *fields,
                                va_list *args)
{
    char value[VALUE_MAX];
    size_t used = 0;
    bool number = true, empty = true;

    while (*fields != '\0' && *fields != ' ') {
        struct spec spec;

        if (*fields == '%' && fields[1] != '%') {
            fields = read_spec(fields, &spec);
            number = append_conversion(&spec, args, value, &used) && number && empty;
            empty = false;
            continue;
        }
        fields += *fields == '%';
        if (used + 1 < VALUE_MAX)
            value[used++] = *fields;
        number = false;
        fields++;
    }
    if (format == LOG_FORMAT_JSON ? !number || empty : needs_quotes(value, used))
        text_json_string(text, value, used);
    else
        text_append(text, value, used);
    return fields;
}

static void append_fields(struct text *text, enum log_format format, const char *fields,
                          va_list *args)
{
    while (fields != NULL && *fields != '\0') {
        size_t length = strcspn(fields, "= ");

        if (*fields == ' ') {
            fields++;
            continue;
        }
        if (format == LOG_FORMAT_JSON) {
            text_puts(text, ",");
            text_json_string(text, fields, length);
            text_puts(text, ":");
        } else {
            text_puts(text, " ");
            text_append(text, fields, length);
            text_puts(text, "=");
        }
        fields += length;
        fields += *fields == '=';
        fields = append_value(text, format, fields, args);
    }
}

static void append_line(const struct log *log, struct text *text, enum log_level level,
                        const char *message, const char *fields, va_list *args)
{
    if (log->journal)
        text_printf(text, "<%d>", levels[level].priority);
    if (log->format == LOG_FORMAT_JSON) {
        text_puts(text, "{\"time\":\"");
        append_time(text);
        text_printf(text, "\",\"level\":\"%s\",\"message\":", levels[level].name);
        text_json_string(text, message, strlen(message));
    } else if (log->journal) {
        text_puts(text, message);
    } else {
        append_time(text);
        text_printf(text, " %s %s", levels[level].name, message);
    }
    append_fields(text, log->format, fields, args);
    text_puts(text, log->format == LOG_FORMAT_JSON ? "}\n" : "\n");
}

void log_write(struct log *log, enum log_level level, const char *message, const char *fields, ...)
{
    struct text text;
    va_list args;

    if (!log_enabled(log, level))
        return;
    text_init(&text);
    va_start(args, fields);
    append_line(log, &text, level, message, fields, &args);
    va_end(args);
    log_write_text(log, &text);
    text_free(&text);
}

void log_append(const struct log *log, struct text *text, enum log_level level,
                const char *message, const char *fields, ...)
{
    va_list args;

    if (!log_enabled(log, level))
        return;
    va_start(args, fields);
    append_line(log, text, level, message, fields, &args);
    va_end(args);
}

void log_write_text(const struct log *log, const struct text *text)
{
    size_t at = 0;

    while (!text->failed && at < text->length) {
        ssize_t written = write(log->fd, text->data + at, text->length - at);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        at += (size_t)written;
    }
}
