/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_data.h"

#include "engine/engine.h"
#include "proto/data/table.h"
#include "server/status_map.h"
#include "server/tensor_bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 16, CHUNK_ROWS = 256 };

/* One open file. */
struct data_file {
    const char *path;
    int fd;
    bool owned;
    struct storage storage;
    struct table *table;
    void **buffers;                /* by column: CHUNK_ROWS rows; NULL for what no field takes */
};

/* A column on its way into a field. */
struct data_part {
    int file, column, field;
    int64_t at;                    /* first element within an example of the field */
    int64_t elements;
};

struct loading {
    const struct train_wish *wish;
    struct data_file files[FILES_MAX];
    int n_files;
    int n_fields;                  /* inputs, then targets */
    struct dataset_field fields[2 * TRAIN_ENDS_MAX];
    int64_t elements[2 * TRAIN_ENDS_MAX];
    void *rows[2 * TRAIN_ENDS_MAX];   /* CHUNK_ROWS examples of each */
    struct data_part *parts;
    int n_parts, cap_parts;
    const struct labels *labels;
    struct labels *made;
    struct problem *problem;
};

static const struct train_field *wished(const struct loading *loading, int field)
{
    return field < loading->wish->n_inputs
               ? &loading->wish->inputs[field]
               : &loading->wish->targets[field - loading->wish->n_inputs];
}

static const struct table_column *part_column(const struct loading *loading,
                                              const struct data_part *part)
{
    return &loading->files[part->file].table->columns[part->column];
}

static bool out_of_memory(struct loading *loading)
{
    return problem_set(loading->problem, 500, "no_memory", "out of memory while reading examples");
}

