/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/serving/repository.h"

#include "proto/text.h"
#include "server/serving/repository_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODELS_MAX = 65536 };

struct repository *repository_create(const char *root, const char *file)
{
    struct repository *repository = calloc(1, sizeof(*repository));

    if (repository == NULL)
        return NULL;
    repository->root = root != NULL ? strdup(root) : NULL;
    repository->file = file != NULL ? strdup(file) : NULL;
    if ((root != NULL && repository->root == NULL) || (file != NULL && repository->file == NULL)) {
        repository_destroy(repository);
        return NULL;
    }
    return repository;
}

void repository_destroy(struct repository *repository)
{
    if (repository == NULL)
        return;
    free(repository->root);
    free(repository->file);
    free(repository->store);
    free(repository);
}

bool repository_add_store(struct repository *repository, const char *state_dir)
{
    static const char behind[] = "/models";
    size_t size = strlen(state_dir) + sizeof(behind);

    repository->store = malloc(size);
    if (repository->store != NULL)
        snprintf(repository->store, size, "%s%s", state_dir, behind);
    return repository->store != NULL;
}

static bool has_folder(int root, const char *name)
{
    struct stat info;

    return root >= 0 && fstatat(root, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

bool repository_is_users(const struct repository *repository, const char *name)
{
    bool is_users = repository->file != NULL && strcmp(name, repository_single_name) == 0;
    int fd = -1;

    if (!is_users && repository->root != NULL)
        fd = open(repository->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_users = is_users || has_folder(fd, name);
    if (fd >= 0)
        close(fd);
    return is_users;
}

int repository_open_root(const struct repository *repository, const char *name)
{
    const char *roots[] = {repository->root, repository->store};
    int fd = -1;

    errno = ENOENT;
    for (int i = 0; i < 2; i++) {
        if (roots[i] == NULL)
            continue;
        fd = open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (i == 0 || errno != ENOENT))
            return -1;
        if (has_folder(fd, name))
            return fd;
        if (fd >= 0)
            close(fd);
        errno = ENOENT;
    }
    return -1;
}

bool model_name_is_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(name);

    if (length < 1 || length > MODEL_NAME_MAX || strchr(letters, name[0]) == NULL)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (strchr(letters, name[i]) == NULL && strchr("._-", name[i]) == NULL)
            return false;
    }
    return true;
}

bool version_parse(const char *text, uint64_t *ret_number)
{
    size_t length = strlen(text);
    uint64_t number = 0;

    if (length < 1 || length >= VERSION_TEXT_MAX || text[0] == '0')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');   /* 19 digits fit */
    }
    if (number > INT64_MAX)
        return false;
    *ret_number = number;
    return true;
}

static struct repository_model *snapshot_add(struct repository_snapshot *snapshot)
{
    struct repository_model *more =
        reallocarray(snapshot->models, (size_t)snapshot->n_models + 1, sizeof(*more));

    if (more == NULL)
        return NULL;
    snapshot->models = more;
    memset(&more[snapshot->n_models], 0, sizeof(*more));
    return &more[snapshot->n_models++];
}

/* True for what is meant to be a model; what is not is noted unless it is plainly something else. */
static bool is_candidate(int root_fd, const struct dirent *entry, struct text *notes)
{
    struct stat info;

    if (entry->d_name[0] == '.' ||
        fstatat(root_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (S_ISREG(info.st_mode)) {
        if (strstr(entry->d_name, ".onnx") != NULL)
            repository_note(notes, entry->d_name, "a model lies in <model>/<version>/model.onnx");
        return false;
    }
    if (!model_name_is_valid(entry->d_name)) {
        repository_note(notes, entry->d_name, "not a model's name: 1 to 64 letters, digits, '.', '_', '-'");
        return false;
    }
    if (S_ISLNK(info.st_mode))
        repository_note(notes, entry->d_name, "symbolic links are not followed");
    return S_ISDIR(info.st_mode);
}

/* All of the directory, or false: half a list would look as if models had vanished. */
static bool scan_directory(DIR *dir, struct repository_snapshot *snapshot, struct text *notes)
{
    struct dirent *entry;

    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        struct repository_model *model;

        if (!is_candidate(dirfd(dir), entry, notes))
            continue;
        if (snapshot->n_models == MODELS_MAX) {
            repository_note(notes, entry->d_name, "more models than can be kept");
            return true;
        }
        model = snapshot_add(snapshot);
        if (model == NULL)
            return false;
        repository_look(dirfd(dir), entry->d_name, model, notes);
    }
    return errno == 0;
}

static bool scan_root(const char *root, struct repository_snapshot *snapshot, struct text *notes,
                      struct engine_error *err)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    bool read = dir != NULL && scan_directory(dir, snapshot, notes);

    if (!read)
        engine_error_set(err, ENGINE_IO, "the model repository cannot be read: %s",
                         strerror(errno));
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return read;
}

