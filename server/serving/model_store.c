/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/serving/model_store.h"

#include "server/serving/repository_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 4, HIDDEN_MAX = MODEL_NAME_MAX + 8, COMPARE_BYTES = 1 << 16 };

/* Before the names of folders that are not there yet, or no more. */
static const char fresh[] = ".new-", gone[] = ".gone-";

static bool fail(struct problem *problem, const char *what)
{
    int error = errno;

    if (error == ENOSPC || error == EDQUOT)
        return problem_set(problem, 507, "storage_full", "%s: %s", what, strerror(error));
    return problem_set(problem, 503, "storage_failed", "%s: %s", what, strerror(error));
}

static int open_folder(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* <state_dir>/<name>, made if asked for; -1 sets errno. */
static int open_part(const char *state_dir, const char *name, bool make)
{
    int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

    if (state < 0)
        return -1;
    if (!make || mkdirat(state, name, 0700) == 0 || errno == EEXIST)
        fd = open_folder(state, name);
    if (fd >= 0 && make && fsync(state) != 0) {
        close(fd);
        fd = -1;
    }
    close(state);
    return fd;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A file, or a folder with all that is in it, no deeper than the store goes. */
static bool remove_tree(int parent, const char *name, int depth)
{
    struct dirent *entry;
    bool ok = true;
    DIR *dir;
    int fd;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return true;
    fd = depth < DEPTH_MAX ? open_folder(parent, name) : -1;
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (ok && (entry = readdir(dir)) != NULL)
        ok = is_dots(entry->d_name) || remove_tree(fd, entry->d_name, depth + 1);
    closedir(dir);
    return ok && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* The newest version of a model's folder, 0 if it has none; how many there are. */
static bool find_newest(int model, uint64_t *ret_newest, int *ret_count)
{
    int copy = fcntl(model, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    uint64_t number;

    *ret_newest = 0;
    *ret_count = 0;
    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    rewinddir(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (!version_parse(entry->d_name, &number))
            continue;
        (*ret_count)++;
        if (number > *ret_newest)
            *ret_newest = number;
    }
    closedir(dir);
    return true;
}

/* True if the version's file holds exactly these bytes. */
static bool holds(int model, uint64_t version, const char *bytes, size_t size)
{
    char path[VERSION_TEXT_MAX + 16], *block;
    struct stat info;
    size_t done = 0;
    bool same;
    int fd;

    snprintf(path, sizeof(path), "%llu/%s", (unsigned long long)version, repository_model_file);
    fd = openat(model, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    block = malloc(COMPARE_BYTES);
    same = fd >= 0 && block != NULL && fstat(fd, &info) == 0 && info.st_size >= 0 &&
           (uintmax_t)info.st_size == size;
    while (same && done < size) {
        ssize_t count = read(fd, block, COMPARE_BYTES);

        same = count > 0 && (size_t)count <= size - done &&
               memcmp(block, bytes + done, (size_t)count) == 0;
        done += same ? (size_t)count : 0;
    }
    free(block);
    if (fd >= 0)
        close(fd);
    return same;
}

/* A synced file of that name in a folder. */
static bool write_file(int folder, const char *bytes, size_t size)
{
    int fd = openat(folder, repository_model_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;
    bool ok = fd >= 0;

    while (ok && done < size) {
        ssize_t count = write(fd, bytes + done, size - done);

        ok = count > 0 || (count < 0 && errno == EINTR);
        done += count > 0 ? (size_t)count : 0;
    }
    ok = ok && fsync(fd) == 0 && fsync(folder) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A folder with the file, beside the models, under a name that scans pass over. */
static bool write_beside(int models, const char *hidden, const char *bytes, size_t size)
{
    int folder = -1;
    bool ok = remove_tree(models, hidden, 0) && mkdirat(models, hidden, 0700) == 0;

    if (ok)
        folder = open_folder(models, hidden);
    ok = folder >= 0 && write_file(folder, bytes, size);
    if (folder >= 0)
        close(folder);
    return ok;
}

/* The model's folder has been opened: adds the version. */
static bool put_version(int models, int model, const char *name, const void *bytes, size_t size,
                        struct store_result *ret, struct problem *problem)
{
    char hidden[HIDDEN_MAX];
    uint64_t newest;
    int count;

    if (!find_newest(model, &newest, &count))
        return fail(problem, "the model's folder cannot be read");
    ret->unchanged = newest > 0 && holds(model, newest, bytes, size);
    snprintf(ret->version, sizeof(ret->version), "%llu",
             (unsigned long long)(ret->unchanged ? newest : newest + 1));
    if (ret->unchanged)
        return true;
    if (count >= STORE_VERSIONS_MAX)
        return problem_set(problem, 409, "too_many_versions",
                           "model '%s' has %d versions: delete it first", name, count);
    snprintf(hidden, sizeof(hidden), "%s%s", fresh, name);
    if (!write_beside(models, hidden, bytes, size) ||
        renameat(models, hidden, model, ret->version) != 0 || fsync(model) != 0 ||
        fsync(models) != 0) {
        int error = errno;

        remove_tree(models, hidden, 0);
        errno = error;
        return fail(problem, "the model cannot be stored");
    }
    return true;
}

/* Folders of learnt state are named <model>@<version>@<digest>. */
static bool erase_learnt(const char *state_dir, const char *name)
{
    int fd = open_part(state_dir, "learning", false);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    size_t length = strlen(name);
    struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        ok = fd < 0 && errno == ENOENT;
        if (fd >= 0)
            close(fd);
        return ok;
    }
    while (ok && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, name, length) == 0 && entry->d_name[length] == '@')
            ok = remove_tree(fd, entry->d_name, 0);
    ok = ok && fsync(fd) == 0;
    closedir(dir);
    return ok;
}

/* What was learnt goes first: as long as the hidden folder is there, a crash is made good. */
static bool sweep(const char *state_dir, int models)
{
    int copy = fcntl(models, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    bool ok = dir != NULL;

    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    rewinddir(dir);
    while (ok && (entry = readdir(dir)) != NULL) {
        bool is_gone = strncmp(entry->d_name, gone, sizeof(gone) - 1) == 0;

        if (is_gone)
            ok = erase_learnt(state_dir, entry->d_name + sizeof(gone) - 1);
        if (ok && (is_gone || strncmp(entry->d_name, fresh, sizeof(fresh) - 1) == 0))
            ok = remove_tree(models, entry->d_name, 0);
    }
    closedir(dir);
    return ok && fsync(models) == 0;
}

bool model_store_put(const char *state_dir, const char *name, const void *bytes, size_t size,
                     struct store_result *ret, struct problem *problem)
{
    int models = open_part(state_dir, "models", true), model = -1;
    bool ok = false;

    *ret = (struct store_result){.version = ""};
    if (models >= 0 && sweep(state_dir, models)) {
        ret->created = mkdirat(models, name, 0700) == 0;
        model = open_folder(models, name);
    }
    if (model < 0)
        fail(problem, "the model's folder cannot be made");
    else
        ok = put_version(models, model, name, bytes, size, ret, problem);
    if (!ok && ret->created && models >= 0)
        unlinkat(models, name, AT_REMOVEDIR);
    if (model >= 0)
        close(model);
    if (models >= 0)
        close(models);
    return ok;
}

bool model_store_hide(const char *state_dir, const char *name, struct problem *problem)
{
    int models = open_part(state_dir, "models", false);
    char hidden[HIDDEN_MAX];
    bool ok;

    snprintf(hidden, sizeof(hidden), "%s%s", gone, name);
    ok = models >= 0 && sweep(state_dir, models) &&
         renameat(models, name, models, hidden) == 0 && fsync(models) == 0;
    if (!ok && errno == ENOENT)
        problem_set(problem, 404, "unknown_model", "no model named '%s'", name);
    else if (!ok)
        fail(problem, "the model cannot be removed");
    if (models >= 0)
        close(models);
    return ok;
}

bool model_store_erase(const char *state_dir, struct problem *problem)
{
    int models = open_part(state_dir, "models", false);
    bool ok = models >= 0 && sweep(state_dir, models);

    if (!ok)
        fail(problem, "not all of the model's files could be removed");
    if (models >= 0)
        close(models);
    return ok;
}
