/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/ctl/input.h"

#include "proto/data/npy.h"
#include "proto/json_text.h"
#include "proto/tensor_print.h"
#include "proto/tensor_scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 30 };

static bool no_memory(struct problem *problem)
{
    return problem_set(problem, 507, "no_memory", "out of memory");
}

static bool read_file(const char *path, struct text *text, struct problem *problem)
{
    FILE *file = fopen(path, "rb");
    size_t n;
    bool good = true;

    if (file == NULL)
        return problem_set(problem, 400, "bad_file", "%.200s: %s", path, strerror(errno));
    do {
        if (!text_reserve(text, 65536)) {
            good = no_memory(problem);
            break;
        }
        n = fread(text->data + text->length, 1, 65536, file);
        text->length += n;
    } while (n > 0 && text->length <= FILE_BYTES_MAX);
    if (good && ferror(file))
        good = problem_set(problem, 400, "bad_file", "%.200s cannot be read", path);
    if (good && text->length > FILE_BYTES_MAX)
        good = problem_set(problem, 400, "bad_file", "%.200s is larger than 1 GiB", path);
    fclose(file);
    return good;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Appends cells of one line as a JSON array. Numbers go in as they stand: the scanner says what is
 * wrong with them. */
static void append_cells(struct text *json, const char *p, const char *end, bool strings)
{
    const char *cell;

    text_puts(json, "[");
    for (;; p++) {
        for (cell = p; p < end && *p != ',' && *p != ';' && *p != '\t'; p++)
            ;
        if (strings)
            text_json_string(json, cell, (size_t)(p - cell));
        else
            text_append(json, cell, (size_t)(p - cell));
        if (p == end)
            break;
        text_puts(json, ",");
    }
    text_puts(json, "]");
}

/* A line of headings has a cell that no number begins with. */
static bool is_heading(const char *p, const char *end)
{
    bool cell_begins = true;

    for (; p < end; p++) {
        if (cell_begins && strchr(" +-.0123456789NItf", *p) == NULL)
            return true;
        cell_begins = *p == ',' || *p == ';' || *p == '\t';
    }
    return false;
}

/* One row a line; a line of headings and empty lines are passed over. */
static void csv_to_json(const struct text *csv, bool strings, struct text *json)
{
    const char *p = csv->data, *file_end = csv->data + csv->length, *end, *next;
    bool first = true, any = false;

    text_puts(json, "[");
    for (; p < file_end; p = next) {
        end = memchr(p, '\n', (size_t)(file_end - p));
        next = end != NULL ? end + 1 : file_end;
        end = end != NULL ? end : file_end;
        if (end > p && end[-1] == '\r')
            end--;
        if (end > p && !(first && !strings && is_heading(p, end))) {
            if (any)
                text_puts(json, ",");
            append_cells(json, p, end, strings);
            any = true;
        }
        first = false;
    }
    text_puts(json, "]");
}

/* Reads JSON text into a tensor of the type. */
static bool scan_json(const struct text *json, enum wire_type type, struct message_memory *memory,
                      struct wire_tensor *tensor, struct problem *problem)
{
    struct tensor_scan scan;
    struct json_span span;
    const char *end;

    /* A byte behind the value, and a copy that lives as long as the strings in it. */
    char *text = message_memory_take_block(memory, json->length + 1);

    if (text == NULL || json->failed)
        return no_memory(problem);
    memcpy(text, json->data, json->length);
    text[json->length] = '\n';
    end = text + json->length;
    if (!json_span_find(json_skip_space(text, end), end + 1, &span) ||
        json_skip_space(span.end, end) != end)
        return problem_set(problem, 400, "bad_json", "it is no JSON value, or more than one");
    if (!tensor_scan_start(&scan, type, span.commas + 1, SIZE_MAX / 2, memory, problem))
        return false;
    scan.base64 = true;
    if (!tensor_scan_value(&scan, span.start, span.end, problem))
        return false;
    tensor->type = type;
    tensor->rank = scan.rank;
    memcpy(tensor->dims, scan.dims, sizeof(tensor->dims));
    tensor->data = scan.data;
    tensor->count = scan.count;
    return true;
}

/* To the model's type by way of text: the rules for ranges and fractions hold here too. */
static bool convert(enum wire_type type, struct message_memory *memory, struct wire_tensor *tensor,
                    struct problem *problem)
{
    struct wire_tensor shaped = *tensor;
    struct text json;
    bool good;

    if (tensor->type == type)
        return true;
    text_init(&json);
    tensor_print_flat(&json, tensor, NON_FINITE_TOKEN);
    good = scan_json(&json, type, memory, tensor, problem);
    text_free(&json);
    tensor->rank = shaped.rank;
    memcpy(tensor->dims, shaped.dims, sizeof(tensor->dims));
    return good;
}

static bool read_value(const char *value, enum wire_type type, struct message_memory *memory,
                       struct wire_tensor *tensor, struct problem *problem)
{
    struct text file, json;
    bool good = true;
    char *copy;

    text_init(&file);
    text_init(&json);
    if (value[0] != '@') {
        if (value[0] == '[')
            text_puts(&json, value);
        else
            append_cells(&json, value, value + strlen(value), type == WIRE_BYTES);
        good = scan_json(&json, type, memory, tensor, problem);
    } else if (!read_file(value + 1, &file, problem)) {
        good = false;
    } else if (ends_with(value, ".npy")) {
        copy = message_memory_take_block(memory, file.length);
        if (copy != NULL && file.length > 0)
            memcpy(copy, file.data, file.length);
        good = copy == NULL ? no_memory(problem)
                            : npy_read(copy, file.length, memory, tensor, problem) &&
                                  convert(type, memory, tensor, problem);
    } else if (ends_with(value, ".csv")) {
        csv_to_json(&file, type == WIRE_BYTES, &json);
        good = scan_json(&json, type, memory, tensor, problem);
    } else if (ends_with(value, ".json")) {
        good = scan_json(&file, type, memory, tensor, problem);
    } else {
        good = problem_set(problem, 400, "bad_file", "%.200s: expected .npy, .csv or .json",
                           value + 1);
    }
    text_free(&file);
    text_free(&json);
    return good;
}

static bool dims_fit(const int64_t *dims, const int64_t *wanted, int rank)
{
    int i;

    for (i = 0; i < rank; i++)
        if (wanted[i] >= 0 && wanted[i] != dims[i])
            return false;
    return true;
}

/* Fills the free dimensions of wanted[first..] so that they hold `count` elements: one of them may
 * be free. */
static bool fill_dims(const struct tensor_spec *spec, int first, int64_t count, int64_t *dims)
{
    int64_t known = 1;
    int i, open = -1;

    for (i = first; i < spec->rank; i++) {
        dims[i] = spec->dims[i];
        if (spec->dims[i] >= 0) {
            if (__builtin_mul_overflow(known, spec->dims[i], &known))
                return false;
        } else if (open < 0) {
            open = i;
        } else {
            return false;
        }
    }
    if (open < 0)
        return known == count;
    if (known == 0 || count % known != 0)
        return false;
    dims[open] = count / known;
    return true;
}

/* Gives the tensor the model's shape: as it is, as one row of a batch, as rows of flat values, or
 * all flat. */
static bool fit_shape(const struct tensor_spec *spec, struct wire_tensor *tensor,
                      struct problem *problem)
{
    int64_t dims[WIRE_RANK_MAX] = {0};
    int64_t rows = tensor->rank > 0 ? tensor->dims[0] : 1;
    char text[256] = "";
    size_t used = 0;
    int i;

    if (spec->rank < 0 ||
        (tensor->rank == spec->rank && dims_fit(tensor->dims, spec->dims, spec->rank)))
        return true;
    if (tensor->rank == spec->rank - 1 && dims_fit(tensor->dims, spec->dims + 1, tensor->rank) &&
        (spec->dims[0] < 0 || spec->dims[0] == 1)) {
        dims[0] = 1;
        memcpy(dims + 1, tensor->dims, (size_t)tensor->rank * sizeof(dims[0]));
    } else if (tensor->rank == 2 && spec->rank > 0 && rows > 0 &&
               (spec->dims[0] < 0 || spec->dims[0] == rows) &&
               fill_dims(spec, 1, tensor->count / rows, dims)) {
        dims[0] = rows;
    } else if (tensor->rank > 1 || !fill_dims(spec, 0, tensor->count, dims)) {
        for (i = 0; i < spec->rank && used < sizeof(text) - 24; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%lld", i > 0 ? "," : "",
                                     (long long)spec->dims[i]);
        return problem_set(problem, 400, "bad_tensor", "%lld elements do not fit the shape [%s]",
                           (long long)tensor->count, text);
    }
    tensor->rank = spec->rank;
    memcpy(tensor->dims, dims, sizeof(dims));
    return true;
}

bool inputs_read(const struct ctl *ctl, const struct inferd_model *model,
                 struct message_memory *memory, struct infer_request *ret_request,
                 struct problem *problem)
{
    struct wire_tensor *tensors =
        message_memory_take(memory, (size_t)ctl->n_inputs * sizeof(tensors[0]));
    const struct tensor_spec *spec;
    const char *equals;
    int i;

    if (tensors == NULL)
        return no_memory(problem);
    for (i = 0; i < ctl->n_inputs; i++) {
        equals = strchr(ctl->inputs[i], '=');
        if (equals == NULL)
            return problem_set(problem, 400, "usage", "--input %.100s: expected NAME=VALUE",
                               ctl->inputs[i]);
        spec = inferd_model_input(model, ctl->inputs[i], (size_t)(equals - ctl->inputs[i]));
        if (spec == NULL)
            return problem_set(problem, 400, "usage",
                               "the model has no input '%.*s'; see "
                               "inferctl model %.100s",
                               (int)(equals - ctl->inputs[i]), ctl->inputs[i], ctl->model);
        tensors[i].name = spec->name;
        if (!read_value(equals + 1, spec->type, memory, &tensors[i], problem) ||
            !fit_shape(spec, &tensors[i], problem)) {
            problem_prefix(problem, "--input %.100s", spec->name);
            return false;
        }
        tensors[i].name = spec->name;
    }
    *ret_request = (struct infer_request){.n_inputs = ctl->n_inputs, .inputs = tensors};
    return true;
}

static enum wire_type guess_type(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(".eEN", text[i]) != NULL && text[i] != '\0')
            return WIRE_FP32;
    return WIRE_INT64;
}

