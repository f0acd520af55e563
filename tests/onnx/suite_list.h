/* SPDX-License-Identifier: Apache-2.0
 * tests/onnx/suite_list.h - which cases there are, and which are known not to pass. */
#ifndef TESTS_ONNX_SUITE_LIST_H
#define TESTS_ONNX_SUITE_LIST_H

#include "tests/onnx/suite_case.h"

#include <stddef.h>
#include <sys/types.h>

struct suite_entry {
    char *directory;
    const char *name; /* last part of `directory` */
    const char *skip; /* reason in the skip file, or NULL */
    struct suite_outcome outcome;
    pid_t pid; /* while it runs */
    int pipe;  /* its outcome comes from here */
};

struct suite_list {
    size_t count, capacity;
    struct suite_entry *entries;
};

/* Adds every directory beneath `directory` that has a model.onnx and a name with `only` in it
 * (NULL: all). False if the directory cannot be read. */
bool suite_list_find(struct suite_list *list, const char *directory, const char *only);
void suite_list_sort(struct suite_list *list);
/* Marks the entries that the file names: "name<TAB>reason" a line, # for comments. Returns how
 * many lines are malformed or name a case twice; -1 if the file cannot be read. */
int suite_list_skip(struct suite_list *list, const char *path);
void suite_list_finish(struct suite_list *list);

#endif
