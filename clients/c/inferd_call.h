/* SPDX-License-Identifier: Apache-2.0
 * clients/c/inferd_call.h - any call that answers in JSON, with a body from memory or from a file; and a
 * training job's events as they come. Blocking; a client's address is all that is used of it. */
#ifndef CLIENTS_C_INFERD_CALL_H
#define CLIENTS_C_INFERD_CALL_H

#include "clients/c/inferd_client.h"

struct inferd_call {
    const char *method;
    struct text path;           /* inferd_call_path(); freed by the caller */
    const void *body;           /* NULL: none */
    size_t body_bytes;
    const char *file;           /* instead: what this file holds; NULL: none */
    const char *content_type, *key;   /* or NULL */
};

/* "/v2/jobs" + "/" + name, percent-encoded (NULL: without), + suffix. */
void inferd_call_path(struct text *path, const char *route, const char *name, const char *suffix);

/* False with `err` unless the server's status is 2xx. A long upload may take as long as it goes on;
 * a minute of silence, or the client's timeout if that is longer, ends it. */
bool inferd_call(const struct inferd_client *client, const struct inferd_call *call, json_t **ret_answer,
                 struct inferd_error *err);

/* Calls back with each event of a job and its data, until false, or the last one. What is cut off on the
 * way is asked for again, with the events since. */
bool inferd_follow(const struct inferd_client *client, const char *job,
                   bool (*event)(void *arg, const char *name, const char *data), void *arg,
                   struct inferd_error *err);

#endif
