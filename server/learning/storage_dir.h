/* SPDX-License-Identifier: Apache-2.0
 * server/learning/storage_dir.h - one model's directory beneath the state directory, and the few
 * file operations that durability needs. Files are 0600, directories 0700, symbolic links are not
 * followed. Any thread; the state directory's lock keeps other processes out. */
#ifndef SERVER_LEARNING_STORAGE_DIR_H
#define SERVER_LEARNING_STORAGE_DIR_H

#include "server/learning/storage_fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct storage_dir {
    char *path;     /* SQLite opens by path */
    int fd;
};

/* <state_path>/learning/<model>/, made if it is not there (and then synced into its parent).
 * `model` is refused unless it is a plain file name. */
enum storage_status storage_dir_open(struct storage_dir *dir, const char *state_path,
                                     const char *model, struct storage_fault *fault);
/* Leaves `dir` closed; fine on one that never opened if it was zeroed. */
void storage_dir_close(struct storage_dir *dir);
/* Makes names (created, renamed, removed) durable. */
enum storage_status storage_dir_sync(const struct storage_dir *dir, struct storage_fault *fault);

/* Whether the name is there; errors other than absence count as there. */
bool storage_file_exists(const struct storage_dir *dir, const char *name);
/* The whole file into memory the caller frees. NOT_FOUND if absent, LIMIT if above `bytes_max`. */
enum storage_status storage_file_read(const struct storage_dir *dir, const char *name,
                                      size_t bytes_max, unsigned char **ret_data, size_t *ret_bytes,
                                      struct storage_fault *fault);
/* The file as a whole under its name, or as it was: temporary name, sync, rename, directory sync. On a
 * fault it may be whole but not durable. */
enum storage_status storage_file_write(const struct storage_dir *dir, const char *name,
                                       const struct iovec *parts, size_t n_parts,
                                       struct storage_fault *fault);
/* All of it, whatever write() returns; -1 sets errno. */
int storage_write_all(int fd, const void *data, size_t bytes);
int storage_pwrite_all(int fd, const void *data, size_t bytes, off_t at);
/* Writes the file's own bytes back over themselves and syncs. After a failed fsync the kernel may
 * hold pages that it believes clean and the disk does not have (Rebello et al., ATC 2020); what has
 * been read from them must be made durable before it is built upon. An absent file is fine. */
enum storage_status storage_file_settle(const struct storage_dir *dir, const char *name,
                                        struct storage_fault *fault);
/* Removes the name; an absent one is fine. Not synced. */
enum storage_status storage_file_remove(const struct storage_dir *dir, const char *name,
                                        struct storage_fault *fault);

#endif
