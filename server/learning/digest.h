/* SPDX-License-Identifier: Apache-2.0
 * server/learning/digest.h - SHA-256 (FIPS 180-4) over fields that cannot run into each other. The
 * arithmetic is Nettle's: it allocates nothing, cannot fail, uses the CPU's SHA instructions, and
 * every inferd has it loaded already, beneath libmicrohttpd. */
#ifndef SERVER_LEARNING_DIGEST_H
#define SERVER_LEARNING_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_TEXT_BYTES = 2 * DIGEST_BYTES };

struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

/* A digest being made: start, put, finish. A plain value on the stack. */
struct digester {
    struct sha256_ctx sha;
};

/* `purpose` keeps digests of different things apart. */
void digest_start(struct digester *digester, const char *purpose);
/* Bytes as they are, without their length. */
void digest_raw(struct digester *digester, const void *data, size_t bytes);
/* Eight bytes, little-endian. */
void digest_number(struct digester *digester, uint64_t number);
/* The length, then the bytes. */
void digest_bytes(struct digester *digester, const void *data, size_t bytes);
void digest_text(struct digester *digester, const char *text);
struct digest digest_finish(struct digester *digester);

/* Of bytes alone: what sha256sum prints. */
struct digest digest_of(const void *data, size_t bytes);
bool digest_equal(const struct digest *a, const struct digest *b);
/* All zeros: nobody took it. */
bool digest_is_none(const struct digest *digest);
/* 64 hexadecimal digits and a NUL into `text`; returns `text`. */
const char *digest_hex(const struct digest *digest, char text[DIGEST_TEXT_BYTES + 1]);
/* False unless `text` starts with 64 lower-case hexadecimal digits. */
bool digest_parse(const char *text, size_t length, struct digest *ret_digest);

#endif
