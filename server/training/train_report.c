/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

double train_report_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void train_report_init(struct train_report *report, bool quiet, int64_t epochs, int64_t steps_a_epoch,
                       int64_t steps_before)
{
    *report = (struct train_report){.quiet = quiet,
                                    .bar = !quiet && isatty(STDERR_FILENO),
                                    .epochs = epochs,
                                    .steps_a_epoch = steps_a_epoch,
                                    .started = train_report_clock(),
                                    .steps_before = steps_before};
}

void train_report_step(struct train_report *report, int64_t epoch, int64_t step, double loss,
                       double examples_a_second)
{
    double now = train_report_clock();
    int64_t done = epoch * report->steps_a_epoch + step + 1, all = report->epochs * report->steps_a_epoch;
    double left = (now - report->started) / (double)(done - report->steps_before) * (double)(all - done);
    int filled = (int)((step + 1) * BAR / report->steps_a_epoch);
    char bar[BAR + 1];

    if (!report->bar || now - report->shown < 0.1)
        return;
    report->shown = now;
    memset(bar, '.', BAR);
    memset(bar, '=', (size_t)filled);
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[Kepoch %lld/%lld [%s] loss %.5g  %.0f examples/s  %d:%02d left",
            (long long)epoch + 1, (long long)report->epochs, bar, loss, examples_a_second,
            (int)(left / 60.0), (int)left % 60);
    fflush(stderr);
}

void train_report_end(struct train_report *report)
{
    if (report->bar)
        fputs("\r\033[K", stderr);
}

void train_report_epoch(struct train_report *report, const char *line)
{
    train_report_end(report);
    if (report->quiet)
        return;
    puts(line);
    fflush(stdout);
}
