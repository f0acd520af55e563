/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/repair.h"

#include "server/learning/head.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINEAGE_BYTES_MAX = 4096 };

const char repair_remade[] = "journal.db.new";

/* One look. */
struct look {
    const struct storage_dir *dir;
    struct repair *ret;
    uint64_t to;
    struct salvage *salvage;            /* NULL: no database */
    struct digest base;                 /* of the model file; valid if the lineage holds */
    struct salvage_anchor good[CHECKPOINT_LISTED_MAX];   /* checkpoints that hold, newest first */
    struct digest states[CHECKPOINT_LISTED_MAX];
    size_t n_good;
};

static void add_fault(struct repair *ret, const struct storage_fault *fault)
{
    for (size_t i = 0; i < ret->n_faults; i++)
        if (strcmp(ret->faults[i].text, fault->text) == 0)
            return;
    if (fault->status != STORAGE_OK && ret->n_faults < REPAIR_FAULTS_MAX)
        ret->faults[ret->n_faults++] = *fault;
}

static void add_name(struct look *look, const char *name)
{
    struct repair *ret = look->ret;

    if (ret->n_names < REPAIR_NAMES_MAX && storage_file_exists(look->dir, name))
        snprintf(ret->names[ret->n_names++], STORAGE_FILE_NAME_MAX, "%s", name);
}

static void hear_of(struct repair *ret, uint64_t generation)
{
    if (generation > ret->newest)
        ret->newest = generation;
}

static bool machine_refused(const struct storage_fault *fault)
{
    return fault->status == STORAGE_NO_MEMORY || fault->status == STORAGE_BUSY ||
           fault->status == STORAGE_IO;
}

/* ---- what is there ---- */

static bool look_at_lineage(struct look *look)
{
    struct storage_fault fault = {0};
    unsigned char *text = NULL;
    size_t length = 0;
    json_t *root;
    const char *hex;

    if (storage_file_read(look->dir, "lineage.json", LINEAGE_BYTES_MAX, &text, &length, &fault) !=
        STORAGE_OK) {
        add_fault(look->ret, &fault);
        return false;
    }
    root = json_loadb((const char *)text, length, 0, NULL);
    hex = json_string_value(json_object_get(root, "sha256"));
    look->ret->generation_base = json_integer_value(json_object_get(root, "generation"));
    look->ret->has_lineage = hex != NULL && digest_parse(hex, strlen(hex), &look->base) &&
                             json_is_integer(json_object_get(root, "generation")) &&
                             look->ret->generation_base >= 0;
    json_decref(root);
    free(text);
    if (!look->ret->has_lineage)
        storage_fault_set(&fault, STORAGE_DAMAGED, "lineage.json", 0,
                          "lineage.json does not say which model file it is about");
    add_fault(look->ret, &fault);
    return look->ret->has_lineage;
}

static void look_at_checkpoint(struct look *look, uint64_t generation, size_t bytes_max)
{
    struct storage_fault fault = {0};
    struct checkpoint checkpoint;
    char name[STORAGE_FILE_NAME_MAX];

    hear_of(look->ret, generation);
    if (checkpoint_read(look->dir, generation, bytes_max, &checkpoint, &fault) == STORAGE_OK &&
        digest_equal(&checkpoint.note.base, &look->base)) {
        struct salvage_anchor *anchor = &look->good[look->n_good];

        *anchor = (struct salvage_anchor){.base = checkpoint.note.base, .generation = generation,
                                          .chain = checkpoint.note.chain};
        memcpy(anchor->identity, checkpoint.note.identity, sizeof(anchor->identity));
        look->states[look->n_good++] = checkpoint.note.state;
        checkpoint_finish(&checkpoint);
        return;
    }
    checkpoint_file_name(generation, name);
    if (fault.status == STORAGE_OK) {
        checkpoint_finish(&checkpoint);
        storage_fault_set(&fault, STORAGE_OTHER_MODEL, name, 0, "%s is of another model file", name);
    }
    add_fault(look->ret, &fault);
    add_name(look, name);
}

/* As the daemon judges at its start: true if the journal opens. */
static bool look_at_journal(struct look *look, struct storage_fault *refused)
{
    const struct journal_options options = {.base = look->base};
    struct storage_fault fault = {0};
    struct journal *journal = NULL;
    struct head head;

    if (head_open(look->dir, &head, &fault) == STORAGE_OK) {
        hear_of(look->ret, head.note.generation);
        head_close(&head);
    }
    add_fault(look->ret, &fault);
    fault = (struct storage_fault){0};
    if (journal_open(look->dir, &options, &journal, &fault) == STORAGE_OK) {
        hear_of(look->ret, journal_last(journal));
        journal_close(journal);
        return true;
    }
    if (machine_refused(&fault))
        *refused = fault;
    add_fault(look->ret, &fault);
    hear_of(look->ret, fault.generation);
    return false;
}

/* ---- what holds ---- */

static bool same_journal(const struct salvage_anchor *a, const struct salvage_anchor *b)
{
    return memcmp(a->identity, b->identity, sizeof(a->identity)) == 0;
}

