/* SPDX-License-Identifier: Apache-2.0
 * The model repository extension: index, load, unload. */
#include "proto/metadata_message.h"
#include "server/handlers/handlers.h"
#include "server/serving/registry.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTROL_BYTES_MAX = 64 * 1024 };

/* The body as an object; an empty one counts as {}. NULL sets `problem`. */
static json_t *control_body(struct exchange *exchange, struct problem *problem)
{
    size_t length;
    const void *body = exchange_body(exchange, &length);
    json_error_t why;
    json_t *root;

    if (length == 0)
        return json_object();
    if (length > CONTROL_BYTES_MAX) {
        problem_set(problem, 413, "body_too_large", "the body has %zu bytes, at most %d are taken",
                    length, CONTROL_BYTES_MAX);
        return NULL;
    }
    root = json_loadb(body, length, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        problem_set(problem, 400, "bad_json", "line %d: %s", why.line, why.text);
    else if (!json_is_object(root)) {
        problem_set(problem, 400, "bad_json", "the body must be an object");
        json_decref(root);
        root = NULL;
    }
    return root;
}

static void reply_index(struct exchange *exchange, struct services *services, bool ready_only)
{
    struct registry_list list = {0};
    struct repository_row *rows = NULL;
    struct problem problem = {0};
    struct text text;
    int n_rows = 0;

    if (registry_list(services->registry, NULL, &list))
        rows = calloc((size_t)list.n_rows + 1, sizeof(*rows));
    if (rows == NULL) {
        registry_list_finish(&list);
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    for (int i = 0; i < list.n_rows; i++) {
        const struct registry_row *row = &list.rows[i];

        if (!ready_only || row->state == MODEL_READY)
            rows[n_rows++] = (struct repository_row){row->name, row->version,
                                                     model_state_text(row->state), row->reason};
    }
    text_init(&text);
    repository_index_encode(&text, rows, n_rows);
    handler_reply_json(exchange, 200, &text);
    free(rows);
    registry_list_finish(&list);
}

void handle_repository_index(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    json_t *root = control_body(exchange, &problem), *item;
    bool ready_only = false;
    const char *key;

    if (root == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    json_object_foreach (root, key, item) {
        if (strcmp(key, "ready") == 0 && json_is_boolean(item))
            ready_only = json_is_true(item);
        else if (strcmp(key, "ready") == 0)
            problem_set(&problem, 400, "bad_field", "'ready' must be true or false");
        else
            problem_set(&problem, 400, "unknown_field", "unknown field '%.128s'", key);
    }
    json_decref(root);
    if (problem.status != 0)
        exchange_reply_problem(exchange, &problem);
    else
        reply_index(exchange, services, ready_only);
}

/* One load or unload under way. */
struct control {
    struct exchange *exchange;
    const char *verb;
    char name[];
};

/* On the loader thread. */
static void control_done(void *arg, const struct problem *problem)
{
    struct control *control = arg;
    struct exchange *exchange = control->exchange;
    struct text text;

    if (problem->status != 0) {
        free(control);
        exchange_reply_problem(exchange, problem);
        return;
    }
    text_init(&text);
    text_puts(&text, "{\"name\":");
    text_json_string(&text, control->name, strlen(control->name));
    text_printf(&text, ",\"%s\":true}", control->verb);
    free(control);
    handler_reply_json(exchange, 200, &text);
}

/* `known`: the one parameter that may be given; it changes nothing here, since no model depends on
 * another. */
static bool check_parameters(struct exchange *exchange, const char *known, struct problem *problem)
{
    json_t *root = control_body(exchange, problem), *item;
    const char *key;

    if (root == NULL)
        return false;
    json_object_foreach (root, key, item) {
        const char *name;
        json_t *parameter;

        if (strcmp(key, "parameters") != 0 || !json_is_object(item)) {
            problem_set(problem, 400, "unknown_field",
                        strcmp(key, "parameters") == 0 ? "'%.128s' must be an object"
                                                       : "unknown field '%.128s'", key);
            continue;
        }
        json_object_foreach (item, name, parameter) {
            if (known == NULL || strcmp(name, known) != 0 || !json_is_boolean(parameter))
                problem_set(problem, 400, "unknown_field",
                            "parameters: '%.128s' is not supported; put files and config.json into "
                            "the repository", name);
        }
    }
    json_decref(root);
    return problem->status == 0;
}

static void begin_control(struct exchange *exchange, struct services *services, const char *verb,
                          const char *known_parameter,
                          void (*begin)(struct registry *registry, const char *name,
                                        struct registry_done done))
{
    const char *name = exchange_param(exchange, "model");
    struct control *control = NULL;
    struct problem problem = {0};

    exchange_note_model(exchange, name, NULL);
    if (check_parameters(exchange, known_parameter, &problem)) {
        control = calloc(1, sizeof(*control) + strlen(name) + 1);
        if (control == NULL)
            problem_set(&problem, 507, "no_memory", "no memory for the request");
    }
    if (control == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    control->exchange = exchange;
    control->verb = verb;
    memcpy(control->name, name, strlen(name) + 1);
    exchange_defer(exchange);
    begin(services->registry, control->name, (struct registry_done){control_done, control});
}

void handle_repository_load(struct exchange *exchange, struct services *services)
{
    begin_control(exchange, services, "load", NULL, registry_load);
}

void handle_repository_unload(struct exchange *exchange, struct services *services)
{
    begin_control(exchange, services, "unload", "unload_dependents", registry_unload);
}
