/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/prequential.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    double loss, error;         /* loss NaN: none */
    uint32_t predicted, actual;
};

/* Sums over a set of examples. Sums of a window are made anew each time it has gone round, so that
 * rounding does not gather. */
struct sums {
    uint64_t examples, losses, right;
    double loss, error;
    uint64_t *predicted, *actual;       /* by class */
};

struct prequential {
    size_t window, used, next;
    uint32_t classes;
    struct seen *ring;
    struct sums recent, all;
};

static bool make_sums(struct sums *sums, uint32_t classes)
{
    if (classes == 0)
        return true;
    sums->predicted = calloc(classes, sizeof(*sums->predicted));
    sums->actual = calloc(classes, sizeof(*sums->actual));
    return sums->predicted != NULL && sums->actual != NULL;
}

struct prequential *prequential_create(size_t window, uint32_t classes, struct engine_error *err)
{
    struct prequential *prequential;

    if (window == 0 || window > PREQUENTIAL_WINDOW_MAX || classes > PREQUENTIAL_CLASSES_MAX) {
        engine_error_set(err, ENGINE_BAD_INPUT,
                         "a window of %zu examples of %u classes: expected 1 to %d, and at most %d",
                         window, classes, PREQUENTIAL_WINDOW_MAX, PREQUENTIAL_CLASSES_MAX);
        return NULL;
    }
    prequential = calloc(1, sizeof(*prequential));
    if (prequential != NULL) {
        prequential->window = window;
        prequential->classes = classes;
        prequential->ring = calloc(window, sizeof(*prequential->ring));
    }
    if (prequential != NULL && prequential->ring != NULL &&
        make_sums(&prequential->recent, classes) && make_sums(&prequential->all, classes))
        return prequential;
    prequential_destroy(prequential);
    engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a window of %zu examples", window);
    return NULL;
}

void prequential_destroy(struct prequential *prequential)
{
    if (prequential == NULL)
        return;
    free(prequential->recent.predicted);
    free(prequential->recent.actual);
    free(prequential->all.predicted);
    free(prequential->all.actual);
    free(prequential->ring);
    free(prequential);
}

/* Adds (sign 1) or takes away (sign -1). */
static void count(struct sums *sums, const struct seen *seen, int sign)
{
    uint64_t one = (uint64_t)(int64_t)sign;     /* wraps as it should */

    sums->examples += one;
    sums->error += sign * seen->error;
    if (!isnan(seen->loss)) {
        sums->losses += one;
        sums->loss += sign * seen->loss;
    }
    if (sums->actual != NULL) {
        sums->right += seen->predicted == seen->actual ? one : 0;
        sums->predicted[seen->predicted] += one;
        sums->actual[seen->actual] += one;
    }
}

static void recount(struct prequential *prequential)
{
    struct sums *recent = &prequential->recent;

    recent->loss = recent->error = 0.0;
    for (size_t i = 0; i < prequential->used; i++) {
        recent->error += prequential->ring[i].error;
        if (!isnan(prequential->ring[i].loss))
            recent->loss += prequential->ring[i].loss;
    }
}

static void add(struct prequential *prequential, struct seen seen)
{
    struct seen *place = &prequential->ring[prequential->next];

    if (!isfinite(seen.loss))
        seen.loss = NAN;
    if (prequential->used == prequential->window)
        count(&prequential->recent, place, -1);
    else
        prequential->used++;
    *place = seen;
    count(&prequential->recent, &seen, 1);
    count(&prequential->all, &seen, 1);
    prequential->next = (prequential->next + 1) % prequential->window;
    if (prequential->next == 0)
        recount(prequential);
}

void prequential_add_class(struct prequential *prequential, double loss, uint32_t predicted,
                           uint32_t actual)
{
    if (predicted < prequential->classes && actual < prequential->classes)
        add(prequential, (struct seen){.loss = loss, .predicted = predicted, .actual = actual});
}

void prequential_add_error(struct prequential *prequential, double loss, double squared_error)
{
    if (prequential->classes == 0 && isfinite(squared_error))
        add(prequential, (struct seen){.loss = loss, .error = squared_error});
}

static struct prequential_score score(const struct prequential *prequential,
                                      const struct sums *sums)
{
    struct prequential_score score = {.examples = sums->examples};
    double n = (double)sums->examples, chance = 0.0;

    if (sums->examples == 0)
        return score;
    score.loss = sums->losses > 0 ? sums->loss / (double)sums->losses : 0.0;
    score.error = sums->error / n;
    score.accuracy = (double)sums->right / n;
    for (uint32_t i = 0; i < prequential->classes; i++)
        chance += (double)sums->predicted[i] / n * ((double)sums->actual[i] / n);
    if (prequential->classes > 0 && chance < 1.0)
        score.kappa = (score.accuracy - chance) / (1.0 - chance);
    return score;
}

struct prequential_score prequential_window(const struct prequential *prequential)
{
    return score(prequential, &prequential->recent);
}

struct prequential_score prequential_total(const struct prequential *prequential)
{
    return score(prequential, &prequential->all);
}

void prequential_class_counts(const struct prequential *prequential, uint64_t *ret)
{
    if (prequential->classes > 0)
        memcpy(ret, prequential->all.actual, prequential->classes * sizeof(*ret));
}
