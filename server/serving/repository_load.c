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
    int root = open(repository->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

static bool stamp_file(int directory, struct file_stamp *ret_stamp, struct engine_error *err)
{
    struct stat info;
    const char *why;
    int fd = repository_open_file(directory, repository_model_file, &info, &why);

    if (fd < 0) {
        engine_error_set(err, ENGINE_IO, "%s %s", repository_model_file, why);
        return false;
    }
    *ret_stamp = file_stamp_of(&info);
    close(fd);
    return true;
}

static struct model *load_single(const struct repository *repository,
                                 const struct model_options *options, struct file_stamp *ret_stamp,
                                 struct engine_error *err)
{
    struct stat info;

    if (stat(repository->file, &info) != 0) {
        engine_error_set(err, ENGINE_IO, "the model file: %s", strerror(errno));
        return NULL;
    }
    *ret_stamp = file_stamp_of(&info);
    return model_load_file(repository->file, options, err);
}

struct model *repository_load(struct repository *repository, const char *name, const char *version,
                              const struct model_options *options, struct file_stamp *ret_stamp,
                              struct engine_error *err)
{
    struct file_stamp after = {0};
    struct model *model = NULL;
    char path[64];
    int fd;

    if (repository->file != NULL && strcmp(name, repository_single_name) == 0)
        return load_single(repository, options, ret_stamp, err);
    fd = open_version(repository, name, version, err);
    if (fd < 0)
        return NULL;
    if (stamp_file(fd, ret_stamp, err)) {
        /* Through the open directory, so that a renamed parent cannot lead elsewhere. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, repository_model_file);
        model = model_load_file(path, options, err);
    }
    if (model != NULL &&
        (!stamp_file(fd, &after, err) || !file_stamp_equal(ret_stamp, &after))) {
        engine_error_set(err, ENGINE_IO, "%s changed while it was being loaded", repository_model_file);
        model_unref(model);
        model = NULL;
    }
    close(fd);
    return model;
}
