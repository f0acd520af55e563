/* SPDX-License-Identifier: Apache-2.0
 * An update as the journal keeps it: settings say the rate and what the tensors were, each example holds
 * the bytes of its row of every input and of every target, one tensor after the other. So an example can
 * be erased alone, and the rest makes the same tensors without it. */
#include "server/learning/learner_private.h"

#include "server/tensor_bridge.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static void describe(struct text *text, const struct tensor *tensors, int count)
{
    for (int i = 0; i < count; i++) {
        text_printf(text, "%s[\"%s\",[", i > 0 ? "," : "",
                    wire_type_name(wire_type_from_dtype(tensors[i].dtype)));
        for (int d = 0; d < tensors[i].shape.rank; d++) {
            if (d > 0)
                text_puts(text, ",");
            text_json_int(text, tensors[i].shape.dims[d]);
        }
        text_puts(text, "]]");
    }
}

char *learn_row_settings(const struct learn_job *job, const struct learn_config *config, double rate,
                         int64_t micro_batch)
{
    struct text text;

    text_init(&text);
    text_puts(&text, "{\"learning_rate\":");
    text_json_double(&text, rate);
    if (micro_batch > 0) {
        text_puts(&text, ",\"micro_batch\":");
        text_json_int(&text, micro_batch);
    }
    text_puts(&text, ",\"method\":");
    learn_method_write(config, &text);
    text_puts(&text, ",\"rows\":");
    text_json_int(&text, job->rows);
    text_puts(&text, job->entry->batchable ? ",\"batched\":true,\"inputs\":["
                                           : ",\"batched\":false,\"inputs\":[");
    describe(&text, job->inputs, job->entry->n_inputs);
    text_puts(&text, "],\"targets\":[");
    describe(&text, job->targets, job->n_targets);
    text_append(&text, "]}", sizeof("]}"));
    if (!text.failed)
        return text.data;
    text_free(&text);
    return NULL;
}

size_t learn_row_bytes(const struct tensor *tensors, int count, int64_t rows)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += tensor_bytes(&tensors[i]) / (size_t)rows;
    return bytes;
}

char *learn_row_pack(const struct tensor *tensors, int count, int64_t rows, int64_t row, char *to)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = tensor_bytes(&tensors[i]) / (size_t)rows;

        memcpy(to, (const char *)tensors[i].data + (size_t)row * bytes, bytes);
        to += bytes;
    }
    return to;
}

bool learn_row_examples(const struct learn_batch *batch, struct journal_row *row, void **ret_memory)
{
    int64_t rows = batch->rows, copies = rows - batch->own;
    size_t inputs = learn_row_bytes(batch->inputs, batch->n_inputs, rows);
    size_t targets = learn_row_bytes(batch->targets, batch->n_targets, rows);
    size_t each = inputs + targets;
    struct journal_example *examples = NULL;
    char *data, *id;

    if (each < SIZE_MAX / 4 / (size_t)rows)
        examples = calloc(1, (size_t)rows * (sizeof(*examples) + each) +
                                 (size_t)copies * JOURNAL_COPY_ID_BYTES);
    if (examples == NULL)
        return false;
    id = (char *)(examples + rows);
    data = id + (size_t)copies * JOURNAL_COPY_ID_BYTES;
    for (int64_t r = 0; r < rows; r++) {
        if (r >= batch->own) {
            const struct journal_spot *origin = &batch->origins[r - batch->own];

            journal_copy_id(origin->generation, origin->ordinal, id);
            examples[r].id = id;
            id += JOURNAL_COPY_ID_BYTES;
        }
        examples[r].inputs = data;
        examples[r].inputs_bytes = inputs;
        data = learn_row_pack(batch->inputs, batch->n_inputs, rows, r, data);
        examples[r].targets = data;
        examples[r].targets_bytes = targets;
        data = learn_row_pack(batch->targets, batch->n_targets, rows, r, data);
    }
    row->examples = examples;
    row->n_examples = (size_t)rows;
    *ret_memory = examples;
    return true;
}

static bool read_tensor(const json_t *item, int64_t rows, struct tensor *tensor)
{
    const char *type = json_string_value(json_array_get(item, 0));
    const json_t *dims = json_array_get(item, 1);

    if (type == NULL || json_array_size(dims) > SHAPE_RANK_MAX)
        return false;
    tensor->dtype = dtype_from_wire_type(wire_type_find(type, strlen(type)));
    tensor->shape.rank = (int)json_array_size(dims);
    for (int d = 0; d < tensor->shape.rank; d++)
        tensor->shape.dims[d] = json_integer_value(json_array_get(dims, (size_t)d));
    if (rows >= 0 && tensor->shape.rank > 0)
        tensor->shape.dims[0] = rows;
    return tensor->dtype != DTYPE_NONE && (rows < 0 || tensor->shape.rank > 0);
}

