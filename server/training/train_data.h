/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_data.h - files of examples to a dataset whose fields are a model's inputs and
 * what it should answer. Columns of several files lie side by side, row by row. A field takes one column
 * or joins several numbers, in their order. One thread at a time. */
#ifndef SERVER_TRAINING_TRAIN_DATA_H
#define SERVER_TRAINING_TRAIN_DATA_H

#include "engine/train/dataset.h"
#include "engine/train/labels.h"
#include "proto/problem.h"

enum { TRAIN_ENDS_MAX = 16 };

/* Where examples are: a file by its path, or one that is open. */
struct train_file {
    const char *name;              /* the path, or what problems call it */
    int fd;                        /* -1: opened here; else borrowed */
};

/* A field as the model wants it. */
struct train_field {
    const char *name;
    enum dtype dtype;              /* of an input; a target: F32 */
    int rank;                      /* of one example; -1: as the file has it */
    int64_t dims[SHAPE_RANK_MAX];  /* -1: as the file has it */
    bool text;                     /* a target in which text becomes class ids */
    bool ids;                      /* a target whose single column of numbers is class ids */
    int ids_rank;                  /* of the ids of one example: 1 for a class at each step of a sequence */
};

struct train_wish {
    int n_inputs, n_targets;
    struct train_field inputs[TRAIN_ENDS_MAX], targets[TRAIN_ENDS_MAX];
    const char *input_columns, *target_columns;   /* names separated by ',', or NULL */
    int64_t text_window;           /* not 0: files are text (table_options.text_window) */
    char delimiter;                /* 0: found out */
    bool skip_missing;
    size_t memory_bytes_max;       /* of examples in memory (0: 1 GiB); the rest is in a file in */
    const char *spill_dir;
    /* Class names in the order of their ids, where they are known (the model's, the training data's):
     * text beyond them is refused. NULL: they are taken from the file and sorted. */
    const struct labels *labels;
    bool (*stopped)(const void *arg);   /* asked now and then: true ends it with problem 499; or NULL */
    const void *arg;
};

/* Fields of the dataset: the inputs, then the targets, in the order of the wish. NULL with `problem`,
 * which names the file, column and line. `*ret_labels` (for labels_destroy(); NULL if no target was
 * text or wish->labels were given) are the class names found. */
struct dataset *train_data_load(const struct train_wish *wish, const struct train_file *files,
                                int n_files, struct labels **ret_labels, struct problem *problem);

#endif
