/* SPDX-License-Identifier: Apache-2.0
 * Commands of learning: finetune, feedback, evaluate, generations, rollback, rewind, erase, promote, label,
 * export. */
#include "clients/ctl/ctl.h"
#include "clients/ctl/input.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ", loss 0.183, accuracy 1" */
static void print_scores(const json_t *scored)
{
    const json_t *metrics = json_object_get(scored, "metrics"), *value;
    const json_t *loss = json_object_get(scored, "loss");
    const char *name;

    if (json_is_number(loss))
        printf(", loss %.6g", json_number_value(loss));
    json_object_foreach ((json_t *)metrics, name, value) {
        if (json_is_number(value))
            printf(", %s %.6g", name, json_number_value(value));
    }
}

/* "generation 42, 2 examples, loss 0.183, accuracy 1" */
static void print_learnt(const json_t *answer)
{
    const json_t *parameters = json_object_get(answer, "parameters");
    const json_t *made = json_object_get(answer, "prediction");

    printf("generation %lld, %lld examples",
           (long long)json_integer_value(json_object_get(parameters, "generation")),
           (long long)json_integer_value(json_object_get(answer, "examples")));
    print_scores(answer);
    fputs(json_is_true(json_object_get(parameters, "durable")) ? ", durable" : "", stdout);
    if (json_is_false(json_object_get(parameters, "complete")))
        fputs(", but what updates that are no longer kept taught stays", stdout);
    if (json_is_false(json_object_get(parameters, "published")))
        fputs(", not seen by predictions yet", stdout);
    puts(json_is_true(json_object_get(parameters, "replayed")) ? ", applied before" : "");
    if (made != NULL) {
        printf("the prediction, made by generation %lld",
               (long long)json_integer_value(json_object_get(made, "generation")));
        print_scores(made);
        puts("");
    }
}

static enum ctl_exit show(const struct ctl *ctl, json_t *answer)
{
    if (ctl->json)
        return ctl_print_json(answer);
    print_learnt(answer);
    json_decref(answer);
    return CTL_OK;
}

static enum ctl_exit learn(struct ctl *ctl, enum learn_form form)
{
    struct message_memory *memory = message_memory_create();
    struct learn_request request = {.learning_rate = ctl->learning_rate};
    struct infer_request inputs;
    struct inferd_model model;
    struct inferd_error err;
    struct problem problem = {0};
    enum ctl_exit result;
    json_t *answer;

    if (memory == NULL)
        return ctl_usage("out of memory");
    if (!inferd_model_fetch(ctl->client, ctl->model, ctl->version, &model, &err)) {
        message_memory_destroy(memory);
        return ctl_fail(&err);
    }
    if (!inputs_read(ctl, &model, memory, &inputs, &problem) ||
        !targets_read(ctl, memory, &request, &problem)) {
        result = ctl_usage("%s", problem.text);
    } else {
        request.n_inputs = inputs.n_inputs;
        request.inputs = inputs.inputs;
        result = inferd_client_learn(ctl->client, ctl->model, ctl->version, &request, form,
                                     &ctl->update, &answer, &err)
                     ? show(ctl, answer)
                     : ctl_fail(&err);
    }
    inferd_model_finish(&model);
    message_memory_destroy(memory);
    return result;
}

enum ctl_exit ctl_finetune(struct ctl *ctl)
{
    return learn(ctl, LEARN_FINETUNE);
}

/* The inputs are those that were predicted from. */
enum ctl_exit ctl_feedback(struct ctl *ctl)
{
    struct message_memory *memory = message_memory_create();
    struct learn_request request = {.learning_rate = ctl->learning_rate, .id = ctl->id};
    struct inferd_error err;
    struct problem problem = {0};
    enum ctl_exit result;
    json_t *answer;

    if (memory == NULL)
        return ctl_usage("out of memory");
    if (ctl->id == NULL)
        result = ctl_usage("feedback needs --id: that of the prediction");
    else if (!targets_read(ctl, memory, &request, &problem))
        result = ctl_usage("%s", problem.text);
    else
        result = inferd_client_learn(ctl->client, ctl->model, ctl->version, &request,
                                     LEARN_FEEDBACK, &ctl->update, &answer, &err)
                     ? show(ctl, answer)
                     : ctl_fail(&err);
    message_memory_destroy(memory);
    return result;
}

