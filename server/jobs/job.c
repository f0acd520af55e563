/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *text;
    bool final;
} states[] = {
#define X(name, text, final) {text, final},
    JOB_STATE_MAP(X)
#undef X
};

const char *job_state_text(enum job_state state)
{
    return states[state].text;
}

bool job_state_is_final(enum job_state state)
{
    return states[state].final;
}

bool job_state_find(const char *text, enum job_state *ret)
{
    for (int i = 0; i < JOB_STATES; i++)
        if (strcmp(states[i].text, text) == 0) {
            *ret = (enum job_state)i;
            return true;
        }
    return false;
}

struct job *job_create(const char *id, const char *path, struct job_request *request)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job != NULL) {
        job->path = strdup(path);
        job->events = calloc(JOB_EVENTS_MAX, sizeof(*job->events));
    }
    if (job == NULL || job->path == NULL || job->events == NULL) {
        job_request_finish(request);
        if (job != NULL) {
            free(job->path);
            free(job->events);
        }
        free(job);
        return NULL;
    }
    snprintf(job->id, sizeof(job->id), "%s", id);
    job->request = *request;
    *request = (struct job_request){0};
    atomic_init(&job->references, 1);
    pthread_mutex_init(&job->saving, NULL);
    pthread_mutex_init(&job->lock, NULL);
    job->record.metric = job->record.serving_metric = NAN;
    return job;
}

struct job *job_ref(struct job *job)
{
    atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
    return job;
}

void job_unref(struct job *job)
{
    if (job == NULL || atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) > 1)
        return;
    job_request_finish(&job->request);
    pthread_mutex_destroy(&job->saving);
    pthread_mutex_destroy(&job->lock);
    free(job->trials);
    free(job->events);
    free(job->path);
    free(job);
}

bool job_is_stopped(const void *arg)
{
    const struct job *job = arg;

    return atomic_load(&job->cancel) || atomic_load(&job->pause);
}

struct job_record job_record(struct job *job)
{
    struct job_record record;

    pthread_mutex_lock(&job->lock);
    record = job->record;
    pthread_mutex_unlock(&job->lock);
    return record;
}

/* ---- JSON ---- */

static void put_text(struct text *text, const char *name, const char *value)
{
    text_printf(text, "\"%s\":", name);
    text_json_string(text, value, strlen(value));
}

static void put_number(struct text *text, const char *name, double value)
{
    text_printf(text, ",\"%s\":", name);
    text_json_finite(text, value);
}

static void put_time(struct text *text, const char *name, int64_t value)
{
    if (value != 0)
        text_printf(text, ",\"%s\":%" PRId64, name, value);
}

/* The members of {"epoch": 3, ...}, without braces. */
static void put_moment(struct text *text, const struct train_moment *moment)
{
    text_printf(text, "\"epoch\":%" PRId64 ",\"epochs\":%" PRId64 ",\"step\":%" PRId64
                ",\"steps\":%" PRId64, moment->epoch, moment->epochs, moment->step, moment->steps);
    put_number(text, "loss", moment->loss);
    put_number(text, "examples_per_second", round(moment->examples_a_second * 10.0) / 10.0);
    put_number(text, "seconds_left", round(moment->seconds_left * 10.0) / 10.0);
}

static void put_trials(const struct job *job, bool own, struct text *text)
{
    text_puts(text, ",\"trials\":[");
    for (int i = 0; i < job->n_trials; i++) {
        const struct job_trial *trial = &job->trials[i];

        text_puts(text, i > 0 ? ",{" : "{");
        put_text(text, "setting", trial->setting);
        put_number(text, "metric", trial->metric);
        text_printf(text, ",\"best_epoch\":%" PRId64, trial->best_epoch);
        if (own)
            put_number(text, "score", trial->score);
        text_puts(text, "}");
    }
    text_puts(text, "]");
}

static void put_parameters(const struct job *job, struct text *text)
{
    char *parameters = job->request.parameters != NULL
                           ? json_dumps(job->request.parameters, JSON_COMPACT)   /* order matters */
                           : NULL;

    text_printf(text, ",\"parameters\":%s", parameters != NULL ? parameters : "{}");
    free(parameters);
}

static void put_own(const struct job *job, const struct job_record *record, struct text *text)
{
    char hex[DIGEST_TEXT_BYTES + 1];

    text_puts(text, ",");
    put_text(text, "key", job->key);
    text_puts(text, ",");
    put_text(text, "body", digest_hex(&job->body, hex));
    text_puts(text, ",");
    put_text(text, "base", digest_hex(&record->base, hex));
    text_printf(text, ",\"phase\":%d,\"epochs_done\":%" PRId64 ",\"cancel\":%s",
                (int)record->phase, record->epochs_done,
                atomic_load(&job->cancel) ? "true" : "false");
}

