/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/dataset_describe.h"

#include "proto/data/table.h"

#include <stdlib.h>
#include <string.h>

enum { CACHED_MAX = 256, CACHED_NAME = 65, COLUMNS_SHOWN = 1000, SKIM_ROWS = 256 };

struct cached {
    char name[CACHED_NAME];
    ino_t inode;
    off_t bytes;
    struct timespec changed;
    char *text;
    size_t length;
};

/* A ring: the oldest is forgotten. */
struct dataset_cache {
    struct cached entries[CACHED_MAX];
    int next;
};

struct dataset_cache *dataset_cache_create(void)
{
    return calloc(1, sizeof(struct dataset_cache));
}

void dataset_cache_destroy(struct dataset_cache *cache)
{
    for (int i = 0; cache != NULL && i < CACHED_MAX; i++)
        free(cache->entries[i].text);
    free(cache);
}

static struct cached *find(struct dataset_cache *cache, const char *name)
{
    for (int i = 0; i < CACHED_MAX; i++)
        if (cache->entries[i].text != NULL && strcmp(cache->entries[i].name, name) == 0)
            return &cache->entries[i];
    return NULL;
}

void dataset_cache_keep(struct dataset_cache *cache, const char *name, const struct stat *info,
                        const struct text *text)
{
    struct cached *entry = find(cache, name);
    char *copy = text->failed || strlen(name) >= CACHED_NAME ? NULL : malloc(text->length + 1);

    if (copy == NULL)
        return;
    memcpy(copy, text->data, text->length);
    if (entry == NULL) {
        entry = &cache->entries[cache->next];
        cache->next = (cache->next + 1) % CACHED_MAX;
    }
    free(entry->text);
    *entry = (struct cached){.inode = info->st_ino, .bytes = info->st_size,
                             .changed = info->st_mtim, .text = copy, .length = text->length};
    memcpy(entry->name, name, strlen(name) + 1);
}

static bool is_same(const struct cached *entry, const struct stat *info)
{
    return entry->inode == info->st_ino && entry->bytes == info->st_size &&
           entry->changed.tv_sec == info->st_mtim.tv_sec &&
           entry->changed.tv_nsec == info->st_mtim.tv_nsec;
}

static void write_column(struct text *text, const struct table_column *column)
{
    text_puts(text, "{\"name\":");
    text_json_string(text, column->name, strlen(column->name));
    text_printf(text, ",\"datatype\":\"%s\",\"shape\":[", wire_type_name(column->type));
    for (int d = 0; d < column->rank; d++)
        text_printf(text, "%s%lld", d > 0 ? "," : "", (long long)column->dims[d]);
    text_puts(text, "]}");
}

static void write_table(struct text *text, const char *name, const struct table *table,
                        const struct stat *info)
{
    static const char *const formats[] = {[TABLE_CSV] = "csv", [TABLE_JSON_LINES] = "json_lines",
                                          [TABLE_NPY] = "npy", [TABLE_NPZ] = "npz",
                                          [TABLE_IDX] = "idx"};

    text_puts(text, "{\"name\":");
    text_json_string(text, name, strlen(name));
    text_printf(text, ",\"format\":\"%s\",\"bytes\":%lld,\"rows\":%lld", formats[table->format],
                (long long)info->st_size, (long long)table->n_rows);
    if (table->n_skipped > 0)
        text_printf(text, ",\"rows_with_missing_values\":%lld", (long long)table->n_skipped);
    text_puts(text, ",\"columns\":[");
    for (int c = 0; c < table->n_columns && c < COLUMNS_SHOWN; c++) {
        if (c > 0)
            text_puts(text, ",");
        write_column(text, &table->columns[c]);
    }
    text_puts(text, "]");
    if (table->n_columns > COLUMNS_SHOWN)
        text_printf(text, ",\"columns_total\":%d", table->n_columns);
    text_puts(text, "}");
}

/* Arrays are read to their end, so that lengths and checksums are checked; text has been. */
static bool skim(struct table *table, struct problem *problem)
{
    void **none = calloc((size_t)table->n_columns, sizeof(none[0]));
    int64_t rows = 1;

    if (none == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    while (rows > 0 && table->format != TABLE_CSV && table->format != TABLE_JSON_LINES)
        rows = table_next(table, SKIM_ROWS, none, problem);
    free(none);
    return rows >= 0;
}

bool dataset_describe(struct dataset_cache *cache, const char *name, int fd,
                      const struct stat *info, struct text *text, struct problem *problem)
{
    const struct table_options options = {.missing = TABLE_MISSING_ROW_SKIPPED};
    const struct storage storage = {.fd = fd, .length = (uint64_t)info->st_size};
    struct cached *known = cache != NULL ? find(cache, name) : NULL;
    struct table *table;
    bool good;

    if (known != NULL && is_same(known, info)) {
        text_append(text, known->text, known->length);
        return true;
    }
    table = table_open(&storage, &options, problem);
    good = table != NULL && skim(table, problem);
    if (good)
        write_table(text, name, table, info);
    table_destroy(table);
    if (good && cache != NULL)
        dataset_cache_keep(cache, name, info, text);
    return good;
}
