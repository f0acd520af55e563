/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_digest.c - what a row's chain covers: everything. An example goes in by its
 * own digest, which is salted, so that an erased example leaves the chain whole and its digest tells
 * nothing to one who guesses its content. */
#include "server/learning/journal_private.h"

#include <string.h>

/* NULL is told apart from "". */
static void put_optional(struct digester *digester, const char *text)
{
    digest_number(digester, text != NULL);
    digest_text(digester, text != NULL ? text : "");
}

struct digest journal_example_digest(const unsigned char salt[JOURNAL_SALT_BYTES],
                                     const struct journal_example *example)
{
    struct digester digester;

    digest_start(&digester, "inferd example 1");
    digest_raw(&digester, salt, JOURNAL_SALT_BYTES);
    digest_bytes(&digester, example->inputs, example->inputs_bytes);
    digest_bytes(&digester, example->targets, example->targets_bytes);
    return digest_finish(&digester);
}

void journal_chain_start(struct digester *digester, const struct digest *previous,
                         const struct journal_row *row)
{
    digest_start(digester, "inferd step 1");
    digest_raw(digester, previous->bytes, DIGEST_BYTES);
    digest_number(digester, row->generation);
    digest_number(digester, (uint64_t)row->kind);
    digest_number(digester, (uint64_t)row->time_ms);
    digest_number(digester, row->seed);
    digest_number(digester, row->first);
    digest_number(digester, row->last);
    digest_text(digester, row->principal != NULL ? row->principal : "");
    digest_text(digester, row->settings != NULL ? row->settings : "");
    put_optional(digester, row->key);
    digest_number(digester, row->n_examples);
}

void journal_chain_example(struct digester *digester, const char *id, const struct digest *example)
{
    put_optional(digester, id);
    digest_raw(digester, example->bytes, DIGEST_BYTES);
}

struct digest journal_chain_finish(struct digester *digester, const struct journal_row *row)
{
    digest_raw(digester, row->state.bytes, DIGEST_BYTES);
    return digest_finish(digester);
}

struct digest journal_reply_digest(const char *key, const struct digest *body, uint64_t generation,
                                   int64_t time_ms, const void *answer, size_t answer_bytes)
{
    struct digester digester;

    digest_start(&digester, "inferd reply 1");
    digest_text(&digester, key);
    digest_raw(&digester, body->bytes, DIGEST_BYTES);
    digest_number(&digester, generation);
    digest_number(&digester, (uint64_t)time_ms);
    digest_bytes(&digester, answer, answer_bytes);
    return digest_finish(&digester);
}
