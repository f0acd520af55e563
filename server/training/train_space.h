/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_space.h - a space of options: ranges of numbers and lists of choices. A point
 * is a number from 0 to 1 for each dimension. */
#ifndef SERVER_TRAINING_TRAIN_SPACE_H
#define SERVER_TRAINING_TRAIN_SPACE_H

#include "proto/problem.h"
#include "server/training/train_options.h"

enum { SPACE_CHOICES_MAX = 32, SPACE_TEXT_MAX = 64, SPACE_GRID_POINTS = 5 };

struct train_dimension {
    char name[SPACE_TEXT_MAX];
    int n_choices;                 /* 0: a range */
    char choices[SPACE_CHOICES_MAX][SPACE_TEXT_MAX];
    double least, most;
    bool logarithmic, whole;
};

struct train_space {
    int n;
    struct train_dimension dimensions[TRAIN_SPACE_MAX];
};

/* "rate=1e-4:1e-1:log", "warmup=0:100", "batch=16|32|64". False names what is wrong. */
bool train_space_parse(struct train_space *space, const struct train_list *texts,
                       struct problem *problem);
/* The value at `place`, as the command line would have it. */
void train_space_text(const struct train_dimension *dimension, double place,
                      char text[SPACE_TEXT_MAX]);
/* Points of a grid along it, and where number `index` lies. */
int train_space_grid(const struct train_dimension *dimension);
double train_space_grid_place(const struct train_dimension *dimension, int index);
/* Of choices: the index at `place`. */
int train_space_choice(const struct train_dimension *dimension, double place);

#endif
