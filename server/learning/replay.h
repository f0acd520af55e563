/* SPDX-License-Identifier: Apache-2.0
 * server/learning/replay.h - walks a trainer along a history: from the newest checkpoint that begins
 * it, row by row, holding each state against the digest it left. Beneath recovery.h. */
#ifndef SERVER_LEARNING_REPLAY_H
#define SERVER_LEARNING_REPLAY_H

#include "server/learning/history.h"
#include "server/learning/recovery.h"

struct replay {
    const struct storage_dir *dir;
    struct journal *journal;
    const struct recovery_trainer *trainer;
    size_t checkpoint_bytes_max;
    struct digest base;
    struct history_jumps jumps;
    /* Examples to be left out although they are not erased yet; the oldest is of `without_from`. */
    const char *const *without;
    size_t n_without;
    uint64_t without_from;
    /* Damage met on the way is reported here, and each checkpoint only once. */
    void (*report)(void *arg, const struct storage_fault *fault, uint64_t checkpoint);
    void *arg;
    uint64_t started_from;      /* the checkpoint, 0: the base model */
    uint64_t applied;
};

/* A checkpoint of that generation leads to `path`: its rows begin it, and none of them has lost an
 * example since. */
enum storage_status replay_usable(const struct replay *replay, const struct history *path,
                                  uint64_t generation, bool *ret, struct storage_fault *fault);
/* Loads the best start of `path`; `ret_from` is its generation. NOT_FOUND: there is none. */
enum storage_status replay_start(struct replay *replay, const struct history *path,
                                 uint64_t *ret_from, struct storage_fault *fault);
/* Applies the rows of `path` after `from`. `ret_good` is the newest generation whose digest has been
 * met (at least `from`), also when this fails. */
enum storage_status replay_walk(struct replay *replay, const struct history *path, uint64_t from,
                                uint64_t *ret_good, struct storage_fault *fault);
/* Applies the rows of `path` after generation `since` to what the trainer holds now, whatever that
 * is; nothing is compared. NOT_FOUND if `since` does not lead there. */
enum storage_status replay_follow(struct replay *replay, const struct history *path, uint64_t since,
                                  struct storage_fault *fault);
/* An erasure after `generation` took from the rows up to `end`. */
bool replay_outlived(const struct replay *replay, uint64_t end, uint64_t generation);

#endif
