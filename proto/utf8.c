/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/utf8.h"

#include <string.h>

/* The second byte's range depends on the first (Unicode 15, table 3-7); the others are 80..BF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return (second & 0xc0) == 0x80;
    }
}

size_t utf8_sequence(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t length, i;

    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xc2 || u[0] > 0xf4)
        return 0;
    length = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    if ((size_t)(end - p) < length || !second_fits(u[0], u[1]))
        return 0;
    for (i = 2; i < length; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool utf8_valid(const char *data, size_t length)
{
    const char *end = data + length;
    const char *p = data;
    size_t step;
    uint64_t word;

    while (p < end) {
        if (end - p >= 8) {
            memcpy(&word, p, 8);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                p += 8;
                continue;
            }
        }
        step = utf8_sequence(p, end);
        if (step == 0)
            return false;
        p += step;
    }
    return true;
}

size_t utf8_write(uint32_t rune, char *ret_bytes)
{
    if (rune < 0x80) {
        ret_bytes[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        ret_bytes[0] = (char)(0xc0 | rune >> 6);
        ret_bytes[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        ret_bytes[0] = (char)(0xe0 | rune >> 12);
        ret_bytes[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        ret_bytes[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    ret_bytes[0] = (char)(0xf0 | rune >> 18);
    ret_bytes[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    ret_bytes[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    ret_bytes[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}
