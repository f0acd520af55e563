/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_append.c - rows in: checked, one transaction, one sync, the witness. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

static enum storage_status refuse(struct storage_fault *fault, enum storage_status status,
                                  const struct journal_row *row, const char *what)
{
    return storage_fault_set(fault, status, NULL, row->generation, "generation %" PRIu64 ": %s",
                             row->generation, what);
}

static bool fits(const char *text, size_t bytes_max)
{
    return text == NULL || strnlen(text, bytes_max + 1) <= bytes_max;
}

static bool fits_key(const char *key)
{
    return fits(key, JOURNAL_KEY_BYTES_MAX) && (key == NULL || key[0] != '\0');
}

static bool known_kind(enum journal_kind kind)
{
    return kind >= JOURNAL_FINETUNE && kind <= JOURNAL_LABEL;
}

static enum storage_status check_row(const struct journal *journal, const struct journal_row *row,
                                     uint64_t expected, struct storage_fault *fault)
{
    bool back = row->kind >= JOURNAL_PROMOTE || row->kind == JOURNAL_TRAIN;
    struct journal_spot origin;

    if (row->generation != expected || expected >= UINT64_C(1) << 42)
        return storage_fault_set(fault, STORAGE_OUT_OF_ORDER, NULL, row->generation,
                                 "generation %" PRIu64 " was offered where %" PRIu64 " is next",
                                 row->generation, expected);
    if (!known_kind(row->kind))
        return refuse(fault, STORAGE_LIMIT, row, "a kind of row that is not known");
    if (!fits_key(row->key) || !fits_key(row->also_key))
        return refuse(fault, STORAGE_LIMIT, row, "an idempotency key of no or too many bytes");
    if (!fits(row->principal, JOURNAL_PRINCIPAL_BYTES_MAX))
        return refuse(fault, STORAGE_LIMIT, row, "a principal of too many bytes");
    if (!fits(row->settings, JOURNAL_SETTINGS_BYTES_MAX))
        return refuse(fault, STORAGE_LIMIT, row, "settings of too many bytes");
    if (row->answer_bytes > JOURNAL_ANSWER_BYTES_MAX)
        return refuse(fault, STORAGE_LIMIT, row, "an answer of too many bytes");
    if (row->n_examples >= JOURNAL_EXAMPLES_MAX)
        return refuse(fault, STORAGE_LIMIT, row, "too many examples");
    if (back && (row->first >= row->generation || row->last >= row->generation))
        return refuse(fault, STORAGE_OUT_OF_ORDER, row, "it speaks of what is yet to come");
    /* A rollback goes to a state, the others replay from one: either must still be there. */
    if (row->kind == JOURNAL_ROLLBACK && row->first < atomic_load(&journal->floor))
        return refuse(fault, STORAGE_NOT_FOUND, row, "it goes back to what is no longer kept");
    if ((row->kind == JOURNAL_REWIND || row->kind == JOURNAL_ERASE) &&
        row->first <= atomic_load(&journal->floor))
        return refuse(fault, STORAGE_NOT_FOUND, row, "it goes back to what is no longer kept");
    if (row->kind == JOURNAL_TRAIN && digest_is_none(&row->state))
        return refuse(fault, STORAGE_LIMIT, row, "a training job's outcome without its digest");
    if (row->kind == JOURNAL_REWIND && row->last < row->first)
        return refuse(fault, STORAGE_OUT_OF_ORDER, row, "a range that ends before it begins");
    for (size_t i = 0; i < row->n_examples; i++) {
        const struct journal_example *example = &row->examples[i];

        if (example->inputs_bytes > JOURNAL_BLOB_BYTES_MAX ||
            example->targets_bytes > JOURNAL_BLOB_BYTES_MAX ||
            !fits(example->id, JOURNAL_ID_BYTES_MAX))
            return refuse(fault, STORAGE_LIMIT, row, "an example that is too large");
        if (example->id != NULL && example->id[0] == '~' &&
            !(journal_copy_of(example->id, &origin) && origin.generation < row->generation))
            return refuse(fault, STORAGE_OUT_OF_ORDER, row, "a copy of no earlier example");
    }
    return STORAGE_OK;
}

