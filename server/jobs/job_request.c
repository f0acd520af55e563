/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_request.h"

#include "engine/train/evaluation.h"
#include "engine/train/loss.h"
#include "engine/train/optimiser.h"
#include "engine/train/schedule.h"
#include "proto/json_fields.h"
#include "proto/number_print.h"
#include "server/training/train_space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES_MAX = 1 << 20, PARAMETERS_MAX = 64, EPOCHS_MAX = 1000000, TRIALS_MAX = 1000 };

static const double CHECKPOINT_S = 10.0, CHECKPOINT_S_LEAST = 0.01, CHECKPOINT_S_MOST = 86400.0;

enum kind { KIND_NUMBER, KIND_TEXT, KIND_FLAG };

/* The names of requests, and those of `inferd train`. */
static const struct job_parameter {
    const char *name, *option;
    enum kind kind;
} parameters[] = {
    {"batch_size", "batch", KIND_NUMBER},
    {"beta1", "beta1", KIND_NUMBER},
    {"beta2", "beta2", KIND_NUMBER},
    {"class_weights", "class-weights", KIND_TEXT},
    {"clip", "clip", KIND_NUMBER},
    {"decay", "decay", KIND_NUMBER},
    {"delimiter", "delimiter", KIND_TEXT},
    {"epochs", "epochs", KIND_NUMBER},
    {"epsilon", "epsilon", KIND_NUMBER},
    {"flip", "flip", KIND_FLAG},
    {"frozen", "frozen", KIND_TEXT},
    {"gamma", "gamma", KIND_NUMBER},
    {"huber_delta", "huber-delta", KIND_NUMBER},
    {"ignore_index", "ignore-index", KIND_NUMBER},
    {"inputs", "inputs", KIND_TEXT},
    {"l1", "l1", KIND_NUMBER},
    {"l2", "l2", KIND_NUMBER},
    {"label_smoothing", "label-smoothing", KIND_NUMBER},
    {"last_layers", "last-layers", KIND_NUMBER},
    {"learning_rate", "rate", KIND_NUMBER},
    {"learns", "learns", KIND_TEXT},
    {"least", "least", KIND_NUMBER},
    {"loss", "loss", KIND_TEXT},
    {"metric", "metric", KIND_TEXT},
    {"micro_batch", "micro-batch", KIND_NUMBER},
    {"momentum", "momentum", KIND_NUMBER},
    {"noise", "noise", KIND_NUMBER},
    {"norm", "norm", KIND_TEXT},
    {"optimiser", "optimiser", KIND_TEXT},
    {"patience", "patience", KIND_NUMBER},
    {"period", "period", KIND_NUMBER},
    {"schedule", "schedule", KIND_TEXT},
    {"search", "search", KIND_TEXT},
    {"seed", "seed", KIND_NUMBER},
    {"shift", "shift", KIND_NUMBER},
    {"skip_missing", "skip-missing", KIND_FLAG},
    {"spare_vectors", "spare-vectors", KIND_FLAG},
    {"target", "target", KIND_TEXT},
    {"threads", "threads", KIND_NUMBER},
    {"trials", "trials", KIND_NUMBER},
    {"validation", "validation", KIND_NUMBER},
    {"warmup", "warmup", KIND_NUMBER},
};

enum { N_PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static bool bad(struct problem *problem, const char *name, const char *expected)
{
    return problem_set(problem, 400, "bad_request", "parameters.%s: expected %s", name, expected);
}

static const struct job_parameter *find_parameter(const char *name, size_t length, bool by_option)
{
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        const char *has = by_option ? parameters[i].option : parameters[i].name;

        if (strlen(has) == length && memcmp(has, name, length) == 0)
            return &parameters[i];
    }
    return NULL;
}

