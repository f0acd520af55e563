/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an erasure after `generation` took from the rows that led to it, or is about to. */
static bool outlived(const struct replay *replay, const struct history *part, uint64_t generation)
{
    uint64_t end = history_end(part);

    if (replay->n_without > 0 && end >= replay->without_from)
        return true;
    for (size_t i = 0; i < replay->jumps.n; i++) {
        const struct history_jump *jump = &replay->jumps.items[i];

        if (jump->kind == JOURNAL_ERASE && jump->generation > generation && end >= jump->first)
            return true;
    }
    return false;
}

enum storage_status replay_usable(const struct replay *replay, const struct history *path,
                                  uint64_t generation, bool *ret, struct storage_fault *fault)
{
    struct history part;
    enum storage_status status = history_to(&replay->jumps, generation, &part, fault);

    if (status != STORAGE_OK)
        return status;
    *ret = history_begins(path, &part) && !outlived(replay, &part, generation);
    history_finish(&part);
    return STORAGE_OK;
}

/* ---- the start ---- */

/* The row's own digest, if the row is still there and has one. */
static enum storage_status state_of(struct replay *replay, uint64_t generation, struct digest *ret,
                                    bool *ret_found, struct storage_fault *fault)
{
    const struct journal_row *row;
    struct journal_held *held;
    enum storage_status status;

    *ret_found = false;
    if (generation <= journal_floor(replay->journal))
        return STORAGE_OK;
    status = journal_read(replay->journal, generation, &held, &row, fault);
    if (status != STORAGE_OK)
        return status;
    *ret = row->state;
    *ret_found = !digest_is_none(&row->state);
    journal_row_release(held);
    return STORAGE_OK;
}

bool replay_outlived(const struct replay *replay, uint64_t end, uint64_t generation)
{
    const struct history part = {.root = end};

    return outlived(replay, &part, generation);
}

/* A whole file may still be another journal's, or of a row that the journal has not. */
static enum storage_status belongs(struct replay *replay, const char *name,
                                   const struct checkpoint *checkpoint, struct storage_fault *fault)
{
    const struct checkpoint_note *note = &checkpoint->note;
    struct digest state, chain;
    bool found;
    enum storage_status status;

    if (memcmp(note->identity, journal_identity(replay->journal), STORAGE_IDENTITY_BYTES) != 0)
        return storage_fault_set(fault, STORAGE_DAMAGED, name, note->generation,
                                 "%s belongs to another journal", name);
    if (!digest_equal(&note->base, &replay->base))
        return storage_fault_set(fault, STORAGE_DAMAGED, name, note->generation,
                                 "%s began from another model file", name);
    status = journal_chain(replay->journal, note->generation, &chain, fault);
    if (status != STORAGE_OK)
        return status;
    if (!digest_equal(&chain, &note->chain))
        return storage_fault_set(fault, STORAGE_DAMAGED, name, note->generation,
                                 "%s: the journal's generation %" PRIu64 " is another", name,
                                 note->generation);
    status = state_of(replay, note->generation, &state, &found, fault);
    if (status == STORAGE_OK && found && !digest_equal(&state, &note->state))
        return storage_fault_set(fault, STORAGE_DAMAGED, name, note->generation,
                                 "%s: its state is not the one that the journal's row left", name);
    return status;
}

/* The trainer must come to the state that was asked of it. */
static enum storage_status came_to(struct replay *replay, uint64_t generation,
                                   const struct digest *expected, const char *from,
                                   struct storage_fault *fault)
{
    struct digest state = replay->trainer->state(replay->trainer->self);

    if (digest_equal(&state, expected))
        return STORAGE_OK;
    return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                             "generation %" PRIu64 ": %s led to other weights than those whose "
                             "digest was written",
                             generation, from);
}

static enum storage_status start_from(struct replay *replay, uint64_t generation,
                                      struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];
    struct checkpoint checkpoint;
    enum storage_status status =
        checkpoint_read(replay->dir, generation, replay->checkpoint_bytes_max, &checkpoint, fault);

    if (status != STORAGE_OK)
        return status;
    checkpoint_file_name(generation, name);
    status = belongs(replay, name, &checkpoint, fault);
    if (status == STORAGE_OK)
        status = replay->trainer->load(replay->trainer->self, &checkpoint, fault);
    if (status == STORAGE_OK)
        status = came_to(replay, generation, &checkpoint.note.state, "its checkpoint", fault);
    checkpoint_finish(&checkpoint);
    return status;
}

/* The row vouches for the file's state; the file for the row's place. */
static enum storage_status trained_belongs(struct replay *replay, const char *name,
                                           const struct checkpoint *trained,
                                           struct storage_fault *fault)
{
    const struct checkpoint_note *note = &trained->note;
    struct digest state, chain;
    bool found = false;
    enum storage_status status = journal_chain(replay->journal, note->generation - 1, &chain, fault);