enum storage_status journal_admits(const struct journal *journal, const struct journal_row *row,
                                   struct storage_fault *fault)
{
    return check_row(journal, row, row->generation, fault);
}

enum storage_status journal_check_rows(struct journal *journal, const struct journal_row *rows,
                                       size_t n_rows, struct storage_fault *fault)
{
    uint64_t next = atomic_load(&journal->last) + 1;
    enum storage_status status = STORAGE_OK;

    if (n_rows > JOURNAL_ROWS_MAX)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0, "%zu rows at once; at most %d",
                                 n_rows, JOURNAL_ROWS_MAX);
    for (size_t i = 0; status == STORAGE_OK && i < n_rows; i++)
        status = check_row(journal, &rows[i], next + i, fault);
    /* Going back, erasing and promoting must be possible in a full journal, too. */
    if (status != STORAGE_OK || n_rows == 0 || rows[0].kind >= JOURNAL_PROMOTE)
        return status;
    return journal_within(journal, journal_cost(rows, n_rows), fault);
}

uint64_t journal_cost(const struct journal_row *rows, size_t n_rows)
{
    /* Two partly filled pages for each blob's ends, and a split of each tree. */
    enum { EXAMPLE_BYTES = 2 * 4096, ROW_BYTES = 4 * 4096 };
    uint64_t bytes = 0;

    for (size_t i = 0; i < n_rows; i++) {
        bytes += ROW_BYTES + rows[i].answer_bytes * (rows[i].also_key != NULL ? 2 : 1);
        bytes += rows[i].settings != NULL ? strlen(rows[i].settings) : 0;
        for (size_t k = 0; k < rows[i].n_examples; k++)
            bytes += rows[i].examples[k].inputs_bytes + rows[i].examples[k].targets_bytes +
                     (rows[i].examples[k].inputs_bytes > 1024 ? EXAMPLE_BYTES : 512);
    }
    return bytes;
}

