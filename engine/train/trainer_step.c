/* SPDX-License-Identifier: Apache-2.0
 * One step: check, forward, losses, backward, guards, update. Until the update nothing of the
 * trainer's state has been written; the update cannot fail (engine/train/optimiser.h). Running
 * statistics are written to a set that is not the current one. */
#include "engine/train/trainer_private.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Slices of one step draw random numbers of their own. */
enum { SLICES_BITS = 20 };

/* How fast guards' running means move. */
static const double GUARD_SHARE = 0.1;

static double sum_losses(const struct trainer *trainer)
{
    double sum = 0.0;

    for (int i = 0; i < trainer->n_ends; i++)
        sum += trainer->losses[i];
    return sum;
}

/* A tape that cannot reach a tensor leaves its gradient alone: the last tape's may be there. */
static void clear_unreached(struct trainer *trainer, const struct tape *tape)
{
    const struct parameters *parameters = trainer->parameters;

    for (int i = 0; i < parameters->n_tensors; i++)
        if (!tape_reaches(tape, i))
            memset(trainer->gradients + parameters->tensors[i].offset, 0,
                   (size_t)parameters->tensors[i].count * sizeof(float));
}

/* A set that is neither current nor `other`. */
static int spare_set(const struct trainer *trainer, int other)
{
    for (int s = 0;; s++)
        if (s != trainer->statistics_now && s != other)
            return s;
}

/* Both passes over all slices: losses, gradients, next statistics. Stops early at a loss that is not
 * finite. */
static enum engine_status compute(struct trainer *trainer, const struct trainer_batch *batch,
                                  int64_t rows, struct engine_error *err)
{
    const int64_t most = trainer_slice_rows(trainer, rows);
    int from_set = trainer->statistics_now, to_set = -1;
    enum engine_status status = ENGINE_OK;

    for (int64_t from = 0, slice = 0; from < rows && status == ENGINE_OK; from += most, slice++) {
        const struct grad_context context = {
            .seed = trainer->options.seed,
            .step = (uint64_t)(trainer->counters.steps << SLICES_BITS) + (uint64_t)slice,
            .deterministic_inference = trainer->options.as_served,
        };
        int64_t n = rows - from < most ? rows - from : most;
        struct tape *tape = trainer_slice_tape(trainer, batch, n, false, err);

        if (tape == NULL)
            return err != NULL && err->status != ENGINE_OK ? err->status : ENGINE_NO_MEMORY;
        if (slice > 0)
            trainer_between(trainer);
        to_set = spare_set(trainer, from_set);
        /* A frozen slice writes no statistics. */
        if (trainer->statistics->total > 0)
            memcpy(trainer->statistic_sets[to_set], trainer->statistic_sets[from_set],
                   (size_t)trainer->statistics->total * sizeof(float));
        trainer_bind(trainer, tape, from_set, to_set);
        if (slice == 0)
            clear_unreached(trainer, tape);
        status = trainer_forward(trainer, tape, batch, from, n, rows, &context, true, err);
        if (status != ENGINE_OK || !isfinite(sum_losses(trainer)))
            break;
        status = tape_backward(tape, slice > 0, err);
        from_set = to_set;
    }
    trainer->statistics_next = from_set;
    return status;
}

static bool spikes(const struct trainer *trainer, double value, double mean, double times)
{
    const struct trainer_guards *guards = &trainer->options.guards;

    return times > 0.0 && trainer->counters.guards[2] > (double)guards->warmup &&
           value > times * mean;
}

static enum trainer_verdict judge_loss(const struct trainer *trainer, double loss)
{
    const struct trainer_guards *guards = &trainer->options.guards;

    if (!isfinite(loss))
        return TRAINER_LOSS_NOT_FINITE;
    if (guards->loss_most > 0.0 && loss > guards->loss_most)
        return TRAINER_LOSS_TOO_LARGE;
    if (spikes(trainer, loss, trainer->counters.guards[0], guards->loss_spike))
        return TRAINER_LOSS_SPIKE;
    return TRAINER_LEARNED;
}

static enum trainer_verdict judge_gradient(const struct trainer *trainer, double norm)
{
    const struct trainer_guards *guards = &trainer->options.guards;

    if (!isfinite(norm))
        return TRAINER_GRADIENT_NOT_FINITE;
    if (norm > OPTIMISER_LARGEST || (guards->gradient_most > 0.0 && norm > guards->gradient_most))
        return TRAINER_GRADIENT_TOO_LARGE;
    if (spikes(trainer, norm, trainer->counters.guards[1], guards->gradient_spike))
        return TRAINER_GRADIENT_SPIKE;
    return TRAINER_LEARNED;
}

static bool beyond_bounds(uint32_t most)
{
    float value;

    memcpy(&value, &most, sizeof(value));
    return !(value <= (float)OPTIMISER_LARGEST);
}

static void count_step(struct trainer *trainer, const struct trainer_result *result)
{
    struct trainer_counters *next = &trainer->next_counters;
    const double values[2] = {result->loss, result->gradient_norm};

    *next = trainer->counters;
    for (int i = 0; i < 2; i++)
        next->guards[i] = next->guards[2] == 0.0
                              ? values[i]
                              : next->guards[i] + GUARD_SHARE * (values[i] - next->guards[i]);
    next->guards[2] += 1.0;
    next->steps++;
}

