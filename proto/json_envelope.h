/* SPDX-License-Identifier: Apache-2.0
 * proto/json_envelope.h - splits a JSON body: large values at known places ("inputs[i].data") are
 * lifted out as spans of the body, unparsed; the small rest is parsed by jansson. So the cost and
 * memory of a body do not depend on what a client nests in it, and tensors never become json_t.
 *
 * The rest is bounded by bytes and depth before jansson sees it; duplicate keys, trailing text and
 * byte order marks are refused. */
#ifndef PROTO_JSON_ENVELOPE_H
#define PROTO_JSON_ENVELOPE_H

#include "proto/json_text.h"
#include "proto/problem.h"

#include <jansson.h>

/* What to lift: root[key][i][field] for every i, or root[key] where `field` is NULL. */
struct json_rule {
    const char *key, *field;
};

/* One lifted value. In `root` a 0 stands in its place. */
struct json_lift {
    const struct json_rule *rule;
    int index;
    struct json_span span;
};

struct json_envelope {
    json_t *root;            /* an object */
    struct json_lift *lifts; /* in the order of the body */
    int n_lifts;
};

struct json_limits {
    size_t bytes_max; /* without what is lifted */
    int depth_max;    /* at most JSON_DEPTH_MAX */
    int lifts_max;
};

enum { JSON_DEPTH_MAX = 128 };

/* False with `problem` set (400, 413) and nothing held. Spans point into `body`; the byte at the
 * end of each is inside the body. */
bool json_envelope_split(const char *body, size_t body_bytes, const struct json_rule *rules,
                         int n_rules, const struct json_limits *limits,
                         struct json_envelope *ret_envelope, struct problem *problem);
void json_envelope_finish(struct json_envelope *envelope);
/* NULL if nothing was lifted there. */
const struct json_span *json_envelope_span(const struct json_envelope *envelope,
                                           const struct json_rule *rule, int index);

#endif