static void bind_digest(sqlite3_stmt *statement, int at, const struct digest *digest)
{
    sqlite3_bind_blob(statement, at, digest->bytes, DIGEST_BYTES, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *statement, int at, const void *data, size_t bytes)
{
    if (bytes == 0)
        sqlite3_bind_zeroblob(statement, at, 0);
    else
        sqlite3_bind_blob64(statement, at, data, bytes, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    if (text != NULL)
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int add_examples(struct journal *journal, const struct journal_row *row,
                        struct digester *digester)
{
    sqlite3_stmt *statement = journal->writes[JOURNAL_WRITE_ADD_EXAMPLE];
    int result = SQLITE_OK;

    for (size_t i = 0; result == SQLITE_OK && i < row->n_examples; i++) {
        const struct journal_example *example = &row->examples[i];
        unsigned char salt[JOURNAL_SALT_BYTES];
        struct digest digest;

        if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
            return SQLITE_IOERR;
        digest = journal_example_digest(salt, example);
        journal_chain_example(digester, example->id, &digest);
        sqlite3_bind_int64(statement, EXAMPLE_PLACE + 1, journal_place(row->generation, i));
        bind_text(statement, EXAMPLE_ID + 1, example->id);
        sqlite3_bind_blob(statement, EXAMPLE_SALT + 1, salt, sizeof(salt), SQLITE_STATIC);
        bind_bytes(statement, EXAMPLE_INPUTS + 1, example->inputs, example->inputs_bytes);
        bind_bytes(statement, EXAMPLE_TARGETS + 1, example->targets, example->targets_bytes);
        bind_digest(statement, EXAMPLE_DIGEST + 1, &digest);
        result = database_run(statement);
    }
    return result;
}

static int add_reply(struct journal *journal, const struct journal_row *row, const char *key,
                     const struct digest *body)
{
    sqlite3_stmt *statement = journal->writes[JOURNAL_WRITE_ADD_REPLY];
    struct digest digest = journal_reply_digest(key, body, row->generation, row->time_ms,
                                                row->answer, row->answer_bytes);

    bind_text(statement, REPLY_KEY + 1, key);
    bind_digest(statement, REPLY_BODY + 1, body);
    sqlite3_bind_int64(statement, REPLY_GENERATION + 1, (int64_t)row->generation);
    sqlite3_bind_int64(statement, REPLY_TIME + 1, row->time_ms);
    bind_bytes(statement, REPLY_ANSWER + 1, row->answer, row->answer_bytes);
    bind_digest(statement, REPLY_DIGEST + 1, &digest);
    return database_run(statement);
}

int journal_add_row(struct journal *journal, const struct journal_row *row, struct digest *chain)
{
    sqlite3_stmt *statement = journal->writes[JOURNAL_WRITE_ADD_STEP];
    struct digester digester;
    int result;

    journal_chain_start(&digester, chain, row);
    result = add_examples(journal, row, &digester);
    *chain = journal_chain_finish(&digester, row);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(statement, STEP_GENERATION + 1, (int64_t)row->generation);
    sqlite3_bind_int(statement, STEP_KIND + 1, (int)row->kind);
    sqlite3_bind_int64(statement, STEP_TIME + 1, row->time_ms);
    sqlite3_bind_int64(statement, STEP_SEED + 1, (int64_t)row->seed);
    sqlite3_bind_int64(statement, STEP_FIRST + 1, (int64_t)row->first);
    sqlite3_bind_int64(statement, STEP_LAST + 1, (int64_t)row->last);
    sqlite3_bind_int64(statement, STEP_EXAMPLES + 1, (int64_t)row->n_examples);
    bind_text(statement, STEP_PRINCIPAL + 1, row->principal != NULL ? row->principal : "");
    bind_text(statement, STEP_SETTINGS + 1, row->settings != NULL ? row->settings : "");
    bind_text(statement, STEP_KEY + 1, row->key);
    bind_digest(statement, STEP_STATE + 1, &row->state);
    bind_digest(statement, STEP_CHAIN + 1, chain);
    result = database_run(statement);
    if (result == SQLITE_OK && row->key != NULL)
        result = add_reply(journal, row, row->key, &row->body);
    if (result == SQLITE_OK && row->also_key != NULL)
        result = add_reply(journal, row, row->also_key, &row->also_body);
    return result;
}

enum storage_status journal_may_change(struct journal *journal, struct storage_fault *fault)
{
    return journal_state(journal, fault);
}

enum storage_status journal_give_up(struct journal *journal, const char *action,
                                    struct storage_fault *fault)
{
    struct storage_fault why = {0};
    enum storage_status status = journal_fault(journal->db, action, &why);

    if (sqlite3_get_autocommit(journal->db) == 0)
        sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    storage_fault_set(fault, status, why.file, 0, "%s", why.text);
    if (status == STORAGE_CONFLICT || status == STORAGE_BUSY)
        return status;
    return journal_latch(journal, &why);
}

void journal_advance(struct journal *journal, uint64_t last, const struct digest *chain)
{
    struct storage_fault why = {0};
    struct head_note note = {.generation = last, .chain = *chain};

    memcpy(note.identity, journal->identity, sizeof(note.identity));
    journal->chain = *chain;
    atomic_store(&journal->last, last);
    /* The rows are safe and will be acknowledged; but without its witness none may follow. */
    if (head_write(&journal->head, &note, &why) != STORAGE_OK)
        journal_latch(journal, &why);
}

enum storage_status journal_append(struct journal *journal, const struct journal_row *rows,
                                   size_t n_rows, struct storage_fault *fault)
{
    struct digest chain = journal->chain;
    enum storage_status status = journal_may_change(journal, fault);
    int result;

    if (status == STORAGE_OK)
        status = journal_check_rows(journal, rows, n_rows, fault);
    if (status != STORAGE_OK || n_rows == 0)
        return status;
    result = database_run(journal->writes[JOURNAL_WRITE_BEGIN]);
    for (size_t i = 0; result == SQLITE_OK && i < n_rows; i++)
        result = journal_add_row(journal, &rows[i], &chain);
    if (result == SQLITE_OK)
        result = database_run(journal->writes[JOURNAL_WRITE_COMMIT]);
    if (result != SQLITE_OK)
        return journal_give_up(journal, "append", fault);
    journal_grown(journal, journal_cost(rows, n_rows));
    journal_advance(journal, rows[n_rows - 1].generation, &chain);
    return STORAGE_OK;
}
