/* SPDX-License-Identifier: Apache-2.0
 * server/options_table.h - the one list of settings. An option "body-bytes-max" is --body-bytes-max
 * on the command line, INFERD_BODY_BYTES_MAX in the environment, and "body-bytes-max = 64M" in the
 * configuration file. */
#ifndef SERVER_OPTIONS_TABLE_H
#define SERVER_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_STRING,
    OPTION_LIST,     /* the listen addresses: repeated, or separated by commas or blanks */
    OPTION_CHOICE,   /* one of `choices` */
    OPTION_BOOL,     /* yes, no, true, false, on, off, 1, 0; a bare --name is yes */
    OPTION_INT,
    OPTION_BYTES,    /* an integer with an optional K, M or G (powers of 1024) */
    OPTION_OCTAL     /* file permissions */
};

struct option_def {
    const char *name;
    enum option_type type;
    size_t offset;             /* of the field in struct options */
    const char *initial;       /* spelled as a user would; NULL: unset */
    int64_t min, max;
    const char *argument;      /* placeholder in help */
    const char *choices;       /* "a, b, c" */
    bool live;                 /* SIGHUP can change it */
    const char *help;
};

extern const struct option_def option_table[];   /* closed by a NULL name */

#endif
