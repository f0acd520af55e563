/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What all runs of a search share. */
static const char *const shared[] = {"checkpoint", "curve",  "data",    "delimiter",   "inputs",
                                     "lora",       "lora-on", "lora-alpha",
                                     "log",        "metric", "output",  "search",      "seed",
                                     "space",      "target", "test",    "standardise", "threads",
                                     "trials",     "resume", "validation"};

static bool parse_range(struct train_dimension *dimension, const char *text, struct problem *problem)
{
    double least, most;
    char *end;

    if (!train_options_is_number(dimension->name, &least, &most, &dimension->whole))
        return problem_set(problem, 400, "bad_request",
                           "--space %s: expected choices, 'a|b', got '%.64s'", dimension->name, text);
    dimension->least = strtod(text, &end);
    if (end == text || *end != ':')
        return problem_set(problem, 400, "bad_request",
                           "--space %s: expected from:to, from:to:log or a|b, got '%.64s'",
                           dimension->name, text);
    text = end + 1;
    dimension->most = strtod(text, &end);
    dimension->logarithmic = strcmp(end, ":log") == 0;
    if (end == text || (*end != '\0' && !dimension->logarithmic) ||
        !(dimension->least >= least && dimension->most <= most) ||
        !(dimension->least < dimension->most) ||
        (dimension->logarithmic && !(dimension->least > 0.0)))
        return problem_set(problem, 400, "bad_request",
                           "--space %s: expected a range within %g to %g (above 0 if ':log')",
                           dimension->name, least, most);
    return true;
}

static bool parse_choices(struct train_dimension *dimension, const char *text,
                          struct problem *problem)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "|");

        if (dimension->n_choices == SPACE_CHOICES_MAX || length >= SPACE_TEXT_MAX || length == 0)
            return problem_set(problem, 400, "bad_request",
                               "--space %s: at most %d choices, each of 1 to %d bytes",
                               dimension->name, SPACE_CHOICES_MAX, SPACE_TEXT_MAX - 1);
        memcpy(dimension->choices[dimension->n_choices], text, length);
        dimension->choices[dimension->n_choices++][length] = '\0';
        text += length + (text[length] == '|');
    }
    return true;
}

bool train_space_parse(struct train_space *space, const struct train_list *texts,
                       struct problem *problem)
{
    *space = (struct train_space){0};
    for (int i = 0; i < texts->count; i++) {
        struct train_dimension *dimension = &space->dimensions[space->n++];
        const char *equals = strchr(texts->items[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - texts->items[i]) : 0;
        struct train_options probe = {0};
        char *text;

        if (length == 0 || length >= sizeof(dimension->name) || equals[1] == '\0')
            return problem_set(problem, 400, "bad_request", "--space: expected name=..., got '%.64s'",
                               texts->items[i]);
        memcpy(dimension->name, texts->items[i], length);
        for (size_t k = 0; k < sizeof(shared) / sizeof(shared[0]); k++)
            if (strcmp(shared[k], dimension->name) == 0)
                return problem_set(problem, 400, "bad_request",
                                   "--space: '%s' is the same for all runs of a search",
                                   dimension->name);
        if (!(strchr(equals, '|') != NULL ? parse_choices : parse_range)(dimension, equals + 1, problem))
            return false;
        /* Each choice must be one that the command line would take. */
        for (int k = 0; k < (dimension->n_choices > 0 ? dimension->n_choices : 1); k++) {
            text = dimension->choices[k];
            if (dimension->n_choices > 0 && !train_options_set(&probe, dimension->name, text))
                return problem_set(problem, 400, "bad_request", "--space: %s", probe.error);
        }
    }
    return true;
}

int train_space_choice(const struct train_dimension *dimension, double place)
{
    int index = (int)(place * dimension->n_choices);

    return index < dimension->n_choices ? index : dimension->n_choices - 1;
}

void train_space_text(const struct train_dimension *dimension, double place,
                      char text[SPACE_TEXT_MAX])
{
    double value;

    if (dimension->n_choices > 0) {
        snprintf(text, SPACE_TEXT_MAX, "%s",
                 dimension->choices[train_space_choice(dimension, place)]);
        return;
    }
    if (dimension->logarithmic)
        value = dimension->least * pow(dimension->most / dimension->least, place);
    else
        value = dimension->least + (dimension->most - dimension->least) * place;
    value = value < dimension->least ? dimension->least
                                     : value > dimension->most ? dimension->most : value;
    if (dimension->whole)
        snprintf(text, SPACE_TEXT_MAX, "%lld", (long long)llround(value));
    else
        snprintf(text, SPACE_TEXT_MAX, "%.4g", value);
}

int train_space_grid(const struct train_dimension *dimension)
{
    return dimension->n_choices > 0 ? dimension->n_choices : SPACE_GRID_POINTS;
}

double train_space_grid_place(const struct train_dimension *dimension, int index)
{
    if (dimension->n_choices > 0)
        return ((double)index + 0.5) / dimension->n_choices;
    return (double)index / (SPACE_GRID_POINTS - 1);
}
