/* SPDX-License-Identifier: Apache-2.0
 * server/learning/repair.h - a model's directory whose learning is off because something in it is damaged:
 * what holds, and the directory made consistent at the newest state that does. Nothing is deleted: what
 * does not hold is moved into a directory beside it. No trainer is needed: rows and checkpoints prove
 * themselves, and the daemon applies the rows when it starts. The state directory's lock is held. */
#ifndef SERVER_LEARNING_REPAIR_H
#define SERVER_LEARNING_REPAIR_H

#include "server/learning/salvage.h"

enum { REPAIR_FAULTS_MAX = 16, REPAIR_NAMES_MAX = 160 };

struct repair {
    /* What was found. */
    struct storage_fault faults[REPAIR_FAULTS_MAX];
    size_t n_faults;
    uint64_t newest;                /* generation that anything in the directory speaks of */
    bool has_lineage;
    int64_t generation_base;        /* served generation = this + the journal's */
    /* What can be kept: nothing at all (learning begins anew), or generation `kept`: checkpoint `start`
     * (0: the model file) and the rows after it. */
    bool keeps;
    uint64_t kept, start;
    struct digest state;            /* of generation `kept`, as its row or checkpoint says */
    struct salvage_anchor anchor;   /* the new journal's beginning */
    bool remake;                    /* the journal is to be made again */
    /* What is to be moved aside, in this order; `aside` is set by repair_apply(). */
    char names[REPAIR_NAMES_MAX][STORAGE_FILE_NAME_MAX];
    size_t n_names;
    char aside[STORAGE_FILE_NAME_MAX];
};

/* Looks, as a start of the daemon would. `to` is the newest generation (of the journal's) to be kept at
 * most; UINT64_MAX: all. False if the machine refuses: `fault`. */
bool repair_look(const struct storage_dir *dir, uint64_t to, size_t checkpoint_bytes_max,
                 struct repair *ret, struct storage_fault *fault);
/* "journal.db.new": what is made, before it has its name. */
extern const char repair_remade[];
/* Nothing to be done. */
bool repair_is_whole(const struct repair *repair);
/* Does it. Interrupted, it can be begun again. */
enum storage_status repair_apply(const struct storage_dir *dir, struct repair *repair,
                                 struct storage_fault *fault);

#endif