static void encode(const struct job *job, const struct job_record *record, enum job_form form,
                   struct text *text)
{
    text_puts(text, "{");
    put_text(text, "id", job->id);
    text_puts(text, ",");
    put_text(text, "model", job->model);
    text_puts(text, ",");
    put_text(text, "version", job->version);
    text_puts(text, ",");
    put_text(text, "dataset", job->request.dataset);
    text_puts(text, ",");
    put_text(text, "state", job_state_text(record->state));
    if (atomic_load(&job->cancel) && !job_state_is_final(record->state) &&
        form != JOB_FORM_OWN)
        text_puts(text, ",\"cancelling\":true");
    put_parameters(job, text);
    put_time(text, "created_ms", record->created_ms);
    put_time(text, "started_ms", record->started_ms);
    put_time(text, "finished_ms", record->finished_ms);
    text_printf(text, ",\"restarts\":%d", record->restarts);
    put_time(text, "base_generation", record->base_generation);
    put_time(text, "generation", record->generation);
    if (record->moment.steps > 0) {
        text_puts(text, ",\"progress\":{");
        put_moment(text, &record->moment);
        text_puts(text, "}");
    }
    if (record->best_epoch > 0) {
        text_printf(text, ",\"best_epoch\":%" PRId64 ",\"refused_steps\":%" PRId64 ",",
                    record->best_epoch, record->refused);
        put_text(text, "metric", job->request.options.metric);
        text_puts(text, ",\"validation\":{\"job\":");
        text_json_finite(text, record->metric);
        put_number(text, "serving", record->serving_metric);
        text_puts(text, "}");
    }
    if (job->n_trials > 0 && form != JOB_FORM_BRIEF)
        put_trials(job, form == JOB_FORM_OWN, text);
    if (record->error[0] != '\0') {
        text_puts(text, ",");
        put_text(text, "error", record->error);
    }
    if (form == JOB_FORM_OWN)
        put_own(job, record, text);
    text_puts(text, "}");
}

void job_encode(struct job *job, enum job_form form, struct text *text)
{
    pthread_mutex_lock(&job->lock);
    encode(job, &job->record, form, text);
    pthread_mutex_unlock(&job->lock);
}

void job_encode_as(struct job *job, const struct job_record *record, struct text *text)
{
    pthread_mutex_lock(&job->lock);
    encode(job, record, JOB_FORM_OWN, text);
    pthread_mutex_unlock(&job->lock);
}

/* ---- events ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* With the lock. What does not fit is left out. */
static void add_event(struct job *job, const char *name, const struct text *data)
{
    struct job_event *event = &job->events[job->n_events % JOB_EVENTS_MAX];
    int64_t id = now_ms();

    if (data->failed || data->length >= JOB_EVENT_BYTES)
        return;
    event->id = job->last_event_id = id > job->last_event_id ? id : job->last_event_id + 1;
    snprintf(event->name, sizeof(event->name), "%s", name);
    memcpy(event->data, data->data, data->length);
    event->data[data->length] = '\0';
    job->n_events++;
}

void job_tell(struct job *job, const char *name, const struct text *data)
{
    pthread_mutex_lock(&job->lock);
    add_event(job, name, data);
    pthread_mutex_unlock(&job->lock);
}

/* The last event is called after the state; the others are "state". */
void job_tell_state(struct job *job)
{
    const struct job_record *record = &job->record;
    struct text data;
    size_t length;

    text_init(&data);
    pthread_mutex_lock(&job->lock);
    text_printf(&data, "{\"state\":\"%s\"", job_state_text(record->state));
    put_time(&data, "generation", record->generation);
    if (record->best_epoch > 0) {
        text_printf(&data, ",\"best_epoch\":%" PRId64, record->best_epoch);
        put_number(&data, "metric", record->metric);
        put_number(&data, "serving_metric", record->serving_metric);
    }
    length = data.length;
    if (record->error[0] != '\0') {
        text_puts(&data, ",\"error\":");
        text_json_string(&data, record->error, strnlen(record->error, 200));
        if (data.length + 2 > JOB_EVENT_BYTES)
            data.length = length;
    }
    text_puts(&data, "}");
    job->told = job_state_is_final(record->state);
    add_event(job, job->told ? job_state_text(record->state) : "state", &data);
    pthread_mutex_unlock(&job->lock);
    text_free(&data);
}

/* With the lock: the first event above `after`. */
static int64_t first_after(const struct job *job, int64_t after)
{
    int64_t from = job->n_events > JOB_EVENTS_MAX ? job->n_events - JOB_EVENTS_MAX : 0;

    while (from < job->n_events && job->events[from % JOB_EVENTS_MAX].id <= after)
        from++;
    return from;
}

int64_t job_events(struct job *job, int64_t after, size_t bytes, struct text *text, bool *ret_end)
{
    size_t before = text->length;
    int64_t at;

    pthread_mutex_lock(&job->lock);
    for (at = first_after(job, after); at < job->n_events && text->length - before < bytes; at++) {
        const struct job_event *event = &job->events[at % JOB_EVENTS_MAX];

        text_printf(text, "id: %" PRId64 "\nevent: %s\ndata: %s\n\n", event->id, event->name,
                    event->data);
        after = event->id;
    }
    *ret_end = at == job->n_events && job->told;
    pthread_mutex_unlock(&job->lock);
    return after;
}

bool job_has_events(struct job *job, int64_t after)
{
    bool has;

    pthread_mutex_lock(&job->lock);
    has = job->last_event_id > after || job->told;
    pthread_mutex_unlock(&job->lock);
    return has;
}