    if (status == STORAGE_OK)
        status = state_of(replay, note->generation, &state, &found, fault);
    if (status != STORAGE_OK)
        return status;
    if (memcmp(note->identity, journal_identity(replay->journal), STORAGE_IDENTITY_BYTES) != 0 ||
        !digest_equal(&note->base, &replay->base) || !digest_equal(&chain, &note->chain) || !found ||
        !digest_equal(&state, &note->state))
        return storage_fault_set(fault, STORAGE_DAMAGED, name, note->generation,
                                 "%s is not what the journal's generation %" PRIu64 " adopted", name,
                                 note->generation);
    return STORAGE_OK;
}

/* From what a training job came to. */
static enum storage_status start_trained(struct replay *replay, uint64_t generation,
                                         struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];
    struct checkpoint trained;
    enum storage_status status =
        trained_read(replay->dir, generation, replay->checkpoint_bytes_max, &trained, fault);

    if (status != STORAGE_OK)
        return status;
    trained_file_name(generation, name);
    status = trained_belongs(replay, name, &trained, fault);
    if (status == STORAGE_OK)
        status = replay->trainer->load(replay->trainer->self, &trained, fault);
    if (status == STORAGE_OK)
        status = came_to(replay, generation, &trained.note.state, "its training job's file", fault);
    checkpoint_finish(&trained);
    return status;
}

enum storage_status replay_start(struct replay *replay, const struct history *path,
                                 uint64_t *ret_from, struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n = 0;
    enum storage_status status = checkpoint_list(replay->dir, generations, &n, fault);

    for (size_t i = 0; status == STORAGE_OK && i < n; i++) {
        struct storage_fault damage = {0};
        bool usable = false;

        status = replay_usable(replay, path, generations[i], &usable, fault);
        if (status != STORAGE_OK || !usable)
            continue;
        if (start_from(replay, generations[i], &damage) == STORAGE_OK) {
            *ret_from = replay->started_from = generations[i];
            return STORAGE_OK;
        }
        if (replay->report != NULL)
            replay->report(replay->arg, &damage, generations[i]);
        if (damage.status == STORAGE_NO_MEMORY)
            return storage_fault_set(fault, damage.status, damage.file, 0, "%s", damage.text);
    }
    if (status != STORAGE_OK)
        return status;
    if (path->root > replay->jumps.floor && !replay_outlived(replay, path->root, path->root)) {
        *ret_from = replay->started_from = path->root;
        return start_trained(replay, path->root, fault);
    }
    if (path->root > 0)
        return storage_fault_set(fault, STORAGE_NOT_FOUND, NULL, path->root,
                                 "no checkpoint leads to generation %" PRIu64
                                 ", and the rows before it are no longer kept",
                                 history_end(path));
    *ret_from = replay->started_from = 0;
    return replay->trainer->load_base(replay->trainer->self, fault);
}

/* ---- the walk ---- */

/* Examples that are to go; and copies of examples that a rewind or rollback took from the path, as the
 * updates they were learnt by are: what a bad update taught must not come back with later ones. */
static bool left_out(const struct replay *replay, const struct history *path,
                     const struct journal_row *row, size_t ordinal)
{
    char place[48];
    const char *id = row->examples[ordinal].id;
    struct journal_spot origin;

    if (journal_copy_of(id, &origin) && origin.generation > path->root &&
        !history_has(path, origin.generation))
        return true;
    snprintf(place, sizeof(place), "%" PRIu64 ".%zu", row->generation, ordinal);
    for (size_t i = 0; i < replay->n_without; i++)
        if (strcmp(replay->without[i], place) == 0 ||
            (id != NULL && strcmp(replay->without[i], id) == 0))
            return true;
    return false;
}

/* Applies the row, without the examples that are left out. */
static enum storage_status apply(struct replay *replay, const struct history *path,
                                 const struct journal_row *row, struct storage_fault *fault)
{
    struct journal_example *examples = NULL;
    struct journal_row copy = *row;
    enum storage_status status;

    if (row->kind == JOURNAL_PROMOTE || row->kind == JOURNAL_LABEL)
        return STORAGE_OK;
    for (size_t i = 0; i < row->n_examples; i++) {
        if (!left_out(replay, path, row, i))
            continue;
        if (examples == NULL) {
            examples = calloc(row->n_examples, sizeof(*examples));
            if (examples == NULL)
                return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for a row");
            memcpy(examples, row->examples, row->n_examples * sizeof(*examples));
            copy.examples = examples;
        }
        examples[i] = (struct journal_example){.id = examples[i].id, .erased = true};
    }
    status = replay->trainer->apply(replay->trainer->self, &copy, fault);
    free(examples);
    replay->applied += status == STORAGE_OK;
    return status;
}

