/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learner_window.h"

#include "server/learning/history.h"
#include "server/learning/learner_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one evaluation: few shapes, little memory. */
enum { CHUNK = 16 };

int64_t learner_holdout(const struct learner *learner)
{
    return learner->gate.policy == GATE_JUDGE ? learner->config.holdout_every : 0;
}

bool example_is_held(const struct journal_example *example, int64_t every)
{
    struct digester digester;
    struct digest digest;
    uint64_t number = 0;

    if (every <= 0)
        return false;
    digest_start(&digester, "inferd held out 1");
    digest_bytes(&digester, example->inputs, example->inputs_bytes);
    digest_bytes(&digester, example->targets, example->targets_bytes);
    digest = digest_finish(&digester);
    for (size_t i = 0; i < sizeof(number); i++)
        number = number << 8 | digest.bytes[i];
    return number % (uint64_t)every == 0;
}

static size_t size_of(const struct journal_example *example)
{
    return example->inputs_bytes + example->targets_bytes;
}

static void drop_oldest(struct learner_window *window)
{
    struct held_example *oldest = &window->items[window->first];

    window->bytes -= size_of(&oldest->example);
    free((void *)oldest->example.inputs);
    window->first = (window->first + 1) % window->capacity;
    window->n--;
}

static void empty(struct learner_window *window)
{
    while (window->n > 0)
        drop_oldest(window);
    free(window->settings);
    window->settings = NULL;
}

void learner_window_finish(struct learner_window *window)
{
    empty(window);
    free(window->items);
    *window = (struct learner_window){0};
}

static void add(struct learner_window *window, uint64_t generation,
                const struct journal_example *example)
{
    size_t bytes = size_of(example);
    char *copy = bytes <= HOLDOUT_BYTES_MAX ? malloc(bytes + 1) : NULL;

    if (copy == NULL)
        return;
    memcpy(copy, example->inputs, example->inputs_bytes);
    memcpy(copy + example->inputs_bytes, example->targets, example->targets_bytes);
    while (window->n > 0 &&
           (window->n == window->capacity || window->bytes > HOLDOUT_BYTES_MAX - bytes))
        drop_oldest(window);
    window->items[(window->first + window->n++) % window->capacity] = (struct held_example){
        generation, {.inputs = copy, .targets = copy + example->inputs_bytes,
                     .inputs_bytes = example->inputs_bytes,
                     .targets_bytes = example->targets_bytes}};
    window->bytes += bytes;
}

/* Examples of another size (a model of free shapes) begin a new window. */
static bool fits(const struct learner_window *window, const struct journal_example *example)
{
    const struct journal_example *other = &window->items[window->first].example;

    return window->n == 0 || (other->inputs_bytes == example->inputs_bytes &&
                              other->targets_bytes == example->targets_bytes);
}

static bool prepare(struct learner *learner)
{
    struct learner_window *window = &learner->gate.window;

    if (window->items == NULL) {
        window->items = calloc((size_t)learner->config.holdout_examples, sizeof(*window->items));
        window->capacity = window->items != NULL ? (size_t)learner->config.holdout_examples : 0;
    }
    return window->items != NULL;
}

/* Settings of one such row read like those of any other, but for the number of rows, which is not read. */
static void take_row(struct learner *learner, const struct journal_row *row, const char *settings,
                     int64_t every)
{
    struct learner_window *window = &learner->gate.window;

    for (size_t i = 0; i < row->n_examples; i++) {
        const struct journal_example *example = &row->examples[i];

        if (example->erased || !example_is_held(example, every))
            continue;
        if (!fits(window, example))
            empty(window);
        if (window->settings == NULL)
            window->settings = strdup(settings);
        if (window->settings != NULL)
            add(window, row->generation, example);
    }
}

void learner_window_add(struct learner *learner, const struct journal_row *row, const char *settings)
{
    if (learner_holdout(learner) > 0 && prepare(learner))
        take_row(learner, row, settings, learner_holdout(learner));
}

/* --- comparing --- */

static bool score_chunk(struct learner *learner, const struct journal_example *examples, size_t count,
                        double *serving, double *candidate)
{
    struct journal_row row = {.settings = learner->gate.window.settings, .examples = examples,
                              .n_examples = count};
    struct storage_fault fault = {0};
    struct learn_replay replay;
    struct trainer_batch batch;
    bool good;

    if (!learn_row_replay(&row, 0, &replay, &fault))
        return false;
    batch = (struct trainer_batch){replay.inputs, replay.targets, -1};
    good = learner_score(learner->gate.serving, &batch, learner->entry->batchable, (int64_t)count,
                         serving) &&
           learner_score(learner->trainer, &batch, learner->entry->batchable, (int64_t)count,
                         candidate);
    learn_replay_finish(&replay);
    return good;
}

