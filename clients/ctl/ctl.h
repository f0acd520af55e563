/* SPDX-License-Identifier: Apache-2.0
 * clients/ctl/ctl.h - inferctl's commands: one table, one function each. */
#ifndef CLIENTS_CTL_CTL_H
#define CLIENTS_CTL_CTL_H

#include "clients/c/inferd_client.h"

/* Exit codes. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1,     /* the server said no, or "not ready" */
    CTL_USAGE = 2,       /* the command line, or a file it names */
    CTL_UNREACHABLE = 3, /* no answer */
};

enum { CTL_INPUTS_MAX = 64, CTL_ARGUMENTS_MAX = 2, CTL_EXAMPLES_MAX = 1000 };

/* What the command line said. */
struct ctl {
    struct inferd_client *client;
    const char *url;
    const char *model, *version;        /* version: NULL for the newest */
    const char *second;                 /* argument, or NULL */
    const char *inputs[CTL_INPUTS_MAX]; /* "name=..." */
    int n_inputs;
    const char *targets[CTL_INPUTS_MAX]; /* "name=..." */
    int n_targets;
    struct inferd_update update;
    double learning_rate;               /* NaN: not said */
    struct rollback_target to;          /* of rollback, promote and label */
    int64_t first, last;                /* generations, -1: not said */
    struct learn_place examples[CTL_EXAMPLES_MAX];
    size_t n_examples;
    const char *id;                     /* of a prediction, or NULL */
    const char *file;                   /* of export (NULL: standard output), put and datasets */
    const char *dataset, *job;
    char *parameters[CTL_INPUTS_MAX]; /* of train: "name=value" */
    int n_parameters;
    bool binary, json, log, detach, follow;
    int concurrency;
    double duration_s, timeout_s;
};

/* Prints "inferctl: ..." to standard error and returns the exit code that fits. */
enum ctl_exit ctl_fail(const struct inferd_error *err);
enum ctl_exit ctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints JSON, indented, and gives it back. */
enum ctl_exit ctl_print_json(json_t *json);

enum ctl_exit ctl_models(struct ctl *ctl);
enum ctl_exit ctl_model(struct ctl *ctl);
enum ctl_exit ctl_ready(struct ctl *ctl);
enum ctl_exit ctl_load(struct ctl *ctl);
enum ctl_exit ctl_unload(struct ctl *ctl);
enum ctl_exit ctl_stats(struct ctl *ctl);
enum ctl_exit ctl_metrics(struct ctl *ctl);
enum ctl_exit ctl_predict(struct ctl *ctl);
enum ctl_exit ctl_bench(struct ctl *ctl);
enum ctl_exit ctl_finetune(struct ctl *ctl);
enum ctl_exit ctl_feedback(struct ctl *ctl);
enum ctl_exit ctl_evaluate(struct ctl *ctl);
enum ctl_exit ctl_generations(struct ctl *ctl);
enum ctl_exit ctl_rollback(struct ctl *ctl);
enum ctl_exit ctl_promote(struct ctl *ctl);
enum ctl_exit ctl_label(struct ctl *ctl);
enum ctl_exit ctl_rewind(struct ctl *ctl);
enum ctl_exit ctl_erase(struct ctl *ctl);
enum ctl_exit ctl_export(struct ctl *ctl);
enum ctl_exit ctl_train(struct ctl *ctl);
enum ctl_exit ctl_jobs(struct ctl *ctl);
enum ctl_exit ctl_job(struct ctl *ctl);
enum ctl_exit ctl_cancel(struct ctl *ctl);
enum ctl_exit ctl_datasets(struct ctl *ctl);
enum ctl_exit ctl_put(struct ctl *ctl);
enum ctl_exit ctl_delete(struct ctl *ctl);
/* promote --job */
enum ctl_exit ctl_promote_job(struct ctl *ctl);

#endif
