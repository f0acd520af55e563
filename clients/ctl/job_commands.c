/* SPDX-License-Identifier: Apache-2.0
 * Commands of training jobs, datasets, and models that come and go: train, jobs, job, cancel, datasets, put,
 * delete. */
#include "clients/c/inferd_call.h"
#include "clients/ctl/ctl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 24 };

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* What is not finite comes as null; what is not there counts 0. */
static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_null(value) ? (double)NAN : json_number_value(value);
}

static enum ctl_exit call(struct ctl *ctl, const struct inferd_call *what, json_t **ret_answer)
{
    struct inferd_error err = {0};

    return inferd_call(ctl->client, what, ret_answer, &err) ? CTL_OK : ctl_fail(&err);
}

/* A call without a body. */
static enum ctl_exit ask(struct ctl *ctl, const char *method, const char *route, const char *name,
                         json_t **ret_answer)
{
    struct inferd_call what = {.method = method};
    enum ctl_exit result;

    inferd_call_path(&what.path, route, name, "");
    result = call(ctl, &what, ret_answer);
    text_free(&what.path);
    return result;
}

/* ---- training ---- */

/* "epochs=20" to a member: JSON if it is some, else a text. */
static bool add_parameter(json_t *parameters, const char *said)
{
    const char *equals = strchr(said, '=');
    char name[64];
    json_t *value;

    snprintf(name, sizeof(name), "%.*s", (int)(equals - said), said);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '-' ? '_' : *at;
    value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        value = json_string(equals + 1);
    return json_object_set_new(parameters, name, value) == 0;
}

static enum ctl_exit begin(struct ctl *ctl, json_t **ret_job)
{
    json_t *parameters = json_object(), *body;
    struct inferd_call what = {.method = "POST", .content_type = "application/json",
                               .key = ctl->update.key};
    enum ctl_exit result = CTL_OK;
    char *text;

    for (int i = 0; i < ctl->n_parameters && result == CTL_OK; i++)
        if (!add_parameter(parameters, ctl->parameters[i]))
            result = ctl_usage("--%s: expected a text in UTF-8", ctl->parameters[i]);
    body = json_pack("{s:s, s:o}", "dataset", ctl->dataset, "parameters", parameters);
    text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    if (result == CTL_OK && text == NULL)
        result = ctl_usage("the dataset's name must be a text in UTF-8");
    text_init(&what.path);
    if (!inferd_client_model_path(ctl->model, ctl->version, "/train", &what.path) && result == CTL_OK)
        result = ctl_usage("out of memory");
    if (result == CTL_OK) {
        what.body = text;
        what.body_bytes = strlen(text);
        result = call(ctl, &what, ret_job);
    }
    free(text);
    json_decref(body);
    text_free(&what.path);
    return result;
}

/* What is shown while a job lasts. */
struct watching {
    bool json, bar;
    char last[16];
};

static void wipe(const struct watching *watching)
{
    if (watching->bar)
        fputs("\r\033[K", stderr);
}

static void show_progress(const struct watching *watching, const json_t *data)
{
    int filled = (int)(number(data, "step") * BAR / (number(data, "steps") + 1e-9));
    int left = (int)number(data, "seconds_left");
    char bar[BAR + 1];

    if (!watching->bar)
        return;
    memset(bar, '.', BAR);
    memset(bar, '=', (size_t)(filled < 0 ? 0 : filled > BAR ? BAR : filled));
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[Kepoch %.0f/%.0f [%s] loss %.5g  %.0f examples/s  %d:%02d left",
            number(data, "epoch"), number(data, "epochs"), bar, number(data, "loss"),
            number(data, "examples_per_second"), left / 60, left % 60);
    fflush(stderr);
}

static void show_epoch(const json_t *data)
{
    printf("epoch %.0f  loss %.6g", number(data, "epoch"), number(data, "loss"));
    if (json_object_get(data, "validation_loss") != NULL)
        printf("  validation loss %.6g", number(data, "validation_loss"));
    if (strcmp(member(data, "metric"), "loss") != 0)
        printf("  %s %.5g", member(data, "metric"), number(data, "value"));
    puts(json_is_true(json_object_get(data, "best")) ? "  best" : "");
}

static void show_end(const char *name, const json_t *data)
{
    printf("%s", name);
    if (json_object_get(data, "generation") != NULL)
        printf(": generation %.0f", number(data, "generation"));
    if (json_object_get(data, "best_epoch") != NULL)
        printf(", epoch %.0f, %.6g", number(data, "best_epoch"), number(data, "metric"));
    if (json_is_number(json_object_get(data, "serving_metric")))
        printf(" (before %.6g)", number(data, "serving_metric"));
    printf("%s%s\n", member(data, "error")[0] != '\0' ? ": " : "", member(data, "error"));
}

