/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_options.h - the arguments of `inferd train`, one row of a table each, so that
 * a search can set by name what the command line can. Main thread. */
#ifndef SERVER_TRAINING_TRAIN_OPTIONS_H
#define SERVER_TRAINING_TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TRAIN_FILES_MAX = 16, TRAIN_SPACE_MAX = 16, TRAIN_TEXT_MAX = 512 };

struct train_list {
    int count;
    const char *items[TRAIN_FILES_MAX];
};

/* Texts point into argv. Numbers that are 0 where 0 has no meaning stand for a default. */
struct train_options {
    bool help, help_man;
    const char *model, *output;
    struct train_list data, test;
    const char *inputs, *target, *delimiter;
    int64_t text;
    bool skip_missing;
    double validation;
    const char *standardise;
    int64_t epochs, batch, micro_batch, seed, threads, memory, data_memory;
    const char *loss, *class_weights;
    double huber_delta, label_smoothing;
    bool has_ignore;
    int64_t ignore_index;
    const char *optimiser;
    double rate, momentum, beta1, beta2, epsilon, l2, decay, l1, clip;
    bool spare_vectors;
    const char *schedule;
    double least, gamma;
    int64_t period, warmup;
    const char *learns, *frozen, *norm;
    int64_t last_layers;
    int64_t lora;
    const char *lora_on;
    double lora_alpha;
    int64_t shift;
    bool flip;
    double noise;
    const char *metric;
    bool confusion;
    int64_t patience;
    const char *checkpoint;
    bool resume;
    const char *curve, *log;
    const char *search;
    struct train_list space;
    int64_t trials;
    bool quiet;
    char error[TRAIN_TEXT_MAX];
};

/* The defaults. */
void train_options_init(struct train_options *options);
/* False with `error` set. */
bool train_options_parse(struct train_options *options, int argc, char **argv);
/* Sets the option "rate", say, as "--rate" does. False with `error` set. */
bool train_options_set(struct train_options *options, const char *name, const char *text);
/* True for a name that takes one number. */
bool train_options_is_number(const char *name, double *ret_least, double *ret_most, bool *ret_whole);
void train_options_help(FILE *out);
/* The list of options for the manual page. */
void train_options_help_man(FILE *out);

#endif
