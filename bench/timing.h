/* SPDX-License-Identifier: Apache-2.0
 * bench/timing.h - how long calls take, for the programs of this folder. One thread. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

/* Seconds of a clock that only goes forwards. */
double timing_now(void);
/* Calls again and again for about that many seconds, at least three times unless two calls took twice that
 * long already, and prints one line: the seconds of the fastest and of the median call. */
void timing_print(void (*call)(void *arg), void *arg, double seconds);

#endif
