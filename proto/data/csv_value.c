/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/csv_value.h"

#include "proto/number_scan.h"

#include <math.h>
#include <string.h>

/* Longer than any number that is not padded on purpose. */
enum { NUMBER_BYTES_MAX = 512 };

static void trim(const char **begin, const char **end)
{
    while (*begin < *end && (**begin == ' ' || **begin == '\t'))
        (*begin)++;
    while (*end > *begin && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        (*end)--;
}

bool csv_is_missing(const struct csv_cell *cell, bool number)
{
    static const char *const words[] = {"NA", "N/A", "NaN", "nan", "null", "NULL", "?"};
    const char *begin = cell->data, *end = begin + cell->length;

    trim(&begin, &end);
    if (begin == end)
        return true;
    for (size_t i = 0; number && i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == (size_t)(end - begin) &&
            memcmp(words[i], begin, (size_t)(end - begin)) == 0)
            return true;
    return false;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The number as JSON has it: without a plus, zeros in front, or a bare point. False if it is none. */
static bool rewrite(const char *p, const char *end, char *to, size_t *ret_length)
{
    char *begin = to;
    bool whole, fraction;

    if (end - p > NUMBER_BYTES_MAX)
        return false;
    if (p < end && (*p == '+' || *p == '-')) {
        if (*p == '-')
            *to++ = '-';
        p++;
    }
    while (p + 1 < end && *p == '0' && is_digit(p[1]))
        p++;
    whole = p < end && is_digit(*p);
    if (!whole)
        *to++ = '0';
    while (p < end && is_digit(*p))
        *to++ = *p++;
    fraction = false;
    if (p < end && *p == '.') {
        p++;
        fraction = p < end && is_digit(*p);
        if (fraction)
            *to++ = '.';
        while (p < end && is_digit(*p))
            *to++ = *p++;
    }
    if (!whole && !fraction)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        *to++ = *p++;
        if (p < end && (*p == '+' || *p == '-'))
            *to++ = *p++;
        if (p == end || !is_digit(*p))
            return false;
        while (p < end && is_digit(*p))
            *to++ = *p++;
    }
    *to = '\0';
    *ret_length = (size_t)(to - begin);
    return p == end;
}

bool csv_number(const struct csv_cell *cell, double *ret)
{
    const char *begin = cell->data, *end = begin + cell->length, *p;
    char text[NUMBER_BYTES_MAX + 4];
    int64_t count = 0;
    size_t length;

    trim(&begin, &end);
    if (begin == end)
        return false;
    p = begin;
    if (number_scan_run(WIRE_FP64, &p, end, 1, ret, &count) == NUMBER_OK && count == 1 && p == end)
        return isfinite(*ret);
    if (!rewrite(begin, end, text, &length))
        return false;
    p = text;
    return number_scan_run(WIRE_FP64, &p, text + length, 1, ret, &count) == NUMBER_OK &&
           count == 1 && p == text + length && isfinite(*ret);
}

bool csv_integer(const struct csv_cell *cell, int64_t *ret)
{
    const char *begin = cell->data, *end = begin + cell->length;
    int64_t value = 0;
    bool negative;

    trim(&begin, &end);
    negative = begin < end && *begin == '-';
    if (begin < end && (*begin == '-' || *begin == '+'))
        begin++;
    if (begin == end)
        return false;
    for (; begin < end; begin++)
        if (!is_digit(*begin) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *begin - '0', &value))
            return false;
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}

bool csv_is_delimiter(char byte)
{
    return byte != '\0' && strchr(",;:|\t ", byte) != NULL;
}