/* The newest checkpoint that rows from the anchor up to `last` pass through; 0: none, or the model file. */
static uint64_t start_of(const struct look *look, const struct salvage_anchor *anchor, uint64_t last)
{
    for (size_t i = 0; i < look->n_good; i++) {
        const struct salvage_anchor *good = &look->good[i];
        struct digest chain = anchor->chain;

        if (good->generation > last || good->generation < anchor->generation ||
            !same_journal(good, anchor))
            continue;
        if (good->generation > anchor->generation &&
            !salvage_chain(look->salvage, good->generation, &chain))
            continue;
        if (digest_equal(&chain, &good->chain))
            return good->generation;
    }
    return 0;
}

/* Takes the way from the anchor if it leads further than what is known. */
static void try_anchor(struct look *look, const struct salvage_anchor *anchor, bool same,
                       const struct digest *state)
{
    struct repair *ret = look->ret;
    struct storage_fault fault = {0};
    struct salvage_reach reach;
    uint64_t start;

    if (anchor->generation > look->to)
        return;
    reach = salvage_walk(same ? look->salvage : NULL, anchor, look->to, &fault);
    start = start_of(look, anchor, reach.last);
    add_fault(ret, &fault);
    hear_of(ret, fault.generation);
    hear_of(ret, reach.last);
    if ((start == 0 && anchor->generation > 0) || (ret->keeps && reach.last <= ret->kept))
        return;
    ret->keeps = true;
    ret->anchor = *anchor;
    ret->kept = reach.last;
    ret->start = start;
    ret->state = reach.last > anchor->generation || state == NULL ? reach.state : *state;
}

/* The note's way first, as it keeps most; a checkpoint's when it leads further. */
static void find_ways(struct look *look)
{
    struct salvage_anchor note;
    bool noted = salvage_note(look->salvage, &note) && digest_equal(&note.base, &look->base);

    if (noted)
        try_anchor(look, &note, true, NULL);
    for (size_t i = look->n_good; i-- > 0;) {
        struct salvage_anchor anchor = look->good[i];
        bool same = !noted || same_journal(&anchor, &note);

        anchor.created_ms = noted && same ? note.created_ms : 0;
        try_anchor(look, &anchor, same, &look->states[i]);
    }
}

/* Outcomes of training jobs that no row speaks of any more. */
static void drop_trained(struct look *look)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    char name[STORAGE_FILE_NAME_MAX];
    size_t n = 0;

    if (trained_list(look->dir, generations, &n, NULL) != STORAGE_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        trained_file_name(generations[i], name);
        if (!look->ret->keeps || generations[i] > look->ret->kept)
            add_name(look, name);
    }
}

/* Checkpoints that the kept rows do not pass through. */
static void drop_checkpoints(struct look *look)
{
    const struct repair *ret = look->ret;

    for (size_t i = 0; i < look->n_good; i++) {
        const struct salvage_anchor *good = &look->good[i];
        struct digest chain = ret->anchor.chain;
        char name[STORAGE_FILE_NAME_MAX];
        bool known = ret->keeps && same_journal(good, &ret->anchor) &&
                     good->generation >= ret->anchor.generation && good->generation <= ret->kept &&
                     (good->generation == ret->anchor.generation ||
                      salvage_chain(look->salvage, good->generation, &chain));

        checkpoint_file_name(good->generation, name);
        if (!known || !digest_equal(&chain, &good->chain))
            add_name(look, name);
    }
}

/* They are the first. */
static void drop_names_of_journal(struct repair *ret)
{
    size_t n = 0;

    while (n < ret->n_names && strncmp(ret->names[n], "journal.", 8) == 0)
        n++;
    memmove(ret->names, ret->names + n, (ret->n_names - n) * sizeof(ret->names[0]));
    ret->n_names -= n;
}

bool repair_look(const struct storage_dir *dir, uint64_t to, size_t checkpoint_bytes_max,
                 struct repair *ret, struct storage_fault *fault)
{
    struct look look = {.dir = dir, .ret = ret, .to = to};
    struct storage_fault why = {0};
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n = 0;
    bool opens;

    *ret = (struct repair){0};
    if (!look_at_lineage(&look)) {
        storage_fault_set(fault, STORAGE_DAMAGED, "lineage.json", 0,
                          "lineage.json is lost, and with it the model file that the rest is about");
        return false;
    }
    opens = look_at_journal(&look, fault);
    if (fault->status != STORAGE_OK || checkpoint_list(dir, generations, &n, fault) != STORAGE_OK)
        return false;
    look.salvage = salvage_open(dir, storage_file_exists(dir, journal_file) ? journal_file : repair_remade,
                                &why);
    if (look.salvage == NULL && machine_refused(&why)) {
        *fault = why;
        return false;
    }
    /* Of the journal, which goes first, what follows is without meaning. */
    add_name(&look, journal_file);
    add_name(&look, journal_log_file);
    add_name(&look, "journal.db-shm");
    add_name(&look, head_file);
    for (size_t i = 0; i < n; i++)
        look_at_checkpoint(&look, generations[i], checkpoint_bytes_max);
    find_ways(&look);
    /* A journal that opens and leads to the newest state stays, even where the content of older
     * examples is lost. */
    ret->remake = !opens || (ret->keeps ? ret->kept != ret->newest : ret->newest > 0);
    if (ret->remake) {
        drop_checkpoints(&look);
        drop_trained(&look);
    } else {
        drop_names_of_journal(ret);
    }
    salvage_close(look.salvage);
    return true;
}

bool repair_is_whole(const struct repair *repair)
{
    return !repair->remake && repair->n_names == 0;
}
