/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/observe/metrics_table.h"

#include "server/observe/process.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *label;
} process_wide[] = {
#define X(id, name, label) {name, label},
    METRIC_MAP(X)
#undef X
};

static const char *const phase_names[] = {
#define X(id, text) text,
    STATS_PHASE_MAP(X)
#undef X
};

static const char *const protocol_names[] = {
#define X(id, text) text,
    STATS_PROTOCOL_MAP(X)
#undef X
};

static const char *const load_failure_names[] = {
#define X(id, text) text,
    STATS_LOAD_FAILURE_MAP(X)
#undef X
};

/* A label's text between quotes: backslash, quote and newline are escaped. */
static void write_label_text(struct text *text, const char *label)
{
    for (; *label != '\0'; label++) {
        if (*label == '\n')
            text_puts(text, "\\n");
        else {
            if (*label == '\\' || *label == '"')
                text_puts(text, "\\");
            text_append(text, label, 1);
        }
    }
}

static void write_label(struct text *text, const char *name, const char *label)
{
    text_printf(text, "%s=\"", name);
    write_label_text(text, label);
    text_puts(text, "\"");
}

/* One visit of each model's numbers: `series` writes its lines. */
struct model_visit {
    const struct exposition *exposition;
    const struct metric_family *family;
    void (*series)(const struct model_visit *visit, const struct model_stats *stats,
                   const struct model_totals *totals);
};

static void visit_model(void *arg, const struct model_stats *stats)
{
    const struct model_visit *visit = arg;
    struct model_totals totals;

    stats_collect(stats, &totals);
    visit->series(visit, stats, &totals);
}

static void write_models(const struct exposition *exposition, const struct metric_family *family,
                         void (*series)(const struct model_visit *visit,
                                        const struct model_stats *stats,
                                        const struct model_totals *totals))
{
    struct model_visit visit = {exposition, family, series};

    metrics_each_model(exposition->metrics, visit_model, &visit);
}

/* name<suffix>{model="m",version="v" -- the brace is left open. */
static void begin_model_line(const struct model_visit *visit, const char *suffix,
                             const struct model_stats *stats)
{
    struct text *text = visit->exposition->text;

    text_printf(text, "%s%s{", visit->family->name, suffix);
    write_label(text, "model", stats_model_name(stats));
    text_puts(text, ",");
    write_label(text, "version", stats_model_version(stats));
}

/* `label`: ",phase=\"queue\"" or "". */
static void write_histogram(const struct model_visit *visit, const struct model_stats *stats,
                            const char *label, const struct histogram_bounds *bounds,
                            const struct histogram_totals *totals)
{
    struct text *text = visit->exposition->text;
    uint64_t below = 0;

    for (int i = 0; i <= bounds->n_bounds; i++) {
        below += totals->buckets[i];
        begin_model_line(visit, "_bucket", stats);
        text_printf(text, "%s,le=\"%s\"} %llu\n", label,
                    i < bounds->n_bounds ? bounds->text[i] : "+Inf", (unsigned long long)below);
    }
    begin_model_line(visit, "_sum", stats);
    text_printf(text, "%s} ", label);
    text_json_double(text, (double)totals->sum / bounds->unit);
    text_puts(text, "\n");
    begin_model_line(visit, "_count", stats);
    text_printf(text, "%s} %llu\n", label, (unsigned long long)totals->count);
}

static void batch_rows_series(const struct model_visit *visit, const struct model_stats *stats,
                              const struct model_totals *totals)
{
    write_histogram(visit, stats, "", &histogram_rows, &totals->batch_rows);
}

static void write_batch_rows(const struct exposition *exposition,
                             const struct metric_family *family)
{
    write_models(exposition, family, batch_rows_series);
}

static void duration_series(const struct model_visit *visit, const struct model_stats *stats,
                            const struct model_totals *totals)
{
    char label[32];

    for (int i = 0; i < STATS_PHASE_COUNT; i++) {
        snprintf(label, sizeof(label), ",phase=\"%s\"", phase_names[i]);
        write_histogram(visit, stats, label, &histogram_durations, &totals->phases[i]);
    }
}

static void write_durations(const struct exposition *exposition,
                            const struct metric_family *family)
{
    write_models(exposition, family, duration_series);
}

static void request_series(const struct model_visit *visit, const struct model_stats *stats,
                           const struct model_totals *totals)
{
    for (int i = 0; i < STATS_PROTOCOL_COUNT; i++) {
        begin_model_line(visit, "", stats);
        text_printf(visit->exposition->text, ",protocol=\"%s\"} %llu\n", protocol_names[i],
                    (unsigned long long)totals->requests[i]);
    }
}

