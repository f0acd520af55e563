/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options_table.h"

#include "server/options.h"

#define FIELD(field) offsetof(struct options, field)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

const struct option_def option_table[] = {
    {"listen", OPTION_LIST, FIELD(listen), "127.0.0.1:8080", 0, 0, "ADDRESS", NULL, false,
     "where to listen: 127.0.0.1:8080, [::1]:8080 or unix:/run/inferd/inferd.sock; may be repeated; "
     "port 0 takes a free one; sockets passed by systemd replace it"},
    {"model-repository", OPTION_STRING, FIELD(model_repository), NULL, 0, 0, "DIR", NULL, false,
     "directory of <model>/<version>/model.onnx"},
    {"state-dir", OPTION_STRING, FIELD(state_dir), NULL, 0, 0, "DIR", NULL, false,
     "directory that belongs to this daemon alone; a second daemon on it refuses to start"},
    {"config", OPTION_STRING, FIELD(config), NULL, 0, 0, "FILE", NULL, false,
     "file of \"name = value\" lines, with the names of this list"},
    {"log-level", OPTION_CHOICE, FIELD(log_level), "info", 0, 0, "LEVEL",
     "error, warning, info, debug", true, "least important lines to write"},
    {"log-format", OPTION_CHOICE, FIELD(log_format), "text", 0, 0, "FORMAT", "text, json", false,
     "form of a log line"},
    {"access-log", OPTION_BOOL, FIELD(access_log), "no", 0, 0, "BOOL", NULL, true,
     "write one line for each request"},
    {"json-nan-tokens", OPTION_BOOL, FIELD(json_nan_tokens), "no", 0, 0, "BOOL", NULL, false,
     "write numbers that are not finite as bare NaN, Infinity and -Infinity, which is not JSON, in "
     "JSON answers; else they are null"},
    {"socket-mode", OPTION_OCTAL, FIELD(socket_mode), "0660", 0, 0777, "MODE", NULL, false,
     "permissions of a unix socket"},
    {"workers", OPTION_INT, FIELD(workers), "0", 0, 1024, "N", NULL, false,
     "threads that compute; 0 is one for each core"},
    {"network-threads", OPTION_INT, FIELD(network_threads), "0", 0, 64, "N", NULL, false,
     "threads that read requests, write responses and compute what is cheap; 0 is one for every two "
     "cores, but two on two or three cores"},
    {"training-cpu", OPTION_INT, FIELD(training_cpu), "0", 0, 100000, "PERCENT", NULL, false,
     "percent of one core that all training together may take, 100 being one core and 200 two; 0 is what "
     "predictions leave"},
    {"batch-size-max", OPTION_INT, FIELD(batch_size_max), "64", 1, 65536, "ROWS", NULL, false,
     "rows that one run of a model may take together"},
    {"queue-delay-us", OPTION_INT, FIELD(queue_delay_us), "0", 0, 1000000, "US", NULL, false,
     "microseconds to wait for a batch to fill; 0 never waits"},
    {"queue-rows-max", OPTION_INT, FIELD(queue_rows_max), "4096", 1, 16777216, "ROWS", NULL, false,
     "rows that may wait for one model; more are refused with 503"},
    {"inline-us-max", OPTION_INT, FIELD(inline_us_max), "100", 0, 1000000, "US", NULL, false,
     "a request whose measured cost is below this many microseconds runs on the network thread that "
     "received it, and so does a batch below a small multiple of it; 0 never does"},
    {"body-bytes-max", OPTION_BYTES, FIELD(body_bytes_max), "64M", 1, TIB, "BYTES", NULL, false,
     "largest request body; a larger one is refused with 413"},
    {"body-bytes-total-max", OPTION_BYTES, FIELD(body_bytes_total_max), "256M", 1, TIB, "BYTES",
     NULL, false, "bodies of all requests in flight together; over it, 503"},
    {"dataset-bytes-max", OPTION_BYTES, FIELD(dataset_bytes_max), "4G", 1, TIB, "BYTES", NULL, false,
     "largest dataset that can be uploaded"},
    {"dataset-bytes-total-max", OPTION_BYTES, FIELD(dataset_bytes_total_max), "16G", 1, TIB,
     "BYTES", NULL, false, "all datasets in the state directory together; over it, 507"},
    {"jobs-running-max", OPTION_INT, FIELD(jobs_running_max), "2", 1, 64, "N", NULL, false,
     "training jobs that run at once; of one model one does"},
    {"jobs-queued-max", OPTION_INT, FIELD(jobs_queued_max), "16", 1, 1000, "N", NULL, false,
     "training jobs that may wait; more are refused with 503"},
    {"jobs-kept-max", OPTION_INT, FIELD(jobs_kept_max), "100", 1, 10000, "N", NULL, false,
     "training jobs that are over and still remembered; what was not adopted goes with them"},
    {"jobs-kept-s", OPTION_INT, FIELD(jobs_kept_s), "604800", 1, 315360000, "S", NULL, false,
     "seconds for which a training job that is over is remembered"},
    {"model-bytes-max", OPTION_BYTES, FIELD(model_bytes_max), "2G", 1, TIB, "BYTES", NULL, false,
     "largest model file"},
    {"plan-bytes-max", OPTION_BYTES, FIELD(plan_bytes_max), "1G", 1, TIB, "BYTES", NULL, false,
     "memory that one run of a model may need for its intermediate tensors"},
    {"connections-max", OPTION_INT, FIELD(connections_max), "1024", 1, 1000000, "N", NULL, false,
     "connections served at once; one more gets 503 and is closed"},
    {"header-bytes-max", OPTION_BYTES, FIELD(header_bytes_max), "8K", 512, 20 * KIB, "BYTES", NULL,
     false, "request line and header fields together; over it, 431 (or 414 for the URL)"},
    {"header-count-max", OPTION_INT, FIELD(header_count_max), "100", 1, 1000, "N", NULL, false,
     "header fields of one request; over it, 431"},
    {"request-timeout-ms", OPTION_INT, FIELD(request_timeout_ms), "30000", 10, 86400000, "MS", NULL,
     false, "milliseconds in which a request's header and body must have arrived"},
    {"response-timeout-ms", OPTION_INT, FIELD(response_timeout_ms), "30000", 10, 86400000, "MS",
     NULL, false, "milliseconds in which the client must have read its response"},
    {"deadline-ms", OPTION_INT, FIELD(deadline_ms), "30000", 1, 86400000, "MS", NULL, false,
     "milliseconds from a request's first line to its answer; later, 504"},
    {"idle-timeout-s", OPTION_INT, FIELD(idle_timeout_s), "60", 1, 86400, "S", NULL, false,
     "seconds that a connection may stay open between requests"},
    {"drain-timeout-s", OPTION_INT, FIELD(drain_timeout_s), "25", 0, 3600, "S", NULL, false,
     "seconds that requests in flight get to finish after SIGTERM"},
    {"poll-interval-ms", OPTION_INT, FIELD(poll_interval_ms), "2000", 0, 86400000, "MS", NULL, false,
     "milliseconds between looks at the model repository; 0 looks on SIGHUP and on request only"},
    {NULL, OPTION_STRING, 0, NULL, 0, 0, NULL, NULL, false, NULL},
};