/* The shapes of `ret` as the settings say; dimension 0 counts the `rows` that are left (-1: not joined). */
static bool read_tensors(const json_t *root, int64_t rows, struct learn_replay *ret)
{
    const json_t *inputs = json_object_get(root, "inputs");
    const json_t *targets = json_object_get(root, "targets");
    size_t count = json_array_size(inputs) + json_array_size(targets);

    ret->rate = json_number_value(json_object_get(root, "learning_rate"));
    ret->micro_batch = json_integer_value(json_object_get(root, "micro_batch"));
    ret->n_inputs = (int)json_array_size(inputs);
    ret->n_targets = (int)json_array_size(targets);
    ret->inputs = calloc(count + 1, sizeof(*ret->inputs));
    if (ret->inputs == NULL || count > 4096)
        return false;
    ret->targets = ret->inputs + ret->n_inputs;
    for (int i = 0; i < ret->n_inputs; i++)
        if (!read_tensor(json_array_get(inputs, (size_t)i), rows, &ret->inputs[i]))
            return false;
    for (int i = 0; i < ret->n_targets; i++)
        if (!read_tensor(json_array_get(targets, (size_t)i), rows, &ret->targets[i]))
            return false;
    return true;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
}

bool learn_replay_allocate(struct learn_replay *replay)
{
    int count = replay->n_inputs + replay->n_targets;
    size_t bytes = 0;
    char *data;

    for (int i = 0; i < count; i++) {
        struct tensor *tensor = &replay->inputs[i];
        size_t own;

        if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), &own))
            return false;
        bytes += aligned(own);
    }
    replay->memory = aligned_alloc(ALIGNMENT, bytes + ALIGNMENT);
    data = replay->memory;
    for (int i = 0; i < count && data != NULL; i++) {
        replay->inputs[i].data = data;
        data += aligned(tensor_bytes(&replay->inputs[i]));
    }
    return replay->memory != NULL;
}

/* False when the example's bytes are not what the shapes say. */
static bool unpack_row(struct tensor *tensors, int count, int64_t rows, int64_t row,
                       const char *from, size_t bytes)
{
    if (learn_row_bytes(tensors, count, rows) != bytes)
        return false;
    for (int i = 0; i < count; i++) {
        size_t own = tensor_bytes(&tensors[i]) / (size_t)rows;

        memcpy((char *)tensors[i].data + (size_t)row * own, from, own);
        from += own;
    }
    return true;
}

static bool is_left_out(const struct journal_example *example, int64_t holdout)
{
    return example->erased || example_is_held(example, holdout);
}

static bool fill(const struct journal_row *row, int64_t holdout, struct learn_replay *replay)
{
    int64_t filled = 0;

    for (size_t i = 0; i < row->n_examples; i++) {
        const struct journal_example *example = &row->examples[i];

        if (is_left_out(example, holdout))
            continue;
        if (!unpack_row(replay->inputs, replay->n_inputs, replay->rows, filled, example->inputs,
                        example->inputs_bytes) ||
            !unpack_row(replay->targets, replay->n_targets, replay->rows, filled,
                        example->targets, example->targets_bytes))
            return false;
        filled++;
    }
    return true;
}

void learn_replay_finish(struct learn_replay *replay)
{
    free(replay->memory);
    free(replay->inputs);
    *replay = (struct learn_replay){0};
}

int64_t learn_row_held(const struct journal_row *row, int64_t holdout)
{
    int64_t held = 0;

    for (size_t i = 0; i < row->n_examples && holdout > 0; i++)
        held += example_is_held(&row->examples[i], holdout);
    return held;
}

int64_t learn_row_holdout(const struct journal_row *row)
{
    json_t *root;
    int64_t every;

    if (strstr(row->settings != NULL ? row->settings : "", "\"holdout_every\":") == NULL)
        return 0;
    root = json_loads(row->settings, 0, NULL);
    every = json_integer_value(json_object_get(root, "holdout_every"));
    json_decref(root);
    return every;
}

bool learn_row_replay(const struct journal_row *row, int64_t holdout, struct learn_replay *ret,
                      struct storage_fault *fault)
{
    struct learn_replay replay = {0};
    json_t *root = json_loads(row->settings != NULL ? row->settings : "", 0, NULL);
    bool batched = json_is_true(json_object_get(root, "batched")), good;
    json_t *method = json_object_get(root, "method");

    for (size_t i = 0; i < row->n_examples; i++)
        replay.rows += !is_left_out(&row->examples[i], holdout);
    good = root != NULL && read_tensors(root, batched ? replay.rows : -1, &replay);
    if (good && replay.rows > 0)
        good = learn_replay_allocate(&replay) && fill(row, holdout, &replay);
    replay.told = good && method != NULL;
    good = good && (method == NULL || learn_method_read(method, &replay.method));
    json_decref(root);
    if (!good) {
        learn_replay_finish(&replay);
        storage_fault_set(fault, STORAGE_DAMAGED, journal_file, row->generation,
                          "the row's settings do not describe its examples");
        return false;
    }
    *ret = replay;
    return true;
}
