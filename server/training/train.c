/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train.h"

#include "server/training/train_report.h"
#include "server/training/train_search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void print_outcome(const struct train_options *options, const struct train_session *session,
                          const struct train_outcome *outcome)
{
    printf("best epoch %lld of %lld: %s %.6g; %.1f s\n", (long long)outcome->best_epoch,
           (long long)outcome->epochs, options->metric, outcome->metric, outcome->seconds);
    if (outcome->refused > 0)
        printf("%lld steps were refused\n", (long long)outcome->refused);
    if (outcome->has_test) {
        printf("test of %lld examples: loss %.6g\n", (long long)dataset_n_examples(session->test),
               outcome->test.loss);
        for (int m = 0; m < METRIC_COUNT && outcome->test.has_metrics; m++)
            if (isfinite(outcome->test.metrics.values[m]))
                printf("  %-18s %.6g\n", evaluation_metric_name((enum evaluation_metric)m),
                       outcome->test.metrics.values[m]);
        if (outcome->test.table != NULL)
            fputs(outcome->test.table, stdout);
    }
    if (options->output != NULL)
        printf("written to %s\n", options->output);
}

static bool train(const struct train_options *options, struct problem *problem)
{
    struct train_options best = *options;
    struct train_session session;
    struct train_outcome outcome;
    struct train_report report;
    struct train_hooks hooks;
    char *texts = NULL;
    bool ok = train_session_open(&session, options, NULL, problem);

    train_report_init(&report, options);
    hooks = train_report_hooks(&report);
    if (ok && options->search != NULL) {
        train_report_trials(&report);
        ok = train_search(options, &session, &hooks, &best, &texts, problem);
    }
    /* The best setting once more, which gives the same weights, to be judged and written. */
    if (ok && (options->search == NULL || options->output != NULL)) {
        ok = train_run(&best, &session, &hooks, &outcome, problem);
        train_report_end(&report);
        if (ok)
            print_outcome(&best, &session, &outcome);
        free(outcome.test.table);
    }
    free(texts);
    train_session_finish(&session);
    return ok;
}

int train_run_command(int argc, char **argv)
{
    struct train_options options;
    struct problem problem = {0};

    if (!train_options_parse(&options, argc, argv)) {
        fprintf(stderr, "inferd: train: %s\n", options.error);
        return EX_USAGE;
    }
    if (options.help || options.help_man) {
        (options.help ? train_options_help : train_options_help_man)(stdout);
        return EX_OK;
    }
    if (train(&options, &problem))
        return EX_OK;
    fprintf(stderr, "inferd: train: %s\n", problem.text);
    return problem.status == 500 ? EX_CANTCREAT : problem.status == 404 ? EX_NOINPUT : EX_DATAERR;
}