static void write_requests(const struct exposition *exposition,
                           const struct metric_family *family)
{
    write_models(exposition, family, request_series);
}

static void load_failure_series(const struct model_visit *visit, const struct model_stats *stats,
                                const struct model_totals *totals)
{
    for (int i = 0; i < STATS_LOAD_FAILURE_COUNT; i++) {
        if (totals->load_failures[i] == 0)
            continue;
        begin_model_line(visit, "", stats);
        text_printf(visit->exposition->text, ",reason=\"%s\"} %llu\n", load_failure_names[i],
                    (unsigned long long)totals->load_failures[i]);
    }
}

static void write_load_failures(const struct exposition *exposition,
                                const struct metric_family *family)
{
    write_models(exposition, family, load_failure_series);
}

static void write_model_number(const struct model_visit *visit, const struct model_stats *stats,
                               int64_t number)
{
    begin_model_line(visit, "", stats);
    text_printf(visit->exposition->text, "} %lld\n", (long long)number);
}

static void learning_series(const struct model_visit *visit, const struct model_stats *stats,
                            const struct model_totals *totals)
{
    if (!totals->learning.active)
        return;
    begin_model_line(visit, "", stats);
    text_puts(visit->exposition->text, "} ");
    text_json_double(visit->exposition->text, totals->learning.numbers[visit->family->first]);
    text_puts(visit->exposition->text, "\n");
}

static void write_learning(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, learning_series);
}

/* One line a layer. */
static void layer_lines(const struct model_visit *visit, const struct model_stats *stats,
                        const struct model_totals *totals, bool updates)
{
    const struct learning_layers *layers = totals->learning.layers;

    for (int i = 0; layers != NULL && i < layers->n_layers; i++) {
        double norm = atomic_load_explicit(updates ? &layers->updates[i] : &layers->gradients[i],
                                           memory_order_relaxed);

        begin_model_line(visit, "", stats);
        text_printf(visit->exposition->text, ",layer=\"%s\"} ", layers->names[i]);
        text_json_double(visit->exposition->text, norm);
        text_puts(visit->exposition->text, "\n");
    }
}

static void layer_gradient_series(const struct model_visit *visit, const struct model_stats *stats,
                                  const struct model_totals *totals)
{
    layer_lines(visit, stats, totals, false);
}

static void layer_update_series(const struct model_visit *visit, const struct model_stats *stats,
                                const struct model_totals *totals)
{
    layer_lines(visit, stats, totals, true);
}

static void write_layer_gradients(const struct exposition *exposition,
                                  const struct metric_family *family)
{
    write_models(exposition, family, layer_gradient_series);
}

static void write_layer_updates(const struct exposition *exposition,
                                const struct metric_family *family)
{
    write_models(exposition, family, layer_update_series);
}

static void commit_series(const struct model_visit *visit, const struct model_stats *stats,
                          const struct model_totals *totals)
{
    if (totals->learning.active)
        write_histogram(visit, stats, "", &histogram_durations, &totals->learning.commits);
}

static void write_commits(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, commit_series);
}

static void refusal_series(const struct model_visit *visit, const struct model_stats *stats,
                           const struct model_totals *totals)
{
    for (int i = 0; i < LEARNING_REFUSAL_COUNT; i++) {
        if (totals->learning.refused[i] == 0)
            continue;
        begin_model_line(visit, "", stats);
        text_printf(visit->exposition->text, ",reason=\"%s\"} %llu\n",
                    learning_refusal_name((enum learning_refusal)i),
                    (unsigned long long)totals->learning.refused[i]);
    }
}

static void write_refusals(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, refusal_series);
}

static void memory_series(const struct model_visit *visit, const struct model_stats *stats,
                          const struct model_totals *totals)
{
    write_model_number(visit, stats, totals->memory_bytes);
}

static void write_memory(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, memory_series);
}

static void ready_series(const struct model_visit *visit, const struct model_stats *stats,
                         const struct model_totals *totals)
{
    write_model_number(visit, stats, totals->ready);
}

static void write_ready(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, ready_series);
}

static void queue_series(const struct model_visit *visit, const struct model_stats *stats,
                         const struct model_totals *totals)
{
    write_model_number(visit, stats, totals->queued_rows);
}

static void write_queue(const struct exposition *exposition, const struct metric_family *family)
{
    write_models(exposition, family, queue_series);
}

