/* SPDX-License-Identifier: Apache-2.0
 * server/learning/recovery.h - from files to learnt state: the newest checkpoint that holds, the
 * journal's rows after it applied again, each compared with the digest it left. Whatever is damaged
 * is named; nothing is skipped. The trainer is five callbacks.
 *
 * The rows that lead to a generation are its path: a rollback goes back along it, a rewind leaves a
 * range out, an erasure leaves it as it is but without the erased examples. A checkpoint serves as a
 * start when what led to it still is the beginning of the newest path. */
#ifndef SERVER_LEARNING_RECOVERY_H
#define SERVER_LEARNING_RECOVERY_H

#include "server/learning/journal.h"

enum { RECOVERY_FAULTS_MAX = 16 };

/* Returning another status than OK sets `fault` and ends the replay at the generation before. */
struct recovery_trainer {
    void *self;
    /* The state of the model file: generation 0. */
    enum storage_status (*load_base)(void *self, struct storage_fault *fault);
    /* The state of a checkpoint, which lives until this returns. */
    enum storage_status (*load)(void *self, const struct checkpoint *checkpoint,
                                struct storage_fault *fault);
    /* One step again, from the row alone; erased examples are left out. */
    enum storage_status (*apply)(void *self, const struct journal_row *row,
                                 struct storage_fault *fault);
    /* checkpoint_state() of the state now. */
    struct digest (*state)(void *self);
    /* Where the journal is damaged: may this checkpoint be served? NULL: any may, and so may any state that
     * the rows still lead to. */
    bool (*serves)(void *self, const struct checkpoint *checkpoint);
    /* The journal is open, nothing has been loaded yet: the trainer may look what the rows were learnt
     * with. NULL: it need not. */
    enum storage_status (*begin)(void *self, struct journal *journal, struct storage_fault *fault);
};

enum recovery_mode {
    RECOVERY_READY,         /* learning goes on */
    RECOVERY_READ_ONLY,     /* serve `generation`; repair before learning */
    RECOVERY_FAILED,        /* the machine refused (no memory, I/O): try again */
};

struct recovery {
    enum recovery_mode mode;
    uint64_t generation;            /* of the trainer's state now */
    uint64_t checkpoint;            /* it started from, 0: the base model */
    uint64_t replayed;              /* rows applied */
    struct journal *journal;        /* the caller's to close; NULL unless READY */
    /* What was found damaged, also when it cost nothing (an older checkpoint served). */
    struct storage_fault faults[RECOVERY_FAULTS_MAX];
    size_t n_faults;
};

/* `checkpoint_bytes_max` bounds what is read. Damaged checkpoints are set aside by name once the
 * state is rebuilt without them. OTHER_MODEL among the faults: the model file has changed; the state
 * is the new file's own, READ_ONLY at 0. */
void recover(const struct storage_dir *dir, const struct journal_options *options,
             size_t checkpoint_bytes_max, const struct recovery_trainer *trainer,
             struct recovery *ret);

/* Brings the trainer to generation `to` of an open journal, without `skip_first`..`skip_last` (0, 0:
 * without none): what rollback, rewind and erasure need before they are committed. Erased examples
 * and those in `without` (ids of examples about to be erased) are not given to it. NOT_FOUND when no
 * checkpoint and no row leads there any more. */
struct recovery_goal {
    uint64_t to;
    uint64_t skip_first, skip_last;
    const char *const *without;
    size_t n_without;
};
enum storage_status recovery_rebuild(const struct storage_dir *dir, struct journal *journal,
                                     size_t checkpoint_bytes_max,
                                     const struct recovery_trainer *trainer,
                                     const struct recovery_goal *goal, struct storage_fault *fault);

/* Adopts what a training job came to. The trainer holds its outcome, which was learnt from the
 * state of generation `since`: the rows that have come after that are applied to it again.
 * NOT_FOUND: `since` does not lead to the newest generation any more (it has been rolled back,
 * rewound, replaced, pruned, or an example of it was erased). */
enum storage_status recovery_reapply(const struct storage_dir *dir, struct journal *journal,
                                     const struct recovery_trainer *trainer, uint64_t since,
                                     struct storage_fault *fault);
/* Where the path to the newest generation begins: 0, the floor, or the newest TRAIN row on it.
 * Updates up to there can be neither rewound nor erased from it. */
enum storage_status recovery_root(struct journal *journal, uint64_t *ret, struct storage_fault *fault);

/* After a checkpoint: removes those that no longer lead to the state now, and prunes rows up to the
 * newest that retention leaves to begin from, but at least CHECKPOINT_KEPT stay: were one of them
 * the only good one, nothing would be lost. With retention the ones in between stay, at most 16 or
 * so, so that going back within it begins near. What leads to generation `hold`, which is on the
 * way to the state now, stays as well, and so do the rows after it (UINT64_MAX: nothing to hold).
 * Generation `serving` serves (UINT64_MAX: the newest): the first checkpoint from there on, which was
 * written when it was promoted and is what serves should the journal be damaged, is not thinned out.
 * What training jobs came to stays while its row does, of the newest TRAINED_KEPT at least; so does
 * what leads to before it. */
enum { TRAINED_KEPT = 8 };
enum storage_status recovery_prune(const struct storage_dir *dir, struct journal *journal,
                                   uint64_t hold, uint64_t serving, int64_t now_ms,
                                   struct storage_fault *fault);

#endif
