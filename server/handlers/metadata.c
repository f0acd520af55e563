/* SPDX-License-Identifier: Apache-2.0
 * What the server and its models are: Open Inference Protocol and TensorFlow Serving v1. */
#include "config.h"

#include "proto/metadata_message.h"
#include "server/handlers/handlers.h"
#include "server/serving/registry.h"

#include <stdlib.h>
#include <string.h>

/* Only what is true. */
static const char *const extensions[] = {
    "binary_tensor_data",  "classification", "model_configuration", "model_repository",
    "model_repository(unload_dependents)", "parameters", "schedule_policy", "statistics",
};

void handle_server_metadata(struct exchange *exchange, struct services *services)
{
    struct text text;

    (void)services;
    text_init(&text);
    server_metadata_encode(&text, "inferd", PACKAGE_VERSION, extensions,
                           sizeof(extensions) / sizeof(extensions[0]));
    handler_reply_json(exchange, 200, &text);
}

/* Each name once: rows of one model stand side by side. */
void handle_model_list(struct exchange *exchange, struct services *services)
{
    struct registry_list list;
    const char *comma = "";
    struct problem problem = {0};
    struct text text;

    if (!registry_list(services->registry, NULL, &list)) {
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    text_init(&text);
    text_puts(&text, "{\"models\":[");
    for (int i = 0; i < list.n_rows; i++) {
        const char *name = list.rows[i].name;

        if (i > 0 && strcmp(list.rows[i - 1].name, name) == 0)
            continue;
        text_puts(&text, comma);
        text_json_string(&text, name, strlen(name));
        comma = ",";
    }
    text_puts(&text, "]}");
    registry_list_finish(&list);
    handler_reply_json(exchange, 200, &text);
}

/* Answers with `encode`'s description of the entry that the path names. */
static void reply_described(struct exchange *exchange, struct services *services,
                            void (*encode)(struct text *text,
                                           const struct model_metadata *metadata))
{
    struct problem problem = {0};
    struct model_entry *entry = handler_find_entry(exchange, services, &problem);
    struct registry_list list = {0};
    const char **versions = NULL;
    struct model_metadata metadata;
    struct text text;

    if (entry == NULL)
        goto fail;
    problem_set(&problem, 507, "no_memory", "no memory for the answer");
    if (!registry_list(services->registry, entry->name, &list))
        goto fail;
    versions = calloc((size_t)list.n_rows + 1, sizeof(*versions));
    if (versions == NULL)
        goto fail;
    metadata = (struct model_metadata){
        .name = entry->name,
        .platform = "onnx_onnxv1",
        .versions = versions,
        .version = entry->version,
        .inputs = entry->inputs,
        .outputs = entry->outputs,
        .n_inputs = entry->n_inputs,
        .n_outputs = entry->n_outputs,
        .max_batch_size = entry->batchable ? entry->batch_size_max : 0,
    };
    for (int i = 0; i < list.n_rows; i++) {
        if (list.rows[i].state == MODEL_READY)
            versions[metadata.n_versions++] = list.rows[i].version;
    }
    text_init(&text);
    encode(&text, &metadata);
    handler_reply_json(exchange, 200, &text);
    goto done;
fail:
    exchange_reply_problem(exchange, &problem);
done:
    free(versions);
    registry_list_finish(&list);
    model_entry_unref(entry);
}

void handle_model_metadata(struct exchange *exchange, struct services *services)
{
    reply_described(exchange, services, model_metadata_encode);
}

void handle_model_config(struct exchange *exchange, struct services *services)
{
    reply_described(exchange, services, model_config_encode);
}

void handle_v1_metadata(struct exchange *exchange, struct services *services)
{
    reply_described(exchange, services, v1_metadata_encode);
}

void handle_v1_status(struct exchange *exchange, struct services *services)
{
    const char *name = exchange_param(exchange, "model");
    const char *version = exchange_param(exchange, "version");
    struct problem problem = {0};
    struct registry_list list = {0};
    struct repository_row *rows = NULL;
    struct text text;
    bool ready = false;
    int n_rows = 0;

    if (registry_list(services->registry, name, &list))
        rows = calloc((size_t)list.n_rows + 1, sizeof(*rows));
    for (int i = 0; rows != NULL && i < list.n_rows; i++) {
        const struct registry_row *row = &list.rows[i];

        if (version != NULL && (row->version == NULL || strcmp(row->version, version) != 0))
            continue;
        ready = ready || row->state == MODEL_READY;
        rows[n_rows++] = (struct repository_row){row->name, row->version,
                                                 model_state_text(row->state), row->reason};
    }
    if (rows == NULL)
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
    else if (n_rows == 0)
        problem_set(&problem, 404, "unknown_model", "no model named '%.128s'%s%.64s", name,
                    version != NULL ? " with version " : "", version != NULL ? version : "");
    if (problem.status != 0) {
        exchange_reply_problem(exchange, &problem);
    } else {
        text_init(&text);
        v1_status_encode(&text, name, ready, rows, n_rows);
        handler_reply_json(exchange, 200, &text);
    }
    free(rows);
    registry_list_finish(&list);
}