static bool read_target(const char *value, struct message_memory *memory,
                        struct wire_tensor *tensor, struct problem *problem)
{
    enum wire_type type = guess_type(value, strlen(value));
    struct text file;
    bool good = true;

    text_init(&file);
    if (value[0] == '@' && !ends_with(value, ".npy")) {
        good = read_file(value + 1, &file, problem);
        type = good ? guess_type(file.data, file.length) : type;
    }
    good = good && read_value(value, type, memory, tensor, problem);
    text_free(&file);
    /* A column of labels is a list of them. */
    if (good && tensor->rank == 2 && tensor->dims[1] == 1)
        tensor->rank = 1;
    return good;
}

bool targets_read(const struct ctl *ctl, struct message_memory *memory,
                  struct learn_request *ret_request, struct problem *problem)
{
    struct wire_tensor *tensors =
        message_memory_take(memory, (size_t)ctl->n_targets * sizeof(tensors[0]));

    if (tensors == NULL)
        return no_memory(problem);
    if (ctl->n_targets == 0)
        return problem_set(problem, 400, "usage", "--target NAME=VALUE is missing");
    for (int i = 0; i < ctl->n_targets; i++) {
        const char *equals = strchr(ctl->targets[i], '=');
        char *name;

        if (equals == NULL)
            return problem_set(problem, 400, "usage", "--target %.100s: expected NAME=VALUE",
                               ctl->targets[i]);
        name = message_memory_take(memory, (size_t)(equals - ctl->targets[i]) + 1);
        if (name == NULL)
            return no_memory(problem);
        memcpy(name, ctl->targets[i], (size_t)(equals - ctl->targets[i]));
        if (!read_target(equals + 1, memory, &tensors[i], problem)) {
            problem_prefix(problem, "--target %.100s", name);
            return false;
        }
        tensors[i].name = name;
    }
    ret_request->n_targets = ctl->n_targets;
    ret_request->targets = tensors;
    return true;
}

