/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/whole_file.h"

#include "server/learning/storage_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_parts(int fd, const struct whole_part *parts, size_t n_parts)
{
    mode_t mask = umask(0);
    bool ok = true;

    umask(mask);
    for (size_t i = 0; i < n_parts && ok; i++)
        ok = storage_write_all(fd, parts[i].data, parts[i].size) == 0;
    return ok && fchmod(fd, 0666 & ~mask) == 0 && fsync(fd) == 0;
}

bool whole_file_write(const char *path, const struct whole_part *parts, size_t n_parts,
                      struct problem *problem)
{
    size_t size = strlen(path) + sizeof(".XXXXXX");
    char *beside = malloc(size);
    bool ok = false;
    int fd = -1;

    if (beside != NULL) {
        snprintf(beside, size, "%s.XXXXXX", path);
        fd = mkostemp(beside, O_CLOEXEC);
    }
    if (fd >= 0) {
        ok = write_parts(fd, parts, n_parts);
        ok = close(fd) == 0 && ok;
        ok = ok && rename(beside, path) == 0;
        if (!ok) {
            int error = errno;

            unlink(beside);
            errno = error;
        }
    }
    free(beside);
    return ok || problem_set(problem, 500, "io", "%s cannot be written: %s", path, strerror(errno));
}
