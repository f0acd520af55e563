/* SPDX-License-Identifier: Apache-2.0
 * server/http/gate.h - refuses HTTP that two readers could understand in two ways, and whatever is
 * over a limit, before any handler sees it. Pure: bytes in, verdict out. Rules: RFC 9110, RFC 9112;
 * cases: tests/server/test_gate.c. */
#ifndef SERVER_HTTP_GATE_H
#define SERVER_HTTP_GATE_H

#include "proto/problem.h"
#include "server/http/router.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GATE_HEADERS_MAX = 1000, GATE_URI_BYTES_MAX = 8192 };

struct gate_header {
    const char *name, *value;
    size_t name_length, value_length;
};

struct gate_request {
    const char *method, *uri, *version;   /* the URI as it came, with its query */
    size_t uri_length;                    /* strlen(uri) */
    const struct gate_header *headers;
    int n_headers;
    size_t header_bytes;                  /* request line and fields together */
};

struct gate_limits {
    size_t header_bytes_max;
    int header_count_max;
    uint64_t body_bytes_max;
    uint64_t file_bytes_max;              /* of bodies that go to a file; known once the route is */
};

enum gate_media { MEDIA_ABSENT, MEDIA_JSON, MEDIA_FORM, MEDIA_OCTETS, MEDIA_OTHER };

struct gate_verdict {
    const char *path;                     /* within uri, or "/" or "*"; ends at '?' or NUL */
    bool chunked;
    bool has_length;
    uint64_t content_length;              /* 0 without has_length */
    bool expects_continue;
    enum gate_media media;
    bool encoded;                         /* a Content-Encoding other than identity */
    bool expectation_unknown;
};

/* False sets `problem`: the connection must be closed after the answer, for what follows on it cannot
 * be trusted to be a request. */
bool gate_check(const struct gate_request *request, const struct gate_limits *limits,
                struct gate_verdict *ret_verdict, struct problem *problem);
/* What the route asks of the body: 400, 413, 415, 417. The framing is sound here, so the connection
 * may live on if the body is read. */
bool gate_check_body(const struct gate_verdict *verdict, enum route_body body,
                     const struct gate_limits *limits, struct problem *problem);

#endif