static bool open_file(struct loading *loading, const struct train_file *from)
{
    const char *path = from->name;
    const struct table_options options = {
        .delimiter = loading->wish->delimiter,
        .text_window = loading->wish->text_window,
        .missing = loading->wish->skip_missing ? TABLE_MISSING_ROW_SKIPPED : TABLE_MISSING_REFUSED,
    };
    struct data_file *file = &loading->files[loading->n_files];
    struct stat info;

    file->path = path;
    file->owned = from->fd < 0;
    file->fd = file->owned ? open(path, O_RDONLY | O_CLOEXEC) : from->fd;
    if (file->fd < 0)
        return problem_set(loading->problem, 404, "not_found", "%s: %s", path, strerror(errno));
    loading->n_files++;
    if (fstat(file->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return problem_set(loading->problem, 400, "bad_data", "%s is no regular file", path);
    file->storage = (struct storage){.fd = file->fd, .length = (uint64_t)info.st_size,
                                     .stopped = loading->wish->stopped, .arg = loading->wish->arg};
    file->table = table_open(&file->storage, &options, loading->problem);
    if (file->table == NULL) {
        problem_prefix(loading->problem, "%s", path);
        return false;
    }
    file->buffers = calloc((size_t)file->table->n_columns + 1, sizeof(void *));
    if (file->buffers == NULL)
        return out_of_memory(loading);
    if (file->table->n_rows != loading->files[0].table->n_rows)
        return problem_set(loading->problem, 400, "bad_data", "%s has %lld rows, %s has %lld", path,
                           (long long)file->table->n_rows, loading->files[0].path,
                           (long long)loading->files[0].table->n_rows);
    return true;
}

static bool add_part(struct loading *loading, int file, int column, int field)
{
    const struct table_column *from = &loading->files[file].table->columns[column];

    if (loading->n_parts == loading->cap_parts) {
        int cap = loading->cap_parts * 2 + 16;
        struct data_part *parts = realloc(loading->parts, (size_t)cap * sizeof(*parts));

        if (parts == NULL)
            return out_of_memory(loading);
        loading->parts = parts;
        loading->cap_parts = cap;
    }
    loading->parts[loading->n_parts++] = (struct data_part){
        file, column, field, loading->elements[field], from->elements};
    loading->elements[field] += from->elements;
    return true;
}

/* The column of that name, in any file; false names what there is. */
static bool find_column(struct loading *loading, const char *name, size_t length, int *ret_file,
                        int *ret_column)
{
    for (int f = 0; f < loading->n_files; f++)
        for (int c = 0; c < loading->files[f].table->n_columns; c++) {
            const char *has = loading->files[f].table->columns[c].name;

            if (strncmp(has, name, length) == 0 && has[length] == '\0') {
                *ret_file = f;
                *ret_column = c;
                return true;
            }
        }
    return problem_set(loading->problem, 400, "bad_data", "%s: there is no column '%.*s'",
                       loading->files[0].path, (int)(length < 64 ? length : 64), name);
}

static bool is_taken(const struct loading *loading, int file, int column)
{
    for (int i = 0; i < loading->n_parts; i++)
        if (loading->parts[i].file == file && loading->parts[i].column == column)
            return true;
    return false;
}

/* The columns of a list go to one field all together, or one to each of several. */
static bool take_list(struct loading *loading, const char *names, int first_field, int n_fields)
{
    int count = 0;

    for (const char *at = names; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        count++;
    if (n_fields > 1 && count != n_fields)
        return problem_set(loading->problem, 400, "bad_data",
                           "'%.64s' names %d columns, the model has %d places for them", names, count,
                           n_fields);
    for (const char *at = names; *at != '\0';) {
        size_t length = strcspn(at, ",");
        int file, column;

        if (!find_column(loading, at, length, &file, &column) ||
            !add_part(loading, file, column, first_field))
            return false;
        first_field += n_fields > 1;
        at += length + (at[length] == ',');
    }
    return true;
}

static bool take_targets(struct loading *loading)
{
    const struct train_wish *wish = loading->wish;
    int last = loading->n_files - 1;

    if (wish->n_targets == 0)
        return true;
    if (wish->target_columns != NULL)
        return take_list(loading, wish->target_columns, wish->n_inputs, wish->n_targets);
    if (wish->n_targets > 1)
        return problem_set(loading->problem, 400, "bad_data",
                           "the model learns %d outputs: name a column for each with --target A,B",
                           wish->n_targets);
    return add_part(loading, last, loading->files[last].table->n_columns - 1, wish->n_inputs);
}

/* By name where there are several inputs, all that is left for a single one. */
static bool take_inputs(struct loading *loading)
{
    const struct train_wish *wish = loading->wish;

    if (wish->input_columns != NULL)
        return take_list(loading, wish->input_columns, 0, wish->n_inputs);
    for (int i = 0; i < wish->n_inputs && wish->n_inputs > 1; i++) {
        int file, column;

        if (!find_column(loading, wish->inputs[i].name, strlen(wish->inputs[i].name), &file, &column) ||
            !add_part(loading, file, column, i))
            return false;
    }
    for (int f = 0; f < loading->n_files && wish->n_inputs == 1; f++)
        for (int c = 0; c < loading->files[f].table->n_columns; c++)
            if (!is_taken(loading, f, c) && !add_part(loading, f, c, 0))
                return false;
    return true;
}

/* The shape of one example from what the model wants and what the file has. */
static bool settle_shape(struct loading *loading, int field)
{
    const struct train_field *wish = wished(loading, field);
    struct shape *shape = &loading->fields[field].shape;
    const struct table_column *only = NULL;
    int64_t known = 1;
    int n_parts = 0, open = -1, n_open = 0;

    for (int i = 0; i < loading->n_parts; i++)
        if (loading->parts[i].field == field) {
            only = part_column(loading, &loading->parts[i]);
            n_parts++;
        }
    if (n_parts == 0)
        return problem_set(loading->problem, 400, "bad_data", "no column is left for '%.64s'",
                           wish->name);
    *shape = (struct shape){.rank = wish->rank};
    if (wish->rank < 0) {
        shape->rank = n_parts == 1 ? only->rank : 1;
        for (int d = 0; d < shape->rank; d++)
            shape->dims[d] = n_parts == 1 ? only->dims[d] : loading->elements[field];
        return true;
    }
    for (int d = 0; d < wish->rank; d++) {
        shape->dims[d] = wish->dims[d];
        if (wish->dims[d] < 0 && n_parts == 1 && only->rank == wish->rank)
            shape->dims[d] = only->dims[d];
        if (shape->dims[d] < 0) {
            open = d;
            n_open++;
        } else {
            known *= shape->dims[d];
        }
    }
    if (n_open == 1 && known > 0 && loading->elements[field] % known == 0)
        shape->dims[open] = loading->elements[field] / known;
    else if (n_open > 0 || known != loading->elements[field])
        return problem_set(loading->problem, 400, "bad_data",
                           "'%.64s' takes %lld numbers for each example, the data have %lld",
                           wish->name, (long long)known, (long long)loading->elements[field]);
    return true;
}

/* Bytes stay bytes where one column of numbers is all; else the model's type. */
static bool settle_type(struct loading *loading, int field)
{
    const struct train_field *wish = wished(loading, field);
    struct dataset_field *ret = &loading->fields[field];
    int n_parts = 0;
    bool text = false, places = false;

    ret->name = wish->name;
    ret->role = field < loading->wish->n_inputs ? DATASET_INPUT : DATASET_TARGET;
    ret->dtype = wish->dtype;
    for (int i = 0; i < loading->n_parts; i++) {
        const struct table_column *column = part_column(loading, &loading->parts[i]);

        if (loading->parts[i].field != field)
            continue;
        n_parts++;
        if (column->type == WIRE_BYTES && !(wish->text && column->elements == 1))
            return problem_set(loading->problem, 400, "bad_data",
                               "%s: column '%.64s' is text (line %lld); '%.64s' takes numbers",
                               loading->files[loading->parts[i].file].path, column->name,
                               (long long)column->text_line, wish->name);
        text |= column->type == WIRE_BYTES;
        places = n_parts == 1 && wish->ids_rank > 0 && column->rank == wish->ids_rank;
        ret->dtype = n_parts == 1 && !text ? dtype_from_wire_type(column->type) : wish->dtype;
    }
    if (text && n_parts > 1)
        return problem_set(loading->problem, 400, "bad_data",
                           "'%.64s': text and other columns cannot be joined", wish->name);
    if (text || (wish->ids && n_parts == 1 && (loading->elements[field] == 1 || places)))
        ret->dtype = DTYPE_I64;
    else if (ret->role == DATASET_TARGET)
        ret->dtype = DTYPE_F32;
    return true;
}

static bool settle_fields(struct loading *loading)
{
    loading->n_fields = loading->wish->n_inputs + loading->wish->n_targets;
    if (!take_targets(loading) || !take_inputs(loading))
        return false;
    for (int f = 0; f < loading->n_fields; f++) {
        if (!settle_type(loading, f) || !settle_shape(loading, f))
            return false;
        if (loading->fields[f].role == DATASET_TARGET && loading->fields[f].dtype == DTYPE_I64 &&
            wished(loading, f)->ids_rank == 0)
            loading->fields[f].shape = (struct shape){.rank = 0};
        loading->rows[f] =
            calloc((size_t)loading->elements[f] + 1, CHUNK_ROWS * dtype_size(loading->fields[f].dtype));
        if (loading->rows[f] == NULL)
            return out_of_memory(loading);
    }
    for (int i = 0; i < loading->n_parts; i++) {
        const struct data_part *part = &loading->parts[i];
        const struct table_column *column = part_column(loading, part);
        size_t item = column->type == WIRE_BYTES ? sizeof(struct wire_bytes)
                                                 : dtype_size(dtype_from_wire_type(column->type));
        void **buffer = &loading->files[part->file].buffers[part->column];

        *buffer = calloc((size_t)column->elements + 1, CHUNK_ROWS * item);
        if (*buffer == NULL)
            return out_of_memory(loading);
    }
    return true;
}

static bool place_text(struct loading *loading, const struct data_part *part, int64_t row,
                       const struct wire_bytes *text, int64_t *ret)
{
    int id = labels_find(loading->labels, text->data, text->length);

    if (id < 0)
        return problem_set(loading->problem, 400, "bad_data",
                           "%s: row %lld: '%.*s' is none of the %d classes known",
                           loading->files[part->file].path, (long long)row,
                           (int)(text->length < 64 ? text->length : 64), text->data,
                           labels_count(loading->labels));
    *ret = id;
    return true;
}

/* One number into a field of another type, or that several columns make. */
static void place_number(const struct tensor *from, int64_t index, enum dtype dtype, void *to,
                         int64_t at)
{
    if (dtype == DTYPE_F32)
        ((float *)to)[at] = (float)tensor_double_at(from, index);
    else if (dtype == DTYPE_F64)
        ((double *)to)[at] = tensor_double_at(from, index);
    else if (dtype == DTYPE_I32)
        ((int32_t *)to)[at] = (int32_t)tensor_int_at(from, index);
    else
        ((int64_t *)to)[at] = tensor_int_at(from, index);
}

/* `n` rows of a part, from its file's buffer to rows from `row` on. */
static bool place(struct loading *loading, const struct data_part *part, int64_t first, int64_t row,
                  int64_t n)
{
    const struct table_column *column = part_column(loading, part);
    const struct dataset_field *field = &loading->fields[part->field];
    const int64_t width = loading->elements[part->field];
    struct tensor from = {dtype_from_wire_type(column->type), {1, {n * part->elements}},
                          loading->files[part->file].buffers[part->column]};

    if (column->type != WIRE_BYTES && from.dtype == field->dtype) {
        size_t item = dtype_size(field->dtype);

        for (int64_t i = 0; i < n; i++)
            memcpy((char *)loading->rows[part->field] + (size_t)((row + i) * width + part->at) * item,
                   (const char *)from.data + (size_t)(i * part->elements) * item,
                   (size_t)part->elements * item);
        return true;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < part->elements; k++) {
            int64_t at = (row + i) * width + part->at + k;

            if (column->type != WIRE_BYTES) {
                double whole = tensor_double_at(&from, i * part->elements + k);

                if (field->dtype == DTYPE_I64 && whole != (double)(int64_t)whole)
                    return problem_set(loading->problem, 400, "bad_data",
                                       "%s: row %lld of '%.64s' is %g; expected a class id",
                                       loading->files[part->file].path, (long long)(first + row + i),
                                       column->name, whole);
                place_number(&from, i * part->elements + k, field->dtype, loading->rows[part->field],
                             at);
            } else if (!place_text(loading, part, first + row + i, (struct wire_bytes *)from.data + i,
                                   (int64_t *)loading->rows[part->field] + at)) {
                return false;
            }
        }
    return true;
}

/* Up to CHUNK_ROWS rows of every file; false with `problem`. */
static bool read_chunk(struct loading *loading, int64_t first, int64_t *ret_rows)
{
    for (int f = 0; f < loading->n_files; f++) {
        struct data_file *file = &loading->files[f];
        int64_t got = 0, n;

        do {
            n = table_next(file->table, CHUNK_ROWS - got, file->buffers, loading->problem);
            if (n < 0) {
                problem_prefix(loading->problem, "%s", file->path);
                return false;
            }
            for (int i = 0; i < loading->n_parts && n > 0; i++)
                if (loading->parts[i].file == f &&
                    !place(loading, &loading->parts[i], first, got, n))
                    return false;
            got += n;
        } while (n > 0 && got < CHUNK_ROWS);
        if (f > 0 && got != *ret_rows)
            return problem_set(loading->problem, 400, "bad_data", "%s ends before %s does",
                               got < *ret_rows ? file->path : loading->files[0].path,
                               got < *ret_rows ? loading->files[0].path : file->path);
        *ret_rows = got;
    }
    return true;
}

/* A first pass over a column of text: its names, sorted. */
static bool collect_labels(struct loading *loading, const struct data_part *part)
{
    struct data_file *file = &loading->files[part->file];
    void **only = calloc((size_t)file->table->n_columns + 1, sizeof(void *));
    int64_t n = 0;
    bool ok = only != NULL;

    if (loading->made == NULL)
        loading->made = labels_create();
    if (!ok || loading->made == NULL) {
        free(only);
        return out_of_memory(loading);
    }
    only[part->column] = file->buffers[part->column];
    while (ok && (n = table_next(file->table, CHUNK_ROWS, only, loading->problem)) > 0)
        for (int64_t i = 0; i < n && ok; i++) {
            const struct wire_bytes *text = (const struct wire_bytes *)only[part->column] + i;

            ok = labels_add(loading->made, text->data, text->length) >= 0 ||
                 problem_set(loading->problem, 400, "bad_data",
                             "%s: column '%.64s' has more than %d classes, or a name that is too long",
                             file->path, part_column(loading, part)->name, LABELS_MAX);
        }
    free(only);
    if (ok && n == 0 && table_rewind(file->table, loading->problem))
        return true;
    if (ok)
        problem_prefix(loading->problem, "%s", file->path);
    return false;
}

static bool settle_labels(struct loading *loading)
{
    loading->labels = loading->wish->labels;
    for (int i = 0; i < loading->n_parts; i++)
        if (part_column(loading, &loading->parts[i])->type == WIRE_BYTES &&
            loading->labels == NULL && !collect_labels(loading, &loading->parts[i]))
            return false;
    if (loading->made != NULL) {
        labels_sort(loading->made);
        loading->labels = loading->made;
    }
    return true;
}

static struct dataset *load(struct loading *loading)
{
    const struct dataset_options options = {.memory_bytes_max = loading->wish->memory_bytes_max,
                                            .spill_dir = loading->wish->spill_dir};
    struct engine_error err = {0};
    struct dataset *dataset =
        dataset_create(loading->fields, loading->n_fields, &options, &err);
    int64_t rows = 0, first = 0;
    bool ok = dataset != NULL;

    while (ok && (ok = read_chunk(loading, first, &rows)) && rows > 0) {
        ok = dataset_append(dataset, (const void *const *)loading->rows, rows, &err) == ENGINE_OK;
        first += rows;
    }
    if (ok && first > 0)
        return dataset;
    if (err.status != ENGINE_OK)
        problem_from_engine(loading->problem, &err);
    else if (ok)
        problem_set(loading->problem, 400, "bad_data", "%s has no examples", loading->files[0].path);
    dataset_destroy(dataset);
    return NULL;
}

static void loading_finish(struct loading *loading)
{
    for (int f = 0; f < loading->n_files; f++) {
        struct data_file *file = &loading->files[f];

        for (int c = 0; file->buffers != NULL && c < file->table->n_columns; c++)
            free(file->buffers[c]);
        free(file->buffers);
        table_destroy(file->table);
        if (file->owned)
            close(file->fd);
    }
    for (int i = 0; i < loading->n_fields; i++)
        free(loading->rows[i]);
    free(loading->parts);
}

struct dataset *train_data_load(const struct train_wish *wish, const struct train_file *files,
                                int n_files, struct labels **ret_labels, struct problem *problem)
{
    struct loading loading = {.wish = wish, .problem = problem};
    struct dataset *dataset = NULL;
    bool ok = true;

    for (int i = 0; i < n_files && ok; i++)
        ok = open_file(&loading, &files[i]);
    if (ok && settle_fields(&loading) && settle_labels(&loading))
        dataset = load(&loading);
    loading_finish(&loading);
    if (dataset == NULL)
        labels_destroy(loading.made);
    else
        *ret_labels = loading.made;
    return dataset;
}