enum ctl_exit ctl_evaluate(struct ctl *ctl)
{
    return learn(ctl, LEARN_EVALUATE);
}

static void print_row(const json_t *row)
{
    time_t seconds = (time_t)(json_integer_value(json_object_get(row, "time_ms")) / 1000);
    const char *digest = json_string_value(json_object_get(row, "digest"));
    char when[32] = "";
    struct tm utc;

    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    printf("%10lld  %-8s  %s  %6lld  %.12s\n",
           (long long)json_integer_value(json_object_get(row, "generation")),
           json_string_value(json_object_get(row, "kind")), when,
           (long long)json_integer_value(json_object_get(row, "examples")),
           digest != NULL ? digest : "");
}

enum ctl_exit ctl_generations(struct ctl *ctl)
{
    const json_t *rows;
    struct inferd_error err;
    json_t *answer, *row;
    size_t i;

    if (!inferd_client_generations(ctl->client, ctl->model, ctl->version, &answer, &err))
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(answer);
    rows = json_object_get(answer, "generations");
    puts("generation  kind      time                  examples  digest");
    json_array_foreach (rows, i, row) {
        if (json_is_string(json_object_get(row, "kind")))
            print_row(row);
    }
    json_decref(answer);
    return CTL_OK;
}

static enum ctl_exit move(struct ctl *ctl, enum inferd_move move)
{
    struct inferd_error err;
    json_t *answer;

    if (!inferd_client_move(ctl->client, ctl->model, ctl->version, move, &ctl->to, &ctl->update,
                            &answer, &err))
        return ctl_fail(&err);
    return show(ctl, answer);
}

enum ctl_exit ctl_rollback(struct ctl *ctl)
{
    if ((ctl->to.generation >= 0) + (ctl->to.time_ms >= 0) + (ctl->to.label[0] != '\0') != 1)
        return ctl_usage("rollback needs one of --to GENERATION, --label NAME and --time TIME");
    return move(ctl, INFERD_ROLLBACK);
}

enum ctl_exit ctl_promote(struct ctl *ctl)
{
    if (ctl->job != NULL)
        return ctl_promote_job(ctl);
    if (ctl->to.time_ms >= 0 || ctl->to.label[0] != '\0')
        return ctl_usage("promote takes --to GENERATION alone");
    return move(ctl, INFERD_PROMOTE);
}

enum ctl_exit ctl_label(struct ctl *ctl)
{
    if (ctl->to.time_ms >= 0 || ctl->to.label[0] == '\0')
        return ctl_usage("label needs --label NAME, and takes --to GENERATION");
    return move(ctl, INFERD_LABEL);
}

enum ctl_exit ctl_rewind(struct ctl *ctl)
{
    struct inferd_error err;
    json_t *answer;

    if (ctl->first < 0)
        return ctl_usage("rewind needs --first GENERATION");
    if (!inferd_client_rewind(ctl->client, ctl->model, ctl->version, ctl->first,
                              ctl->last >= 0 ? ctl->last : ctl->first, &ctl->update, &answer, &err))
        return ctl_fail(&err);
    return show(ctl, answer);
}

enum ctl_exit ctl_erase(struct ctl *ctl)
{
    struct inferd_error err;
    json_t *answer;

    if (ctl->n_examples == 0)
        return ctl_usage("erase needs --example GENERATION.ROW");
    if (!inferd_client_erase(ctl->client, ctl->model, ctl->version, ctl->examples, ctl->n_examples,
                             &ctl->update, &answer, &err))
        return ctl_fail(&err);
    return show(ctl, answer);
}

enum ctl_exit ctl_export(struct ctl *ctl)
{
    struct inferd_error err;
    struct text text;
    FILE *file = stdout;
    bool good;

    text_init(&text);
    if (!inferd_client_export(ctl->client, ctl->model, ctl->version, &text, &err)) {
        text_free(&text);
        return ctl_fail(&err);
    }
    if (ctl->file != NULL)
        file = fopen(ctl->file, "wb");
    good = file != NULL && fwrite(text.data, 1, text.length, file) == text.length &&
           fflush(file) == 0;
    if (file != NULL && file != stdout)
        good = fclose(file) == 0 && good;
    text_free(&text);
    return good ? CTL_OK
                : ctl_usage("%s: %s", ctl->file != NULL ? ctl->file : "standard output",
                            strerror(errno));
}
