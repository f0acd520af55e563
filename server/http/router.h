/* SPDX-License-Identifier: Apache-2.0
 * server/http/router.h - (method, path) to handler. server/routes.c holds the table. */
#ifndef SERVER_HTTP_ROUTER_H
#define SERVER_HTTP_ROUTER_H

#include "server/http/exchange.h"

struct services;

enum route_scope { SCOPE_OPEN, SCOPE_PREDICT, SCOPE_TRAIN, SCOPE_ADMIN };
enum route_body {
    BODY_NONE,
    BODY_JSON,
    BODY_TENSOR, /* JSON or application/octet-stream */
    BODY_FILE,   /* of any type, to a file: see http_server_config.begin_upload */
};

struct route {
    const char *method;      /* "GET" also answers HEAD */
    const char *path;        /* "/v2/models/{model}/infer"; a ":verb" suffix is matched literally */
    enum route_scope scope;
    enum route_body body;
    void (*handle)(struct exchange *exchange, struct services *services);
    const char *summary;     /* one line for docs and the index page */
};

extern const struct route routes[];   /* closed by a NULL method */

enum { ROUTE_PARAMS_MAX = 4, ROUTE_PARAM_BYTES_MAX = 256 };
struct route_match {
    const struct route *route;
    int n_params;
    struct {
        const char *name;
        size_t name_length;
        char text[ROUTE_PARAM_BYTES_MAX];
    } params[ROUTE_PARAMS_MAX];
    char allow[64];          /* on 405: "GET, HEAD, POST" */
};

/* 200, 404, or 405 (then match->allow is filled). `path` is the raw path without query; each
 * parameter is percent-decoded exactly once; a decoded '/', NUL or control byte is a 404. */
int router_match(const struct route *table, const char *method, const char *path,
                 struct route_match *match);

#endif
