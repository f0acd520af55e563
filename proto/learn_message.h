/* SPDX-License-Identifier: Apache-2.0
 * proto/learn_message.h - finetune and feedback: an infer body with `targets` beside its `inputs`.
 *
 *   {"inputs":  [{"name": "image", "shape": [2,64], "datatype": "FP32", "data": [...]}],
 *    "targets": [{"name": "label", "shape": [2], "datatype": "INT64", "data": [3, 8]}],
 *    "parameters": {"learning_rate": 0.01}}
 *
 * Binary tensors follow the JSON as in infer: those of the inputs first, then those of the targets. */
#ifndef PROTO_LEARN_MESSAGE_H
#define PROTO_LEARN_MESSAGE_H

#include "proto/infer_message.h"

struct learn_request {
    const char *id;             /* feedback: of the prediction that the targets belong to; or NULL */
    int n_inputs, n_targets;
    struct wire_tensor *inputs, *targets;
    double learning_rate;       /* parameters.learning_rate; NaN: not said */
    int64_t timeout_us;         /* parameters.timeout; 0: none */
    void *memory;               /* owner of all of the above */
};

enum learn_form { LEARN_FINETUNE, LEARN_FEEDBACK, LEARN_EVALUATE };

/* LEARN_FINETUNE and LEARN_EVALUATE need inputs and targets, LEARN_FEEDBACK an id and targets.
 * `header_length` and the body's life as in infer_request_decode(). On failure `problem` is set and nothing
 * is held. Any thread. */
bool learn_request_decode(enum learn_form form, const void *body, size_t body_bytes,
                          int64_t header_length, const struct wire_limits *limits,
                          struct learn_request *ret_request, struct problem *problem);
void learn_request_finish(struct learn_request *request);
/* For clients: appends the body, all JSON, that decodes to `request`. */
void learn_request_encode(const struct learn_request *request, struct text *text);

enum { LEARN_LABEL_BYTES_MAX = 64 };

/* {"generation": 41}, {"label": "before-friday"} or {"time_ms": 1700000000000}: where to roll back to.
 * Exactly one is said, the others are -1 or empty. */
struct rollback_target {
    int64_t generation, time_ms;
    char label[LEARN_LABEL_BYTES_MAX + 1];
};
bool rollback_request_decode(const void *body, size_t body_bytes, struct rollback_target *ret_target,
                             struct problem *problem);

/* {} or {"generation": 41}: what shall serve; -1 if it is not said. */
bool promote_request_decode(const void *body, size_t body_bytes, int64_t *ret_generation,
                            struct problem *problem);

enum { PROMOTE_JOB_BYTES = 64 };
/* {"job": "8533f51cf138f098"}: what a training job came to shall serve. False if the body is not of
 * this form. */
bool promote_request_job(const void *body, size_t body_bytes, char ret_job[PROMOTE_JOB_BYTES + 1]);

/* {"label": "before-friday"}, of the newest generation, or with {"generation": 41} of that. */
bool label_request_decode(const void *body, size_t body_bytes, struct rollback_target *ret_label,
                          struct problem *problem);

/* {"first": 12, "last": 15}: the generations to be left out. */
bool rewind_request_decode(const void *body, size_t body_bytes, int64_t *ret_first,
                           int64_t *ret_last, struct problem *problem);

enum { ERASE_PLACES_MAX = 1000 };

/* One example: the row of the update that a generation came of. */
struct learn_place {
    int64_t generation, row;
};

/* {"examples": [{"generation": 42, "row": 0}]}; `ret_places` is the caller's to free. */
bool erase_request_decode(const void *body, size_t body_bytes, struct learn_place **ret_places,
                          size_t *ret_n, struct problem *problem);

struct learn_metric {
    const char *name;
    double value;               /* NaN is sent as null */
};

/* The prediction that a label belongs to, and how good it was as it was made. */
struct learn_made {
    int64_t generation, time_ms;
    double loss;                /* NaN: left out */
    int n_metrics;
    const struct learn_metric *metrics;
};

struct learn_response {
    const char *model_name, *model_version;
    const char *id;             /* NULL: left out */
    int64_t generation;         /* whose weights hold the update; evaluate: that were measured */
    int durable;                /* 0, 1; -1: left out */
    bool partly;                /* of an erasure: "complete": false */
    bool hidden;                /* predictions do not see it yet: "published": false */
    double loss;                /* before the update, on its own examples; NaN: left out */
    int64_t examples;
    int n_metrics;
    const struct learn_metric *metrics;
    const struct learn_made *made;  /* NULL: left out */
};

/* Appends the body. */
void learn_response_encode(const struct learn_response *response, struct text *text);
/* Appends a body that learn_response_encode() made, as the answer to an Idempotency-Key that had been
 * applied before: with parameters.replayed true. */
void learn_response_replay(const char *body, size_t bytes, struct text *text);

#endif
