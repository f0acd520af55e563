/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/daemon.h"

#include "engine/engine.h"
#include "server/handlers/handlers.h"
#include "server/jobs/job_evaluate.h"
#include "server/jobs/jobs.h"
#include "server/learning/dataset_store.h"
#include "server/learning/pace.h"
#include "server/lifecycle.h"
#include "server/observe/metrics.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

static int fail(const struct daemon *daemon, int code, const char *text)
{
    log_write(daemon->log, LOG_LEVEL_ERROR, text, NULL);
    return code;
}

/* Each connection takes a descriptor: asks for all that we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool start_log(struct daemon *daemon)
{
    enum log_level level = LOG_LEVEL_INFO;

    log_level_parse(daemon->options->log_level, &level);
    daemon->log = log_create(STDERR_FILENO, level,
                             strcmp(daemon->options->log_format, "json") == 0 ? LOG_FORMAT_JSON
                                                                              : LOG_FORMAT_TEXT);
    return daemon->log != NULL;
}

/* systemd's sockets, or else those of the options. */
static int open_listeners(const struct daemon *daemon, struct listener *listeners,
                          struct problem *problem)
{
    const struct options *options = daemon->options;
    int count = listener_from_systemd(listeners, LISTENERS_MAX, problem);

    if (count != 0)
        return count;
    for (; count < options->n_listen; count++)
        if (!listener_open(&listeners[count], options->listen[count], (int)options->socket_mode,
                           problem)) {
            while (count > 0)
                listener_close(&listeners[--count]);
            return -1;
        }
    return count;
}

static void end_turn(void *scheduler)
{
    scheduler_end_turn(scheduler);
}

static int start_http(struct daemon *daemon)
{
    struct listener listeners[LISTENERS_MAX];
    struct problem problem = {0};
    struct http_server_config config = {.options = daemon->options, .services = &daemon->services,
                                        .begin_upload = begin_dataset_upload,
                                        .log = daemon->log, .metrics = daemon->metrics,
                                        .routes = routes, .listeners = listeners,
                                        .turn_ended = end_turn,
                                        .turn_arg = daemon->scheduler,
                                        .drained = lifecycle_drained, .arg = daemon};

    config.n_listeners = open_listeners(daemon, listeners, &problem);
    if (config.n_listeners < 0)
        return fail(daemon, problem.status == 400 ? EX_USAGE : EX_UNAVAILABLE, problem.text);
    daemon->http = http_server_create(&config, &problem);
    if (daemon->http == NULL)
        return fail(daemon, EX_OSERR, problem.text);
    daemon->services.http = daemon->http;
    return EX_OK;
}

/* In the order in which one needs the other; returns an exit code. */
static int start_parts(struct daemon *daemon)
{
    struct engine_error err = {0};
    struct problem problem = {0};
    enum state_dir_result kept;
    struct registry_watch watch;
    struct job_world world;

    if (!start_log(daemon))
        return EX_OSERR;
    kept = state_dir_open(&daemon->state_dir, daemon->options->state_dir, &problem);
    if (kept != STATE_DIR_OK)
        return fail(daemon, kept == STATE_DIR_BUSY ? EX_TEMPFAIL : EX_CANTCREAT, problem.text);
    if (engine_start(&err) != ENGINE_OK)
        return fail(daemon, EX_SOFTWARE, err.text);
    log_write(daemon->log, LOG_LEVEL_INFO, "starting", "version=%s isa=%s blas=%s", PACKAGE_VERSION,
              engine_isa(), engine_blas());
    daemon->metrics = metrics_create();
    if (daemon->metrics == NULL)
        return fail(daemon, EX_OSERR, "out of memory");
    daemon->registry = registry_create(daemon->options, daemon->log, daemon->metrics, &problem);
    if (daemon->registry == NULL)
        return fail(daemon, EX_CONFIG, problem.text);
    daemon->scheduler = scheduler_create(daemon->options, daemon->log, daemon->metrics, &problem);
    if (daemon->scheduler == NULL)
        return fail(daemon, EX_OSERR, problem.text);
    daemon->pace = pace_create(daemon->options->training_cpu, daemon->scheduler);
    if (daemon->pace != NULL)
        daemon->learning = learning_create(daemon->options, daemon->log, daemon->pace);
    if (daemon->learning == NULL)
        return fail(daemon, EX_OSERR, "out of memory");
    daemon->datasets = dataset_store_create(daemon->options, daemon->log, &problem);
    if (daemon->datasets == NULL)
        return fail(daemon, EX_CANTCREAT, problem.text);
    world = (struct job_world){daemon->registry, daemon->learning, daemon->pace, daemon->options,
                               daemon->log};
    daemon->jobs = jobs_create(&world, daemon->datasets, daemon->metrics, &problem);
    if (daemon->jobs == NULL)
        return fail(daemon, EX_CANTCREAT, problem.text);
    daemon->evaluations = evaluations_create(&world, daemon->datasets);
    if (daemon->evaluations == NULL)
        return fail(daemon, EX_OSERR, "out of memory");
    watch = learning_watch(daemon->learning);
    registry_set_watch(daemon->registry, &watch);
    daemon->services = (struct services){.options = daemon->options, .log = daemon->log,
                                         .metrics = daemon->metrics, .registry = daemon->registry,
                                         .scheduler = daemon->scheduler,
                                         .pace = daemon->pace,
                                         .learning = daemon->learning,
                                         .datasets = daemon->datasets,
                                         .jobs = daemon->jobs,
                                         .evaluations = daemon->evaluations};
    return start_http(daemon);
}

/* No connection is left, so no handler runs any more; replies that are still to come need http, whose
 * threads flush the scheduler until they are joined. */
static void stop_parts(struct daemon *daemon)
{
    if (daemon->pace != NULL)
        pace_hurry(daemon->pace);
    jobs_destroy(daemon->jobs);
    evaluations_destroy(daemon->evaluations);
    if (daemon->scheduler != NULL)
        scheduler_stop(daemon->scheduler);
    if (daemon->registry != NULL)
        registry_destroy(daemon->registry);
    learning_destroy(daemon->learning);
    dataset_store_destroy(daemon->datasets);
    pace_destroy(daemon->pace);
    http_server_destroy(daemon->http);
    scheduler_destroy(daemon->scheduler);
    lifecycle_finish(daemon);
    if (daemon->metrics != NULL)
        metrics_destroy(daemon->metrics);
    state_dir_close(&daemon->state_dir);
    notify_finish(&daemon->notify);
    log_destroy(daemon->log);
}

int daemon_run(const struct options *options, const struct daemon_input *input)
{
    struct daemon daemon = {.options = options, .input = input, .started_ns = uv_hrtime(),
                            .state_dir = {-1, -1}};
    int code;

    signal(SIGPIPE, SIG_IGN);
    notify_init(&daemon.notify);
    raise_descriptor_limit();
    if (!lifecycle_init(&daemon))
        return EX_OSERR;
    code = start_parts(&daemon);
    if (code == EX_OK) {
        lifecycle_run(&daemon);
        code = daemon.exit_code;
        log_write(daemon.log, LOG_LEVEL_INFO, "stopped", NULL);
    }
    stop_parts(&daemon);
    return code;
}