/* The file of the command line, as version 1 of "model". It may be a symbolic link: the user named
 * it. */
static void scan_file(const struct repository *repository, struct repository_snapshot *snapshot)
{
    struct repository_model *model = snapshot_add(snapshot);
    struct stat info;

    if (model == NULL)
        return;
    snprintf(model->name, sizeof(model->name), "%s", repository_single_name);
    model_config_init(&model->config);
    model->versions = calloc(1, sizeof(*model->versions));
    if (model->versions == NULL)
        return;
    model->n_versions = 1;
    model->versions[0].number = 1;
    snprintf(model->versions[0].text, sizeof(model->versions[0].text), "1");
    if (stat(repository->file, &info) != 0)
        model->versions[0].reason = repository_reason("the model file:", strerror(errno));
    else if (!S_ISREG(info.st_mode))
        model->versions[0].reason = strdup("the model file is not a regular file");
    else
        model->versions[0].stamp = file_stamp_of(&info);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct repository_model *)a)->name,
                  ((const struct repository_model *)b)->name);
}

/* The notes as a string; they are dropped when memory is short. */
static char *take_notes(struct text *notes)
{
    text_append(notes, "", 1);
    if (notes->failed || notes->length <= 1) {
        text_free(notes);
        return NULL;
    }
    return notes->data;
}

static void sort_models(struct repository_snapshot *snapshot)
{
    if (snapshot->n_models > 0)
        qsort(snapshot->models, (size_t)snapshot->n_models, sizeof(*snapshot->models), by_name);
}

static void model_finish(struct repository_model *model)
{
    for (int v = 0; v < model->n_versions; v++)
        free(model->versions[v].reason);
    free(model->versions);
    free(model->reason);
}

/* The store's models behind the user's, which are sorted; of two of one name the user's stays. */
static bool scan_store(const struct repository *repository, struct repository_snapshot *snapshot,
                       struct text *notes, struct engine_error *err)
{
    struct repository_snapshot store = {0};
    int n_users = snapshot->n_models;
    bool ok;

    if (repository->store == NULL || (access(repository->store, F_OK) != 0 && errno == ENOENT))
        return true;
    ok = scan_root(repository->store, &store, notes, err);
    for (int i = 0; i < store.n_models; i++) {
        struct repository_model *model = &store.models[i], *place = NULL;

        if (ok && n_users > 0 && bsearch(model, snapshot->models, (size_t)n_users, sizeof(*model),
                                         by_name) != NULL)
            repository_note(notes, model->name, "the model repository has a model of this name too");
        else if (ok)
            place = snapshot_add(snapshot);
        if (place != NULL)
            *place = *model;
        else
            model_finish(model);
    }
    free(store.models);
    return ok;
}

bool repository_scan(struct repository *repository, struct repository_snapshot *ret_snapshot,
                     struct engine_error *err)
{
    struct repository_snapshot snapshot = {0};
    struct text notes;
    bool ok;

    text_init(&notes);
    ok = repository->root == NULL || scan_root(repository->root, &snapshot, &notes, err);
    if (ok && repository->file != NULL)
        scan_file(repository, &snapshot);
    sort_models(&snapshot);
    if (!ok || !scan_store(repository, &snapshot, &notes, err)) {
        repository_snapshot_finish(&snapshot);
        text_free(&notes);
        return false;
    }
    sort_models(&snapshot);
    snapshot.notes = take_notes(&notes);
    *ret_snapshot = snapshot;
    return true;
}

bool repository_scan_model(struct repository *repository, const char *name,
                           struct repository_snapshot *ret_snapshot, struct engine_error *err)
{
    struct repository_snapshot snapshot = {0};
    struct repository_model *model;
    struct text notes;
    int fd;

    memset(ret_snapshot, 0, sizeof(*ret_snapshot));
    if (!model_name_is_valid(name))
        return true;
    if (repository->file != NULL && strcmp(name, repository_single_name) == 0) {
        scan_file(repository, ret_snapshot);
        return true;
    }
    fd = repository_open_root(repository, name);
    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0) {
        engine_error_set(err, ENGINE_IO, "the model repository cannot be read: %s",
                         strerror(errno));
        return false;
    }
    text_init(&notes);
    model = snapshot_add(&snapshot);
    if (model != NULL)
        repository_look(fd, name, model, &notes);
    close(fd);
    snapshot.notes = take_notes(&notes);
    *ret_snapshot = snapshot;
    return true;
}

void repository_snapshot_finish(struct repository_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->n_models; i++)
        model_finish(&snapshot->models[i]);
    free(snapshot->models);
    free(snapshot->notes);
    memset(snapshot, 0, sizeof(*snapshot));
}