static void write_errors(const struct exposition *exposition, const struct metric_family *family)
{
    uint64_t count = 0;

    for (int i = 0; i < METRIC_REASONS_MAX; i++) {
        const char *reason = metrics_reason(exposition->metrics, i, &count);

        if (reason == NULL || count == 0)
            continue;
        text_printf(exposition->text, "%s{", family->name);
        write_label(exposition->text, "reason", reason);
        text_printf(exposition->text, "} %llu\n", (unsigned long long)count);
    }
}

static void write_build(const struct exposition *exposition, const struct metric_family *family)
{
    struct text *text = exposition->text;

    text_printf(text, "%s{", family->name);
    write_label(text, "version", PACKAGE_VERSION);
    text_puts(text, ",");
    write_label(text, "isa", metrics_isa(exposition->metrics));
    text_puts(text, ",");
    write_label(text, "blas", metrics_blas(exposition->metrics));
    text_puts(text, "} 1\n");
}

/* The entries of METRIC_MAP that share the family's name. */
static void write_process_wide(const struct exposition *exposition,
                               const struct metric_family *family)
{
    for (int i = family->first; i < METRIC_NUMBERS; i++) {
        const char *label = process_wide[i].label;

        if (strcmp(process_wide[i].name, family->name) != 0)
            break;
        text_puts(exposition->text, family->name);
        if (label[0] != '\0')
            text_printf(exposition->text, "{%s}", label);
        text_printf(exposition->text, " %lld\n",
                    (long long)metrics_get(exposition->metrics, (enum metric)i));
    }
}

static void write_sample(const struct exposition *exposition, const struct metric_family *family,
                         double number)
{
    if (number < 0)
        return;                          /* the kernel did not say */
    text_printf(exposition->text, "%s ", family->name);
    text_json_double(exposition->text, number);
    text_puts(exposition->text, "\n");
}

#define PROCESS_WRITER(field) \
    static void write_process_##field(const struct exposition *exposition, \
                                      const struct metric_family *family) \
    { \
        write_sample(exposition, family, (double)exposition->process->field); \
    }
PROCESS_WRITER(cpu_seconds)
PROCESS_WRITER(max_fds)
PROCESS_WRITER(open_fds)
PROCESS_WRITER(resident_bytes)
PROCESS_WRITER(start_seconds)
PROCESS_WRITER(threads)
PROCESS_WRITER(virtual_bytes)

