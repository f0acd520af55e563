/* SPDX-License-Identifier: Apache-2.0
 * server/http/upload.h - a request body that goes to a file as it arrives, instead of to memory. The
 * file has a passing name and is removed with the upload, unless somebody has given it another. One
 * owner at a time: the exchange, then whoever takes it over. */
#ifndef SERVER_HTTP_UPLOAD_H
#define SERVER_HTTP_UPLOAD_H

#include "proto/problem.h"

#include <stddef.h>
#include <stdint.h>

#define UPLOAD_PREFIX ".upload-"
enum { UPLOAD_NAME_BYTES = 32 };

/* Zeroed: none. */
struct upload {
    bool open;
    int dir_fd; /* borrowed */
    int fd;
    char name[UPLOAD_NAME_BYTES];
    uint64_t bytes, bytes_max;
};

/* Makes the file (0600) in the directory. False sets `problem`. */
bool upload_create(struct upload *upload, int dir_fd, uint64_t bytes_max, struct problem *problem);
/* The next piece. False sets `problem` (413, 507). */
bool upload_add(struct upload *upload, const void *data, size_t length, struct problem *problem);
/* Closes it and removes its passing name. Fine on a zeroed one. Any thread. */
void upload_finish(struct upload *upload);

#endif
