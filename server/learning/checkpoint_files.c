/* SPDX-License-Identifier: Apache-2.0
 * server/learning/checkpoint_files.c - which checkpoints there are, and which stay. */
#include "server/learning/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The two kinds of files, by how their names begin. */
static const struct family {
    const char *prefix;
    void (*file_name)(uint64_t generation, char name[STORAGE_FILE_NAME_MAX]);
} checkpoints = {"checkpoint-", checkpoint_file_name}, trained = {"trained-", trained_file_name};

static bool has_prefix(const char *name, const struct family *family)
{
    return strncmp(name, family->prefix, strlen(family->prefix)) == 0;
}

/* The generation a file name spells, if it is exactly what the family makes. */
static bool spells_generation(const char *name, const struct family *family, uint64_t *ret_generation)
{
    char expected[STORAGE_FILE_NAME_MAX];
    uint64_t generation;

    if (!has_prefix(name, family))
        return false;
    generation = strtoull(name + strlen(family->prefix), NULL, 10);
    family->file_name(generation, expected);
    if (strcmp(name, expected) != 0)
        return false;
    *ret_generation = generation;
    return true;
}

/* Newest first; when there are too many, the oldest fall off the end. */
static void insert(uint64_t *generations, size_t *n, uint64_t generation)
{
    size_t at = *n;

    if (at == CHECKPOINT_LISTED_MAX) {
        if (generation <= generations[at - 1])
            return;
        at--;
    } else {
        (*n)++;
    }
    for (; at > 0 && generations[at - 1] < generation; at--)
        generations[at] = generations[at - 1];
    generations[at] = generation;
}

/* A stream over the directory, which has its own place in it. */
static DIR *open_listing(const struct storage_dir *dir)
{
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;

    if (listing == NULL && fd >= 0) {
        error = errno;
        close(fd);
        errno = error;
    }
    return listing;
}

static enum storage_status list(const struct storage_dir *dir, const struct family *family,
                                uint64_t ret_generations[CHECKPOINT_LISTED_MAX], size_t *ret_n,
                                struct storage_fault *fault)
{
    DIR *listing = open_listing(dir);
    struct dirent *entry;
    uint64_t generation;
    size_t n = 0;
    int error;

    if (listing == NULL)
        return storage_fault_errno(fault, NULL, "list the model's directory", errno);
    while (errno = 0, (entry = readdir(listing)) != NULL)
        if (spells_generation(entry->d_name, family, &generation))
            insert(ret_generations, &n, generation);
    error = errno;
    closedir(listing);
    if (error != 0)
        return storage_fault_errno(fault, NULL, "list the model's directory", error);
    *ret_n = n;
    return STORAGE_OK;
}

enum storage_status checkpoint_list(const struct storage_dir *dir,
                                    uint64_t ret_generations[CHECKPOINT_LISTED_MAX], size_t *ret_n,
                                    struct storage_fault *fault)
{
    return list(dir, &checkpoints, ret_generations, ret_n, fault);
}

enum storage_status trained_list(const struct storage_dir *dir,
                                 uint64_t ret_generations[CHECKPOINT_LISTED_MAX], size_t *ret_n,
                                 struct storage_fault *fault)
{
    return list(dir, &trained, ret_generations, ret_n, fault);
}

/* "checkpoint-*.tmp": nobody is writing when this is called. */
static bool is_leftover(const char *name)
{
    size_t length = strlen(name);

    return (has_prefix(name, &checkpoints) || has_prefix(name, &trained)) && length > 4 &&
           strcmp(name + length - 4, ".tmp") == 0;
}

static enum storage_status remove_leftovers(const struct storage_dir *dir,
                                            struct storage_fault *fault)
{
    DIR *listing = open_listing(dir);
    enum storage_status status = STORAGE_OK;
    struct dirent *entry;

    if (listing == NULL)
        return storage_fault_errno(fault, NULL, "list the model's directory", errno);
    while (status == STORAGE_OK && (entry = readdir(listing)) != NULL)
        if (is_leftover(entry->d_name))
            status = storage_file_remove(dir, entry->d_name, fault);
    closedir(listing);
    return status;
}

enum storage_status checkpoint_remove(const struct storage_dir *dir, uint64_t generation,
                                      struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    checkpoint_file_name(generation, name);
    return storage_file_remove(dir, name, fault);
}

enum storage_status trained_remove(const struct storage_dir *dir, uint64_t generation,
                                   struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    trained_file_name(generation, name);
    return storage_file_remove(dir, name, fault);
}

enum storage_status checkpoint_keep(const struct storage_dir *dir, size_t keep,
                                    struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n;
    enum storage_status status = checkpoint_list(dir, generations, &n, fault);

    for (size_t i = keep; status == STORAGE_OK && i < n; i++)
        status = checkpoint_remove(dir, generations[i], fault);
    return status == STORAGE_OK ? remove_leftovers(dir, fault) : status;
}

enum storage_status checkpoint_set_aside(const struct storage_dir *dir, uint64_t generation,
                                         struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX], aside[STORAGE_FILE_NAME_MAX + 16];

    checkpoint_file_name(generation, name);
    snprintf(aside, sizeof(aside), "%s.damaged", name);
    if (renameat(dir->fd, name, dir->fd, aside) != 0)
        return storage_fault_errno(fault, name, "set it aside", errno);
    return storage_dir_sync(dir, fault);
}