static bool set_number(struct job_request *request, const struct job_parameter *parameter,
                       const json_t *value, struct problem *problem)
{
    double least = 0.0, most = 0.0, number = json_number_value(value);
    bool whole = false;
    char text[40];

    train_options_is_number(parameter->option, &least, &most, &whole);
    if (!json_is_number(value) || !(number >= least && number <= most) ||
        (whole && number != floor(number)))
        return problem_set(problem, 400, "bad_request",
                           "parameters.%s: expected a %snumber from %.15g to %.15g", parameter->name,
                           whole ? "whole " : "", least, most);
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else
        snprintf(text, sizeof(text), "%.17g", number);
    return train_options_set(&request->options, parameter->option, text) ||
           problem_set(problem, 400, "bad_request", "parameters.%s: %s", parameter->name,
                       request->options.error);
}

static bool set_parameter(struct job_request *request, const char *name, const json_t *value,
                          struct problem *problem)
{
    const struct job_parameter *parameter = find_parameter(name, strlen(name), false);

    if (parameter == NULL)
        return problem_set(problem, 400, "bad_request", "parameters: there is no '%.64s'", name);
    if (parameter->kind == KIND_NUMBER)
        return set_number(request, parameter, value, problem);
    if (parameter->kind == KIND_FLAG) {
        if (!json_is_boolean(value))
            return bad(problem, name, "true or false");
        return json_is_false(value) || train_options_set(&request->options, parameter->option, "");
    }
    if (!json_is_string(value) || json_string_length(value) == 0 ||
        json_string_length(value) >= TRAIN_TEXT_MAX)
        return bad(problem, name, "a text");
    return train_options_set(&request->options, parameter->option, json_string_value(value));
}

static bool is_choice(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) < SPACE_TEXT_MAX && strchr(text, '|') == NULL;
}

/* A choice as the command line has it. */
static void put_choice(char *text, size_t size, const json_t *value)
{
    if (json_is_string(value))
        snprintf(text, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, size, "%lld", (long long)json_integer_value(value));
    else
        text[number_print_double(json_number_value(value), text)] = '\0';
}

/* {"learning_rate": "1e-4:1e-1:log", "batch_size": [16, 32]} to "rate=1e-4:1e-1:log", "batch=16|32". */
static bool set_space(struct job_request *request, json_t *space, struct problem *problem)
{
    const char *name;
    json_t *value;

    if (!json_is_object(space) || json_object_size(space) > TRAIN_SPACE_MAX)
        return bad(problem, "space", "an object of ranges (\"1e-4:1e-1:log\") and lists of choices");
    json_object_foreach (space, name, value) {
        const struct job_parameter *parameter = find_parameter(name, strlen(name), false);
        struct train_list *list = &request->options.space;
        char *text = malloc(TRAIN_TEXT_MAX), choice[SPACE_TEXT_MAX];
        size_t used;

        if (text == NULL)
            return problem_set(problem, 507, "no_memory", "no memory for the request");
        request->spaces[list->count] = text;
        list->items[list->count++] = text;
        if (parameter == NULL || parameter->kind == KIND_FLAG)
            return problem_set(problem, 400, "bad_request", "parameters.space: there is no '%.64s'",
                               name);
        used = (size_t)snprintf(text, TRAIN_TEXT_MAX, "%s=", parameter->option);
        if (json_is_string(value))
            used += (size_t)snprintf(text + used, TRAIN_TEXT_MAX - used, "%s",
                                     json_string_value(value));
        else if (!json_is_array(value) || json_array_size(value) == 0)
            return problem_set(problem, 400, "bad_request",
                               "parameters.space.%.64s: expected a range or a list of choices", name);
        for (size_t i = 0; i < json_array_size(value) && used < TRAIN_TEXT_MAX; i++) {
            const json_t *item = json_array_get(value, i);

            if (!json_is_number(item) && !is_choice(json_string_value(item)))
                return problem_set(problem, 400, "bad_request",
                                   "parameters.space.%.64s[%zu]: expected a number, or a text of 1 to %d "
                                   "bytes without '|'", name, i, SPACE_TEXT_MAX - 1);
            put_choice(choice, sizeof(choice), item);
            /* A bar behind each: one choice is a list as well. */
            used += (size_t)snprintf(text + used, TRAIN_TEXT_MAX - used, "%s|", choice);
        }
        if (used >= TRAIN_TEXT_MAX)
            return problem_set(problem, 400, "bad_request",
                               "parameters.space.%.64s: expected less than %d bytes in all", name,
                               TRAIN_TEXT_MAX);
    }
    return true;
}

