/* SPDX-License-Identifier: Apache-2.0
 * One model's directory: config.json, versions, files. What cannot be read for certain makes the model
 * "broken" rather than empty, so that what serves is not taken for removed. */
#include "config.h"

#include "server/serving/repository_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

static const char config_file[] = "config.json";

/* Takes the reason over; NULL when there was no memory for it. */
static void model_break(struct repository_model *model, char *reason)
{
    model->broken = true;
    model->reason = reason;
}

/* Fills the stamp, or the reason why there is none. */
static void look_at_version(int model_fd, struct repository_version *version)
{
    int fd = repository_open_directory(model_fd, version->text), file_fd;
    struct stat info;
    const char *why;

    if (fd < 0) {
        version->reason = repository_reason("version directory:", repository_why_not(errno));
        return;
    }
    file_fd = repository_open_file(fd, repository_model_file, &info, &why);
    if (file_fd >= 0) {
        version->stamp = file_stamp_of(&info);
        close(file_fd);
    } else {
        version->reason = repository_reason(repository_model_file, why);
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

static void read_config(int fd, size_t size, struct repository_model *model)
{
    struct engine_error err = {0};
    char *bytes = size <= CONFIG_BYTES_MAX ? malloc(size + 1) : NULL;

    if (size > CONFIG_BYTES_MAX)
        model_break(model, repository_reason(config_file, "is larger than 1 MiB"));
    else if (bytes == NULL || !read_all(fd, bytes, size))
        model_break(model, repository_reason(config_file, "could not be read"));
    else if (!model_config_parse(bytes, size, &model->config, &err))
        model_break(model, strdup(err.text));
    free(bytes);
}

/* Reads config.json if there is one. */
static void look_at_config(int model_fd, struct repository_model *model)
{
    struct stat info;
    const char *why = NULL;
    int fd;

    if (faccessat(model_fd, config_file, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return;
    fd = repository_open_file(model_fd, config_file, &info, &why);
    if (fd < 0) {
        model_break(model, repository_reason(config_file, why));
        return;
    }
    model->config_stamp = file_stamp_of(&info);
    read_config(fd, (size_t)info.st_size, model);
    close(fd);
}

/* Version numbers of one directory. */
struct numbers {
    uint64_t *items;
    size_t count, capacity;
};

static bool numbers_add(struct numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity * 2 + 16;
        uint64_t *more = reallocarray(numbers->items, capacity, sizeof(*more));

        if (more == NULL)
            return false;
        numbers->items = more;
        numbers->capacity = capacity;
    }
    numbers->items[numbers->count++] = number;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool read_versions(DIR *dir, const char *name, struct numbers *numbers, struct text *notes)
{
    struct dirent *entry;
    uint64_t number;

    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        if (version_parse(entry->d_name, &number)) {
            if (!numbers_add(numbers, number))
                return false;
        } else if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            repository_note(notes, name,
                            "a version must be a number from 1 without leading zeros");
        }
    }
    return errno == 0;
}

/* All version numbers in the directory, ascending; false if they could not all be read. */
static bool list_versions(int model_fd, const char *name, struct numbers *numbers,
                          struct text *notes)
{
    int fd = fcntl(model_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    bool read = dir != NULL && read_versions(dir, name, numbers, notes);

    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (numbers->count > 0)
        qsort(numbers->items, numbers->count, sizeof(*numbers->items), by_number);
    return read;
}

static bool is_wanted(const struct model_config *config, const struct numbers *numbers,
                      size_t index)
{
    switch (config->policy) {
    case VERSIONS_ALL:
        return true;
    case VERSIONS_LATEST:
        return index + (size_t)config->latest >= numbers->count;
    case VERSIONS_SPECIFIC:
        for (int i = 0; i < config->n_specific; i++) {
            if (config->specific[i] == numbers->items[index])
                return true;
        }
        return false;
    }
    return false;
}

/* The versions that the policy wants, looked at. */
static void look_at_versions(int model_fd, struct repository_model *model, struct text *notes)
{
    struct numbers numbers = {0};
    bool read = list_versions(model_fd, model->name, &numbers, notes);

    model->versions = calloc(numbers.count + 1, sizeof(*model->versions));
    if (!read || model->versions == NULL) {
        free(numbers.items);
        model_break(model, repository_reason("model directory:", "could not be read"));
        return;
    }
    for (size_t i = 0; i < numbers.count; i++) {
        struct repository_version *version = &model->versions[model->n_versions];

        if (!is_wanted(&model->config, &numbers, i))
            continue;
        version->number = numbers.items[i];
        snprintf(version->text, sizeof(version->text), "%llu",
                 (unsigned long long)numbers.items[i]);
        look_at_version(model_fd, version);
        model->n_versions++;
    }
    if (model->n_versions == 0)
        model->reason = strdup(numbers.count == 0 ? "no version: <version>/model.onnx is missing"
                                                  : "no version that version_policy names");
    free(numbers.items);
}

void repository_look(int root_fd, const char *name, struct repository_model *model,
                     struct text *notes)
{
    int fd = repository_open_directory(root_fd, name);

    memset(model, 0, sizeof(*model));
    snprintf(model->name, sizeof(model->name), "%s", name);
    model_config_init(&model->config);
    if (fd < 0) {
        model_break(model, repository_reason("model directory:", repository_why_not(errno)));
        return;
    }
    look_at_config(fd, model);
    if (!model->broken)
        look_at_versions(fd, model, notes);
    close(fd);
}
