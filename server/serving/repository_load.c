/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/serving/repository_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The version's directory, opened step by step; -1 sets `err`. */
static int open_version(const struct repository *repository, const char *name,
                        const char *version, struct engine_error *err)
{
    int root = repository_open_root(repository, name);
    int model = root >= 0 ? repository_open_directory(root, name) : -1;
    int fd = model >= 0 ? repository_open_directory(model, version) : -1;

    if (fd < 0)
        engine_error_set(err, ENGINE_IO, "version directory: %s", repository_why_not(errno));
    if (model >= 0)
        close(model);
    if (root >= 0)
        close(root);
    return fd;
}

/* Opens the file in its directory. */
static bool open_version_file(int directory, struct repository_file *ret_file,
                              struct engine_error *err)
{
    struct stat info;
    const char *why;

    ret_file->fd = repository_open_file(directory, repository_model_file, &info, &why);
    if (ret_file->fd < 0) {
        engine_error_set(err, ENGINE_IO, "%s %s", repository_model_file, why);
        return false;
    }
    ret_file->stamp = file_stamp_of(&info);
    return true;
}

static bool open_single_file(const char *path, struct repository_file *ret_file,
                             struct engine_error *err)
{
    struct stat info;

    ret_file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (ret_file->fd < 0 || fstat(ret_file->fd, &info) != 0) {
        engine_error_set(err, ENGINE_IO, "the model file: %s", strerror(errno));
        return false;
    }
    ret_file->stamp = file_stamp_of(&info);
    return true;
}

/* The path is opened again by the loader: the stamp shows whether it was the same file. */
static struct model *load(const char *path, const struct model_options *options,
                          struct repository_file *file, struct engine_error *err)
{
    struct model *model = model_load_file(path, options, err);
    struct stat after, held;

    if (model == NULL)
        return NULL;
    if (stat(path, &after) == 0 && fstat(file->fd, &held) == 0) {
        struct file_stamp now = file_stamp_of(&after), own = file_stamp_of(&held);

        if (file_stamp_equal(&file->stamp, &now) && file_stamp_equal(&file->stamp, &own))
            return model;
    }
    engine_error_set(err, ENGINE_IO, "%s changed while it was being loaded", repository_model_file);
    model_unref(model);
    return NULL;
}

struct model *repository_load(struct repository *repository, const char *name, const char *version,
                              const struct model_options *options, struct repository_file *ret_file,
                              struct engine_error *err)
{
    bool single = repository->file != NULL && strcmp(name, repository_single_name) == 0;
    struct model *model = NULL;
    char path[64];
    int directory = -1;
    bool good;

    *ret_file = (struct repository_file){.fd = -1};
    if (!single) {
        directory = open_version(repository, name, version, err);
        if (directory < 0)
            return NULL;
        /* Through the open directory, so that a renamed parent cannot lead elsewhere. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, repository_model_file);
    }
    good = single ? open_single_file(repository->file, ret_file, err)
                  : open_version_file(directory, ret_file, err);
    if (good)
        model = load(single ? repository->file : path, options, ret_file, err);
    if (model == NULL && ret_file->fd >= 0) {
        close(ret_file->fd);
        ret_file->fd = -1;
    }
    if (directory >= 0)
        close(directory);
    return model;
}