static bool read_parameters(struct job_request *request, struct problem *problem)
{
    static const char *const own[] = {"promote", "gate", "checkpoint_s", "space"};
    const char *name;
    json_t *value;

    if (json_object_size(request->parameters) > PARAMETERS_MAX)
        return problem_set(problem, 400, "bad_request", "parameters: more than %d", PARAMETERS_MAX);
    json_object_foreach (request->parameters, name, value) {
        size_t i = 0;

        while (i < 4 && strcmp(own[i], name) != 0)
            i++;
        if (i < 2 && !json_is_boolean(value))
            return bad(problem, name, "true or false");
        if (i == 0)
            request->promote = json_is_true(value);
        else if (i == 1)
            request->gate = json_is_true(value);
        else if (i == 2 && !(json_number_value(value) >= CHECKPOINT_S_LEAST &&
                             json_number_value(value) <= CHECKPOINT_S_MOST))
            return bad(problem, name, "seconds from 0.01 to 86400");
        else if (i == 2)
            request->checkpoint_s = json_number_value(value);
        else if (i == 3 ? !set_space(request, value, problem)
                        : !set_parameter(request, name, value, problem))
            return false;
    }
    return true;
}

/* The names that options hold. */
static bool check_names(const struct train_options *options, struct problem *problem)
{
    static const char *const ways[] = {"grid", "random", "bayes"};
    enum optimiser_kind optimiser;
    enum schedule_kind schedule;
    enum loss_kind loss;
    struct train_space space;
    bool known = options->search == NULL;

    if (!optimiser_find(options->optimiser, &optimiser))
        return problem_set(problem, 400, "bad_request", "parameters.optimiser: there is no '%.64s'",
                           options->optimiser);
    if (!schedule_find(options->schedule, &schedule))
        return problem_set(problem, 400, "bad_request", "parameters.schedule: there is no '%.64s'",
                           options->schedule);
    if (options->loss != NULL && !loss_find(options->loss, &loss))
        return problem_set(problem, 400, "bad_request", "parameters.loss: there is no '%.64s'",
                           options->loss);
    if (strcmp(options->metric, "loss") != 0 && evaluation_metric_find(options->metric) < 0)
        return problem_set(problem, 400, "bad_request", "parameters.metric: there is no '%.64s'",
                           options->metric);
    if (options->norm != NULL && strcmp(options->norm, "batch") != 0 &&
        strcmp(options->norm, "frozen") != 0)
        return bad(problem, "norm", "'batch' or 'frozen'");
    if (options->delimiter != NULL && strlen(options->delimiter) != 1)
        return bad(problem, "delimiter", "one character");
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !known; i++)
        known = strcmp(ways[i], options->search) == 0;
    if (!known)
        return bad(problem, "search", "'grid', 'random' or 'bayes'");
    if ((options->search != NULL) != (options->space.count > 0))
        return problem_set(problem, 400, "bad_request",
                           "parameters.search and parameters.space go together");
    return options->search == NULL || train_space_parse(&space, &options->space, problem);
}

static bool check(const struct job_request *request, struct problem *problem)
{
    const struct train_options *options = &request->options;

    if (!check_names(options, problem))
        return false;
    if (options->epochs > EPOCHS_MAX)
        return problem_set(problem, 400, "bad_request", "parameters.epochs: at most %d", EPOCHS_MAX);
    if (options->trials > TRIALS_MAX)
        return problem_set(problem, 400, "bad_request", "parameters.trials: at most %d", TRIALS_MAX);
    if (options->validation == 0.0 && request->gate)
        return problem_set(problem, 400, "bad_request",
                           "parameters.validation is 0: without examples to judge by, "
                           "parameters.gate must be false");
    return true;
}

