/* SPDX-License-Identifier: Apache-2.0
 * server/learning/salvage.h - what of a journal that does not open still holds, and a whole journal made of
 * it. Rows are believed as far as their chain is unbroken from where something vouches for it: the
 * journal's own note, or a checkpoint. For repair.h; nobody else has the journal open. */
#ifndef SERVER_LEARNING_SALVAGE_H
#define SERVER_LEARNING_SALVAGE_H

#include "server/learning/journal.h"

/* Where belief begins: the chain of that generation. */
struct salvage_anchor {
    unsigned char identity[STORAGE_IDENTITY_BYTES];
    struct digest base;         /* the model file's */
    uint64_t generation;
    struct digest chain;
    int64_t created_ms;         /* of the journal; 0: not known */
};

/* Rows first + 1 .. last follow from the anchor, content and all, and the last one's state is vouched for. */
struct salvage_reach {
    uint64_t last;
    struct digest chain, state; /* of row `last`; `state` none where it is the anchor itself */
};

struct salvage;

/* Opens the database `file` of `dir` as far as it can be. Returns NULL if it is not there or no
 * database; `fault` says why. */
struct salvage *salvage_open(const struct storage_dir *dir, const char *file,
                             struct storage_fault *fault);
void salvage_close(struct salvage *salvage);
/* The journal's note; false if it does not hold. */
bool salvage_note(struct salvage *salvage, struct salvage_anchor *ret);
/* How far rows follow from the anchor, up to `most`. `fault` is set if not all of them do, and names the
 * first that does not. `salvage` may be NULL: none. */
struct salvage_reach salvage_walk(struct salvage *salvage, const struct salvage_anchor *anchor,
                                  uint64_t most, struct storage_fault *fault);
/* The chain of a row within reach. */
bool salvage_chain(struct salvage *salvage, uint64_t generation, struct digest *ret);
/* Makes the database `file`, whole and durable (but for its name): rows after the anchor up to
 * `last`, and the answers that hold. */
enum storage_status salvage_write(struct salvage *salvage, const struct storage_dir *dir,
                                  const char *file, const struct salvage_anchor *anchor,
                                  uint64_t last, struct storage_fault *fault);

#endif
