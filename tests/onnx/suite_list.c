/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/onnx/suite_list.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct suite_list *list, const char *directory, size_t length, const char *only)
{
    struct suite_entry *larger = list->entries;
    struct suite_entry *entry;
    size_t capacity = list->capacity;

    if (list->count == capacity) {
        capacity = capacity == 0 ? 256 : 2 * capacity;
        larger = realloc(list->entries, capacity * sizeof(*larger));
        if (larger == NULL)
            return false;
        list->entries = larger;
        list->capacity = capacity;
    }
    entry = &larger[list->count];
    memset(entry, 0, sizeof(*entry));
    entry->directory = strndup(directory, length);
    if (entry->directory == NULL)
        return false;
    entry->name = strrchr(entry->directory, '/');
    entry->name = entry->name != NULL ? entry->name + 1 : entry->directory;
    if (only == NULL || strstr(entry->name, only) != NULL)
        list->count++;
    else
        free(entry->directory);
    return true;
}

bool suite_list_find(struct suite_list *list, const char *directory, const char *only)
{
    char *roots[] = {(char *)directory, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    bool ok = walk != NULL;
    FTSENT *entry;

    while (ok && (entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR)
            ok = false;
        else if (entry->fts_info == FTS_F && strcmp(entry->fts_name, "model.onnx") == 0)
            ok = add(list, entry->fts_path, strlen(entry->fts_path) - strlen("/model.onnx"), only);
    }
    if (walk != NULL)
        fts_close(walk);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct suite_entry *)a)->name, ((const struct suite_entry *)b)->name);
}

void suite_list_sort(struct suite_list *list)
{
    if (list->count > 0)
        qsort(list->entries, list->count, sizeof(*list->entries), by_name);
}

/* False if the line is malformed or names a case twice. */
static bool skip_line(struct suite_list *list, char *line)
{
    char *tab = strchr(line, '\t');
    bool ok = true;

    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return true;
    if (tab == NULL || tab == line || tab[1] == '\0')
        return false;
    *tab = '\0';
    for (size_t k = 0; k < list->count; k++) {
        if (strcmp(list->entries[k].name, line) != 0)
            continue;
        ok = ok && list->entries[k].skip == NULL;
        list->entries[k].skip = strdup(tab + 1);
    }
    return ok;
}

int suite_list_skip(struct suite_list *list, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    int bad = 0;

    if (file == NULL)
        return -1;
    while (getline(&line, &size, file) >= 0)
        bad += !skip_line(list, line);
    free(line);
    fclose(file);
    return bad;
}

void suite_list_finish(struct suite_list *list)
{
    for (size_t k = 0; k < list->count; k++) {
        free((char *)list->entries[k].skip);
        free(list->entries[k].directory);
    }
    free(list->entries);
}
