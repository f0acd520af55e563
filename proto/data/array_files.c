/* SPDX-License-Identifier: Apache-2.0
 * The files that array tables are read from: NPY, NPZ, IDX. */
#include "proto/data/array_table.h"
#include "proto/data/zip.h"

#include <stdlib.h>
#include <string.h>

enum { IDX_PREFIX_BYTES = 4 };

struct table *npy_open(struct source *source, const struct table_options *options,
                       struct problem *problem)
{
    struct table *table = array_table_create(TABLE_NPY, 1);

    if (table == NULL) {
        source_destroy(source);
        table_no_memory(problem);
        return NULL;
    }
    if (!array_table_add_npy(table, "", source, options->rearranged_bytes_max, problem)) {
        table_destroy(table);
        return NULL;
    }
    return table;
}

/* The name of a member as an array; NULL if it is none that is wanted. To be freed. */
static char *array_name(const char *member, const struct table_options *options, bool *ret_failed)
{
    size_t length = strlen(member);
    char *name;
    bool wanted = options->n_names == 0;

    if (length <= 4 || strcmp(member + length - 4, ".npy") != 0)
        return NULL;
    name = strndup(member, length - 4);
    *ret_failed = name == NULL;
    for (int i = 0; name != NULL && i < options->n_names; i++)
        wanted = wanted || strcmp(options->names[i], name) == 0;
    if (!wanted) {
        free(name);
        return NULL;
    }
    return name;
}

static bool add_member(struct table *table, const struct zip *zip, int member,
                       const struct table_options *options, struct problem *problem)
{
    bool failed = false, good = true;
    char *name = array_name(zip->members[member].name, options, &failed);
    struct source *source;

    if (failed)
        return table_no_memory(problem);
    if (name == NULL)
        return true;
    if (table_find(table, name) >= 0)
        good = problem_set(problem, 400, "bad_data", "it is there twice");
    else if (table->n_columns == options->columns_max)
        good = problem_set(problem, 413, "too_large", "there are more than %d arrays",
                           options->columns_max);
    if (good) {
        source = zip_source(zip, member, problem);
        good = source != NULL && array_table_add_npy(table, name, source,
                                                     options->rearranged_bytes_max, problem);
    }
    if (!good)
        problem_prefix(problem, "array '%.100s'", name);
    free(name);
    return good;
}

struct table *npz_open(const struct storage *storage, const struct table_options *options,
                       struct problem *problem)
{
    struct table *table = NULL;
    struct zip zip;
    bool good;

    if (!zip_open(storage, &zip, problem))
        return NULL;
    table = array_table_create(TABLE_NPZ, zip.n_members);
    good = table != NULL || table_no_memory(problem);
    for (int m = 0; good && m < zip.n_members; m++)
        good = add_member(table, &zip, m, options, problem);
    zip_finish(&zip);
    for (int i = 0; good && i < options->n_names; i++)
        if (table_find(table, options->names[i]) < 0)
            good = problem_set(problem, 400, "bad_data", "it has no array '%.100s'",
                               options->names[i]);
    if (good && table->n_columns == 0)
        good = problem_set(problem, 400, "bad_data", "it has no arrays");
    if (!good) {
        table_destroy(table);
        return NULL;
    }
    return table;
}

static int64_t big_endian(const unsigned char *p)
{
    return (int64_t)p[0] << 24 | (int64_t)p[1] << 16 | (int64_t)p[2] << 8 | p[3];
}

/* Y. LeCun's format: 0, 0, a type, a rank, and so many dimensions of 32 bits. */
static bool read_idx(struct source *source, struct table *table, struct problem *problem)
{
    static const struct {
        unsigned char code;
        enum wire_type type;
    } types[] = {{8, WIRE_UINT8},  {9, WIRE_INT8},  {11, WIRE_INT16},
                 {12, WIRE_INT32}, {13, WIRE_FP32}, {14, WIRE_FP64}};
    struct array_column column = {.source = source, .big_endian = true};
    unsigned char bytes[IDX_PREFIX_BYTES + 4 * WIRE_RANK_MAX];
    int64_t dims[WIRE_RANK_MAX], n = source_read(source, bytes, IDX_PREFIX_BYTES, problem);
    enum wire_type type = WIRE_NONE;
    const char *text = NULL;
    int rank = 0;

    if (n == IDX_PREFIX_BYTES) {
        rank = bytes[3];
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            if (types[i].code == bytes[2])
                type = types[i].type;
    }
    if (n >= 0 && n < IDX_PREFIX_BYTES)
        text = "it ends inside its header";
    else if (type == WIRE_NONE)
        text = "its IDX type is unknown: 8, 9, 11, 12, 13 or 14 is expected";
    else if (rank < 1 || rank > WIRE_RANK_MAX)
        text = "its IDX rank is not from 1 to 8";
    if (n >= 0 && text == NULL) {
        n = source_read(source, bytes + IDX_PREFIX_BYTES, 4 * (size_t)rank, problem);
        if (n >= 0 && n < 4 * rank)
            text = "it ends inside its header";
    }
    if (n < 0 || text != NULL) {
        source_destroy(source);
        return problem_set(problem, 400, "bad_data", "%s", text);
    }
    for (int d = 0; d < rank; d++)
        dims[d] = big_endian(bytes + IDX_PREFIX_BYTES + 4 * d);
    column.data_begin = IDX_PREFIX_BYTES + 4 * (uint64_t)rank;
    column.item_bytes = wire_type_bytes(type);
    return array_table_add(table, "", type, &column, rank, dims, problem);
}

struct table *idx_open(struct source *source, const struct table_options *options,
                       struct problem *problem)
{
    struct table *table = array_table_create(TABLE_IDX, 1);

    (void)options;
    if (table == NULL) {
        source_destroy(source);
        table_no_memory(problem);
        return NULL;
    }
    if (!read_idx(source, table, problem)) {
        table_destroy(table);
        return NULL;
    }
    return table;
}
