/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/c/inferd_client.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANSWER_BYTES_MAX = 1 << 30, CONNECT_TIMEOUT_MS = 5000, TIMEOUT_MS = 30000 };

static const struct wire_limits answer_limits = {
    .tensor_bytes_max = ANSWER_BYTES_MAX,
    .envelope_bytes_max = 1 << 24,
    .depth_max = 64,
    .tensors_max = 1024,
};

struct inferd_client {
    CURL *curl;
    char *base;   /* no '/' at the end */
    char *socket; /* NULL: TCP */
    int timeout_ms;
    char message[CURL_ERROR_SIZE];
};

/* One exchange. */
struct call {
    const char *method, *path;
    const void *body; /* NULL: none */
    size_t body_bytes;
    int64_t header_length; /* of binary data; -1: JSON */
    const struct inferd_update *update; /* NULL: none */
    long status;
    struct text answer;
    int64_t answer_header_length;
};

static bool fail(struct inferd_error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct inferd_error *err, int status, const char *format, ...)
{
    va_list args;

    err->status = status;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return false;
}

static char *join(const char *before, const char *text, size_t length)
{
    size_t n = strlen(before);
    char *joined = malloc(n + length + 1);

    if (joined == NULL)
        return NULL;
    memcpy(joined, before, n);
    memcpy(joined + n, text, length);
    joined[n + length] = '\0';
    return joined;
}

static bool set_url(struct inferd_client *client, const char *url, struct inferd_error *err)
{
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/')
        length--;
    if (strncmp(url, "unix:", 5) == 0) {
        if (length <= 5)
            return fail(err, 0, "'%s' names no socket", url);
        client->socket = join("", url + 5, length - 5);
        client->base = join("http://localhost", "", 0);
        if (client->socket == NULL)
            return fail(err, 0, "out of memory");
    } else if (length == 0) {
        return fail(err, 0, "the server's URL is empty");
    } else if (strstr(url, "://") == NULL) {
        client->base = join("http://", url, length);
    } else if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) {
        client->base = join("", url, length);
    } else {
        return fail(err, 0, "'%s' is no http, https or unix URL", url);
    }
    return client->base != NULL || fail(err, 0, "out of memory");
}

struct inferd_client *inferd_client_create(const char *url, struct inferd_error *err)
{
    struct inferd_client *client = calloc(1, sizeof(*client));

    if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fail(err, 0, "out of memory");
        free(client);
        return NULL;
    }
    client->timeout_ms = TIMEOUT_MS;
    client->curl = curl_easy_init();
    if (client->curl == NULL)
        fail(err, 0, "out of memory");
    if (client->curl == NULL || !set_url(client, url, err)) {
        inferd_client_destroy(client);
        return NULL;
    }
    return client;
}

void inferd_client_destroy(struct inferd_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->base);
    free(client->socket);
    free(client);
}

void inferd_client_set_timeout(struct inferd_client *client, int timeout_ms)
{
    client->timeout_ms = timeout_ms;
}

int inferd_client_timeout_ms(const struct inferd_client *client)
{
    return client->timeout_ms;
}

bool inferd_client_address(const struct inferd_client *client, void *curl, const char *path)
{
    char *url = join(client->base, path, strlen(path));
    bool good = url != NULL && curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;

    if (good && client->socket != NULL)
        good = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket) == CURLE_OK;
    free(url);
    return good;
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct call *call = context;

    if (size * n > ANSWER_BYTES_MAX - call->answer.length)
        return 0;
    text_append(&call->answer, data, size * n);
    return call->answer.failed ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *context)
{
    static const char name[] = "Inference-Header-Content-Length:";
    struct call *call = context;
    size_t length = size * n;
    char value[32];

    if (length > sizeof(name) && length - sizeof(name) < sizeof(value) &&
        strncasecmp(data, name, sizeof(name) - 1) == 0) {
        snprintf(value, sizeof(value), "%.*s", (int)(length - sizeof(name) + 1),
                 data + sizeof(name) - 1);
        call->answer_header_length = strtoll(value, NULL, 10);
    }
    return length;
}