static bool show_event(void *arg, const char *name, const char *data)
{
    struct watching *watching = arg;
    json_t *values = json_loads(data, 0, NULL);

    snprintf(watching->last, sizeof(watching->last), "%s", name);
    wipe(watching);
    if (watching->json)
        printf("{\"event\":\"%s\",\"data\":%s}\n", name, data);
    else if (strcmp(name, "progress") == 0)
        show_progress(watching, values);
    else if (strcmp(name, "epoch") == 0)
        show_epoch(values);
    else if (strcmp(name, "trial") == 0)
        printf("trial %.0f  %.6g  %s\n", number(values, "trial"), number(values, "value"),
               member(values, "setting"));
    else if (strcmp(name, "state") != 0)
        show_end(name, values);
    fflush(stdout);
    json_decref(values);
    return true;
}

static enum ctl_exit follow(struct ctl *ctl, const char *job)
{
    struct watching watching = {.json = ctl->json, .bar = !ctl->json && isatty(STDERR_FILENO)};
    struct inferd_error err = {0};

    if (!inferd_follow(ctl->client, job, show_event, &watching, &err))
        return ctl_fail(&err);
    return strcmp(watching.last, "done") == 0 ? CTL_OK : CTL_REFUSED;
}

enum ctl_exit ctl_train(struct ctl *ctl)
{
    enum ctl_exit result;
    json_t *job;

    if (ctl->dataset == NULL)
        return ctl_usage("train needs --dataset NAME");
    result = begin(ctl, &job);
    if (result != CTL_OK)
        return result;
    if (ctl->detach && ctl->json)
        return ctl_print_json(job);
    if (ctl->detach || !ctl->json)
        printf("%s%s\n", ctl->detach ? "" : "job ", member(job, "id"));
    fflush(stdout);
    if (!ctl->detach)
        result = follow(ctl, member(job, "id"));
    json_decref(job);
    return result;
}

static void print_job(const json_t *job)
{
    const json_t *validation = json_object_get(job, "validation");
    const json_t *progress = json_object_get(job, "progress");

    printf("%-16s  %-9s  %-20s  %-20s  ", member(job, "id"), member(job, "state"), member(job, "model"),
           member(job, "dataset"));
    if (progress != NULL)
        printf("epoch %.0f/%.0f", number(progress, "epoch"), number(progress, "epochs"));
    if (validation != NULL)
        printf("  %s %.5g", member(job, "metric"), number(validation, "job"));
    printf("%s%s\n", member(job, "error")[0] != '\0' ? "  " : "", member(job, "error"));
}

enum ctl_exit ctl_jobs(struct ctl *ctl)
{
    json_t *answer, *job;
    enum ctl_exit result = ask(ctl, "GET", "/v2/jobs", NULL, &answer);
    size_t i;

    if (result != CTL_OK)
        return result;
    if (ctl->json)
        return ctl_print_json(answer);
    printf("%-16s  %-9s  %-20s  %-20s\n", "JOB", "STATE", "MODEL", "DATASET");
    json_array_foreach (json_object_get(answer, "jobs"), i, job)
        print_job(job);
    json_decref(answer);
    return CTL_OK;
}

/* What it is now; with --follow its events from then on. */
enum ctl_exit ctl_job(struct ctl *ctl)
{
    enum ctl_exit result;
    json_t *answer;

    if (ctl->follow)
        return follow(ctl, ctl->model);
    result = ask(ctl, "GET", "/v2/jobs", ctl->model, &answer);
    if (result != CTL_OK)
        return result;
    if (ctl->json)
        return ctl_print_json(answer);
    print_job(answer);
    json_decref(answer);
    return CTL_OK;
}

enum ctl_exit ctl_cancel(struct ctl *ctl)
{
    json_t *answer;
    enum ctl_exit result = ask(ctl, "DELETE", "/v2/jobs", ctl->model, &answer);

    if (result != CTL_OK)
        return result;
    if (ctl->json)
        return ctl_print_json(answer);
    puts(json_is_true(json_object_get(answer, "removed")) ? "removed" : "cancelled");
    json_decref(answer);
    return CTL_OK;
}

/* ---- datasets and models ---- */

