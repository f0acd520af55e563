/* SPDX-License-Identifier: Apache-2.0
 * server/learning/checkpoint.h - a model's learnt state in one file: weights and optimiser state as
 * safetensors, with its generation and the digests that tie it to the base model and the journal.
 * It comes to be whole or not at all: temporary name, sync, rename, directory sync. It knows no
 * trainer: tensors go in, tensors come out. Any thread; one writer for each directory. */
#ifndef SERVER_LEARNING_CHECKPOINT_H
#define SERVER_LEARNING_CHECKPOINT_H

#include "server/learning/digest.h"
#include "server/learning/safetensors.h"
#include "server/learning/storage_dir.h"

enum {
    CHECKPOINT_FORMAT = 1,
    CHECKPOINT_KEPT = 2,            /* so that one damaged file loses nothing */
    CHECKPOINT_LISTED_MAX = 64,
    STORAGE_IDENTITY_BYTES = 16,
    CHECKPOINT_TRAINER_BYTES_MAX = 1 << 16,
};

struct checkpoint_note {
    uint64_t generation;
    int64_t time_ms;                /* Unix time */
    unsigned char identity[STORAGE_IDENTITY_BYTES];     /* of the journal it belongs to */
    struct digest base;             /* of the model file that learning began from */
    struct digest chain;            /* of the journal's row of this generation */
    struct digest state;            /* checkpoint_state() of the tensors */
    const char *trainer;            /* the trainer's own words (UTF-8), given back as they are */
};

struct checkpoint {
    struct checkpoint_note note;
    struct safetensors tensors;     /* data within `bytes` */
    unsigned char *bytes;
    size_t size;
};

/* The digest of learnt state that journal rows carry: SHA-256 over each tensor's name, type, shape and
 * bytes, in the order given. The order is part of it. */
struct digest checkpoint_state(const struct named_tensor *tensors, size_t n_tensors);

/* Returns when the file is durable under its name. `note.state` is computed here. Tensors without
 * elements are refused. On a fault no file of that name has been made by this call, or it is whole
 * but perhaps not durable; the journal is as good as before. `ret_bytes` may be NULL. */
enum storage_status checkpoint_write(const struct storage_dir *dir,
                                     const struct checkpoint_note *note,
                                     const struct named_tensor *tensors, size_t n_tensors,
                                     uint64_t *ret_bytes, struct storage_fault *fault);
/* Reads and proves it: every bit of the file is covered by its digest. NOT_FOUND, DAMAGED, NEWER,
 * LIMIT, IO or NO_MEMORY; the fault names the file. */
enum storage_status checkpoint_read(const struct storage_dir *dir, uint64_t generation,
                                    size_t bytes_max, struct checkpoint *ret,
                                    struct storage_fault *fault);
void checkpoint_finish(struct checkpoint *checkpoint);
/* The same from bytes in memory, which it takes over; `file` for the fault. Fuzzed. */
enum storage_status checkpoint_parse(const char *file, unsigned char *bytes, size_t size,
                                     struct checkpoint *ret, struct storage_fault *fault);

/* Generations of the files there, newest first; at most CHECKPOINT_LISTED_MAX. */
enum storage_status checkpoint_list(const struct storage_dir *dir,
                                    uint64_t ret_generations[CHECKPOINT_LISTED_MAX], size_t *ret_n,
                                    struct storage_fault *fault);
/* Removes all but the newest `keep`, and what interrupted writes left. */
enum storage_status checkpoint_keep(const struct storage_dir *dir, size_t keep,
                                    struct storage_fault *fault);
/* Removes one, as an erasure must. */
enum storage_status checkpoint_remove(const struct storage_dir *dir, uint64_t generation,
                                      struct storage_fault *fault);
/* Renames a damaged one to "<name>.damaged", so that it is neither read nor counted again. */
enum storage_status checkpoint_set_aside(const struct storage_dir *dir, uint64_t generation,
                                         struct storage_fault *fault);
/* "checkpoint-00000000000000000042.safetensors" */
void checkpoint_file_name(uint64_t generation, char name[STORAGE_FILE_NAME_MAX]);

/* The state of a TRAIN row: the same format under another name. A checkpoint spares a replay, this cannot be
 * replayed. It is written before the row of `note.generation`, with the chain of the row before that; one
 * whose row never came is a leftover. */
enum storage_status trained_write(const struct storage_dir *dir, const struct checkpoint_note *note,
                                  const struct named_tensor *tensors, size_t n_tensors,
                                  struct storage_fault *fault);
enum storage_status trained_read(const struct storage_dir *dir, uint64_t generation, size_t bytes_max,
                                 struct checkpoint *ret, struct storage_fault *fault);
enum storage_status trained_list(const struct storage_dir *dir,
                                 uint64_t ret_generations[CHECKPOINT_LISTED_MAX], size_t *ret_n,
                                 struct storage_fault *fault);
enum storage_status trained_remove(const struct storage_dir *dir, uint64_t generation,
                                   struct storage_fault *fault);
void trained_file_name(uint64_t generation, char name[STORAGE_FILE_NAME_MAX]);

#endif
