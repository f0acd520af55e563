/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/adwin.h - adaptive windowing (Bifet and Gavalda 2007, ADWIN2): a window over a stream
 * that grows while its mean holds, and drops its older part when two parts differ by more than chance
 * allows. The window is an exponential histogram: memory and time logarithmic in its length, a plain
 * value of a few kilobytes. */
#ifndef ENGINE_LEARN_ADWIN_H
#define ENGINE_LEARN_ADWIN_H

#include <stdbool.h>
#include <stdint.h>

enum { ADWIN_ROWS = 40, ADWIN_BUCKETS = 5 };

struct adwin_options {
    double confidence;      /* delta in (0, 1): of a false alarm */
    uint32_t every;         /* values between checks; at least 1 */
    uint32_t part_min;      /* values in the smaller part; at least 1 */
    uint32_t minimum;       /* values before the first check */
};

/* Buckets of row r hold 2^r values each; the first of a row is its oldest. */
struct adwin {
    struct adwin_options options;
    struct adwin_bucket {
        double sum, variance;       /* variance: times the number of values */
    } buckets[ADWIN_ROWS][ADWIN_BUCKETS + 1];
    int used[ADWIN_ROWS], rows;
    uint64_t width, seen, alarms;
    double sum, variance;
};

/* {0.002, 32, 5, 10} */
struct adwin_options adwin_defaults(void);
void adwin_init(struct adwin *window, const struct adwin_options *options);
/* True if the window was cut at this value. Not finite: passed over. */
bool adwin_add(struct adwin *window, double value);
/* Of the window, which is what holds now; 0 while it is empty. */
double adwin_mean(const struct adwin *window);

#endif
