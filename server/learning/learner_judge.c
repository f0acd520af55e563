/* SPDX-License-Identifier: Apache-2.0
 * The promotion gate. Before an update is learnt, its examples are scored by what serves and by the
 * candidate: neither has seen them, so the comparison is honest and paired. When there are enough,
 * promotion.h decides; what is decided on is the state before the update, which has been scored. Those
 * pairs alone would be fooled by a stream that is wrong from some point on: what learns from it does
 * better on it. So the held-out window, most of which is older, must agree. */
#include "server/learning/learner_private.h"

#include "server/observe/log.h"
#include "server/observe/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES = 320 };

/* A job of the learner's own. */
struct order {
    struct learn_job job;          /* first */
    const struct learner *learner;
    char note[NOTE_BYTES];
};

void learner_judge_reset(struct learner *learner)
{
    const struct promotion_options options = {
        .minimum = (uint64_t)learner->config.promotion_examples,
        .margin = learner->config.promotion_margin,
        .level = learner->config.promotion_level,
    };

    promotion_init(&learner->gate.pairs, &options);
    learner->gate.n_recent = 0;
}

/* --- scores --- */

/* Row `row` of a tensor whose first dimension counts examples. */
static struct tensor row_of(const struct tensor *tensor, int64_t row)
{
    struct tensor one = *tensor;

    if (one.shape.rank > 0 && one.shape.dims[0] > 0) {
        size_t bytes = tensor_bytes(tensor) / (size_t)one.shape.dims[0];

        one.shape.dims[0] = 1;
        one.data = (char *)one.data + (size_t)row * bytes;
    }
    return one;
}

/* The loss of each example alone, over all outputs that have one, of what was evaluated last. */
static double loss_of_row(const struct trainer *trainer, const struct tensor *targets, int64_t row)
{
    double sum = 0;

    for (int i = 0; i < trainer_n_losses(trainer); i++) {
        const struct loss_form *form = trainer_loss_form(trainer, i);
        struct tensor values = row_of(trainer_value(trainer, i), row);
        struct tensor target = row_of(&targets[i], row);

        sum += loss_run(form, &values, &target, loss_divisor(form, &values.shape, &target), NULL,
                        NULL);
    }
    return sum;
}

bool learner_score(struct trainer *trainer, const struct trainer_batch *batch, bool by_row,
                   int64_t rows, double *ret_losses)
{
    struct engine_error err = {0};
    double loss;

    if (trainer_evaluate(trainer, batch, &loss, &err) != ENGINE_OK)
        return false;
    if (!by_row || rows == 1) {
        ret_losses[0] = loss;
        return true;
    }
    for (int i = 0; i < trainer_n_losses(trainer); i++) {
        const struct tensor *value = trainer_value(trainer, i);

        if (value == NULL || value->shape.rank < 1 || value->shape.dims[0] != rows ||
            batch->targets[i].shape.rank < 1 || batch->targets[i].shape.dims[0] != rows)
            return false;
    }
    for (int64_t r = 0; r < rows; r++)
        ret_losses[r] = loss_of_row(trainer, batch->targets, r);
    return true;
}

static void add_pairs(struct learner_gate *gate, const double *serving, const double *candidate,
                      int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        promotion_add(&gate->pairs, serving[i], candidate[i]);
        if (isfinite(serving[i]) && isfinite(candidate[i]))
            gate->recent[gate->n_recent++ % GATE_RECENT] = candidate[i] - serving[i];
    }
}

static double mean(const double *losses, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += losses[i];
    return sum / (double)count;
}

static bool score(struct learner *learner, const struct learn_job *job)
{
    int64_t rows = job->entry->batchable ? job->rows : 1;
    struct tensor ordered[LEARNER_METRICS_MAX];
    struct trainer_batch batch = {.inputs = job->inputs, .targets = ordered, .rate = -1};
    struct problem problem = {0};
    double *losses;
    bool good;

    /* What is wrong with it the step will say. */
    if (rows < 1 || rows > learner->config.examples_max ||
        !learner_order_targets(learner, job, ordered, &problem))
        return false;
    losses = calloc((size_t)rows, 2 * sizeof(*losses));
    good = losses != NULL &&
           learner_score(learner->gate.serving, &batch, job->entry->batchable, rows, losses) &&
           learner_score(learner->trainer, &batch, job->entry->batchable, rows, losses + rows);
    if (good)
        learner_alarm_add(learner, mean(losses, rows));
    if (good)
        add_pairs(&learner->gate, losses, losses + rows, rows);
    free(losses);
    return good;
}

/* --- the verdict --- */

/* The newest pairs alone: a harm that is too young to show in the mean of all. */
static enum promotion_verdict recent_verdict(const struct learner_gate *gate)
{
    uint64_t count = gate->n_recent < GATE_RECENT ? gate->n_recent : GATE_RECENT;
    struct promotion_options options = gate->pairs.options;
    struct promotion recent;

