/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum engine_status engine_error_set(struct engine_error *err, enum engine_status status,
                                    const char *format, ...)
{
    va_list args;

    if (err == NULL || err->status != ENGINE_OK)
        return status;
    err->status = status;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return status;
}

void engine_error_prefix(struct engine_error *err, const char *format, ...)
{
    char joined[sizeof(err->text)];
    va_list args;
    int length;

    if (err == NULL)
        return;
    va_start(args, format);
    length = vsnprintf(joined, sizeof(joined), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(joined))
        return;
    snprintf(joined + length, sizeof(joined) - (size_t)length, ": %s", err->text);
    memcpy(err->text, joined, sizeof(joined));
}

const char *engine_status_text(enum engine_status status)
{
#define X(name, text) text,
    static const char *const texts[] = {ENGINE_STATUS_MAP(X)};
#undef X

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : "unknown status";
}
