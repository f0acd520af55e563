/* SPDX-License-Identifier: Apache-2.0
 * onnx_suite [--only TEXT] [--verbose] [--skips FILE] [--jobs N] [DIR...]
 *
 * Runs ONNX's backend suite through the engine's public face. Each case has a process of its own,
 * so that a crash, a hang or a hunger for memory is one failure. Known failures stand in the skip
 * file with their reasons; one that passes is an error, so that the file stays true. */
#include "config.h"

#include "engine/engine.h"
#include "tests/onnx/suite_list.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SKIPS_FILE
#define SKIPS_FILE "skips.tsv"
#endif
#define DATA_DIR "/usr/share/libonnx-testdata/data"

enum { SECONDS_MAX = 60, JOBS_MAX = 64 };
static const rlim_t memory_max = (rlim_t)8 << 30;

struct options {
    const char *only, *skips;
    int jobs;
    bool verbose;
};

struct totals {
    size_t passed, failed, skipped, stale;
};

static void run_in_child(const struct suite_entry *entry, int to)
{
    struct suite_outcome outcome;
    const char *at = (const char *)&outcome;
    size_t left = sizeof(outcome);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit limit = {.rlim_cur = memory_max, .rlim_max = memory_max};

    setrlimit(RLIMIT_AS, &limit);
#else
    (void)memory_max;
#endif
    alarm(SECONDS_MAX);
    suite_case_run(entry->directory, &outcome);
    while (left > 0) {
        ssize_t sent = write(to, at, left);

        if (sent < 0 && errno != EINTR)
            _exit(2);
        at += sent > 0 ? sent : 0;
        left -= sent > 0 ? (size_t)sent : 0;
    }
    _exit(0);
}

static void start(struct suite_entry *entry)
{
    int ends[2];

    if (pipe(ends) != 0) {
        perror("onnx_suite: pipe");
        exit(2);
    }
    fflush(NULL);
    entry->pid = fork();
    if (entry->pid < 0) {
        perror("onnx_suite: fork");
        exit(2);
    }
    if (entry->pid == 0) {
        close(ends[0]);
        run_in_child(entry, ends[1]);
    }
    close(ends[1]);
    entry->pipe = ends[0];
}