bool inputs_of_zeros(const struct inferd_model *model, struct message_memory *memory,
                     struct infer_request *ret_request, struct problem *problem)
{
    struct wire_tensor *tensors =
        message_memory_take(memory, (size_t)model->n_inputs * sizeof(tensors[0]));
    size_t element;
    int i, d;

    if (tensors == NULL)
        return no_memory(problem);
    for (i = 0; i < model->n_inputs; i++) {
        tensors[i].name = model->inputs[i].name;
        tensors[i].type = model->inputs[i].type;
        tensors[i].rank = model->inputs[i].rank;
        for (d = 0; d < tensors[i].rank; d++)
            tensors[i].dims[d] = model->inputs[i].dims[d] < 0 ? 1 : model->inputs[i].dims[d];
        element = tensors[i].type == WIRE_BYTES ? sizeof(struct wire_bytes)
                                                : wire_type_bytes(tensors[i].type);
        if (!wire_count(tensors[i].dims, tensors[i].rank, element, &tensors[i].count))
            return problem_set(problem, 400, "bad_tensor", "input '%.100s' is too large",
                               tensors[i].name);
        tensors[i].data = message_memory_take(memory, (size_t)tensors[i].count * element);
        if (tensors[i].data == NULL)
            return no_memory(problem);
    }
    *ret_request = (struct infer_request){.n_inputs = model->n_inputs, .inputs = tensors};
    return true;
}
