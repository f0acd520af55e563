/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/serving/repository_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NOTES_BYTES_MAX = 8192 };

const char repository_model_file[] = "model.onnx";
const char repository_single_name[] = "model";

bool file_stamp_same_bytes(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    return file_stamp_same_bytes(a, b) && a->ctime_ns == b->ctime_ns;
}

struct file_stamp file_stamp_of(const struct stat *info)
{
    return (struct file_stamp){
        .device = info->st_dev,
        .inode = info->st_ino,
        .size = (uint64_t)info->st_size,
        .mtime_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)info->st_ctim.tv_sec * 1000000000 + info->st_ctim.tv_nsec,
    };
}

int repository_open_directory(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

const char *repository_why_not(int error)
{
    switch (error) {
    case ELOOP:
        return "symbolic links are not followed";
    case ENOTDIR:
        return "not a directory, or a symbolic link";
    case EACCES:
        return "permission denied";
    case ENOENT:
        return "gone";
    default:
        return "cannot be opened";
    }
}

int repository_open_file(int parent, const char *name, struct stat *ret_info, const char **ret_why)
{
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        *ret_why = errno == ELOOP    ? "is a symbolic link, which is not followed"
                   : errno == EACCES ? "cannot be read: permission denied"
                   : errno == ENOENT ? "is missing"
                                     : "cannot be opened";
        return -1;
    }
    if (fstat(fd, ret_info) != 0 || !S_ISREG(ret_info->st_mode)) {
        *ret_why = "is not a regular file";
        close(fd);
        return -1;
    }
    return fd;
}

char *repository_reason(const char *what, const char *why)
{
    char *reason;

    return asprintf(&reason, "%s %s", what, why) >= 0 ? reason : NULL;
}

void repository_note(struct text *notes, const char *name, const char *why)
{
    char shown[MODEL_NAME_MAX + 1];
    size_t i;

    if (notes->length > NOTES_BYTES_MAX)
        return;
    for (i = 0; i < MODEL_NAME_MAX && name[i] != '\0'; i++)
        shown[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
    shown[i] = '\0';
    text_printf(notes, "%s: %s\n", shown, why);
}
