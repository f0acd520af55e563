/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/schedule.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const names[SCHEDULE_KINDS] = {
#define X(name, text) [SCHEDULE_##name] = text,
    SCHEDULE_MAP(X)
#undef X
};

struct schedule schedule_default(enum schedule_kind kind, double rate)
{
    return (struct schedule){
        .kind = kind,
        .rate = rate,
        .gamma = kind == SCHEDULE_CYCLICAL      ? 1.0
                 : kind == SCHEDULE_EXPONENTIAL ? 0.999
                                                : 0.1,
        .period = 1000,
        .peak = 0.3,
        .start_divisor = 25.0,
        .end_divisor = 1e4,
        .warmup_start = 1.0 / 3.0,
    };
}

const char *schedule_name(enum schedule_kind kind)
{
    return names[kind];
}

bool schedule_find(const char *name, enum schedule_kind *ret_kind)
{
    for (int k = 0; k < SCHEDULE_KINDS; k++)
        if (strcmp(name, names[k]) == 0) {
            *ret_kind = (enum schedule_kind)k;
            return true;
        }
    return false;
}

enum engine_status schedule_check(const struct schedule *schedule, struct engine_error *err)
{
    const struct {
        const char *name;
        double value, least, most;
    } rows[] = {
        {"rate", schedule->rate, 0.0, 1000.0},
        {"least", schedule->least, 0.0, schedule->rate},
        {"gamma", schedule->gamma, 1e-12, 1.0},
        {"period", (double)schedule->period, 1.0, 1e15},
        {"peak", schedule->peak, 1e-6, 1.0 - 1e-6},
        {"start divisor", schedule->start_divisor, 1.0, 1e12},
        {"end divisor", schedule->end_divisor, 1.0, 1e12},
        {"warm-up steps", (double)schedule->warmup, 0.0, 1e15},
        {"warm-up start", schedule->warmup_start, 1e-12, 1.0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!(rows[i].value >= rows[i].least && rows[i].value <= rows[i].most))
            return engine_error_set(
                err, ENGINE_BAD_INPUT, "schedule '%s': %s is %g; expected a number from %g to %g",
                names[schedule->kind], rows[i].name, rows[i].value, rows[i].least, rows[i].most);
    return ENGINE_OK;
}

/* From `from` to `to` along half a cosine. */
static double anneal(double from, double to, double share)
{
    return to + (from - to) / 2.0 * (1.0 + cos(M_PI * share));
}

static double one_cycle(const struct schedule *schedule, double step)
{
    const double start = schedule->rate / schedule->start_divisor;
    const double end = start / schedule->end_divisor;
    const double top = schedule->peak * (double)schedule->period - 1.0;
    const double last = (double)schedule->period - 1.0;

    if (step >= last)
        return end;
    if (top > 0.0 && step <= top)
        return anneal(start, schedule->rate, step / top);
    return anneal(schedule->rate, end, top > 0.0 ? (step - top) / (last - top) : step / last);
}

double schedule_rate(const struct schedule *schedule, int64_t step)
{
    const double rate = schedule->rate, least = schedule->least;
    const double period = (double)schedule->period;
    double share, at;

    if (step < schedule->warmup)
        return rate * (schedule->warmup_start +
                       (1.0 - schedule->warmup_start) * (double)step / (double)schedule->warmup);
    at = (double)(step - schedule->warmup);
    share = at < period ? at / period : 1.0;
    switch (schedule->kind) {
    case SCHEDULE_STEP:
        return rate * pow(schedule->gamma, floor(at / period));
    case SCHEDULE_EXPONENTIAL:
        return rate * pow(schedule->gamma, at);
    case SCHEDULE_COSINE:
        return anneal(rate, least, share);
    case SCHEDULE_LINEAR:
        return rate + (least - rate) * share;
    case SCHEDULE_CYCLICAL:
        at /= period;
        return least + (rate - least) * (1.0 - fabs(fmod(at, 2.0) - 1.0)) *
                           pow(schedule->gamma, at * period);
    case SCHEDULE_ONE_CYCLE:
        return one_cycle(schedule, at);
    default:
        return rate;
    }
}
