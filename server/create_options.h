/* SPDX-License-Identifier: Apache-2.0
 * server/create_options.h - the arguments of `inferd create`. */
#ifndef SERVER_CREATE_OPTIONS_H
#define SERVER_CREATE_OPTIONS_H

#include "spec/network_spec.h"

#include <stdio.h>

enum { CREATE_SETTINGS_MAX = 32, CREATE_TEXT_MAX = 256 };

struct create_options {
    bool help, list, markdown, print;
    const char *what;   /* preset or file */
    const char *output;
    bool has_input, has_task, has_classes, has_seed;
    struct network_input input;
    int task;
    int64_t n_classes;
    const char **classes; /* names, or NULL */
    char *class_text;     /* that they point into */
    uint64_t seed;
    int n_settings;
    struct preset_setting settings[CREATE_SETTINGS_MAX];
    char error[CREATE_TEXT_MAX];
};

/* False with `error` set. Finish it either way. */
bool create_options_parse(struct create_options *options, int argc, char **argv);
void create_options_finish(struct create_options *options);
void create_options_help(FILE *out);
/* The table of presets, and that of layers; `markdown` for docs/training.md. */
void create_list(FILE *out, bool markdown);

#endif
