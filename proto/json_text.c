/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json_text.h"

#include "proto/utf8.h"

#include <string.h>

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

static inline bool any(bytes16 mask)
{
    words2 words = (words2)mask;

    return (words[0] | words[1]) != 0;
}

/* Past the string whose opening quote is at p, not validated; NULL if it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    const char *quote, *back;

    for (p++;;) {
        quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL)
            return NULL;
        for (back = quote; back > p && back[-1] == '\\'; back--)
            ;
        p = quote + 1;
        if ((quote - back) % 2 == 0)
            return p;
    }
}

/* From p to the first bracket, brace or quote (or end), counting commas on the way. */
static const char *skip_plain(const char *p, const char *end, int64_t *commas)
{
    while (end - p >= 16) {
        bytes16 block, stops, comma, sum;
        words2 pair;
        int i;

        memcpy(&block, p, sizeof(block));
        /* '[' ']' '{' '}' differ from 0x7b and 0x7d in nothing but bit 0x20. */
        stops = (bytes16)(((block | 0x20) == '{') | ((block | 0x20) == '}') | (block == '"'));
        if (any(stops))
            break;
        comma = (bytes16)(block == ',');
        sum = comma & 1;
        pair = (words2)sum;
        for (i = 0; i < 2; i++)
            *commas += (int64_t)(pair[i] * UINT64_C(0x0101010101010101) >> 56);
        p += 16;
    }
    for (; p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}'; p++)
        *commas += *p == ',';
    return p;
}

bool json_span_find(const char *p, const char *end, struct json_span *ret_span)
{
    int64_t depth = 0, commas = 0;

    ret_span->start = p;
    do {
        if (depth > 0)
            p = skip_plain(p, end, &commas);
        if (p == end)
            return false;
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            if (p == NULL)
                return false;
            break;
        case '[':
        case '{':
            depth++;
            p++;
            break;
        case ']':
        case '}':
            depth--;
            p++;
            break;
        default:
            while (p < end && (unsigned char)*p > ' ' && *p != ',' && *p != ']' && *p != '}')
                p++;
            break;
        }
    } while (depth > 0);
    ret_span->end = p;
    ret_span->commas = commas;
    return depth == 0 && p > ret_span->start && p < end;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits at p as a number, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t value = 0;
    int i, digit;

    if (end - p < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* At a backslash: bytes of the escape, 2, 6 or 12, and what it stands for; 0 if it is none, -1 for
 * half of a surrogate pair. */
static int read_escape(const char *p, const char *end, uint32_t *ret_rune)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    const char *found;
    int32_t high, low;

    if (end - p < 2)
        return 0;
    if (p[1] != 'u') {
        found = p[1] != '\0' ? strchr(names, p[1]) : NULL;
        if (found == NULL)
            return 0;
        *ret_rune = (unsigned char)bytes[found - names];
        return 2;
    }
    high = hex4(p + 2, end);
    if (high < 0)
        return 0;
    *ret_rune = (uint32_t)high;
    if (high < 0xd800 || high > 0xdfff)
        return 6;
    low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return -1;
    *ret_rune = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

const char *json_string_read(const char *p, const char *end, struct json_string *ret_string)
{
    uint32_t rune;
    size_t step;
    int length;

    ret_string->start = ++p;
    ret_string->escaped = false;
    while (p < end && *p != '"') {
        if (*p == '\\') {
            length = read_escape(p, end, &rune);
            if (length <= 0)
                return length < 0 ? "a string has half of a surrogate pair"
                                  : "a string has an unknown escape";
            ret_string->escaped = true;
            p += length;
        } else if ((unsigned char)*p >= 0x80) {
            step = utf8_sequence(p, end);
            if (step == 0)
                return "a string is not UTF-8";
            p += step;
        } else if ((unsigned char)*p < 0x20) {
            return "a string has a control character";
        } else {
            p++;
        }
    }
    if (p == end)
        return "a string does not end";
    ret_string->end = p;
    ret_string->next = p + 1;
    return NULL;
}

size_t json_string_unescape(const struct json_string *string, char *ret_bytes)
{
    const char *p = string->start;
    char *out = ret_bytes;
    uint32_t rune = 0;

    while (p < string->end) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p += read_escape(p, string->end, &rune);
        out += utf8_write(rune, out);
    }
    return (size_t)(out - ret_bytes);
}

bool json_string_equals(const struct json_string *string, const char *text)
{
    size_t length = (size_t)(string->end - string->start);
    size_t wanted = strlen(text);
    const char *p = string->start;
    char bytes[4];
    uint32_t rune = 0;
    size_t n, used = 0;

    if (!string->escaped)
        return length == wanted && memcmp(string->start, text, length) == 0;
    while (p < string->end) {
        n = 1;
        bytes[0] = *p;
        if (*p == '\\') {
            p += read_escape(p, string->end, &rune);
            n = utf8_write(rune, bytes);
        } else {
            p++;
        }
        if (wanted - used < n || memcmp(text + used, bytes, n) != 0)
            return false;
        used += n;
    }
    return used == wanted;
}