/* False leaves *headers as it was. */
static bool add_header(struct curl_slist **headers, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool add_header(struct curl_slist **headers, const char *format, ...)
{
    struct curl_slist *longer;
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    longer = curl_slist_append(*headers, line);
    *headers = longer != NULL ? longer : *headers;
    return longer != NULL;
}

static struct curl_slist *make_headers(const struct call *call)
{
    const struct inferd_update *update = call->update;
    struct curl_slist *headers = NULL;
    bool good = add_header(&headers, "Expect:");

    if (call->body != NULL && call->header_length >= 0)
        good = good && add_header(&headers, "Content-Type: application/octet-stream") &&
               add_header(&headers, "Inference-Header-Content-Length: %lld",
                          (long long)call->header_length);
    else if (call->body != NULL)
        good = good && add_header(&headers, "Content-Type: application/json");
    if (update != NULL && update->key != NULL)
        good = good && add_header(&headers, "Idempotency-Key: %.255s", update->key);
    if (update != NULL && update->if_match > 0)
        good = good && add_header(&headers, "If-Match: \"%lld\"", (long long)update->if_match);
    if (good)
        return headers;
    curl_slist_free_all(headers);
    return NULL;
}

/* {"error": "..."} in the server's words, else the status alone. */
static bool fail_with_answer(struct inferd_error *err, const struct call *call)
{
    json_t *root = json_loadb(call->answer.data != NULL ? call->answer.data : "",
                              call->answer.length, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "error"));

    if (text != NULL)
        fail(err, (int)call->status, "%s", text);
    else
        fail(err, (int)call->status, "the server answered %ld to %s %s", call->status, call->method,
             call->path);
    json_decref(root);
    return false;
}

