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

enum { CONFIG_BYTES_MAX = 1 << 20, MODELS_MAX = 65536, NOTES_BYTES_MAX = 8192 };

static const char config_file[] = "config.json";
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
    free(repository);
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

/* One line about something that is passed over; what the name holds is shown as far as it prints. */
static void add_note(struct text *notes, const char *name, const char *why)
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

static char *format_reason(const char *what, const char *why)
{
    char *reason;

    return asprintf(&reason, "%s %s", what, why) >= 0 ? reason : NULL;
}

/* Fills the stamp, or the reason why there is none. */
static void look_at_version(int model_fd, struct repository_version *version)
{
    int fd = repository_open_directory(model_fd, version->text), file_fd;
    struct stat info;
    const char *why;

    if (fd < 0) {
        version->reason = format_reason("version directory:", repository_why_not(errno));
        return;
    }
    file_fd = repository_open_file(fd, repository_model_file, &info, &why);
    if (file_fd >= 0) {
        version->stamp = file_stamp_of(&info);
        close(file_fd);
    } else {
        version->reason = format_reason(repository_model_file, why);
    }
    close(fd);
}

static bool read_all(int fd, char *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, bytes + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* Reads config.json if there is one; what is wrong with it becomes model->reason. */
static void look_at_config(int model_fd, struct repository_model *model)
{
    struct engine_error err = {0};
    struct stat info;
    const char *why = NULL;
    char *bytes = NULL;
    int fd;

    model_config_init(&model->config);
    if (faccessat(model_fd, config_file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return;
    fd = repository_open_file(model_fd, config_file, &info, &why);
    if (fd < 0) {
        model->reason = format_reason(config_file, why);
        return;
    }
    model->config_stamp = file_stamp_of(&info);
    if (info.st_size > CONFIG_BYTES_MAX)
        model->reason = strdup("config.json is larger than 1 MiB");
    else if ((bytes = malloc((size_t)info.st_size + 1)) == NULL ||
             !read_all(fd, bytes, (size_t)info.st_size))
        model->reason = strdup("config.json could not be read");
    else if (!model_config_parse(bytes, (size_t)info.st_size, &model->config, &err))
        model->reason = strdup(err.text);
    free(bytes);
    close(fd);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* All version numbers in the directory, ascending. The caller frees them; NULL with *ret_count 0 when
 * there is none or no memory. */
static uint64_t *list_versions(int model_fd, const char *name, size_t *ret_count,
                               struct text *notes)
{
    DIR *dir = fdopendir(dup(model_fd));
    uint64_t *numbers = NULL, number;
    size_t count = 0, capacity = 0;

    *ret_count = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (!version_parse(entry->d_name, &number)) {
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
                add_note(notes, name, "a version must be a number from 1 without leading zeros");
            continue;
        }
        if (count == capacity) {
            uint64_t *more;

            capacity = capacity * 2 + 16;
            more = reallocarray(numbers, capacity, sizeof(*numbers));
            if (more == NULL)
                break;
            numbers = more;
        }
        numbers[count++] = number;
    }
    if (dir != NULL)
        closedir(dir);
    if (count > 0)
        qsort(numbers, count, sizeof(*numbers), by_number);
    *ret_count = count;
    return numbers;
}

static bool is_wanted(const struct model_config *config, const uint64_t *numbers, size_t count,
                      size_t index)
{
    switch (config->policy) {
    case VERSIONS_ALL:
        return true;
    case VERSIONS_LATEST:
        return index + (size_t)config->latest >= count;
    case VERSIONS_SPECIFIC:
        for (int i = 0; i < config->n_specific; i++) {
            if (config->specific[i] == numbers[index])
                return true;
        }
        return false;
    }
    return false;
}

/* The versions that the policy wants, looked at. */
static void look_at_versions(int model_fd, struct repository_model *model, struct text *notes)
{
    size_t count;
    uint64_t *numbers = list_versions(model_fd, model->name, &count, notes);

    model->versions = calloc(count + 1, sizeof(*model->versions));
    for (size_t i = 0; model->versions != NULL && i < count; i++) {
        struct repository_version *version = &model->versions[model->n_versions];

        if (!is_wanted(&model->config, numbers, count, i))
            continue;
        version->number = numbers[i];
        snprintf(version->text, sizeof(version->text), "%llu", (unsigned long long)numbers[i]);
        look_at_version(model_fd, version);
        model->n_versions++;
    }
    if (model->n_versions == 0 && model->reason == NULL)
        model->reason = strdup(count == 0 ? "no version: <version>/model.onnx is missing"
                                          : "no version that version_policy names");
    free(numbers);
}

/* A model by its valid name. */
static void look_at_model(int root_fd, const char *name, struct repository_model *model,
                          struct text *notes)
{
    int fd = repository_open_directory(root_fd, name);

    memset(model, 0, sizeof(*model));
    snprintf(model->name, sizeof(model->name), "%s", name);
    model_config_init(&model->config);
    if (fd < 0) {
        model->reason = format_reason("model directory:", repository_why_not(errno));
        model->broken = true;
        return;
    }
    look_at_config(fd, model);
    model->broken = model->reason != NULL;
    if (!model->broken)
        look_at_versions(fd, model, notes);
    close(fd);
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
            add_note(notes, entry->d_name, "a model lies in <model>/<version>/model.onnx");
        return false;
    }
    if (!model_name_is_valid(entry->d_name)) {
        add_note(notes, entry->d_name, "not a model's name: 1 to 64 letters, digits, '.', '_', '-'");
        return false;
    }
    if (S_ISLNK(info.st_mode))
        add_note(notes, entry->d_name, "symbolic links are not followed");
    return S_ISDIR(info.st_mode);
}

static bool scan_root(const struct repository *repository, struct repository_snapshot *snapshot,
                      struct text *notes, struct engine_error *err)
{
    int fd = open(repository->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        engine_error_set(err, ENGINE_IO, "the model repository cannot be read: %s",
                         strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct repository_model *model;

        if (!is_candidate(fd, entry, notes))
            continue;
        if (snapshot->n_models == MODELS_MAX) {
            add_note(notes, entry->d_name, "more models than can be kept");
            break;
        }
        model = snapshot_add(snapshot);
        if (model == NULL)
            break;
        look_at_model(fd, entry->d_name, model, notes);
    }
    closedir(dir);
    return true;
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
        model->versions[0].reason = format_reason("the model file:", strerror(errno));
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

bool repository_scan(struct repository *repository, struct repository_snapshot *ret_snapshot,
                     struct engine_error *err)
{
    struct repository_snapshot snapshot = {0};
    struct text notes;

    text_init(&notes);
    if (repository->root != NULL && !scan_root(repository, &snapshot, &notes, err)) {
        text_free(&notes);
        return false;
    }
    if (repository->file != NULL)
        scan_file(repository, &snapshot);
    if (snapshot.n_models > 0)
        qsort(snapshot.models, (size_t)snapshot.n_models, sizeof(*snapshot.models), by_name);
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
    struct stat info;
    int fd;

    memset(ret_snapshot, 0, sizeof(*ret_snapshot));
    if (!model_name_is_valid(name))
        return true;
    if (repository->file != NULL && strcmp(name, repository_single_name) == 0) {
        scan_file(repository, ret_snapshot);
        return true;
    }
    if (repository->root == NULL)
        return true;
    fd = open(repository->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        engine_error_set(err, ENGINE_IO, "the model repository cannot be read: %s",
                         strerror(errno));
        return false;
    }
    text_init(&notes);
    if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode)) {
        model = snapshot_add(&snapshot);
        if (model != NULL)
            look_at_model(fd, name, model, &notes);
    }
    close(fd);
    snapshot.notes = take_notes(&notes);
    *ret_snapshot = snapshot;
    return true;
}

void repository_snapshot_finish(struct repository_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->n_models; i++) {
        struct repository_model *model = &snapshot->models[i];

        for (int v = 0; v < model->n_versions; v++)
            free(model->versions[v].reason);
        free(model->versions);
        free(model->reason);
    }
    free(snapshot->models);
    free(snapshot->notes);
    memset(snapshot, 0, sizeof(*snapshot));
}