/* The outcome fits a pipe's buffer, so the child never waits for us. */
static void finish(struct suite_entry *entry, int status)
{
    struct suite_outcome *outcome = &entry->outcome;
    size_t have = 0;
    ssize_t got;

    while (have < sizeof(*outcome) &&
           (got = read(entry->pipe, (char *)outcome + have, sizeof(*outcome) - have)) > 0)
        have += (size_t)got;
    close(entry->pipe);
    entry->pid = 0;
    if (have == sizeof(*outcome) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    memset(outcome, 0, sizeof(*outcome));
    snprintf(outcome->family, sizeof(outcome->family), "(crash)");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(outcome->reason, sizeof(outcome->reason), "took more than %d s", SECONDS_MAX);
    else if (WIFSIGNALED(status))
        snprintf(outcome->reason, sizeof(outcome->reason), "killed by signal %d, %s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(outcome->reason, sizeof(outcome->reason), "exited with %d", WEXITSTATUS(status));
}

static void wait_for_one(struct suite_list *list, size_t started)
{
    int status;
    pid_t pid = waitpid(-1, &status, 0);

    for (size_t k = 0; k < started; k++)
        if (list->entries[k].pid == pid && pid > 0) {
            finish(&list->entries[k], status);
            return;
        }
}

static void run_all(struct suite_list *list, const struct options *options)
{
    bool tty = isatty(STDERR_FILENO);
    size_t started = 0, finished = 0;

    while (finished < list->count) {
        while (started < list->count && started - finished < (size_t)options->jobs)
            start(&list->entries[started++]);
        wait_for_one(list, started);
        finished++;
        if (tty)
            fprintf(stderr, "\r%zu of %zu", finished, list->count);
    }
    if (tty)
        fprintf(stderr, "\r%30s\r", "");
}

static void count(struct suite_list *list, const struct options *options, struct totals *totals)
{
    for (size_t k = 0; k < list->count; k++) {
        const struct suite_entry *entry = &list->entries[k];
        const char *verdict = entry->outcome.passed ? "pass"
                              : entry->skip != NULL ? "skip"
                                                    : "FAIL";

        totals->passed += entry->outcome.passed;
        totals->skipped += !entry->outcome.passed && entry->skip != NULL;
        totals->failed += !entry->outcome.passed && entry->skip == NULL;
        totals->stale += entry->outcome.passed && entry->skip != NULL;
        if (entry->outcome.passed && entry->skip != NULL)
            printf("%s passes but is listed as a skip (%s)\n", entry->name, entry->skip);
        if (options->verbose)
            printf("%s %s%s%s\n", verdict, entry->name, entry->outcome.passed ? "" : ": ",
                   entry->outcome.passed ? "" : entry->outcome.reason);
    }
}

static bool is_failure(const struct suite_entry *entry)
{
    return !entry->outcome.passed && entry->skip == NULL;
}

static int by_family(const void *a, const void *b)
{
    const struct suite_entry *x = *(const struct suite_entry *const *)a;
    const struct suite_entry *y = *(const struct suite_entry *const *)b;
    int order = strcmp(x->outcome.family, y->outcome.family);

    return order != 0 ? order : strcmp(x->name, y->name);
}

static void print_failures(const struct suite_list *list, size_t failed)
{
    const struct suite_entry **entries = calloc(failed + 1, sizeof(*entries));
    size_t at = 0;

    if (entries == NULL || failed == 0) {
        free(entries);
        return;
    }
    for (size_t k = 0; k < list->count; k++)
        if (is_failure(&list->entries[k]))
            entries[at++] = &list->entries[k];
    qsort(entries, at, sizeof(*entries), by_family);
    for (size_t k = 0; k < at; k++) {
        if (k == 0 || strcmp(entries[k - 1]->outcome.family, entries[k]->outcome.family) != 0) {
            size_t same = 1;

            while (k + same < at &&
                   strcmp(entries[k + same]->outcome.family, entries[k]->outcome.family) == 0)
                same++;
            printf("%s: %zu failed\n", entries[k]->outcome.family, same);
        }
        printf("    %s: %s\n", entries[k]->name, entries[k]->outcome.reason);
    }
    free(entries);
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"only", required_argument, NULL, 'o'},
        {"verbose", no_argument, NULL, 'v'},
        {"skips", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},
        {0},
    };
    int option;

    *options = (struct options){.skips = SKIPS_FILE, .jobs = 2};
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'o')
            options->only = optarg;
        else if (option == 'v')
            options->verbose = true;
        else if (option == 's')
            options->skips = optarg;
        else if (option == 'j')
            options->jobs = atoi(optarg);
        else
            return false;
    }
    return options->jobs >= 1 && options->jobs <= JOBS_MAX;
}

int main(int argc, char **argv)
{
    struct suite_list list = {0};
    struct totals totals = {0};
    struct engine_error err = {0};
    struct options options;
    int bad_skips;

    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: %s [--only TEXT] [--verbose] [--skips FILE] [--jobs N] [DIR...]\n",
                argv[0]);
        return 2;
    }
    if (engine_start(&err) != ENGINE_OK) {
        fprintf(stderr, "onnx_suite: %s\n", err.text);
        return 2;
    }
    for (int i = optind; i < argc || i == optind; i++) {
        const char *directory = i < argc ? argv[i] : DATA_DIR;

        if (!suite_list_find(&list, directory, options.only)) {
            fprintf(stderr, "onnx_suite: %s cannot be read\n", directory);
            return 2;
        }
    }
    suite_list_sort(&list);
    bad_skips = suite_list_skip(&list, options.skips);
    if (bad_skips != 0)
        fprintf(stderr, "onnx_suite: %s: %s\n", options.skips,
                bad_skips < 0 ? "cannot be read" : "has malformed or double lines");
    run_all(&list, &options);
    count(&list, &options, &totals);
    print_failures(&list, totals.failed);
    printf("onnx: %zu passed, %zu failed, %zu skipped of %zu\n", totals.passed, totals.failed,
           totals.skipped, list.count);
    suite_list_finish(&list);
    return totals.failed + totals.stale > 0 || bad_skips != 0 || list.count == 0 ? 1 : 0;
}