bool job_request_decode(const char *body, size_t bytes, struct job_request *ret,
                        struct problem *problem)
{
    static const char *const known[] = {"dataset", "parameters", NULL};
    json_error_t error;
    bool good;

    *ret = (struct job_request){.promote = true, .gate = true, .checkpoint_s = CHECKPOINT_S};
    if (bytes > REQUEST_BYTES_MAX)
        return problem_set(problem, 413, "too_large", "the body has %zu bytes, expected at most %d", bytes,
                           REQUEST_BYTES_MAX);
    train_options_init(&ret->options);
    ret->root = json_loadb(body, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(ret->root)) {
        if (ret->root == NULL)
            problem_set(problem, 400, "bad_json", "the body is no JSON: %.128s at byte %d", error.text,
                        error.position);
        problem_set(problem, 400, "bad_json", "the body is %s, expected an object",
                    json_kind(ret->root));
        job_request_finish(ret);
        return false;
    }
    good = json_fields_known(ret->root, "", known, problem) &&
           json_field_string(ret->root, "", "dataset", FIELD_REQUIRED, &ret->dataset, problem) &&
           json_field_object(ret->root, "", "parameters", FIELD_OPTIONAL, &ret->parameters, problem) &&
           read_parameters(ret, problem) && check(ret, problem);
    if (!good) {
        job_request_words(problem);
        job_request_finish(ret);
    }
    return good;
}

void job_request_finish(struct job_request *request)
{
    json_decref(request->root);
    for (int i = 0; i < TRAIN_SPACE_MAX; i++)
        free(request->spaces[i]);
    *request = (struct job_request){0};
}

bool job_request_settle(struct job_request *request, const struct learn_config *config,
                        struct problem *problem)
{
    struct train_options *options = &request->options;
    bool chosen = config->learns[0] != '\0' || config->frozen[0] != '\0' || config->last_layers > 0;

    if (!config->enabled)
        return problem_set(problem, 409, "learning_disabled",
                           "learning is off for this model (training.enabled in its config.json)");
    if (config->loss[0] != '\0' && options->loss != NULL && strcmp(config->loss, options->loss) != 0)
        return problem_set(problem, 409, "settled",
                           "parameters.loss is '%.32s', the model's config.json says '%s'",
                           options->loss, config->loss);
    if (chosen && (options->learns != NULL || options->frozen != NULL || options->last_layers > 0))
        return problem_set(problem, 409, "settled",
                           "parameters.learns, frozen and last_layers: the model's config.json says "
                           "what learns");
    if (config->loss[0] != '\0')
        options->loss = config->loss;
    if (chosen) {
        options->learns = config->learns[0] != '\0' ? config->learns : NULL;
        options->frozen = config->frozen[0] != '\0' ? config->frozen : NULL;
        options->last_layers = config->last_layers;
    }
    return true;
}

void job_request_words(struct problem *problem)
{
    char rest[sizeof(problem->text)];
    const struct job_parameter *parameter;
    size_t length;

    if (strncmp(problem->text, "--", 2) != 0)
        return;
    length = strcspn(problem->text + 2, ": ");
    if (length == 5 && strncmp(problem->text + 2, "space", 5) == 0) {
        snprintf(rest, sizeof(rest), "%s", problem->text + 2);
        snprintf(problem->text, sizeof(problem->text), "parameters.%.480s", rest);
        return;
    }
    parameter = find_parameter(problem->text + 2, length, true);
    if (parameter == NULL)
        return;
    snprintf(rest, sizeof(rest), "%s", problem->text + 2 + length);
    snprintf(problem->text, sizeof(problem->text), "parameters.%s%.440s", parameter->name, rest);
}
