/* SPDX-License-Identifier: Apache-2.0
 * tests/support/learning_case.h - a model that learns by hashing: its "weights" are a hash chain over
 * the examples in order, so that one that is lost, doubled, halved or exchanged shows. And a fixed
 * series of updates for it, each a function of its number alone. */
#ifndef TESTS_SUPPORT_LEARNING_CASE_H
#define TESTS_SUPPORT_LEARNING_CASE_H

#include "server/learning/recovery.h"

#include <check.h>

/* The call, whose last argument is `err`, succeeds. */
#define ASSERT_OK(call) \
    do { \
        struct storage_fault found_ = {0}, *err = &found_; \
        enum storage_status status_ = (call); \
        ck_assert_msg(status_ == STORAGE_OK, "%s: %s: %s", #call, storage_status_text(status_), \
                      err->text); \
    } while (0)

enum { LEARNING_EXAMPLES_MAX = 4, LEARNING_BYTES_MAX = 1600 };

/* ---- the model ---- */

struct toy {
    unsigned char weights[DIGEST_BYTES], moments[DIGEST_BYTES];
    int64_t steps;
    struct named_tensor tensors[3];
    uint64_t fail_at;       /* apply() refuses this generation; 0: none */
};

void toy_init(struct toy *toy);
struct digest toy_state(struct toy *toy);
struct digest toy_base(void);
/* Applies one row as the trainer does. */
void toy_apply(struct toy *toy, const struct journal_row *row);
struct recovery_trainer toy_trainer(struct toy *toy);

/* ---- its updates ---- */

struct toy_update {
    struct journal_row row;
    struct journal_example examples[LEARNING_EXAMPLES_MAX];
    char ids[LEARNING_EXAMPLES_MAX][16], key[24], answer[32], settings[48];
    unsigned char bytes[LEARNING_EXAMPLES_MAX][2][LEARNING_BYTES_MAX];
};

/* Update `generation`: one to four examples of a few to some hundred bytes, a key for every other. Its
 * `state` is not set. The result points into itself: do not copy. */
void toy_update_make(struct toy_update *update, uint64_t generation);
/* Applies it and sets its state. */
void toy_update_step(struct toy *toy, struct toy_update *update);
/* The state after updates 1 .. generation: the oracle. */
struct digest toy_oracle(uint64_t generation);

/* ---- where it lives ---- */

/* A new directory in memory (/dev/shm) if there is one, so that syncs cost nothing. */
void learning_directory_make(char path[64]);
/* A file tree copied; the target must not exist. */
void learning_directory_copy(const char *from, const char *to);
void learning_directory_remove(const char *path);

/* Runs statements on journal.db behind the journal's back, which must be closed. */
void learning_tamper(const struct storage_dir *dir, const char *sql);
/* Flips a bit near the end of a file. */
void learning_damage(const struct storage_dir *dir, const char *name);

struct journal_options toy_options(void);
/* Writes the toy's checkpoint of the journal's last generation. */
enum storage_status toy_checkpoint(const struct storage_dir *dir, struct journal *journal,
                                   struct toy *toy, struct storage_fault *fault);
/* What a training job makes of a toy, which follows from the generation that it will be alone. */
void toy_train(struct toy *toy, uint64_t generation);
/* Adopts that as the next generation, as if the job had begun at `since`: later updates on top, the
 * file, the row. */
enum storage_status toy_adopt(const struct storage_dir *dir, struct journal *journal, struct toy *toy,
                              uint64_t since, struct storage_fault *fault);

#endif