/* A tombstone must have its erasure: otherwise it is damage that looks like one. */
static enum storage_status check_tombstones(struct replay *replay, const struct journal_row *row,
                                            struct storage_fault *fault)
{
    for (size_t i = 0; i < row->n_examples; i++) {
        bool explained = !row->examples[i].erased;

        for (size_t k = 0; !explained && k < replay->jumps.n; k++)
            explained = replay->jumps.items[k].kind == JOURNAL_ERASE &&
                        replay->jumps.items[k].generation > row->generation &&
                        replay->jumps.items[k].first <= row->generation;
        if (!explained)
            return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, row->generation,
                                     "%s: generation %" PRIu64 ": example %zu has lost its content "
                                     "without an erasure", journal_file, row->generation, i);
    }
    return STORAGE_OK;
}

/* The state after the row `at` of the path is, by the journal, also that of `generation`: its path is
 * the path so far, and no example has gone since. Then the digests must agree. */
static enum storage_status compare(struct replay *replay, const struct history *path, uint64_t at,
                                   uint64_t generation, uint64_t *ret_good,
                                   struct storage_fault *fault)
{
    struct history part;
    struct digest expected;
    bool same, found;
    enum storage_status status = history_to(&replay->jumps, generation, &part, fault);

    if (status != STORAGE_OK)
        return status;
    same = history_end(&part) == at && history_begins(path, &part) &&
           !outlived(replay, &part, generation);
    history_finish(&part);
    if (!same)
        return STORAGE_OK;
    status = state_of(replay, generation, &expected, &found, fault);
    if (status == STORAGE_OK && found)
        status = came_to(replay, generation, &expected, "its replay", fault);
    if (status == STORAGE_OK && found)
        *ret_good = generation;
    return status;
}

/* Against the row itself, then against every jump that ended here. */
static enum storage_status compare_all(struct replay *replay, const struct history *path,
                                       uint64_t at, uint64_t *ret_good, struct storage_fault *fault)
{
    enum storage_status status =
        at > path->root ? compare(replay, path, at, at, ret_good, fault) : STORAGE_OK;

    for (size_t i = 0; status == STORAGE_OK && i < replay->jumps.n; i++)
        if (replay->jumps.items[i].generation > at)
            status = compare(replay, path, at, replay->jumps.items[i].generation, ret_good, fault);
    return status;
}

/* The row `at` once more. */
static enum storage_status step(struct replay *replay, const struct history *path, uint64_t at,
                                struct storage_fault *fault)
{
    const struct journal_row *row;
    struct journal_held *held;
    enum storage_status status = journal_read(replay->journal, at, &held, &row, fault);

    if (status != STORAGE_OK)
        return status;
    status = check_tombstones(replay, row, fault);
    if (status == STORAGE_OK)
        status = apply(replay, path, row, fault);
    journal_row_release(held);
    return status;
}

enum storage_status replay_walk(struct replay *replay, const struct history *path, uint64_t from,
                                uint64_t *ret_good, struct storage_fault *fault)
{
    /* The row the start stands at: a checkpoint of a jump stands at the end of the jump's path. */
    struct history part;
    enum storage_status status = history_to(&replay->jumps, from, &part, fault);
    uint64_t at;

    if (status != STORAGE_OK)
        return status;
    at = history_end(&part);
    history_finish(&part);
    *ret_good = from;
    status = compare_all(replay, path, at, ret_good, fault);
    while (status == STORAGE_OK && (at = history_next(path, at)) != 0) {
        status = step(replay, path, at, fault);
        if (status == STORAGE_OK)
            status = compare_all(replay, path, at, ret_good, fault);
    }
    return status;
}

enum storage_status replay_follow(struct replay *replay, const struct history *path, uint64_t since,
                                  struct storage_fault *fault)
{
    struct history part;
    bool leads = false;
    enum storage_status status = replay_usable(replay, path, since, &leads, fault);
    uint64_t at;

    if (status == STORAGE_OK && !leads)
        status = storage_fault_set(fault, STORAGE_NOT_FOUND, NULL, since,
                                   "generation %" PRIu64 " no longer leads to the newest: what was "
                                   "learnt until then has been taken back, replaced or forgotten",
                                   since);
    if (status == STORAGE_OK)
        status = history_to(&replay->jumps, since, &part, fault);
    if (status != STORAGE_OK)
        return status;
    at = history_end(&part);
    history_finish(&part);
    while (status == STORAGE_OK && (at = history_next(path, at)) != 0)
        status = step(replay, path, at, fault);
    return status;
}