static void update(struct trainer *trainer, struct trainer_result *result)
{
    const struct optimiser_step step = {
        .form = &trainer->options.optimiser,
        .parameters = trainer->parameters,
        .rate = result->rate,
        .step = result->step,
        .gradient_norm = result->gradient_norm,
        .gradients = trainer->gradients,
        .now = &trainer->sets[trainer->now],
        .next = &trainer->sets[trainer->options.two_phase ? 1 - trainer->now : trainer->now],
        .partial = trainer->partial,
    };
    struct optimiser_result done = optimiser_run(&step, trainer->update_norms, trainer->pool);

    result->update_norm = done.update_norm;
    result->clipped = done.clipped;
    trainer->next_most = done.most;
    count_step(trainer, result);
    trainer->pending = true;
    if (!trainer->options.two_phase)
        trainer_commit(trainer);
}

enum engine_status trainer_step(struct trainer *trainer, const struct trainer_batch *batch,
                                struct trainer_result *ret_result, struct engine_error *err)
{
    struct trainer_result result = {
        .step = trainer->counters.steps + 1,
        .rate = batch->rate >= 0.0
                    ? batch->rate
                    : schedule_rate(&trainer->options.schedule, trainer->counters.steps),
        .losses = trainer->losses,
        .gradient_norms = trainer->gradient_norms,
        .update_norms = trainer->update_norms,
    };
    enum engine_status status;

    assert(!trainer->pending && batch->targets != NULL);
    status = optimiser_check_rate(isnan(batch->rate) ? batch->rate : result.rate, err);
    if (status == ENGINE_OK)
        status = trainer_check_batch(trainer, batch, &result.examples, err);
    if (status == ENGINE_OK)
        status = trainer_check_targets(trainer, batch, result.examples, false, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 0; i < trainer->n_ends; i++)
        trainer->losses[i] = 0.0;
    memset(trainer->update_norms, 0, (size_t)trainer->parameters->n_tensors * sizeof(double));
    status = compute(trainer, batch, result.examples, err);
    if (status != ENGINE_OK)
        return status;
    result.loss = sum_losses(trainer);
    result.verdict = judge_loss(trainer, result.loss);
    if (result.verdict == TRAINER_LEARNED) {
        result.gradient_norm = parameters_norm(trainer->parameters, trainer->gradients,
                                               trainer->partial, trainer->gradient_norms,
                                               trainer->pool);
        result.verdict = judge_gradient(trainer, result.gradient_norm);
    }
    if (result.verdict == TRAINER_LEARNED &&
        (beyond_bounds(trainer->most) ||
         beyond_bounds(parameters_most(trainer->statistics,
                                       trainer->statistic_sets[trainer->statistics_next]))))
        result.verdict = TRAINER_WEIGHTS_TOO_LARGE;
    if (result.verdict == TRAINER_LEARNED)
        update(trainer, &result);
    *ret_result = result;
    return ENGINE_OK;
}

void trainer_commit(struct trainer *trainer)
{
    assert(trainer->pending);
    if (trainer->options.two_phase)
        trainer->now = 1 - trainer->now;
    trainer->statistics_now = trainer->statistics_next;
    trainer->counters = trainer->next_counters;
    trainer->most = trainer->next_most;
    trainer->pending = false;
}

void trainer_discard(struct trainer *trainer)
{
    assert(trainer->pending);
    trainer->statistics_next = trainer->statistics_now;
    trainer->pending = false;
}

bool trainer_pending(const struct trainer *trainer)
{
    return trainer->pending;
}

enum engine_status trainer_evaluate(struct trainer *trainer, const struct trainer_batch *batch,
                                    double *ret_loss, struct engine_error *err)
{
    const struct grad_context context = {.deterministic_inference = true};
    enum engine_status status;
    int64_t rows, most;

    status = trainer_check_batch(trainer, batch, &rows, err);
    if (status == ENGINE_OK)
        status = trainer_check_targets(trainer, batch, rows, true, err);
    if (status != ENGINE_OK)
        return status;
    most = trainer_slice_rows(trainer, rows);
    for (int i = 0; i < trainer->n_ends; i++)
        trainer->losses[i] = 0.0;
    for (int64_t from = 0; from < rows && status == ENGINE_OK; from += most) {
        int64_t n = rows - from < most ? rows - from : most;
        struct tape *tape = trainer_slice_tape(trainer, batch, n, true, err);

        if (tape == NULL)
            return err != NULL && err->status != ENGINE_OK ? err->status : ENGINE_NO_MEMORY;
        if (from > 0)
            trainer_between(trainer);
        trainer_bind(trainer, tape, trainer->statistics_now, -1);
        status = trainer_forward(trainer, tape, batch, from, n, rows, &context, false, err);
    }
    if (status == ENGINE_OK && batch->targets != NULL)
        *ret_loss = sum_losses(trainer);
    return status;
}

const struct tensor *trainer_value(const struct trainer *trainer, int index)
{
    return &trainer->values[index];
}
