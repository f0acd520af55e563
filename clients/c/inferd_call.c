/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/c/inferd_call.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { CONNECT_S = 5, SILENCE_S = 60, ANSWER_BYTES_MAX = 64 << 20, TRIES_MAX = 30, EVENT_MAX = 32 };

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

void inferd_call_path(struct text *path, const char *route, const char *name, const char *suffix)
{
    char *escaped = name != NULL ? curl_easy_escape(NULL, name, 0) : NULL;

    text_init(path);
    text_puts(path, route);
    if (name != NULL && escaped == NULL)
        path->failed = true;
    if (escaped != NULL)
        text_printf(path, "/%s", escaped);
    text_puts(path, suffix);
    text_append(path, "", 1);
    curl_free(escaped);
}

/* {"error": "..."} in the server's words, else the status alone. */
static bool fail_with(struct inferd_error *err, long status, const struct text *answer)
{
    json_t *root = json_loadb(answer->data != NULL ? answer->data : "", answer->length, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "error"));

    if (text != NULL)
        fail(err, (int)status, "%s", text);
    else
        fail(err, (int)status, "the server answered %ld", status);
    json_decref(root);
    return false;
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct text *answer = arg;

    if (size * n > ANSWER_BYTES_MAX - answer->length)
        return 0;
    text_append(answer, data, size * n);
    return answer->failed ? 0 : size * n;
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value)
{
    char line[512];
    struct curl_slist *longer;

    if (value == NULL)
        return true;
    snprintf(line, sizeof(line), "%s %.480s", name, value);
    longer = curl_slist_append(*headers, line);
    *headers = longer != NULL ? longer : *headers;
    return longer != NULL;
}

static CURL *open_curl(const struct inferd_client *client, const char *path, struct curl_slist *headers,
                       char message[CURL_ERROR_SIZE], struct inferd_error *err)
{
    CURL *curl = curl_easy_init();

    message[0] = '\0';
    if (curl == NULL || !inferd_client_address(client, curl, path)) {
        curl_easy_cleanup(curl);
        fail(err, 0, "out of memory");
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    return curl;
}

/* The file's size, -1 if it cannot be read. */
static curl_off_t open_file(const char *path, FILE **ret_file, struct inferd_error *err)
{
    struct stat info;

    *ret_file = fopen(path, "rb");
    if (*ret_file != NULL && fstat(fileno(*ret_file), &info) == 0 && S_ISREG(info.st_mode))
        return (curl_off_t)info.st_size;
    fail(err, 400, "%s: %s", path, *ret_file == NULL ? strerror(errno) : "is no regular file");
    if (*ret_file != NULL)
        fclose(*ret_file);
    *ret_file = NULL;
    return -1;
}

static bool perform(const struct inferd_client *client, CURL *curl, const struct inferd_call *call,
                    struct text *answer, const char *message, struct inferd_error *err)
{
    long silence_s = inferd_client_timeout_ms(client) / 1000;
    FILE *file = NULL;
    curl_off_t size;
    long status = 0;
    CURLcode code;

    if (silence_s > SILENCE_S)
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, silence_s);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (call->file != NULL) {
        size = open_file(call->file, &file, err);
        if (size < 0)
            return false;
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READDATA, file);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, size);
    } else if (call->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (file != NULL)
        fclose(file);
    if (code != CURLE_OK && status < 400)
        return fail(err, 0, "%s", message[0] != '\0' ? message : curl_easy_strerror(code));
    return (status >= 200 && status < 300) || fail_with(err, status, answer);
}

bool inferd_call(const struct inferd_client *client, const struct inferd_call *call, json_t **ret_answer,
                 struct inferd_error *err)
{
    struct curl_slist *headers = NULL;
    char message[CURL_ERROR_SIZE];
    struct text answer;
    json_error_t error;
    CURL *curl = NULL;
    bool good = !call->path.failed && add_header(&headers, "Expect:", "") &&
                add_header(&headers, "Content-Type:", call->content_type) &&
                add_header(&headers, "Idempotency-Key:", call->key);

