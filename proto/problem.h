/* SPDX-License-Identifier: Apache-2.0
 * proto/problem.h - why a request is refused: an HTTP status and one sentence that names the field
 * and what was expected. It holds constant text and the caller's own words (cut, escaped when
 * written), never a path of the server's, never memory. */
#ifndef PROTO_PROBLEM_H
#define PROTO_PROBLEM_H

#include <stdbool.h>

struct problem {
    int status;             /* 0: no problem */
    int retry_after_s;      /* > 0: sent as Retry-After */
    const char *reason;     /* label of inferd_request_errors_total: a constant, e.g. "bad_json" */
    char text[512];
};

/* Keeps the first problem; later calls change nothing. Always returns false, so that a decoder can
 * `return problem_set(...)`. */
bool problem_set(struct problem *problem, int status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "prefix" before the text: "inputs[0].data" + ": " + text. */
void problem_prefix(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