static bool score(struct learner *learner, double *serving, double *candidate)
{
    const struct learner_window *window = &learner->gate.window;
    size_t chunk = learner->entry->batchable ? CHUNK : 1;

    for (size_t done = 0; done < window->n; done += chunk) {
        struct journal_example examples[CHUNK];
        size_t count = window->n - done < chunk ? window->n - done : chunk;

        for (size_t i = 0; i < count; i++)
            examples[i] = window->items[(window->first + done + i) % window->capacity].example;
        if (!score_chunk(learner, examples, count, serving + done, candidate + done))
            return false;
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Twice what is usual: the median of each example's larger loss. */
static double usual_loss(const double *serving, const double *candidate, double *room, size_t count)
{
    for (size_t i = 0; i < count; i++)
        room[i] = fmax(serving[i], candidate[i]);
    qsort(room, count, sizeof(*room), compare_numbers);
    return 2 * room[count / 2];
}

/* The mean, and the mean with no example counting for more than is usual: a few wrong labels among the
 * held-out, on which what serves is confidently "wrong", shall not outweigh all others. */
static enum promotion_verdict judge(const struct promotion_options *options, const double *serving,
                                    const double *candidate, double *room, size_t count,
                                    struct promotion *ret)
{
    double most = usual_loss(serving, candidate, room, count);
    struct promotion bounded;

    promotion_init(ret, options);
    promotion_init(&bounded, options);
    for (size_t i = 0; i < count; i++) {
        double difference = fmin(fmax(candidate[i] - serving[i], -most), most);

        promotion_add(ret, serving[i], candidate[i]);
        if (isfinite(difference))
            promotion_add(&bounded, 0, difference);
    }
    if (promotion_decide(ret) != PROMOTION_PROMOTE)
        return promotion_decide(ret);
    if (promotion_decide(&bounded) == PROMOTION_HOLD)
        *ret = bounded;
    return promotion_decide(ret);
}

enum promotion_verdict learner_window_judge(struct learner *learner, uint64_t least,
                                            struct promotion *ret)
{
    size_t count = learner->gate.window.n;
    struct promotion_options options = learner->gate.pairs.options;
    enum promotion_verdict verdict = PROMOTION_WAIT;
    double *losses;

    if (count < least || count < 2)
        return PROMOTION_WAIT;
    losses = calloc(count, 3 * sizeof(*losses));
    options.minimum = least;
    if (losses != NULL && score(learner, losses, losses + count))
        verdict = judge(&options, losses, losses + count, losses + 2 * count, count, ret);
    free(losses);
    return verdict;
}

/* --- from the journal --- */

struct gathering {
    uint64_t *rows;                        /* that hold examples out, newest first */
    size_t n, capacity;
    int64_t examples;                      /* in them, and how many are enough */
    int64_t enough;
    struct history path;                   /* rows that were left behind do not count */
};

static bool gather(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct gathering *gathering = arg;

    if (learn_row_holdout(row) <= 0 || !history_has(&gathering->path, row->generation))
        return true;
    if (gathering->n == gathering->capacity) {
        size_t capacity = 2 * gathering->capacity + 64;
        uint64_t *grown = realloc(gathering->rows, capacity * sizeof(*grown));

        if (grown == NULL)
            return false;
        gathering->rows = grown;
        gathering->capacity = capacity;
    }
    gathering->rows[gathering->n++] = row->generation;
    gathering->examples += (int64_t)row->n_examples - (int64_t)n_erased;
    return gathering->examples < gathering->enough;
}

static void read_row(struct learner *learner, uint64_t generation)
{
    struct storage_fault fault = {0};
    const struct journal_row *row;
    struct journal_held *held;

    if (journal_read(learner->journal, generation, &held, &row, &fault) != STORAGE_OK)
        return;
    take_row(learner, row, row->settings, learn_row_holdout(row));
    journal_row_release(held);
}

void learner_window_rebuild(struct learner *learner)
{
    struct gathering gathering = {0};
    struct storage_fault fault = {0};
    struct history_jumps jumps;
    int64_t every = learner_holdout(learner);

    if (every <= 0 || learner->journal == NULL || !prepare(learner))
        return;
    empty(&learner->gate.window);
    /* One in `every` on average: twice as many rows leave few windows short. */
    gathering.enough = 2 * every * learner->config.holdout_examples;
    if (history_collect(learner->journal, &jumps, &fault) != STORAGE_OK)
        return;
    if (history_to(&jumps, journal_last(learner->journal), &gathering.path, &fault) == STORAGE_OK &&
        journal_lineage(learner->journal, 0, SIZE_MAX, gather, &gathering, &fault) == STORAGE_OK)
        for (size_t i = gathering.n; i-- > 0;)
            read_row(learner, gathering.rows[i]);
    free(gathering.rows);
    history_finish(&gathering.path);
    history_jumps_finish(&jumps);
}
