/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_search.h"

#include "server/training/train_space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_LEAST = 5, CANDIDATES = 32, LINE_MAX_BYTES = 1024, TRIALS_MAX = 1000000 };

/* Share of the runs that count as good. */
static const double GOOD_SHARE = 0.25;

struct trial {
    double places[TRAIN_SPACE_MAX];
    struct train_outcome outcome;
};

struct searching {
    const struct train_options *options;
    const struct train_hooks *hooks;
    struct train_space space;
    struct trial *trials;
    int n, cap;
    uint64_t state;                /* of the random numbers */
};

/* splitmix64 (Steele, Lea and Flood 2014), uniform in [0, 1). */
static double uniform(struct searching *search)
{
    uint64_t z = (search->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double normal(struct searching *search)
{
    double radius = sqrt(-2.0 * log(1.0 - uniform(search)));

    return radius * cos(2.0 * M_PI * uniform(search));
}

static int better_first(const void *a, const void *b)
{
    double x = ((const struct trial *)a)->outcome.score, y = ((const struct trial *)b)->outcome.score;

    return (x < y) - (x > y);
}

/* The density at `place` that these trials suggest: kernels around each, and a share of 1 everywhere so
 * that nothing is ruled out. */
static double density(const struct train_dimension *dimension, const struct trial *trials, int n,
                      int at, double place)
{
    double sum = 1.0, width = fmax(0.05, 0.5 / sqrt((double)n + 1.0));

    for (int i = 0; i < n; i++) {
        double far = (place - trials[i].places[at]) / width;

        if (dimension->n_choices > 0)
            sum += train_space_choice(dimension, place) ==
                           train_space_choice(dimension, trials[i].places[at])
                       ? dimension->n_choices
                       : 0.0;
        else
            sum += exp(-0.5 * far * far) / (width * sqrt(2.0 * M_PI));
    }
    return sum / ((double)n + 1.0);
}

/* A place drawn from what the good trials suggest. */
static double draw(struct searching *search, const struct trial *good, int n, int at)
{
    const struct train_dimension *dimension = &search->space.dimensions[at];
    int which = (int)(uniform(search) * (n + 1));
    double place;

    if (which >= n)
        return uniform(search);
    place = good[which].places[at];
    if (dimension->n_choices == 0)
        place += normal(search) * fmax(0.05, 0.5 / sqrt((double)n + 1.0));
    return place < 0.0 ? 0.0 : place > 1.0 ? 1.0 : place;
}

/* Of some places that the good trials suggest, the one that they suggest most over the others; each
 * dimension on its own. */
static void suggest(struct searching *search, double *places)
{
    int good = (int)ceil(GOOD_SHARE * search->n);

    qsort(search->trials, (size_t)search->n, sizeof(*search->trials), better_first);
    for (int d = 0; d < search->space.n; d++) {
        double best = -INFINITY;

        for (int c = 0; c < CANDIDATES; c++) {
            const struct train_dimension *dimension = &search->space.dimensions[d];
            double place = draw(search, search->trials, good, d);
            double gain = density(dimension, search->trials, good, d, place) /
                          density(dimension, search->trials + good, search->n - good, d, place);

            if (gain > best) {
                best = gain;
                places[d] = place;
            }
        }
    }
}

/* The next point; false after the last. */
static bool next_point(struct searching *search, double *places)
{
    int64_t index = search->n, all = 1;

    if (strcmp(search->options->search, "grid") == 0) {
        for (int d = 0; d < search->space.n; d++) {
            int points = train_space_grid(&search->space.dimensions[d]);

            places[d] = train_space_grid_place(&search->space.dimensions[d], (int)(index % points));
            index /= points;
            all *= points;
        }
        return search->n < all && all <= TRIALS_MAX;
    }
    if (search->n >= search->options->trials)
        return false;
    if (strcmp(search->options->search, "bayes") == 0 &&
        search->n >= FIRST_LEAST + search->space.n) {
        suggest(search, places);
        return true;
    }
    for (int d = 0; d < search->space.n; d++)
        places[d] = uniform(search);
    return true;
}

/* The options at that point; texts into `texts`, SPACE_TEXT_MAX bytes for each dimension. */
static bool options_at(const struct searching *search, const double *places, char *texts,
                       struct train_options *ret, struct problem *problem)
{
    *ret = *search->options;
    for (int d = 0; d < search->space.n; d++) {
        char *text = texts + d * SPACE_TEXT_MAX;

        train_space_text(&search->space.dimensions[d], places[d], text);
        if (!train_options_set(ret, search->space.dimensions[d].name, text))
            return problem_set(problem, 400, "bad_request", "%s", ret->error);
    }
    return true;
}

static void tell(const struct searching *search, const struct trial *trial, int number)
{
    char line[LINE_MAX_BYTES] = "";
    size_t used = 0;

    for (int d = 0; d < search->space.n && used < sizeof(line); d++) {
        char text[SPACE_TEXT_MAX];

        train_space_text(&search->space.dimensions[d], trial->places[d], text);
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s=%s", d > 0 ? " " : "",
                                 search->space.dimensions[d].name, text);
    }
    if (search->hooks->trial != NULL)
        search->hooks->trial(search->hooks->arg, number, &trial->outcome, line);
}

static bool run_trial(struct searching *search, const struct train_session *session,
                      struct problem *problem)
{
    char texts[TRAIN_SPACE_MAX * SPACE_TEXT_MAX];
    struct train_options options;
    struct trial *trial = &search->trials[search->n];
    const struct train_hooks steps = {.arg = search->hooks->arg, .step = search->hooks->step};
    struct problem why = {0};

    if (search->hooks->known != NULL &&
        search->hooks->known(search->hooks->arg, search->n + 1, &trial->outcome)) {
        search->n++;
        return true;
    }
    if (!options_at(search, trial->places, texts, &options, problem))
        return false;
    options.quiet = true;
    options.confusion = false;
    options.output = options.curve = options.log = options.checkpoint = NULL;
    options.resume = false;
    if (!train_run(&options, session, &steps, &trial->outcome, &why) && why.status != 422) {
        *problem = why;
        return false;
    }
    search->n++;
    tell(search, trial, search->n);
    return true;
}

static bool grow(struct searching *search)
{
    int cap = search->cap * 2 + 16;
    struct trial *trials;

    if (search->n < search->cap)
        return true;
    trials = realloc(search->trials, (size_t)cap * sizeof(*trials));
    if (trials == NULL)
        return false;
    search->trials = trials;
    search->cap = cap;
    return true;
}

static bool search_all(struct searching *search, const struct train_session *session,
                       struct problem *problem)
{
    double places[TRAIN_SPACE_MAX];

    while (next_point(search, places)) {
        if (!grow(search))
            return problem_set(problem, 500, "no_memory", "out of memory while searching");
        search->trials[search->n] = (struct trial){0};
        memcpy(search->trials[search->n].places, places, sizeof(places));
        if (!run_trial(search, session, problem))
            return false;
    }
    if (search->n == 0)
        return problem_set(problem, 400, "bad_request", "the grid has more than %d points", TRIALS_MAX);
    qsort(search->trials, (size_t)search->n, sizeof(*search->trials), better_first);
    if (search->hooks->ranked != NULL) {
        search->hooks->ranked(search->hooks->arg);
        for (int i = 0; i < search->n; i++)
            tell(search, &search->trials[i], i + 1);
    }
    if (!isfinite(search->trials[0].outcome.score))
        return problem_set(problem, 422, "diverged", "all settings of the search diverged");
    return true;
}

bool train_search(const struct train_options *options, const struct train_session *session,
                  const struct train_hooks *hooks, struct train_options *ret_options,
                  char **ret_texts, struct problem *problem)
{
    static const char *const ways[] = {"grid", "random", "bayes"};
    struct searching search = {.options = options, .hooks = hooks, .state = (uint64_t)options->seed};
    bool known = false, ok;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        known |= strcmp(ways[i], options->search) == 0;
    if (!known)
        return problem_set(problem, 400, "bad_request",
                           "--search: expected 'grid', 'random' or 'bayes', got '%.64s'",
                           options->search);
    *ret_texts = malloc(TRAIN_SPACE_MAX * SPACE_TEXT_MAX);
    if (*ret_texts == NULL)
        return problem_set(problem, 500, "no_memory", "out of memory while searching");
    ok = train_space_parse(&search.space, &options->space, problem) &&
         search_all(&search, session, problem) &&
         options_at(&search, search.trials[0].places, *ret_texts, ret_options, problem);
    free(search.trials);
    return ok;
}
