/* SPDX-License-Identifier: Apache-2.0
 * Load from one thread: `concurrency` connections, each sending its next request when it has its
 * answer. */
#include "clients/ctl/ctl.h"
#include "clients/ctl/input.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct bench {
    struct ctl *ctl;
    CURLM *multi;
    struct slot *slots;
    struct curl_slist *headers;
    struct text path, body;
    int64_t header_length;
    uint64_t end_ns;
    uint32_t *latencies_us;
    size_t n, capacity;
    long refusals; /* answers other than 200 */
    long failures; /* no answer */
    struct text first_refusal;
};

struct slot {
    CURL *curl;
    struct bench *bench;
    uint64_t start_ns;
    struct text answer; /* the first bytes, for the message */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct slot *slot = context;

    if (slot->answer.length < 512)
        text_append(&slot->answer, data, size * n < 512 ? size * n : 512);
    return size * n;
}

static bool start_slot(struct bench *bench, struct slot *slot)
{
    slot->answer.length = 0;
    slot->start_ns = now_ns();
    return curl_multi_add_handle(bench->multi, slot->curl) == CURLM_OK;
}

static bool make_slot(struct bench *bench, struct slot *slot)
{
    CURL *curl = curl_easy_init();

    slot->curl = curl;
    slot->bench = bench;
    text_init(&slot->answer);
    if (curl == NULL || !inferd_client_address(bench->ctl->client, curl, bench->path.data))
        return false;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, bench->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bench->body.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bench->body.length);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(bench->ctl->timeout_s * 1000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, slot);
    return start_slot(bench, slot);
}

static bool note_latency(struct bench *bench, uint64_t ns)
{
    size_t capacity = bench->capacity == 0 ? 4096 : bench->capacity * 2;
    uint32_t *longer;

    if (bench->n == bench->capacity) {
        longer = realloc(bench->latencies_us, capacity * sizeof(longer[0]));
        if (longer == NULL)
            return false;
        bench->latencies_us = longer;
        bench->capacity = capacity;
    }
    bench->latencies_us[bench->n++] = (uint32_t)(ns / 1000 < UINT32_MAX ? ns / 1000 : UINT32_MAX);
    return true;
}

static bool finish_slot(struct bench *bench, struct slot *slot, CURLcode code)
{
    uint64_t now = now_ns();
    long status = 0;

    curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(bench->multi, slot->curl);
    if (code != CURLE_OK) {
        if (bench->failures++ == 0 && bench->first_refusal.length == 0)
            text_puts(&bench->first_refusal, curl_easy_strerror(code));
    } else if (status != 200) {
        if (bench->refusals++ == 0)
            text_append(&bench->first_refusal, slot->answer.data, slot->answer.length);
    } else if (!note_latency(bench, now - slot->start_ns)) {
        return false;
    }
    return now >= bench->end_ns || start_slot(bench, slot);
}

