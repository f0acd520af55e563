/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 24, LINE_MAX_BYTES = 512 };

void train_report_init(struct train_report *report, const struct train_options *options)
{
    *report = (struct train_report){.options = options,
                                    .quiet = options->quiet,
                                    .bar = !options->quiet && isatty(STDERR_FILENO)};
}

/* Redraws the bar at most ten times a second. */
static enum train_order draw_step(void *arg, const struct train_moment *moment)
{
    struct train_report *report = arg;
    int filled = (int)(moment->step * BAR / moment->steps);
    double now = report->bar ? train_clock() : 0.0;
    char bar[BAR + 1];

    if (!report->bar || now - report->shown < 0.1)
        return TRAIN_GO_ON;
    report->shown = now;
    memset(bar, '.', BAR);
    memset(bar, '=', (size_t)filled);
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[Kepoch %lld/%lld [%s] loss %.5g  %.0f examples/s  %d:%02d left",
            (long long)moment->epoch, (long long)moment->epochs, bar, moment->loss,
            moment->examples_a_second, (int)(moment->seconds_left / 60.0),
            (int)moment->seconds_left % 60);
    fflush(stderr);
    return TRAIN_GO_ON;
}

void train_report_end(struct train_report *report)
{
    if (report->bar)
        fputs("\r\033[K", stderr);
}

/* " accuracy 0.9123 f1_macro 0.9119": what tells most of the task, and what was asked for. */
static void print_metrics(const struct train_verdict *verdict, const char *asked, char *to, size_t size)
{
    static const enum evaluation_metric shown[][2] = {
        [EVALUATION_BINARY] = {METRIC_ACCURACY, METRIC_ROC_AUC},
        [EVALUATION_CLASSES] = {METRIC_ACCURACY, METRIC_F1_MACRO},
        [EVALUATION_LABELS] = {METRIC_ACCURACY, METRIC_F1_MACRO},
        [EVALUATION_VALUES] = {METRIC_RMSE, METRIC_R2},
    };
    size_t used = 0;
    bool larger;
    double value;

    to[0] = '\0';
    for (int i = 0; i < 2 && verdict->has_metrics; i++) {
        enum evaluation_metric metric = shown[verdict->task][i];

        used += (size_t)snprintf(to + used, size - used, "  %s %.5g", evaluation_metric_name(metric),
                                 verdict->metrics.values[metric]);
        if (strcmp(asked, evaluation_metric_name(metric)) == 0)
            asked = "loss";
    }
    if (strcmp(asked, "loss") != 0 && train_metric(verdict, asked, &value, &larger))
        snprintf(to + used, size - used, "  %s %.5g", asked, value);
}

static enum train_order print_epoch(void *arg, const struct train_epoch *epoch)
{
    struct train_report *report = arg;
    const struct train_point *point = epoch->point;
    char metrics[LINE_MAX_BYTES] = "", validation[64] = "";

    train_report_end(report);
    if (epoch->judged) {
        print_metrics(epoch->verdict, report->options->metric, metrics, sizeof(metrics));
        snprintf(validation, sizeof(validation), "  validation loss %.6g", point->validation_loss);
    }
    if (!report->quiet) {
        printf("epoch %.0f  loss %.6g%s%s  %.0f examples/s%s\n", point->epoch, point->loss,
               validation, metrics, (double)epoch->examples / point->seconds,
               epoch->best ? "  best" : "");
        fflush(stdout);
    }
    return TRAIN_CHECKPOINT;
}

static void print_trial(void *arg, int number, const struct train_outcome *outcome,
                        const char *setting)
{
    (void)arg;
    printf("%4d  %-12.6g %5lld %8.1f  %s\n", number, outcome->metric,
           (long long)outcome->best_epoch, outcome->seconds, setting);
    fflush(stdout);
}

void train_report_trials(const struct train_report *report)
{
    printf(" run  %-12s epoch  seconds  setting\n", report->options->metric);
}

static void print_ranked(void *arg)
{
    puts("\nbest first");
    train_report_trials(arg);
}

struct train_hooks train_report_hooks(struct train_report *report)
{
    return (struct train_hooks){.arg = report, .step = draw_step, .epoch = print_epoch,
                                .trial = print_trial, .ranked = print_ranked};
}
