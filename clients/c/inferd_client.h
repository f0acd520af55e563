/* SPDX-License-Identifier: Apache-2.0
 * clients/c/inferd_client.h - blocking calls to an inference server that speaks the Open Inference
 * Protocol v2, one function a route. A client keeps its connection open; use it from one thread at
 * a time. Strings given are copied; strings returned live in what they were returned with. */
#ifndef CLIENTS_C_INFERD_CLIENT_H
#define CLIENTS_C_INFERD_CLIENT_H

#include "proto/infer_message.h"
#include "proto/learn_message.h"
#include "proto/text.h"

#include <jansson.h>

struct inferd_client;

struct inferd_error {
    int status;     /* what the server said; 0: no answer came, or it was no answer */
    char text[512]; /* the server's own words, or what went wrong on the way */
};

/* `url` is "http://host:port[/prefix]", "https://...", "host:port" or "unix:/path/of.sock". Nothing
 * is connected yet. NULL with `err` for a URL that is none, or when out of memory. */
struct inferd_client *inferd_client_create(const char *url, struct inferd_error *err);
/* Takes NULL. */
void inferd_client_destroy(struct inferd_client *client);
/* For the whole of each later call; 30 s at first. */
void inferd_client_set_timeout(struct inferd_client *client, int timeout_ms);
int inferd_client_timeout_ms(const struct inferd_client *client);

/* All calls return false with `err` filled when the server refuses or does not answer. A `version`
 * of NULL is the newest. */

/* True also when the answer is no: *ret_ready says. */
bool inferd_client_live(struct inferd_client *client, bool *ret_live, struct inferd_error *err);
bool inferd_client_ready(struct inferd_client *client, bool *ret_ready, struct inferd_error *err);
bool inferd_client_model_ready(struct inferd_client *client, const char *model, const char *version,
                               bool *ret_ready, struct inferd_error *err);

/* The answer as it came; give it back with json_decref(). */
bool inferd_client_metadata(struct inferd_client *client, json_t **ret_metadata,
                            struct inferd_error *err);
bool inferd_client_model_metadata(struct inferd_client *client, const char *model,
                                  const char *version, json_t **ret_metadata,
                                  struct inferd_error *err);
bool inferd_client_stats(struct inferd_client *client, const char *model, const char *version,
                         json_t **ret_stats, struct inferd_error *err);
/* The index of the repository: an array of {name, version, state, reason}. */
bool inferd_client_models(struct inferd_client *client, json_t **ret_models,
                          struct inferd_error *err);
/* Prometheus text, appended. */
bool inferd_client_metrics(struct inferd_client *client, struct text *text,
                           struct inferd_error *err);

bool inferd_client_load(struct inferd_client *client, const char *model, struct inferd_error *err);
bool inferd_client_unload(struct inferd_client *client, const char *model,
                          struct inferd_error *err);

/* An answer and the bytes its tensors point into. */
struct inferd_answer {
    struct infer_response response;
    struct text body;
};

/* Sends all inputs of `request` as binary data, or all as JSON; asks for outputs in the same form
 * unless the request says otherwise. */
bool inferd_client_predict(struct inferd_client *client, const char *model, const char *version,
                           const struct infer_request *request, bool binary,
                           struct inferd_answer *ret_answer, struct inferd_error *err);
void inferd_answer_finish(struct inferd_answer *answer);

/* How an update is sent; zeroed: plainly. */
struct inferd_update {
    const char *key;        /* Idempotency-Key, or NULL */
    int64_t if_match;       /* the generation that must be the newest; 0: any */
};

/* POST of a JSON body to `suffix` of a model's path, and the answer as it came. `update` may be NULL. */
bool inferd_client_post(struct inferd_client *client, const char *model, const char *version,
                        const char *suffix, const struct text *body,
                        const struct inferd_update *update, json_t **ret_json,
                        struct inferd_error *err);
/* One durable update, the label of an earlier prediction, or a measurement that changes nothing: the
 * answer as it came. */
bool inferd_client_learn(struct inferd_client *client, const char *model, const char *version,
                         const struct learn_request *request, enum learn_form form,
                         const struct inferd_update *update, json_t **ret_answer,
                         struct inferd_error *err);
/* What members of a target are said is sent: the server says which it wants. -1 or "" is not said. */
enum inferd_move {
    INFERD_ROLLBACK,     /* back to a generation, a label or what served at a time */
    INFERD_PROMOTE,      /* a generation, or the newest, serves */
    INFERD_LABEL,        /* a name for a generation, or the newest */
};
bool inferd_client_move(struct inferd_client *client, const char *model, const char *version,
                        enum inferd_move move, const struct rollback_target *target,
                        const struct inferd_update *update, json_t **ret_answer,
                        struct inferd_error *err);
/* As if generations first..last had never been learnt. */
bool inferd_client_rewind(struct inferd_client *client, const char *model, const char *version,
                          int64_t first, int64_t last, const struct inferd_update *update,
                          json_t **ret_answer, struct inferd_error *err);
/* As if those examples had never been learnt, and out of every file. */
bool inferd_client_erase(struct inferd_client *client, const char *model, const char *version,
                         const struct learn_place *places, size_t n_places,
                         const struct inferd_update *update, json_t **ret_answer,
                         struct inferd_error *err);
/* What has been learnt, newest first. */
bool inferd_client_generations(struct inferd_client *client, const char *model,
                               const char *version, json_t **ret_generations,
                               struct inferd_error *err);
/* The newest generation as an ONNX file, appended. */
bool inferd_client_export(struct inferd_client *client, const char *model, const char *version,
                          struct text *file, struct inferd_error *err);

/* For callers with a curl handle of their own (load generators). */

/* Appends the path of a model's route: "/v2/models/M/versions/V" + suffix. */
bool inferd_client_model_path(const char *model, const char *version, const char *suffix,
                              struct text *path);
/* Sets URL and socket of a CURL easy handle. */
bool inferd_client_address(const struct inferd_client *client, void *curl, const char *path);

#endif
