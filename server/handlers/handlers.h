/* SPDX-License-Identifier: Apache-2.0
 * server/handlers/handlers.h - what server/routes.c points to: one function for each route. Each
 * answers the exchange once, at once or later. Called on the exchange's network thread. */
#ifndef SERVER_HANDLERS_HANDLERS_H
#define SERVER_HANDLERS_HANDLERS_H

#include "server/http/exchange.h"
#include "server/services.h"

/* index.c */
void handle_index(struct exchange *exchange, struct services *services);
/* health.c */
void handle_live(struct exchange *exchange, struct services *services);
void handle_ready(struct exchange *exchange, struct services *services);
void handle_model_ready(struct exchange *exchange, struct services *services);
/* metadata.c */
void handle_server_metadata(struct exchange *exchange, struct services *services);
void handle_model_list(struct exchange *exchange, struct services *services);
void handle_model_metadata(struct exchange *exchange, struct services *services);
void handle_model_config(struct exchange *exchange, struct services *services);
void handle_v1_status(struct exchange *exchange, struct services *services);
void handle_v1_metadata(struct exchange *exchange, struct services *services);
/* infer.c */
void handle_infer(struct exchange *exchange, struct services *services);
/* predict.c */
void handle_predict(struct exchange *exchange, struct services *services);
/* repository.c */
void handle_repository_index(struct exchange *exchange, struct services *services);
void handle_repository_load(struct exchange *exchange, struct services *services);
void handle_repository_unload(struct exchange *exchange, struct services *services);
/* learning.c */
void handle_finetune(struct exchange *exchange, struct services *services);
void handle_feedback(struct exchange *exchange, struct services *services);
void handle_evaluate(struct exchange *exchange, struct services *services);
void handle_generations(struct exchange *exchange, struct services *services);
void handle_promote(struct exchange *exchange, struct services *services);
void handle_label(struct exchange *exchange, struct services *services);
void handle_rollback(struct exchange *exchange, struct services *services);
void handle_rewind(struct exchange *exchange, struct services *services);
void handle_erase(struct exchange *exchange, struct services *services);
void handle_export(struct exchange *exchange, struct services *services);
/* models.c */
void handle_model_put(struct exchange *exchange, struct services *services);
void handle_model_delete(struct exchange *exchange, struct services *services);
/* datasets.c; the first is for http_server_config. */
bool begin_dataset_upload(struct exchange *exchange, struct services *services,
                          struct problem *problem);
void handle_dataset_put(struct exchange *exchange, struct services *services);
void handle_dataset_get(struct exchange *exchange, struct services *services);
void handle_dataset_delete(struct exchange *exchange, struct services *services);
void handle_dataset_list(struct exchange *exchange, struct services *services);
/* jobs.c */
void handle_train(struct exchange *exchange, struct services *services);
void handle_job_list(struct exchange *exchange, struct services *services);
void handle_job_get(struct exchange *exchange, struct services *services);
void handle_job_delete(struct exchange *exchange, struct services *services);
void handle_job_events(struct exchange *exchange, struct services *services);
/* For the evaluate route: true if the body names a dataset, and then this answers. */
bool handle_dataset_evaluate(struct exchange *exchange, struct services *services);
/* For the promote route: what the job of that id came to. */
void handle_job_promote(struct exchange *exchange, struct services *services, const char *job);
/* statistics.c */
void handle_statistics(struct exchange *exchange, struct services *services);
/* metrics.c */
void handle_metrics(struct exchange *exchange, struct services *services);

/* For handlers: the entry that {model} and {version} or {label} of the path name. */
struct model_entry *handler_find_entry(struct exchange *exchange, struct services *services,
                                       struct problem *problem);
/* 200 with a JSON body, or 500 when there was no memory for it. Takes the text over. */
void handler_reply_json(struct exchange *exchange, int status, struct text *body);

#endif
