/* SPDX-License-Identifier: Apache-2.0
 * engine/train/schedule.h - the learning rate as a pure function of the step, so that a run can be
 * cut and resumed anywhere. Formulas are PyTorch's; where those turn periodic past their end, the
 * rate stays at its last. Steps count from 0. */
#ifndef ENGINE_TRAIN_SCHEDULE_H
#define ENGINE_TRAIN_SCHEDULE_H

#include "engine/error.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_MAP(X)                                                                            \
    X(CONSTANT, "constant")                                                                        \
    X(STEP, "step")               /* times gamma after every `period` steps */                     \
    X(EXPONENTIAL, "exponential") /* times gamma after every step */                               \
    X(COSINE, "cosine")       /* from rate to least over `period` (Loshchilov and Hutter 2016) */  \
    X(LINEAR, "linear")       /* from rate to least over `period` */                               \
    X(CYCLICAL, "cyclical")   /* least to rate and back, each in `period` steps (Smith 2015) */    \
    X(ONE_CYCLE, "one-cycle") /* up to rate in peak * period, down to next to 0 (Smith 2018) */

#define X(name, text) SCHEDULE_##name,
enum schedule_kind { SCHEDULE_MAP(X) SCHEDULE_KINDS };
#undef X

struct schedule {
    enum schedule_kind kind;
    double rate;          /* the highest */
    double least;         /* COSINE, LINEAR, CYCLICAL: the lowest */
    double gamma;         /* STEP, EXPONENTIAL; CYCLICAL: rate - least shrinks by it at each
                             step */
    int64_t period;       /* >= 1 where it is used */
    double peak;          /* ONE_CYCLE: share of the period that climbs, (0, 1) */
    double start_divisor; /* ONE_CYCLE: begins at rate / this ... */
    double end_divisor;   /* ... and ends at that / this */
    int64_t warmup;       /* steps that climb linearly before the rest begins; 0: none */
    double warmup_start;  /* (0, 1]: share of the rate at step 0 */
};

/* Constant, no warm-up, and PyTorch's defaults for all else. */
struct schedule schedule_default(enum schedule_kind kind, double rate);
const char *schedule_name(enum schedule_kind kind);
bool schedule_find(const char *name, enum schedule_kind *ret_kind);
/* BAD_INPUT names what is out of its range. */
enum engine_status schedule_check(const struct schedule *schedule, struct engine_error *err);
double schedule_rate(const struct schedule *schedule, int64_t step);

#endif
