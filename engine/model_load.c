/* SPDX-License-Identifier: Apache-2.0
 * From a file to a model: read, legalise, resolve, optimise. The whole file is read before anything
 * looks at it (a file that shrinks beneath a map is a SIGBUS), and its bytes are given back as soon as
 * the graph holds its own. */
#include "engine/model_private.h"
#include "engine/onnx/legalise.h"
#include "engine/onnx/onnx_model.h"
#include "engine/optimise/optimise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a loader works on. */
struct loading {
    const struct model_options *options;
    struct arena *arena;
    struct graph *graph;
    struct onnx_info info;
    struct model_signature signature;
};

static enum engine_status build(struct loading *loading, const void *bytes, size_t size, int dir_fd,
                                struct engine_error *err)
{
    enum engine_status status =
        onnx_read(bytes, size, dir_fd, loading->arena, &loading->graph, &loading->info, err);

    if (status == ENGINE_OK && !model_describe(loading->arena, loading->graph, &loading->signature))
        status = engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    if (status == ENGINE_OK)
        status = onnx_legalise(loading->graph, err);
    if (status == ENGINE_OK)
        status = graph_resolve(loading->graph, err);
    if (status == ENGINE_OK && loading->options->optimise)
        status = optimise_graph(loading->graph, err);
    return status;
}

/* Parts of the loader know an arena that is used up; why it is, is known here. */
static void explain_budget(const struct loading *loading, size_t size, struct engine_error *err)
{
    size_t budget = loading->options->memory_bytes_max;

    if (err == NULL || err->status != ENGINE_NO_MEMORY || budget == 0)
        return;
    *err = (struct engine_error){0};
    engine_error_set(err, ENGINE_OVER_BUDGET,
                     "model needs more memory than its budget of %zu bytes: the file has %zu, the graph "
                     "has taken %zu",
                     budget, size, arena_bytes(loading->arena));
}

static struct model *load(const void *bytes, size_t size, int dir_fd,
                            const struct model_options *options, struct engine_error *err)
{
    struct loading loading = {.options = options};
    size_t budget = options->memory_bytes_max;
    struct model *model;

    if (budget > 0 && size >= budget) {
        engine_error_set(err, ENGINE_OVER_BUDGET,
                         "model file has %zu bytes, the model's budget is %zu", size, budget);
        return NULL;
    }
    loading.arena = arena_create(budget > 0 ? budget - size : SIZE_MAX / 2);
    if (loading.arena == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while loading");
        return NULL;
    }
    if (build(&loading, bytes, size, dir_fd, err) != ENGINE_OK) {
        explain_budget(&loading, size, err);
        arena_destroy(loading.arena);
        return NULL;
    }
    model = model_create(loading.arena, loading.graph, &loading.signature, &loading.info, options, err);
    if (model == NULL && err != NULL && err->status == ENGINE_NO_MEMORY && budget > 0)
        engine_error_prefix(err, "budget of %zu bytes", budget);
    return model;
}

struct model *model_load_bytes(const void *bytes, size_t size, const struct model_options *options,
                               struct engine_error *err)
{
    return load(bytes, size, -1, options, err);
}

static void *read_all(int fd, size_t size, struct engine_error *err)
{
    unsigned char *bytes = malloc(size > 0 ? size : 1);
    size_t used = 0;
    ssize_t count = 1;

    if (bytes == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a model file of %zu bytes", size);
        return NULL;
    }
    while (used < size && count != 0) {
        count = read(fd, bytes + used, size - used);
        if (count < 0 && errno != EINTR) {
            engine_error_set(err, ENGINE_IO, "model file cannot be read: %s", strerror(errno));
            free(bytes);
            return NULL;
        }
        if (count > 0)
            used += (size_t)count;
    }
    if (used < size) {
        engine_error_set(err, ENGINE_IO, "model file shrank to %zu of %zu bytes while it was read", used,
                         size);
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* The bytes of a regular file, at most `budget` (0: no bound). NULL sets `err`. */
static void *read_file(int fd, size_t budget, size_t *ret_size, struct engine_error *err)
{
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        engine_error_set(err, ENGINE_IO, "model file cannot be opened: %s", strerror(errno));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        engine_error_set(err, ENGINE_IO, "model file is not a regular file");
        return NULL;
    }
    if (budget > 0 && (uintmax_t)status.st_size >= budget) {
        engine_error_set(err, ENGINE_OVER_BUDGET,
                         "model file has %lld bytes, the model's budget is %zu",
                         (long long)status.st_size, budget);
        return NULL;
    }
    *ret_size = (size_t)status.st_size;
    return read_all(fd, *ret_size, err);
}

static int open_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory;
    int fd;

    if (slash == NULL)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    return fd;
}

struct model *model_load_file(const char *path, const struct model_options *options,
                              struct engine_error *err)
{
    /* O_NONBLOCK: opening a fifo must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct model *model = NULL;
    size_t size = 0;
    void *bytes = read_file(fd, options->memory_bytes_max, &size, err);
    int dir_fd;

    if (fd >= 0)
        close(fd);
    if (bytes == NULL)
        return NULL;
    dir_fd = open_directory_of(path);
    model = load(bytes, size, dir_fd, options, err);
    if (dir_fd >= 0)
        close(dir_fd);
    free(bytes);
    return model;
}
