/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/text_case.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <wctype.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t unicode;           /* (locale_t)0 if the C library has none */

static void open_locale(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* One code point from [at, end): its length, or 0 if the bytes there are no UTF-8. */
static size_t decode(const unsigned char *at, const unsigned char *end, uint32_t *ret)
{
    const size_t length = *at < 0x80 ? 1 : *at >= 0xc2 && *at < 0xe0 ? 2 : (*at & 0xf0) == 0xe0 ? 3
                          : *at >= 0xf0 && *at < 0xf5 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if (length == 0 || (size_t)(end - at) < length)
        return 0;
    *ret = length == 1 ? *at : *at & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *ret = *ret << 6 | (at[i] & 0x3f);
    }
    return *ret < least[length] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret < 0xe000) ? 0 : length;
}

static size_t encode(uint32_t point, unsigned char *to)
{
    if (point < 0x80) {
        to[0] = (unsigned char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (unsigned char)(0xc0 | point >> 6);
        to[1] = (unsigned char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (unsigned char)(0xe0 | point >> 12);
        to[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (unsigned char)(0xf0 | point >> 18);
    to[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (point & 0x3f));
    return 4;
}

uint32_t text_case_point(uint32_t point, bool upper)
{
    pthread_once(&once, open_locale);
    if (point < 0x80) {
        if (upper)
            return point >= 'a' && point <= 'z' ? point - 'a' + 'A' : point;
        return point >= 'A' && point <= 'Z' ? point - 'A' + 'a' : point;
    }
    if (unicode == (locale_t)0 || point > 0x10ffff)
        return point;
    return (uint32_t)(upper ? towupper_l((wint_t)point, unicode) : towlower_l((wint_t)point, unicode));
}

size_t text_case(const char *from, size_t length, bool upper, char *to)
{
    const unsigned char *at = (const unsigned char *)from, *end;
    unsigned char *next = (unsigned char *)to;

    if (length == 0)
        return 0;               /* `from` may be NULL then */
    end = at + length;
    while (at < end) {
        uint32_t point;
        size_t taken = decode(at, end, &point);

        if (taken == 0)
            *next++ = *at++;
        else
            next += encode(text_case_point(point, upper), next);
        at += taken;
    }
    return (size_t)((char *)next - to);
}

size_t text_decode(const char *text, size_t length, uint32_t *ret_point)
{
    const unsigned char *at = (const unsigned char *)text;
    const size_t taken = decode(at, at + length, ret_point);

    if (taken > 0)
        return taken;
    *ret_point = 0x110000u + *at;
    return 1;
}
