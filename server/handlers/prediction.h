/* SPDX-License-Identifier: Apache-2.0
 * server/handlers/prediction.h - the way of one prediction from decoded inputs to the answer, alike
 * for all protocols: bind to the model, run inline or queue, encode, count, reply.
 *
 * Owned by the handler until prediction_start(), which sees to all the rest. `encode` runs on the
 * thread that computed: a worker, or the network thread itself. */
#ifndef SERVER_HANDLERS_PREDICTION_H
#define SERVER_HANDLERS_PREDICTION_H

#include "proto/infer_message.h"
#include "server/handlers/handlers.h"
#include "server/observe/statistics.h"
#include "server/serving/scheduler.h"

struct prediction;

/* What a protocol adds. */
struct prediction_protocol {
    /* Appends the body and adds headers for these outputs (all, in the model's order). Sets the
     * content type. False sets `problem`. */
    bool (*encode)(struct prediction *prediction, const struct wire_tensor *outputs,
                   struct text *text, const char **ret_content_type, struct problem *problem);
    /* Frees what the protocol decoded; the prediction itself is freed by its owner. */
    void (*finish)(struct prediction *prediction);
};

struct prediction {
    struct infer_job job;                /* first: the scheduler hands it back */
    const struct prediction_protocol *protocol;
    enum stats_protocol stats_protocol;
    struct exchange *exchange;
    struct services *services;
    uint64_t begun_ns, decoded_ns;
    const char *id;                      /* the request's, which the protocol holds; or NULL */
    bool log;                            /* keep it until its label comes ... */
    bool logged;                         /* ... which is seen to before `encode` */
    struct wire_tensor *outputs;         /* entry->n_outputs */
};

/* Zeroed memory of `size` bytes whose first member is a struct prediction, with the entry that the
 * path names and room for its tensors. NULL sets `problem`. */
void *prediction_create(size_t size, const struct prediction_protocol *protocol,
                        enum stats_protocol stats_protocol, struct exchange *exchange,
                        struct services *services, struct problem *problem);
/* NULL is fine. */
void prediction_destroy(struct prediction *prediction);

/* Checks decoded inputs against the model and takes them as the job's; nothing is copied. */
bool prediction_bind(struct prediction *prediction, const struct wire_tensor *inputs, int n_inputs,
                     struct problem *problem);
/* Computes and answers, now or later. `timeout_us` 0: only the server's deadline holds. */
void prediction_start(struct prediction *prediction, int64_t timeout_us);
/* Counts the failure, frees the prediction and answers with the problem. */
void prediction_fail(struct prediction *prediction, const struct problem *problem);

/* How this server's answers in JSON spell numbers that are not finite. */
enum non_finite prediction_non_finite(const struct prediction *prediction);
/* What decoders of this server's requests must keep to. */
struct wire_limits prediction_limits(const struct services *services);

#endif