static enum ctl_exit show(struct ctl *ctl, json_t *answer)
{
    if (ctl->json)
        return ctl_print_json(answer);
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(answer);
    return CTL_OK;
}

static enum ctl_exit upload(struct ctl *ctl, const char *route, const char *name, const char *type)
{
    struct inferd_call what = {.method = "PUT", .file = ctl->file, .content_type = type};
    enum ctl_exit result;
    json_t *answer;

    inferd_call_path(&what.path, route, name, "");
    result = call(ctl, &what, &answer);
    text_free(&what.path);
    return result == CTL_OK ? show(ctl, answer) : result;
}

static enum ctl_exit list_datasets(struct ctl *ctl)
{
    json_t *answer, *row;
    enum ctl_exit result = ask(ctl, "GET", "/v2/datasets", NULL, &answer);
    size_t i;

    if (result != CTL_OK)
        return result;
    if (ctl->json)
        return ctl_print_json(answer);
    json_array_foreach (json_object_get(answer, "datasets"), i, row)
        printf("%-32s %14.0f bytes\n", member(row, "name"), number(row, "bytes"));
    json_decref(answer);
    return CTL_OK;
}

static void print_dataset(const json_t *answer)
{
    const json_t *columns = json_object_get(answer, "columns");
    json_t *column;
    size_t i;

    printf("%s: %s, %.0f rows, %.0f bytes\n", member(answer, "name"), member(answer, "format"),
           number(answer, "rows"), number(answer, "bytes"));
    json_array_foreach (columns, i, column)
        printf("  %-32s %s\n", member(column, "name"), member(column, "datatype"));
}

enum ctl_exit ctl_datasets(struct ctl *ctl)
{
    const char *what = ctl->model != NULL ? ctl->model : "list", *name = ctl->second;
    bool removes = strcmp(what, "delete") == 0;
    enum ctl_exit result;
    json_t *answer;

    if (strcmp(what, "list") == 0 && name == NULL)
        return list_datasets(ctl);
    if (name == NULL || (strcmp(what, "put") != 0 && strcmp(what, "show") != 0 && !removes))
        return ctl_usage("usage: inferctl datasets [list | put NAME --file FILE | show NAME | delete NAME]");
    if (strcmp(what, "put") == 0)
        return ctl->file != NULL ? upload(ctl, "/v2/datasets", name, "application/octet-stream")
                                 : ctl_usage("datasets put needs --file FILE");
    result = ask(ctl, removes ? "DELETE" : "GET", "/v2/datasets", name, &answer);
    if (result != CTL_OK)
        return result;
    if (ctl->json)
        return ctl_print_json(answer);
    if (removes)
        puts("removed");
    else
        print_dataset(answer);
    json_decref(answer);
    return CTL_OK;
}

/* A specification begins with '{'; no ONNX file does. */
static bool is_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    int first = file != NULL ? fgetc(file) : EOF;

    while (first == ' ' || first == '\n' || first == '\t' || first == '\r')
        first = fgetc(file);
    if (file != NULL)
        fclose(file);
    return first == '{';
}

enum ctl_exit ctl_put(struct ctl *ctl)
{
    if (ctl->file == NULL)
        return ctl_usage("put needs --file FILE: a specification in JSON, or an ONNX file");
    return upload(ctl, "/v2/models", ctl->model,
                  is_json(ctl->file) ? "application/json" : "application/octet-stream");
}

enum ctl_exit ctl_delete(struct ctl *ctl)
{
    json_t *answer;
    enum ctl_exit result = ask(ctl, "DELETE", "/v2/models", ctl->model, &answer);

    return result == CTL_OK ? show(ctl, answer) : result;
}

enum ctl_exit ctl_promote_job(struct ctl *ctl)
{
    json_t *body = json_pack("{s:s}", "job", ctl->job), *answer;
    struct inferd_call what = {.method = "POST", .content_type = "application/json"};
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    enum ctl_exit result = CTL_OK;

    text_init(&what.path);
    if (text == NULL || !inferd_client_model_path(ctl->model, ctl->version, "/promote", &what.path))
        result = ctl_usage("the job's id must be a text in UTF-8");
    if (result == CTL_OK) {
        what.body = text;
        what.body_bytes = strlen(text);
        result = call(ctl, &what, &answer);
    }
    free(text);
    json_decref(body);
    text_free(&what.path);
    if (result == CTL_OK && !ctl->json) {
        printf("generation %.0f\n", number(answer, "generation"));
        json_decref(answer);
        return CTL_OK;
    }
    return result == CTL_OK ? ctl_print_json(answer) : result;
}