#define MODEL_LABELS "model, version"
#define WIDE(id, name, type, unit, labels, help) \
    {name, METRIC_TYPE_##type, unit, labels, help, write_process_wide, METRIC_##id}
#define OWN(name, type, unit, labels, help, write) \
    {name, METRIC_TYPE_##type, unit, labels, help, write, 0}

#define ROW(id, series, type, help) \
    {series, METRIC_TYPE_##type, "", MODEL_LABELS, help, write_learning, LEARNING_##id},

const struct metric_family metric_families[] = {
    OWN("inferd_batch_rows", HISTOGRAM, "rows", MODEL_LABELS,
        "Rows computed together in one run of a model.", write_batch_rows),
    OWN("inferd_build_info", GAUGE, "", "version, isa, blas",
        "Always 1; the labels say what is running.", write_build),
    WIDE(CONNECTIONS, "inferd_connections", GAUGE, "", "", "Open client connections."),
    WIDE(CONNECTIONS_ACCEPTED, "inferd_connections_accepted_total", COUNTER, "", "",
         "Client connections accepted."),
    WIDE(CONNECTIONS_REFUSED, "inferd_connections_refused_total", COUNTER, "", "",
         "Client connections closed at once because a limit was reached."),
    WIDE(HTTP_2XX, "inferd_http_responses_total", COUNTER, "", "code",
         "HTTP responses by class of status."),
    WIDE(IN_FLIGHT_BODY_BYTES, "inferd_in_flight_body_bytes", GAUGE, "bytes", "",
         "Request body bytes held for requests that are not answered yet."),
    WIDE(IN_FLIGHT_REQUESTS, "inferd_in_flight_requests", GAUGE, "", "",
         "HTTP requests that are not answered yet."),
    WIDE(INLINE_RUNS, "inferd_inline_runs_total", COUNTER, "", "",
         "Predictions computed on the network thread because no worker was worth waking."),
    WIDE(JOBS_QUEUED, "inferd_jobs", GAUGE, "", "state", "Training jobs that are remembered, by state."),
    LEARNING_MAP_A(ROW)
    OWN("inferd_learning_commit_seconds", HISTOGRAM, "seconds", MODEL_LABELS,
        "Time to make the updates of one commit durable.", write_commits),
    LEARNING_MAP_D(ROW)
    OWN("inferd_learning_layer_gradient_norm", GAUGE, "", MODEL_LABELS ", layer",
        "Norm of the newest update's gradient, before clipping, by layer.", write_layer_gradients),
    OWN("inferd_learning_layer_update_norm", GAUGE, "", MODEL_LABELS ", layer",
        "Norm of the newest update's change of the weights, by layer.", write_layer_updates),
    LEARNING_MAP_L(ROW)
    OWN("inferd_learning_refused_total", COUNTER, "", MODEL_LABELS ", reason",
        "Updates that were refused and changed nothing.", write_refusals),
    LEARNING_MAP_U(ROW)
    OWN("inferd_model_load_failures_total", COUNTER, "", MODEL_LABELS ", reason",
        "Loads of a model version that failed.", write_load_failures),
    OWN("inferd_model_memory_bytes", GAUGE, "bytes", MODEL_LABELS,
        "Memory held for the file, graph and weights of a loaded version.", write_memory),
    OWN("inferd_model_ready", GAUGE, "", MODEL_LABELS, "1 when the version answers predictions.",
        write_ready),
    WIDE(MODELS_LOADED, "inferd_models_loaded", GAUGE, "", "", "Model versions ready to serve."),
    OWN("inferd_queue_rows", GAUGE, "rows", MODEL_LABELS, "Rows waiting for a worker.",
        write_queue),
    WIDE(RECEIVED_BODY_BYTES, "inferd_received_body_bytes_total", COUNTER, "bytes", "",
         "Request body bytes received."),
    WIDE(REPOSITORY_SCANS, "inferd_repository_scans_total", COUNTER, "", "",
         "Times the model repository was looked at."),
    OWN("inferd_request_duration_seconds", HISTOGRAM, "seconds", MODEL_LABELS ", phase",
        "Time of answered predictions by phase; total is from arrival to the encoded answer.",
        write_durations),
    OWN("inferd_request_errors_total", COUNTER, "", "reason",
        "Requests refused or failed, by reason.", write_errors),
    OWN("inferd_requests_total", COUNTER, "", MODEL_LABELS ", protocol",
        "Predictions that reached a model, failed ones included.", write_requests),
    WIDE(SENT_BODY_BYTES, "inferd_sent_body_bytes_total", COUNTER, "bytes", "",
         "Response body bytes sent."),
    WIDE(WIDE_RUNS, "inferd_wide_runs_total", COUNTER, "", "",
         "Large runs split over the threads of all workers."),
    WIDE(WORKERS, "inferd_workers", GAUGE, "", "", "Worker threads."),
    WIDE(WORKERS_BUSY, "inferd_workers_busy", GAUGE, "", "", "Worker threads that are computing."),
    OWN("process_cpu_seconds_total", COUNTER, "seconds", "", "User and system CPU time.",
        write_process_cpu_seconds),
    OWN("process_max_fds", GAUGE, "", "", "Limit of open file descriptors.",
        write_process_max_fds),
    OWN("process_open_fds", GAUGE, "", "", "Open file descriptors.", write_process_open_fds),
    OWN("process_resident_memory_bytes", GAUGE, "bytes", "", "Resident memory.",
        write_process_resident_bytes),
    OWN("process_start_time_seconds", GAUGE, "seconds", "", "Unix time of the start.",
        write_process_start_seconds),
    OWN("process_threads", GAUGE, "", "", "Threads of the process.", write_process_threads),
    OWN("process_virtual_memory_bytes", GAUGE, "bytes", "", "Virtual memory.",
        write_process_virtual_bytes),
    {NULL, METRIC_TYPE_COUNTER, NULL, NULL, NULL, NULL, 0},
};

static const char *const type_names[] = {"counter", "gauge", "histogram"};

/* OpenMetrics names a counter's family without "_total"; its samples keep it. */
static void write_family_name(struct text *text, const struct metric_family *family,
                              bool openmetrics)
{
    size_t length = strlen(family->name);

    if (openmetrics && family->type == METRIC_TYPE_COUNTER)
        length -= strlen("_total");
    text_append(text, family->name, length);
}

void metrics_write(const struct metrics *metrics, bool openmetrics, struct text *text)
{
    struct process_usage process;
    struct exposition exposition = {metrics, &process, text};

    process_usage_read(&process);
    for (const struct metric_family *family = metric_families; family->name != NULL; family++) {
        text_puts(text, "# HELP ");
        write_family_name(text, family, openmetrics);
        text_printf(text, " %s\n# TYPE ", family->help);
        write_family_name(text, family, openmetrics);
        text_printf(text, " %s\n", type_names[family->type]);
        family->write(&exposition, family);
    }
    if (openmetrics)
        text_puts(text, "# EOF\n");
}
