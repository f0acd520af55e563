/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learner_alarm.h"

#include "server/learning/learner_private.h"
#include "server/observe/log.h"
#include "server/observe/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double chance = 0.01;

void learner_alarm_reset(struct learner_alarm *alarm)
{
    alarm->n = alarm->next = 0;
}

void learner_alarm_finish(struct learner_alarm *alarm)
{
    free(alarm->ring);
    *alarm = (struct learner_alarm){0};
}

void learner_alarm_add(struct learner *learner, double loss)
{
    struct learner_alarm *alarm = &learner->gate.alarm;

    if (!learner->config.auto_rollback || !isfinite(loss))
        return;
    if (alarm->ring == NULL) {
        alarm->capacity = 2 * (size_t)learner->config.rollback_updates;
        alarm->ring = calloc(alarm->capacity, sizeof(*alarm->ring));
        if (alarm->ring == NULL)
            return;
    }
    alarm->ring[alarm->next] = (struct alarm_entry){loss, learner->gate.served};
    alarm->next = (alarm->next + 1) % alarm->capacity;
    alarm->n += alarm->n < alarm->capacity;
}

static const struct alarm_entry *entry_at(const struct learner_alarm *alarm, size_t index)
{
    return &alarm->ring[(alarm->next + index) % alarm->capacity];
}

struct half {
    double mean, variance;         /* of the mean */
};

static struct half measure(const struct learner_alarm *alarm, size_t first, size_t count)
{
    struct half half = {0};
    double squares = 0;

    for (size_t i = 0; i < count; i++) {
        double difference = entry_at(alarm, first + i)->loss - half.mean;

        half.mean += difference / (double)(i + 1);
        squares += difference * (entry_at(alarm, first + i)->loss - half.mean);
    }
    half.variance = squares / (double)(count - 1) / (double)count;
    return half;
}

/* Welch 1947: means of unequal variances. */
static double p_value(const struct half *before, const struct half *now, size_t count)
{
    double sum = before->variance + now->variance, freedom;

    if (sum == 0)
        return now->mean > before->mean ? 0 : 1;
    freedom = sum * sum * (double)(count - 1) /
              (before->variance * before->variance + now->variance * now->variance);
    return student_t_tail((now->mean - before->mean) / sqrt(sum), freedom);
}

static struct learn_job *order(struct learner *learner, uint64_t to, const struct half *before,
                               const struct half *now)
{
    int64_t base = learner->generation_base;
    char note[192];

    snprintf(note, sizeof(note),
             "{\"auto_rollback\":{\"served\":%" PRId64 ",\"loss\":%.6g,\"before\":%.6g,"
             "\"updates\":%" PRId64 "}}",
             base + (int64_t)learner->gate.served, now->mean, before->mean,
             learner->config.rollback_updates);
    log_write(learner->log, LOG_LEVEL_WARNING, "rolled back: the loss has grown since it was published",
              "model=%s version=%s generation=%" PRId64 " to=%" PRId64 " loss=%.6g before=%.6g",
              learner->entry->name, learner->entry->version, base + (int64_t)learner->gate.served,
              base + (int64_t)to, now->mean, before->mean);
    learning_stats_add(stats_learning(learner->entry->stats), LEARNING_AUTO_ROLLBACKS, 1);
    return learner_order(learner, LEARN_JOB_ROLLBACK, base + (int64_t)to, note);
}

struct learn_job *learner_alarm_look(struct learner *learner)
{
    struct learner_alarm *alarm = &learner->gate.alarm;
    size_t half = alarm->capacity / 2;
    struct half before, now;
    uint64_t to;

    if (!learner->config.auto_rollback || alarm->n < alarm->capacity || half < 2)
        return NULL;
    before = measure(alarm, 0, half);
    now = measure(alarm, half, half);
    to = entry_at(alarm, half - 1)->served;
    if (to == learner->gate.served || now.mean <= learner->config.rollback_factor * before.mean ||
        p_value(&before, &now, half) >= chance)
        return NULL;
    learner_alarm_reset(alarm);
    return order(learner, to, &before, &now);
}
