/* SPDX-License-Identifier: Apache-2.0
 * Models that come and go over HTTP: PUT makes one of a specification or takes an ONNX file, DELETE
 * removes it. The work is done on the registry's loader thread. */
#include "config.h"

#include "server/handlers/handlers.h"
#include "server/network_create.h"
#include "server/options.h"
#include "server/serving/model_store.h"
#include "server/serving/registry.h"
#include "server/status_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One PUT or DELETE under way. The exchange holds the body. */
struct model_change {
    struct exchange *exchange;
    const struct options *options;
    struct store_result stored;
    int64_t n_parameters;
    bool is_hidden; /* DELETE: by us */
    char name[MODEL_NAME_MAX + 1];
};

/* JSON by its media type, or, where that is not said, by its first byte: no ONNX file begins so. */
static bool is_specification(const struct exchange *exchange, const char *body, size_t size)
{
    const char *type = exchange_header(exchange, "Content-Type");
    size_t at = 0;

    if (type != NULL && strncasecmp(type, "application/json", 16) == 0)
        return true;
    if (type != NULL && strncasecmp(type, "application/octet-stream", 24) == 0)
        return false;
    while (at < size && strchr(" \t\r\n", body[at]) != NULL)
        at++;
    return at < size && body[at] == '{';
}

static bool make_network(const struct model_change *change, const void *body, size_t size,
                         struct network_file *ret, struct problem *problem)
{
    struct arena *arena = arena_create(SIZE_MAX / 2);
    int64_t parameters_max = change->options->model_bytes_max / (int64_t)sizeof(float);
    struct network_spec network;
    struct layer_spec spec = {0};
    bool ok = arena != NULL || problem_set(problem, 507, "no_memory", "no memory for the network");

    if (parameters_max > NETWORK_PARAMETERS_MAX)
        parameters_max = NETWORK_PARAMETERS_MAX;
    ok = ok && layer_spec_decode(body, size, &spec, problem) &&
         network_resolve(&spec, arena, &network, problem) &&
         network_create(&network, parameters_max, ret, problem);
    layer_spec_finish(&spec);
    arena_destroy(arena);
    return ok;
}

/* Nothing is stored that could not be served. */
static bool check_loads(struct model_change *change, const void *bytes, size_t size,
                        struct problem *problem)
{
    struct model_options options = {
        .optimise = true,
        .memory_bytes_max = (size_t)change->options->model_bytes_max,
        .plan_bytes_max = (size_t)change->options->plan_bytes_max,
    };
    struct engine_error err = {0};
    struct model *model = model_load_bytes(bytes, size, &options, &err);

    if (model == NULL) {
        problem_from_engine(problem, &err);
        return false;
    }
    change->n_parameters = model_parameter_count(model);
    model_unref(model);
    return true;
}

/* On the loader thread. */
static bool put_change(void *arg, struct problem *problem)
{
    struct model_change *change = arg;
    struct network_file network = {0};
    size_t size;
    const void *body = exchange_body(change->exchange, &size);
    bool ok = true;

    if (is_specification(change->exchange, body, size)) {
        ok = make_network(change, body, size, &network, problem);
        body = network.bytes;
        size = network.size;
    }
    ok = ok && check_loads(change, body, size, problem) &&
         model_store_put(change->options->state_dir, change->name, body, size, &change->stored,
                         problem);
    free(network.bytes);
    return ok;
}

static void put_done(void *arg, const struct problem *problem)
{
    struct model_change *change = arg;
    struct exchange *exchange = change->exchange;
    char location[MODEL_NAME_MAX + VERSION_TEXT_MAX + 32];
    int status = change->stored.created ? 201 : 200;
    struct text text;

    if (problem->status != 0) {
        free(change);
        exchange_reply_problem(exchange, problem);
        return;
    }
    snprintf(location, sizeof(location), "/v2/models/%s/versions/%s", change->name,
             change->stored.version);
    exchange_add_header(exchange, "Location", location);
    exchange_note_model(exchange, change->name, change->stored.version);
    text_init(&text);
    text_printf(&text, "{\"name\":\"%s\",\"version\":\"%s\",\"created\":%s,\"parameters\":%lld}",
                change->name, change->stored.version, change->stored.unchanged ? "false" : "true",
                (long long)change->n_parameters);
    free(change);
    handler_reply_json(exchange, status, &text);
}

static bool delete_change(void *arg, struct problem *problem)
{
    struct model_change *change = arg;

    change->is_hidden = model_store_hide(change->options->state_dir, change->name, problem);
    return change->is_hidden;
}

/* The load behind the change found nothing, as it should: then nothing serves it and nothing learns. */
static void delete_done(void *arg, const struct problem *problem)
{
    struct model_change *change = arg;
    struct exchange *exchange = change->exchange;
    struct problem own = *problem;
    struct text text;

    if (change->is_hidden && own.status == 404)
        own = (struct problem){0};
    if (own.status == 0)
        model_store_erase(change->options->state_dir, &own);
    text_init(&text);
    text_printf(&text, "{\"name\":\"%s\",\"removed\":true}", change->name);
    free(change);
    if (own.status == 0) {
        handler_reply_json(exchange, 200, &text);
        return;
    }
    text_free(&text);
    exchange_reply_problem(exchange, &own);
}

static void begin(struct exchange *exchange, struct services *services,
                  bool (*call)(void *arg, struct problem *problem),
                  void (*done)(void *arg, const struct problem *problem))
{
    const char *name = exchange_param(exchange, "model");
    struct model_change *change = NULL;
    struct problem problem = {0};

    exchange_note_model(exchange, name, NULL);
    if (!model_name_is_valid(name))
        problem_set(&problem, 400, "bad_name",
                    "a model's name has 1 to %d letters, digits, '.', '_' or '-'", MODEL_NAME_MAX);
    else if (services->options->state_dir == NULL)
        problem_set(&problem, 409, "no_state_dir",
                    "models over HTTP need --state-dir: there is no place to keep them");
    else
        change = calloc(1, sizeof(*change));
    if (change == NULL) {
        problem_set(&problem, 507, "no_memory", "no memory for the request");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    change->exchange = exchange;
    change->options = services->options;
    memcpy(change->name, name, strlen(name) + 1);
    exchange_defer(exchange);
    registry_change(services->registry, change->name, (struct registry_change){call, change},
                    (struct registry_done){done, change});
}

void handle_model_put(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    size_t size;

    exchange_body(exchange, &size);
    if (size == 0) {
        problem_set(&problem, 400, "bad_request",
                    "the body is empty, expected a specification in JSON or an ONNX file");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    begin(exchange, services, put_change, put_done);
}

void handle_model_delete(struct exchange *exchange, struct services *services)
{
    begin(exchange, services, delete_change, delete_done);
}
