/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/base64.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(const char *data, size_t length, char *ret_bytes, size_t *ret_length)
{
    uint32_t bits = 0;
    size_t i, out = 0;
    int held = 0, value;

    if (length % 4 == 0 && length > 0 && data[length - 1] == '=')
        length -= data[length - 2] == '=' ? 2 : 1;
    if (length % 4 == 1)
        return false;
    for (i = 0; i < length; i++) {
        value = value_of(data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[out++] = (char)(bits >> held & 0xff);
        }
    }
    *ret_length = out;
    return (bits & ((1u << held) - 1)) == 0;
}

void base64_encode(struct text *text, const char *data, size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)data;
    uint32_t group;
    size_t i, n;
    char *out;

    if (length > SIZE_MAX / 2 || !text_reserve(text, (length + 2) / 3 * 4))
        return;
    out = text->data + text->length;
    for (i = 0; i < length; i += 3) {
        n = length - i < 3 ? length - i : 3;
        group = (uint32_t)in[i] << 16;
        group |= n > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        group |= n > 2 ? in[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = n > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = n > 2 ? alphabet[group & 63] : '=';
    }
    text->length = (size_t)(out - text->data);
}