    options.minimum = 2;
    promotion_init(&recent, &options);
    for (uint64_t i = 0; i < count; i++)
        promotion_add(&recent, 0, gate->recent[i]);
    return promotion_decide(&recent) == PROMOTION_HOLD ? PROMOTION_WAIT : PROMOTION_PROMOTE;
}

static void order_finish(struct learn_job *job, struct text *body, const char *content_type,
                         int64_t generation, const struct problem *problem)
{
    struct order *order = (struct order *)job;
    const struct learner *learner = order->learner;

    (void)content_type;
    (void)generation;
    if (problem->status != 0)
        log_write(learner->log, LOG_LEVEL_ERROR, "a verdict was not carried out",
                  "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
                  problem->text);
    if (body != NULL)
        text_free(body);
    free(order);
}

struct learn_job *learner_order(const struct learner *learner, enum learn_kind kind, int64_t to,
                                const char *note)
{
    struct order *order = calloc(1, sizeof(*order));

    if (order == NULL)
        return NULL;
    snprintf(order->note, sizeof(order->note), "%s", note);
    order->learner = learner;
    order->job = (struct learn_job){
        .kind = kind, .entry = learner->entry, .rate = NAN, .if_match = -1, .first = to,
        .principal = "inferd", .note = order->note, .deadline_ns = UINT64_MAX, .finish = order_finish,
    };
    return &order->job;
}

static struct learn_job *promote(const struct learner *learner)
{
    const struct promotion *pairs = &learner->gate.pairs;
    char note[NOTE_BYTES];

    snprintf(note, sizeof(note),
             "{\"reason\":\"promotion gate\",\"compared\":%" PRIu64 ",\"difference\":%.6g,\"p\":%.4g}",
             pairs->n, pairs->mean, promotion_p_value(pairs));
    return learner_order(learner, LEARN_JOB_PROMOTE, -1, note);
}

static struct learn_job *quarantine(const struct learner *learner, const struct promotion *against,
                                    const char *where)
{
    const struct learner_gate *gate = &learner->gate;
    int64_t base = learner->generation_base;
    char note[NOTE_BYTES], reason[96];

    if (against->not_finite > 0)
        snprintf(reason, sizeof(reason), "its loss is not finite on %" PRIu64 " %s examples",
                 against->not_finite, where);
    else
        snprintf(reason, sizeof(reason), "its loss is larger on %" PRIu64 " %s examples", against->n,
                 where);
    snprintf(note, sizeof(note),
             "{\"quarantine\":{\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"reason\":\"%s\","
             "\"difference\":%.6g,\"p\":%.4g}}",
             base + (int64_t)gate->served + 1, base + (int64_t)learner->generation, reason,
             against->mean, promotion_p_value(against));
    log_write(learner->log, LOG_LEVEL_WARNING, "candidate quarantined",
              "model=%s version=%s first=%" PRId64 " last=%" PRId64 " reason=%s difference=%.6g",
              learner->entry->name, learner->entry->version, base + (int64_t)gate->served + 1,
              base + (int64_t)learner->generation, reason, against->mean);
    learning_stats_add(stats_learning(learner->entry->stats), LEARNING_QUARANTINES, 1);
    return learner_order(learner, LEARN_JOB_ROLLBACK, base + (int64_t)gate->served, note);
}

/* The newest pairs, and the examples that neither has learnt or will. */
static struct learn_job *judge_closely(struct learner *learner)
{
    int64_t every = learner_holdout(learner);
    struct promotion held;

    if (recent_verdict(&learner->gate) != PROMOTION_PROMOTE)
        return NULL;
    if (every == 0)
        return promote(learner);
    switch (learner_window_judge(learner, (uint64_t)(learner->config.promotion_examples / every),
                                 &held)) {
    case PROMOTION_PROMOTE:
        return promote(learner);
    case PROMOTION_HOLD:
        return quarantine(learner, &held, "held-out");
    default:
        return NULL;
    }
}

struct learn_job *learner_judge(struct learner *learner, const struct learn_job *job)
{
    bool teaches = job->kind == LEARN_JOB_FINETUNE || job->kind == LEARN_JOB_FEEDBACK;
    const struct learner_gate *gate = &learner->gate;
    struct learn_job *back = teaches ? learner_alarm_look(learner) : NULL;

    if (back != NULL)
        return back;
    if (!teaches || gate->serving == NULL || !learner_has_candidate(learner) ||
        !score(learner, job) || gate->policy != GATE_JUDGE)
        return NULL;
    switch (promotion_decide(&gate->pairs)) {
    case PROMOTION_HOLD:
        return quarantine(learner, &gate->pairs, "new");
    case PROMOTION_PROMOTE:
        return judge_closely(learner);
    default:
        return NULL;
    }
}
