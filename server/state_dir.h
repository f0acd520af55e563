/* SPDX-License-Identifier: Apache-2.0
 * server/state_dir.h - the directory that belongs to one daemon alone: a lock file in it says so. */
#ifndef SERVER_STATE_DIR_H
#define SERVER_STATE_DIR_H

#include "proto/problem.h"

struct state_dir {
    int fd;                      /* of the directory; -1: none is kept */
    int lock_fd;
};

enum state_dir_result { STATE_DIR_OK, STATE_DIR_BUSY, STATE_DIR_FAILED };

/* Makes the directory (0700) if it is not there, and locks it for as long as the process lives. A
 * NULL path keeps none. Sets `problem` unless STATE_DIR_OK. */
enum state_dir_result state_dir_open(struct state_dir *dir, const char *path,
                                     struct problem *problem);
void state_dir_close(struct state_dir *dir);

#endif