/* False if no answer came. */
static bool exchange(struct inferd_client *client, struct call *call, struct inferd_error *err)
{
    struct curl_slist *headers = make_headers(call);
    CURL *curl = client->curl;
    CURLcode code;

    text_init(&call->answer);
    call->answer_header_length = -1;
    curl_easy_reset(curl);
    if (headers == NULL || !inferd_client_address(client, curl, call->path)) {
        curl_slist_free_all(headers);
        return fail(err, 0, "out of memory");
    }
    client->message[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
    if (call->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
    }
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call->status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return fail(err, 0, "%s: %s", client->socket != NULL ? client->socket : client->base,
                    client->message[0] != '\0' ? client->message : curl_easy_strerror(code));
    return true;
}

/* An exchange that must end with 200. */
static bool succeed(struct inferd_client *client, struct call *call, struct inferd_error *err)
{
    if (!exchange(client, call, err)) {
        text_free(&call->answer);
        return false;
    }
    if (call->status == 200)
        return true;
    fail_with_answer(err, call);
    text_free(&call->answer);
    return false;
}

static bool succeed_json(struct inferd_client *client, struct call *call, json_t **ret_json,
                         struct inferd_error *err)
{
    json_error_t error;
    json_t *json;

    if (!succeed(client, call, err))
        return false;
    json = json_loadb(call->answer.data != NULL ? call->answer.data : "", call->answer.length, 0,
                      &error);
    text_free(&call->answer);
    if (json == NULL)
        return fail(err, 0, "the server's answer to %s is not JSON: %s", call->path, error.text);
    *ret_json = json;
    return true;
}

/* Percent-encodes all but RFC 3986's unreserved characters. */
static void append_segment(struct text *path, const char *segment)
{
    static const char unreserved[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-._~";

    for (; *segment != '\0'; segment++) {
        if (strchr(unreserved, *segment) != NULL)
            text_append(path, segment, 1);
        else
            text_printf(path, "%%%02X", (unsigned char)*segment);
    }
}

bool inferd_client_model_path(const char *model, const char *version, const char *suffix,
                              struct text *path)
{
    text_puts(path, "/v2/models/");
    append_segment(path, model);
    if (version != NULL) {
        text_puts(path, "/versions/");
        append_segment(path, version);
    }
    text_puts(path, suffix);
    text_append(path, "", 1);
    return !path->failed;
}

/* GET of a model's route. */
static bool get_model(struct inferd_client *client, const char *model, const char *version,
                      const char *suffix, json_t **ret_json, struct inferd_error *err)
{
    struct call call = {.method = "GET", .header_length = -1};
    struct text path;
    bool good;

    text_init(&path);
    good = inferd_client_model_path(model, version, suffix, &path) || fail(err, 0, "out of memory");
    if (good) {
        call.path = path.data;
        good = succeed_json(client, &call, ret_json, err);
    }
    text_free(&path);
    return good;
}

/* 200: yes; 400 and 503: no; anything else is an error. */
static bool ask(struct inferd_client *client, const char *path, bool *ret_yes,
                struct inferd_error *err)
{
    struct call call = {.method = "GET", .path = path, .header_length = -1};
    bool good = exchange(client, &call, err);

    if (good) {
        *ret_yes = call.status == 200;
        if (call.status != 200 && call.status != 400 && call.status != 503)
            good = fail_with_answer(err, &call);
    }
    text_free(&call.answer);
    return good;
}

bool inferd_client_live(struct inferd_client *client, bool *ret_live, struct inferd_error *err)
{
    return ask(client, "/v2/health/live", ret_live, err);
}

bool inferd_client_ready(struct inferd_client *client, bool *ret_ready, struct inferd_error *err)
{
    return ask(client, "/v2/health/ready", ret_ready, err);
}

bool inferd_client_model_ready(struct inferd_client *client, const char *model, const char *version,
                               bool *ret_ready, struct inferd_error *err)
{
    struct text path;
    bool good;

    text_init(&path);
    good = inferd_client_model_path(model, version, "/ready", &path)
               ? ask(client, path.data, ret_ready, err)
               : fail(err, 0, "out of memory");
    text_free(&path);
    return good;
}

bool inferd_client_metadata(struct inferd_client *client, json_t **ret_metadata,
                            struct inferd_error *err)
{
    struct call call = {.method = "GET", .path = "/v2", .header_length = -1};

    return succeed_json(client, &call, ret_metadata, err);
}

bool inferd_client_model_metadata(struct inferd_client *client, const char *model,
                                  const char *version, json_t **ret_metadata,
                                  struct inferd_error *err)
{
    return get_model(client, model, version, "", ret_metadata, err);
}

bool inferd_client_stats(struct inferd_client *client, const char *model, const char *version,
                         json_t **ret_stats, struct inferd_error *err)
{
    return get_model(client, model, version, "/stats", ret_stats, err);
}

bool inferd_client_models(struct inferd_client *client, json_t **ret_models,
                          struct inferd_error *err)
{
    struct call call = {.method = "POST",
                        .path = "/v2/repository/index",
                        .body = "{}",
                        .body_bytes = 2,
                        .header_length = -1};

    return succeed_json(client, &call, ret_models, err);
}

bool inferd_client_metrics(struct inferd_client *client, struct text *text,
                           struct inferd_error *err)
{
    struct call call = {.method = "GET", .path = "/metrics", .header_length = -1};

    if (!succeed(client, &call, err))
        return false;
    text_append(text, call.answer.data, call.answer.length);
    text_free(&call.answer);
    return !text->failed || fail(err, 0, "out of memory");
}

static bool change_model(struct inferd_client *client, const char *model, const char *verb,
                         struct inferd_error *err)
{
    struct call call = {.method = "POST", .body = "{}", .body_bytes = 2, .header_length = -1};
    struct text path;
    bool good;

    text_init(&path);
    text_puts(&path, "/v2/repository/models/");
    append_segment(&path, model);
    text_printf(&path, "/%s", verb);
    good = !path.failed || fail(err, 0, "out of memory");
    if (good) {
        text_append(&path, "", 1);
        call.path = path.data;
        good = succeed(client, &call, err);
        if (good)
            text_free(&call.answer);
    }
    text_free(&path);
    return good;
}

bool inferd_client_load(struct inferd_client *client, const char *model, struct inferd_error *err)
{
    return change_model(client, model, "load", err);
}

bool inferd_client_unload(struct inferd_client *client, const char *model, struct inferd_error *err)
{
    return change_model(client, model, "unload", err);
}

/* Moves the answer's bytes into *ret_answer and reads them there. */
static bool take_answer(struct call *call, struct inferd_answer *ret_answer,
                        struct inferd_error *err)
{
    struct problem problem = {0};

    if (!infer_response_decode(call->answer.data != NULL ? call->answer.data : "",
                               call->answer.length, call->answer_header_length, &answer_limits,
                               &ret_answer->response, &problem)) {
        text_free(&call->answer);
        return fail(err, 0, "the server's answer is wrong: %s", problem.text);
    }
    ret_answer->body = call->answer;
    return true;
}

bool inferd_client_predict(struct inferd_client *client, const char *model, const char *version,
                           const struct infer_request *request, bool binary,
                           struct inferd_answer *ret_answer, struct inferd_error *err)
{
    struct infer_request asked = *request;
    struct call call = {.method = "POST"};
    struct text path, body;
    int *choice = calloc((size_t)request->n_inputs + 1, sizeof(choice[0]));
    bool good;
    int i;

    text_init(&path);
    text_init(&body);
    asked.binary_output_default |= binary;
    for (i = 0; choice != NULL && i < request->n_inputs; i++)
        choice[i] = binary;
    if (choice != NULL)
        infer_request_encode(&asked, choice, &body, &call.header_length);
    good =
        choice != NULL && !body.failed && inferd_client_model_path(model, version, "/infer", &path);
    if (!good) {
        fail(err, 0, "out of memory");
    } else {
        call.path = path.data;
        call.body = body.data;
        call.body_bytes = body.length;
        good = succeed(client, &call, err) && take_answer(&call, ret_answer, err);
    }
    text_free(&path);
    text_free(&body);
    free(choice);
    return good;
}

void inferd_answer_finish(struct inferd_answer *answer)
{
    infer_response_finish(&answer->response);
    text_free(&answer->body);
}

bool inferd_client_post(struct inferd_client *client, const char *model, const char *version,
                        const char *suffix, const struct text *body,
                        const struct inferd_update *update, json_t **ret_json,
                        struct inferd_error *err)
{
    struct call call = {.method = "POST", .body = body->data, .body_bytes = body->length,
                        .header_length = -1, .update = update};
    struct text path;
    bool good;

    text_init(&path);
    good = !body->failed && inferd_client_model_path(model, version, suffix, &path);
    if (good) {
        call.path = path.data;
        good = succeed_json(client, &call, ret_json, err);
    } else {
        fail(err, 0, "out of memory");
    }
    text_free(&path);
    return good;
}

bool inferd_client_generations(struct inferd_client *client, const char *model,
                               const char *version, json_t **ret_generations,
                               struct inferd_error *err)
{
    return get_model(client, model, version, "/generations", ret_generations, err);
}

bool inferd_client_export(struct inferd_client *client, const char *model, const char *version,
                          struct text *file, struct inferd_error *err)
{
    struct call call = {.method = "GET", .header_length = -1};
    struct text path;
    bool good;

    text_init(&path);
    good = inferd_client_model_path(model, version, "/export", &path) || fail(err, 0, "out of memory");
    if (good) {
        call.path = path.data;
        good = succeed(client, &call, err);
    }
    if (good) {
        text_append(file, call.answer.data, call.answer.length);
        text_free(&call.answer);
        good = !file->failed || fail(err, 0, "out of memory");
    }
    text_free(&path);
    return good;
}
