/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/digest.h"

#include <string.h>

void digest_start(struct digester *digester, const char *purpose)
{
    sha256_init(&digester->sha);
    digest_text(digester, purpose);
}

void digest_raw(struct digester *digester, const void *data, size_t bytes)
{
    if (bytes > 0)
        sha256_update(&digester->sha, bytes, data);
}

void digest_number(struct digester *digester, uint64_t number)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    digest_raw(digester, bytes, sizeof(bytes));
}

void digest_bytes(struct digester *digester, const void *data, size_t bytes)
{
    digest_number(digester, bytes);
    digest_raw(digester, data, bytes);
}

void digest_text(struct digester *digester, const char *text)
{
    digest_bytes(digester, text, strlen(text));
}

struct digest digest_finish(struct digester *digester)
{
    struct digest digest;

    sha256_digest(&digester->sha, sizeof(digest.bytes), digest.bytes);
    return digest;
}

struct digest digest_of(const void *data, size_t bytes)
{
    struct digester digester;

    sha256_init(&digester.sha);
    digest_raw(&digester, data, bytes);
    return digest_finish(&digester);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool digest_is_none(const struct digest *digest)
{
    static const struct digest none;

    return digest_equal(digest, &none);
}

const char *digest_hex(const struct digest *digest, char text[DIGEST_TEXT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_BYTES; i++) {
        text[2 * i] = digits[digest->bytes[i] >> 4];
        text[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    text[DIGEST_TEXT_BYTES] = '\0';
    return text;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(const char *text, size_t length, struct digest *ret_digest)
{
    struct digest digest;

    if (length < DIGEST_TEXT_BYTES)
        return false;
    for (int i = 0; i < DIGEST_BYTES; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        digest.bytes[i] = (unsigned char)(high << 4 | low);
    }
    *ret_digest = digest;
    return true;
}