static bool turn(struct bench *bench, int *running)
{
    CURLMsg *message;
    void *slot;
    int left;

    if (curl_multi_perform(bench->multi, running) != CURLM_OK)
        return false;
    while ((message = curl_multi_info_read(bench->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        if (!finish_slot(bench, slot, message->data.result))
            return false;
        *running = 1; /* it may have begun again */
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile_ms(const struct bench *bench, double part)
{
    size_t i = (size_t)(part * (double)bench->n);

    if (bench->n == 0)
        return 0;
    return (double)bench->latencies_us[i < bench->n ? i : bench->n - 1] / 1000.0;
}

/* Count and nanoseconds of a phase in the model's statistics. */
static void read_phase(json_t *stats, const char *phase, json_int_t *ret_count, json_int_t *ret_ns)
{
    json_t *rows = json_object_get(stats, "model_stats"), *row, *duration;
    size_t i;

    *ret_count = *ret_ns = 0;
    json_array_foreach (rows, i, row) {
        duration = json_object_get(json_object_get(row, "inference_stats"), phase);
        *ret_count += json_integer_value(json_object_get(duration, "count"));
        *ret_ns += json_integer_value(json_object_get(duration, "ns"));
    }
}

/* What the server measured in the meantime, if it says. */
static void print_phases(json_t *before, json_t *after)
{
    static const char *const phases[] = {"queue", "compute_input", "compute_infer",
                                         "compute_output"};
    json_int_t count[2], ns[2];
    size_t i;

    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        read_phase(before, phases[i], &count[0], &ns[0]);
        read_phase(after, phases[i], &count[1], &ns[1]);
        if (count[1] > count[0])
            printf(" %s_us=%.1f", phases[i],
                   (double)(ns[1] - ns[0]) / 1000.0 / (double)(count[1] - count[0]));
    }
}

static bool run(struct bench *bench, double *ret_seconds)
{
    uint64_t start = now_ns();
    int running = 1, i;
    bool good = true;

    bench->end_ns = start + (uint64_t)(bench->ctl->duration_s * 1e9);
    for (i = 0; i < bench->ctl->concurrency && good; i++)
        good = make_slot(bench, &bench->slots[i]);
    while (good && running > 0) {
        good = turn(bench, &running);
        if (good && running > 0)
            curl_multi_poll(bench->multi, NULL, 0, 100, NULL);
    }
    *ret_seconds = (double)(now_ns() - start) * 1e-9;
    return good;
}

static enum ctl_exit report(struct bench *bench, double seconds, json_t *before, json_t *after)
{
    if (bench->n > 0)
        qsort(bench->latencies_us, bench->n, sizeof(bench->latencies_us[0]), compare);
    printf("bench model=%s form=%s concurrency=%d duration_s=%.2f requests=%zu refused=%ld "
           "failed=%ld rps=%.0f p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f max_ms=%.3f",
           bench->ctl->model, bench->ctl->binary ? "binary" : "json", bench->ctl->concurrency,
           seconds, bench->n, bench->refusals, bench->failures, (double)bench->n / seconds,
           percentile_ms(bench, 0.5), percentile_ms(bench, 0.9), percentile_ms(bench, 0.99),
           percentile_ms(bench, 1.0));
    if (before != NULL && after != NULL)
        print_phases(before, after);
    putchar('\n');
    if (bench->refusals + bench->failures > 0)
        fprintf(stderr, "inferctl: the first that went wrong: %.*s\n",
                (int)bench->first_refusal.length, bench->first_refusal.data);
    if (bench->failures > 0)
        return CTL_UNREACHABLE;
    return bench->refusals > 0 ? CTL_REFUSED : CTL_OK;
}

static bool prepare(struct bench *bench, struct infer_request *request)
{
    const struct ctl *ctl = bench->ctl;
    int *choice = calloc((size_t)request->n_inputs + 1, sizeof(choice[0]));
    char line[80];
    int i;

    for (i = 0; choice != NULL && i < request->n_inputs; i++)
        choice[i] = ctl->binary;
    request->binary_output_default = ctl->binary;
    if (choice != NULL)
        infer_request_encode(request, choice, &bench->body, &bench->header_length);
    bench->headers = curl_slist_append(NULL, "Expect:");
    bench->headers =
        curl_slist_append(bench->headers, ctl->binary ? "Content-Type: application/octet-stream"
                                                      : "Content-Type: application/json");
    if (bench->header_length >= 0) {
        snprintf(line, sizeof(line), "Inference-Header-Content-Length: %lld",
                 (long long)bench->header_length);
        bench->headers = curl_slist_append(bench->headers, line);
    }
    bench->multi = curl_multi_init();
    bench->slots = calloc((size_t)ctl->concurrency, sizeof(bench->slots[0]));
    free(choice);
    return choice != NULL && !bench->body.failed && bench->headers != NULL &&
           bench->multi != NULL && bench->slots != NULL &&
           inferd_client_model_path(ctl->model, ctl->version, "/infer", &bench->path);
}

static void finish(struct bench *bench)
{
    int i;

    for (i = 0; bench->slots != NULL && i < bench->ctl->concurrency; i++) {
        if (bench->slots[i].curl != NULL) {
            curl_multi_remove_handle(bench->multi, bench->slots[i].curl);
            curl_easy_cleanup(bench->slots[i].curl);
        }
        text_free(&bench->slots[i].answer);
    }
    curl_multi_cleanup(bench->multi);
    curl_slist_free_all(bench->headers);
    text_free(&bench->path);
    text_free(&bench->body);
    text_free(&bench->first_refusal);
    free(bench->slots);
    free(bench->latencies_us);
}

static enum ctl_exit bench_request(struct ctl *ctl, struct infer_request *request)
{
    struct bench bench = {.ctl = ctl, .header_length = -1};
    json_t *before = NULL, *after = NULL;
    struct inferd_error err;
    enum ctl_exit result;
    double seconds;

    if (!prepare(&bench, request)) {
        finish(&bench);
        return ctl_usage("out of memory");
    }
    inferd_client_stats(ctl->client, ctl->model, ctl->version, &before, &err);
    if (run(&bench, &seconds)) {
        inferd_client_stats(ctl->client, ctl->model, ctl->version, &after, &err);
        result = report(&bench, seconds, before, after);
    } else {
        result = ctl_usage("curl cannot hold %d connections", ctl->concurrency);
    }
    json_decref(before);
    json_decref(after);
    finish(&bench);
    return result;
}

enum ctl_exit ctl_bench(struct ctl *ctl)
{
    struct message_memory *memory = message_memory_create();
    struct infer_request request;
    struct inferd_model model;
    struct inferd_error err;
    struct problem problem = {0};
    enum ctl_exit result;

    if (memory == NULL)
        return ctl_usage("out of memory");
    if (!inferd_model_fetch(ctl->client, ctl->model, ctl->version, &model, &err)) {
        message_memory_destroy(memory);
        return ctl_fail(&err);
    }
    if (ctl->n_inputs > 0 ? inputs_read(ctl, &model, memory, &request, &problem)
                          : inputs_of_zeros(&model, memory, &request, &problem))
        result = bench_request(ctl, &request);
    else
        result = ctl_usage("%s", problem.text);
    inferd_model_finish(&model);
    message_memory_destroy(memory);
    return result;
}
