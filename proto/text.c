/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/text.h"

#include "proto/number_print.h"
#include "proto/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(struct text *text)
{
    *text = (struct text){0};
}

void text_free(struct text *text)
{
    free(text->data);
    text_init(text);
}

bool text_reserve(struct text *text, size_t bytes)
{
    size_t needed, capacity;
    char *data;

    if (text->failed)
        return false;
    if (bytes <= text->capacity - text->length)
        return true;
    if (__builtin_add_overflow(text->length, bytes, &needed) || needed > SIZE_MAX / 2) {
        text->failed = true;
        return false;
    }
    capacity = text->capacity < 256 ? 256 : text->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const void *data, size_t length)
{
    if (length == 0 || !text_reserve(text, length))
        return;
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

void text_puts(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        text->failed = true;
    if (length <= 0 || !text_reserve(text, (size_t)length + 1))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* One byte that JSON wants escaped, or that is no UTF-8. */
static void put_escaped(struct text *text, unsigned char byte)
{
    static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const char *found = byte != 0 ? strchr(letters, byte) : NULL;
    char pair[2] = {'\\', 0};

    if (byte >= 0x80) {
        text_puts(text, "\xef\xbf\xbd");
    } else if (found != NULL && (found - letters) % 2 == 0) {
        pair[1] = found[1];
        text_append(text, pair, 2);
    } else {
        text_printf(text, "\\u%04x", byte);
    }
}

void text_json_string(struct text *text, const char *data, size_t length)
{
    const char *end = data + length;
    const char *p = data;
    const char *run;
    size_t step;

    text_append(text, "\"", 1);
    while (p < end) {
        run = p;
        while (p < end && is_plain((unsigned char)*p))
            p++;
        text_append(text, run, (size_t)(p - run));
        if (p == end)
            break;
        step = (unsigned char)*p >= 0x80 ? utf8_sequence(p, end) : 0;
        if (step > 0) {
            text_append(text, p, step);
            p += step;
        } else {
            put_escaped(text, (unsigned char)*p);
            p++;
        }
    }
    text_append(text, "\"", 1);
}

void text_json_float(struct text *text, float value)
{
    if (text_reserve(text, NUMBER_PRINT_BYTES_MAX))
        text->length += number_print_float(value, text->data + text->length);
}

void text_json_double(struct text *text, double value)
{
    if (text_reserve(text, NUMBER_PRINT_BYTES_MAX))
        text->length += number_print_double(value, text->data + text->length);
}

void text_json_finite(struct text *text, double value)
{
    if (isfinite(value))
        text_json_double(text, value);
    else
        text_puts(text, "null");
}

void text_json_int(struct text *text, int64_t value)
{
    if (text_reserve(text, NUMBER_PRINT_BYTES_MAX))
        text->length += number_print_int(value, text->data + text->length);
}

void text_json_uint(struct text *text, uint64_t value)
{
    if (text_reserve(text, NUMBER_PRINT_BYTES_MAX))
        text->length += number_print_uint(value, text->data + text->length);
}
