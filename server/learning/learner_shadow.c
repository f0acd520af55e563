/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learner_shadow.h"

#include "server/learning/learner_private.h"
#include "server/observe/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { TENSORS_MAX = 64, SAMPLES_PER_SECOND = 50 };

void learner_shadow_follow(struct learner *learner)
{
    struct learner_shadow *shadow = &learner->gate.shadow;
    struct tap *tap = &learner->entry->tap;
    bool open = learner->config.shadow_every > 0 && learner_has_candidate(learner);

    if (open == shadow->open)
        return;
    shadow->open = open;
    if (open)
        tap_open(tap, TAP_SHADOW, (struct tap_rate){(uint32_t)learner->config.shadow_every,
                                                    SAMPLES_PER_SECOND});
    else
        tap_close(tap, TAP_SHADOW);
}

void learner_shadow_reset(struct learner *learner)
{
    struct learner_shadow *shadow = &learner->gate.shadow;

    weights_unref(shadow->weights);
    *shadow = (struct learner_shadow){.open = shadow->open, .runner = shadow->runner};
}

void learner_shadow_finish(struct learner_shadow *shadow)
{
    weights_unref(shadow->weights);
    runner_destroy(shadow->runner);
    *shadow = (struct learner_shadow){0};
}

/* The candidate's weights, made when the first prediction comes after an update. */
static bool make_ready(struct learner *learner)
{
    struct learner_shadow *shadow = &learner->gate.shadow;
    struct problem problem = {0};

    if (shadow->runner == NULL)
        shadow->runner = runner_create(NULL);
    if (shadow->weights == NULL || shadow->made != learner->generation) {
        weights_unref(shadow->weights);
        shadow->weights = learner_weights(learner, &problem);
        shadow->made = learner->generation;
    }
    return shadow->runner != NULL && shadow->weights != NULL;
}

static int64_t largest(const float *scores, int64_t count)
{
    int64_t best = 0;

    for (int64_t i = 1; i < count; i++)
        best = scores[i] > scores[best] ? i : best;
    return best;
}

static void compare(struct learner_shadow *shadow, const struct tensor *served,
                    const struct tensor *candidate)
{
    int64_t count = shape_elements(&served->shape);
    const float *a = served->data, *b = candidate->data;

    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)b[i] - (double)a[i]);

        if (isfinite(difference)) {
            shadow->difference += difference;
            shadow->values++;
        }
    }
}

/* Rows of class scores, of the first output. */
static void compare_classes(struct learner_shadow *shadow, const struct tensor *served,
                            const struct tensor *candidate)
{
    int64_t width = served->shape.rank == 2 ? served->shape.dims[1] : 0;

    for (int64_t r = 0; width >= 2 && r < served->shape.dims[0]; r++) {
        shadow->classed++;
        shadow->other_class += largest((const float *)served->data + r * width, width) !=
                               largest((const float *)candidate->data + r * width, width);
    }
}

static bool run(struct learner *learner, const struct tap_sample *sample, struct tensor *outputs)
{
    struct learner_shadow *shadow = &learner->gate.shadow;
    struct shape shapes[TENSORS_MAX];
    struct engine_error err = {0};
    struct plan *plan;
    bool good;

    for (int i = 0; i < sample->n_inputs; i++)
        shapes[i] = sample->inputs[i].shape;
    plan = model_plan(learner->entry->model, shapes, 1, &err);
    good = plan != NULL && runner_run(shadow->runner, plan, shadow->weights, sample->inputs, outputs,
                                      &err) == ENGINE_OK;
    plan_unref(plan);
    return good;
}

void learner_shadow_sample(struct learner *learner, const struct tap_sample *sample)
{
    struct learner_shadow *shadow = &learner->gate.shadow;
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    struct tensor outputs[TENSORS_MAX];

    /* Of what serves now, and no larger than what is computed at once anyhow. */
    if (!learner_has_candidate(learner) || learner->ahead || sample->n_inputs > TENSORS_MAX ||
        sample->n_outputs > TENSORS_MAX || sample->rows > learner->entry->batch_size_max ||
        sample->generation != learner->generation_base + (int64_t)learner->gate.served)
        return;
    if (!make_ready(learner) || !run(learner, sample, outputs))
        return;
    for (int i = 0; i < sample->n_outputs; i++) {
        const struct tensor *served = &sample->outputs[i];

        if (served->dtype != DTYPE_F32 || outputs[i].dtype != DTYPE_F32 ||
            !shape_equal(&served->shape, &outputs[i].shape))
            continue;
        compare(shadow, served, &outputs[i]);
        if (i == 0)
            compare_classes(shadow, served, &outputs[i]);
    }
    shadow->rows += (uint64_t)sample->rows;
    learning_stats_add(stats, LEARNING_SHADOW_ROWS, (double)sample->rows);
    if (shadow->values > 0)
        learning_stats_set(stats, LEARNING_SHADOW_DIFFERENCE,
                           shadow->difference / (double)shadow->values);
    if (shadow->classed > 0)
        learning_stats_set(stats, LEARNING_SHADOW_DISAGREEMENT,
                           (double)shadow->other_class / (double)shadow->classed);
}
