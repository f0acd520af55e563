/* SPDX-License-Identifier: Apache-2.0
 * engine/error.h - how the engine says no: a status and the first failure's
 * text. The engine never logs and never exits; server/status_map.c alone turns
 * a status into HTTP. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#define ENGINE_STATUS_MAP(X) \
    X(OK, "ok") \
    X(NO_MEMORY, "out of memory") \
    X(BAD_MODEL, "model file is malformed") \
    X(UNSUPPORTED, "model needs an operator or type that this engine lacks") \
    X(BAD_INPUT, "input does not fit the model") \
    X(OVER_BUDGET, "needs more memory than the budget allows") \
    X(IO, "file could not be read")

#define X(name, text) ENGINE_##name,
enum engine_status { ENGINE_STATUS_MAP(X) };
#undef X

struct engine_error {
    enum engine_status status;
    char text[512];
};

/* Keeps the first failure (later calls change nothing) and returns `status`, so that a caller can
 * write `return engine_error_set(err, ...)`. `err` may be NULL. */
enum engine_status engine_error_set(struct engine_error *err, enum engine_status status,
                                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there; the text is cut at its end if need be. */
void engine_error_prefix(struct engine_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The constant text of a status, for logs and tests. */
const char *engine_status_text(enum engine_status status);

#endif
