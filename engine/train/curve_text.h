/* SPDX-License-Identifier: Apache-2.0
 * engine/train/curve_text.h - the growing text that curves are written to, for curve*.c alone. */
#ifndef ENGINE_TRAIN_CURVE_TEXT_H
#define ENGINE_TRAIN_CURVE_TEXT_H

#include <locale.h>
#include <stdio.h>

struct curve_text {
    FILE *out;
    char *data;
    size_t length;
    locale_t c_locale, before;
};

/* Opens `out` with the C locale in force for this thread. False when out of memory. */
int curve_text_open(struct curve_text *text);
/* Closes it and puts the locale back. The text, to be freed, or NULL when memory ran out. */
char *curve_text_close(struct curve_text *text, size_t *ret_length);

#endif