    text_init(&answer);
    if (good)
        curl = open_curl(client, call->path.data, headers, message, err);
    else
        fail(err, 0, "out of memory");
    good = curl != NULL && perform(client, curl, call, &answer, message, err);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (good) {
        *ret_answer = json_loadb(answer.data != NULL ? answer.data : "", answer.length, 0, &error);
        good = *ret_answer != NULL || fail(err, 0, "the server's answer is not JSON: %s", error.text);
    }
    text_free(&answer);
    return good;
}

/* ---- events ---- */

struct following {
    bool (*event)(void *arg, const char *name, const char *data);
    void *arg;
    struct text line;              /* that is coming */
    char id[EVENT_MAX], name[EVENT_MAX];
    char *data;
    bool over;                     /* the callback has had enough, or the job is */
    int fresh;                     /* events since the connection was made */
};

static bool is_last(const char *name)
{
    static const char *const last[] = {"done", "held", "failed", "cancelled"};

    for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
        if (strcmp(last[i], name) == 0)
            return true;
    return false;
}

/* A line of the stream, without its end. */
static void take_line(struct following *following, char *line)
{
    if (line[0] == '\0' && following->data != NULL) {
        following->fresh++;
        following->over = !following->event(following->arg, following->name, following->data) ||
                          is_last(following->name);
        free(following->data);
        following->data = NULL;
    } else if (strncmp(line, "id: ", 4) == 0) {
        snprintf(following->id, sizeof(following->id), "%s", line + 4);
    } else if (strncmp(line, "event: ", 7) == 0) {
        snprintf(following->name, sizeof(following->name), "%s", line + 7);
    } else if (strncmp(line, "data: ", 6) == 0) {
        free(following->data);
        following->data = strdup(line + 6);
    }
}

static size_t take_stream(char *data, size_t size, size_t n, void *arg)
{
    struct following *following = arg;

    for (size_t i = 0; i < size * n && !following->over; i++) {
        text_append(&following->line, data[i] == '\n' ? "" : data + i, 1);
        if (following->line.failed || following->line.length > ANSWER_BYTES_MAX)
            return 0;
        if (data[i] != '\n')
            continue;
        take_line(following, following->line.data);
        following->line.length = 0;
    }
    return following->over ? 0 : size * n;
}

/* One connection. False: it makes no sense to try again. */
static bool listen_once(const struct inferd_client *client, const char *path,
                        struct following *following, struct inferd_error *err)
{
    struct curl_slist *headers = NULL;
    char message[CURL_ERROR_SIZE];
    long status = 0;
    CURL *curl;

    *err = (struct inferd_error){0};
    if (following->id[0] != '\0')
        add_header(&headers, "Last-Event-ID:", following->id);
    curl = open_curl(client, path, headers, message, err);
    if (curl != NULL) {
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_stream);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, following);
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_cleanup(curl);
        if (!following->over)
            fail(err, status >= 400 ? (int)status : 0, "%s",
                 message[0] != '\0' ? message : "the events ended before the job did");
    }
    curl_slist_free_all(headers);
    return curl != NULL && (status < 400 || status == 503);
}

bool inferd_follow(const struct inferd_client *client, const char *job,
                   bool (*event)(void *arg, const char *name, const char *data), void *arg,
                   struct inferd_error *err)
{
    struct following following = {.event = event, .arg = arg};
    const struct timespec second = {1, 0};
    struct text path;

    text_init(&following.line);
    inferd_call_path(&path, "/v2/jobs", job, "/events");
    for (int i = 0; i < TRIES_MAX && !path.failed && !following.over; i++) {
        following.fresh = 0;
        following.line.length = 0;
        if (!listen_once(client, path.data, &following, err))
            break;
        if (following.fresh > 0)
            i = 0;
        if (!following.over)
            nanosleep(&second, NULL);
    }
    free(following.data);
    text_free(&following.line);
    text_free(&path);
    return following.over;
}
