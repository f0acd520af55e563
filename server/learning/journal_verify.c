/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_verify.c - the proof at opening: every row follows from the one before it
 * up to the newest, and the witness has seen no newer one. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <string.h>

static enum storage_status bad_row(uint64_t generation, const char *what,
                                   struct storage_fault *fault)
{
    return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                             "%s: generation %" PRIu64 ": %s", journal_file, generation, what);
}

/* Puts the examples of one row into its chain by the digests they carry; their content is proven when
 * it is read. */
static enum storage_status chain_examples(struct journal *journal, const struct journal_row *row,
                                          struct digester *digester, struct storage_fault *fault)
{
    sqlite3_stmt *examples = journal->reads[JOURNAL_READ_EXAMPLES];
    enum storage_status status = STORAGE_OK;
    size_t n = 0;
    int result;

    sqlite3_bind_int64(examples, 1, journal_place(row->generation, 0));
    sqlite3_bind_int64(examples, 2, journal_place(row->generation + 1, 0));
    while ((result = sqlite3_step(examples)) == SQLITE_ROW) {
        struct digest digest;

        if (sqlite3_column_int64(examples, EXAMPLE_PLACE) != journal_place(row->generation, n) ||
            !journal_column_digest(examples, EXAMPLE_DIGEST, &digest))
            break;
        journal_chain_example(digester, (const char *)sqlite3_column_text(examples, EXAMPLE_ID),
                              &digest);
        n++;
    }
    if (result == SQLITE_DONE && n != row->n_examples)
        status = bad_row(row->generation, "examples are missing", fault);
    else if (result == SQLITE_ROW)
        status = bad_row(row->generation, "a malformed example", fault);
    else if (result != SQLITE_DONE)
        status = journal_fault(journal->reader, "read its examples", fault);
    sqlite3_reset(examples);
    return status;
}

static enum storage_status verify_steps(struct journal *journal, struct storage_fault *fault)
{
    static const char sql[] = "SELECT * FROM step ORDER BY generation";
    struct digest chain = journal->floor_chain, found;
    uint64_t last = atomic_load(&journal->floor);
    enum storage_status status = STORAGE_OK;
    sqlite3_stmt *steps = NULL;
    int result;

    if (sqlite3_prepare_v2(journal->db, sql, -1, &steps, NULL) != SQLITE_OK)
        return journal_fault(journal->db, "read its rows", fault);
    while (status == STORAGE_OK && (result = sqlite3_step(steps)) == SQLITE_ROW) {
        struct digester digester;
        struct journal_row row;

        if (!journal_step(steps, &row)) {
            status = bad_row(last + 1, "malformed", fault);
        } else if (row.generation != last + 1) {
            status = bad_row(last + 1, "the row is missing", fault);
        } else {
            journal_chain_start(&digester, &chain, &row);
            status = chain_examples(journal, &row, &digester, fault);
            found = journal_chain_finish(&digester, &row);
            if (status == STORAGE_OK && !digest_equal(&found, &row.chain))
                status = bad_row(row.generation, "its content is not that of its chain", fault);
            chain = row.chain;
            last = row.generation;
        }
    }
    if (status == STORAGE_OK && result != SQLITE_DONE)
        status = journal_fault(journal->db, "read its rows", fault);
    sqlite3_finalize(steps);
    if (status == STORAGE_OK) {
        journal->chain = chain;
        atomic_store(&journal->last, last);
    }
    return status;
}

static enum storage_status verify_replies(struct journal *journal, struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;
    sqlite3_stmt *replies = NULL;
    int result;

    if (sqlite3_prepare_v2(journal->db, "SELECT * FROM reply", -1, &replies, NULL) != SQLITE_OK)
        return journal_fault(journal->db, "read its answers", fault);
    while ((result = sqlite3_step(replies)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(replies, REPLY_KEY);
        uint64_t generation = (uint64_t)sqlite3_column_int64(replies, REPLY_GENERATION);
        struct digest body, digest, found;

        if (key == NULL || !journal_column_digest(replies, REPLY_BODY, &body) ||
            !journal_column_digest(replies, REPLY_DIGEST, &digest))
            break;
        found = journal_reply_digest(key, &body, generation,
                                     sqlite3_column_int64(replies, REPLY_TIME),
                                     sqlite3_column_blob(replies, REPLY_ANSWER),
                                     (size_t)sqlite3_column_bytes(replies, REPLY_ANSWER));
        if (!digest_equal(&found, &digest))
            break;
    }
    if (result == SQLITE_ROW)
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                   "%s: a remembered answer is not that of its digest",
                                   journal_file);
    else if (result != SQLITE_DONE)
        status = journal_fault(journal->db, "read its answers", fault);
    sqlite3_finalize(replies);
    return status;
}

enum storage_status journal_verify(struct journal *journal, struct storage_fault *fault)
{
    enum storage_status status = verify_steps(journal, fault);

    return status == STORAGE_OK ? verify_replies(journal, fault) : status;
}

/* What the journal says of itself now, as the witness will repeat it. */
static struct head_note note_of(const struct journal *journal)
{
    struct head_note note = {.generation = atomic_load(&journal->last), .chain = journal->chain};

    memcpy(note.identity, journal->identity, sizeof(note.identity));
    return note;
}

static enum storage_status hear(struct journal *journal, struct storage_fault *fault)
{
    const struct head_note *said = &journal->head.note;
    uint64_t floor = atomic_load(&journal->floor), last = atomic_load(&journal->last);
    struct digest chain;
    enum storage_status status;

    if (memcmp(said->identity, journal->identity, sizeof(said->identity)) != 0)
        return storage_fault_set(fault, STORAGE_DAMAGED, head_file, 0,
                                 "%s is the witness of another journal", head_file);
    if (said->generation > last)
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, last + 1,
                                 "%s ends at generation %" PRIu64 ", but %s has seen %" PRIu64
                                 ": committed rows are lost",
                                 journal_file, last, head_file, said->generation);
    if (said->generation < floor)
        return STORAGE_OK;  /* what it saw has been pruned since */
    status = journal_chain_of(journal, said->generation, &chain, fault);
    if (status == STORAGE_OK && !digest_equal(&chain, &said->chain))
        status = bad_row(said->generation, "journal.head has seen another row", fault);
    return status;
}

enum storage_status journal_witness(struct journal *journal, struct storage_fault *fault)
{
    struct head_note note = note_of(journal);
    enum storage_status status = head_open(journal->dir, &journal->head, fault);

    if (status == STORAGE_OK && journal->head.note.generation == 0 && note.generation == 0) {
        /* Perhaps of a making that was interrupted: made again for this one. */
        head_close(&journal->head);
        status = STORAGE_NOT_FOUND;
    }
    if (status == STORAGE_NOT_FOUND) {
        if (note.generation > 0)
            return storage_fault_set(fault, STORAGE_DAMAGED, head_file, 0,
                                     "%s is gone, so nobody can tell whether %s is whole", head_file,
                                     journal_file);
        return head_create(journal->dir, &note, &journal->head, fault);
    }
    if (status == STORAGE_OK)
        status = hear(journal, fault);
    /* After a power cut it may lag; and what it says from here on is built upon. */
    if (status == STORAGE_OK)
        status = head_write(&journal->head, &note, fault);
    return status == STORAGE_OK ? head_sync(&journal->head, fault) : status;
}
