/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES_MAX = 100000, SAMPLES_MIN = 3 };

double timing_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void timing_print(void (*call)(void *arg), void *arg, double seconds)
{
    static double samples[SAMPLES_MAX];
    double start = timing_now(), before = start;
    int count = 0;

    while (count < SAMPLES_MAX &&
           (before < start + seconds || (count < SAMPLES_MIN && before < start + 2 * seconds))) {
        double after;

        call(arg);
        after = timing_now();
        samples[count++] = after - before;
        before = after;
    }
    qsort(samples, (size_t)count, sizeof(samples[0]), compare);
    printf("%.9g %.9g\n", samples[0], samples[count / 2]);
}
