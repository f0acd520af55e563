/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/text.c - strings: StringNormalizer, StringConcat, StringSplit. Text is UTF-8. What stays
 * as it was is shared with the input, not copied. */
#include "engine/dynamic.h"
#include "engine/ops/operands.h"
#include "engine/ops/text_case.h"

#include <inttypes.h>
#include <string.h>

enum case_action { CASE_NONE, CASE_LOWER, CASE_UPPER };

struct normalizer_params {
    enum case_action action;
    bool case_sensitive;
    size_t n_stopwords;
    struct bytes *stopwords;       /* in lower case unless case_sensitive */
};

static enum engine_status check_strings(const struct op_infer *infer, int input,
                                        struct engine_error *err)
{
    if (infer->inputs[input].dtype != DTYPE_STRING)
        return op_fail(infer->node, err, "input %d is of type %s, expected string", input,
                       dtype_name(infer->inputs[input].dtype));
    return ENGINE_OK;
}

static bool same_bytes(const struct bytes *a, const struct bytes *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

static enum engine_status normalizer_init(const struct op_init *init, struct engine_error *err)
{
    struct normalizer_params *params = init->params;
    const char *action = node_string(init->node, "case_change_action", "NONE");
    const struct bytes *words = node_strings(init->node, "stopwords", &params->n_stopwords);

    params->case_sensitive = node_int(init->node, "is_case_sensitive", 0) != 0;
    if (strcmp(action, "LOWER") == 0)
        params->action = CASE_LOWER;
    else if (strcmp(action, "UPPER") == 0)
        params->action = CASE_UPPER;
    else if (strcmp(action, "NONE") != 0)
        return op_unsupported(init->node, err, "case_change_action '%.32s'", action);
    params->stopwords = arena_calloc(init->arena, params->n_stopwords, sizeof(struct bytes));
    if (params->stopwords == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for stopwords");
    for (size_t i = 0; i < params->n_stopwords; i++) {
        char *lower;

        params->stopwords[i] = words[i];
        if (params->case_sensitive)
            continue;
        lower = arena_alloc(init->arena, words[i].length * TEXT_CASE_GROWTH);
        if (lower == NULL)
            return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for stopwords");
        params->stopwords[i].length = text_case(words[i].data, words[i].length, false, lower);
        params->stopwords[i].data = lower;
    }
    return ENGINE_OK;
}

/* The longest element: comparisons without case need room for it. */
static size_t longest(const struct tensor *tensor)
{
    const int64_t count = shape_elements(&tensor->shape);
    size_t most = 0;

    for (int64_t i = 0; i < count; i++)
        if (((const struct bytes *)tensor->data)[i].length > most)
            most = ((const struct bytes *)tensor->data)[i].length;
    return most;
}

/* `room` has TEXT_CASE_GROWTH times the word's length. */
static bool is_stopword(const struct normalizer_params *params, const struct bytes *word, char *room)
{
    struct bytes compared = *word;

    if (!params->case_sensitive && params->n_stopwords > 0) {
        compared.length = text_case(word->data, word->length, false, room);
        compared.data = room;
    }
    for (size_t i = 0; i < params->n_stopwords; i++)
        if (same_bytes(&params->stopwords[i], &compared))
            return true;
    return false;
}

static enum engine_status normalizer_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct normalizer_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = from->shape;
    char text[SHAPE_TEXT_MAX];
    enum engine_status status = check_strings(infer, 0, err);
    size_t room;
    int64_t kept = 0;
    char *memory;

    if (status != ENGINE_OK)
        return status;
    if (shape.rank < 1 || shape.rank > 2 || (shape.rank == 2 && shape.dims[0] != 1))
        return op_fail(infer->node, err, "input has shape %s, expected [C] or [1,C]",
                       shape_text(&shape, text, sizeof(text)));
    if (__builtin_mul_overflow(longest(from), (size_t)TEXT_CASE_GROWTH, &room) ||
        (memory = arena_alloc(infer->arena, room)) == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory to compare strings");
    for (int64_t i = 0; i < shape.dims[shape.rank - 1]; i++)
        kept += !is_stopword(params, &((const struct bytes *)from->data)[i], memory);
    /* When nothing is left there is one empty string. */
    shape.dims[shape.rank - 1] = kept == 0 ? 1 : kept;
    infer->scratch_bytes = room;
    infer_output(infer, 0, DTYPE_STRING, &shape);
    return ENGINE_OK;
}

static enum engine_status normalizer_run(const struct op_call *call, struct engine_error *err)
{
    const struct normalizer_params *params = call->params;
    const struct bytes *from = call->inputs[0]->data;
    struct bytes *to = call->outputs[0]->data;
    const int64_t count = shape_elements(&call->inputs[0]->shape);
    int64_t kept = 0;

    to[0] = (struct bytes){"", 0};
    for (int64_t i = 0; i < count; i++) {
        char *mapped;

        if (is_stopword(params, &from[i], call->scratch))
            continue;
        to[kept] = from[i];
        if (params->action != CASE_NONE) {
            mapped = dynamic_alloc(call->dynamic, from[i].length * TEXT_CASE_GROWTH, err);
            if (mapped == NULL)
                return ENGINE_OVER_BUDGET;
            to[kept].length = text_case(from[i].data, from[i].length, params->action == CASE_UPPER,
                                        mapped);
            to[kept].data = mapped;
        }
        kept++;
    }
    return ENGINE_OK;
}

static enum engine_status concat_infer(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = check_strings(infer, 0, err);

    if (status == ENGINE_OK)
        status = check_strings(infer, 1, err);
    return status == ENGINE_OK ? infer_broadcast(infer, err) : status;
}

/* Where element `i` of the output stands in an input that is broadcast to it. */
static int64_t broadcast_index(const struct shape *to, const struct shape *from, int64_t i)
{
    int64_t index = 0, stride = 1;

    for (int d = 1; d <= from->rank; d++) {
        const int64_t dim = from->dims[from->rank - d];

        index += dim == 1 ? 0 : i % to->dims[to->rank - d] * stride;
        stride *= dim;
        i /= to->dims[to->rank - d];
    }
    return index;
}

static enum engine_status concat_run(const struct op_call *call, struct engine_error *err)
{
    const struct shape *shape = &call->outputs[0]->shape;
    struct bytes *to = call->outputs[0]->data;
    const int64_t count = shape_elements(shape);

    for (int64_t i = 0; i < count; i++) {
        const struct bytes *a = &((const struct bytes *)call->inputs[0]->data)
                                    [broadcast_index(shape, &call->inputs[0]->shape, i)];
        const struct bytes *b = &((const struct bytes *)call->inputs[1]->data)
                                    [broadcast_index(shape, &call->inputs[1]->shape, i)];
        char *text = dynamic_alloc(call->dynamic, a->length + b->length, err);

        if (text == NULL)
            return ENGINE_OVER_BUDGET;
        if (a->length > 0)
            memcpy(text, a->data, a->length);
        if (b->length > 0)
            memcpy(text + a->length, b->data, b->length);
        to[i] = (struct bytes){text, a->length + b->length};
    }
    return ENGINE_OK;
}

struct split_params {
    struct bytes delimiter;        /* empty: runs of white space */
    int64_t splits_max;
};

static enum engine_status split_init(const struct op_init *init, struct engine_error *err)
{
    struct split_params *params = init->params;
    const struct attribute *delimiter = node_attribute(init->node, "delimiter");

    (void)err;
    if (delimiter != NULL && delimiter->type == ATTRIBUTE_STRING)
        params->delimiter = delimiter->s;
    params->splits_max = node_int(init->node, "maxsplit", INT64_MAX);
    return ENGINE_OK;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next part off `rest`; false when there is none. `last`: all that remains. */
static bool next_part(const struct split_params *params, struct bytes *rest, bool last,
                      struct bytes *ret)
{
    const size_t width = params->delimiter.length;
    size_t end = 0;

    if (width == 0) {
        while (rest->length > 0 && is_space(*rest->data))
            *rest = (struct bytes){rest->data + 1, rest->length - 1};
        if (rest->length == 0)
            return false;
        while (end < rest->length && (last || !is_space(rest->data[end])))
            end++;
        *ret = (struct bytes){rest->data, end};
        *rest = (struct bytes){rest->data + end, rest->length - end};
        while (last && ret->length > 0 && is_space(ret->data[ret->length - 1]))
            ret->length--;
        return true;
    }
    if (rest->data == NULL)
        return false;
    while (end < rest->length && (last || rest->length - end < width ||
                                  memcmp(rest->data + end, params->delimiter.data, width) != 0))
        end++;
    *ret = (struct bytes){rest->data, end};
    *rest = end == rest->length ? (struct bytes){NULL, 0}
                                : (struct bytes){rest->data + end + width, rest->length - end - width};
    return true;
}

/* Splits one string into at most `room` parts at `to` (NULL: only counts them). */
static int64_t split_string(const struct split_params *params, struct bytes text, struct bytes *to)
{
    struct bytes part;
    int64_t count = 0;

    if (text.length == 0)
        return 0;
    while (next_part(params, &text, count >= params->splits_max, &part)) {
        if (to != NULL)
            to[count] = part;
        count++;
    }
    return count;
}

static enum engine_status split_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0];
    const int64_t count = shape_elements(&from->shape);
    struct shape shape = from->shape;
    enum engine_status status = check_strings(infer, 0, err);
    int64_t most = 0;

    if (status != ENGINE_OK)
        return status;
    if (shape.rank == SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "output rank is above %d", SHAPE_RANK_MAX);
    for (int64_t i = 0; i < count; i++) {
        const int64_t parts =
            split_string(infer->params, ((const struct bytes *)from->data)[i], NULL);

        most = parts > most ? parts : most;
    }
    shape.dims[shape.rank++] = most;
    infer_output(infer, 0, DTYPE_STRING, &shape);
    infer_output(infer, 1, DTYPE_I64, &from->shape);
    return ENGINE_OK;
}

static enum engine_status split_run(const struct op_call *call, struct engine_error *err)
{
    const struct shape *shape = &call->outputs[0]->shape;
    const int64_t count = shape_elements(&call->inputs[0]->shape);
    const int64_t most = shape->dims[shape->rank - 1];
    struct bytes *to = call->outputs[0]->data;

    (void)err;
    for (int64_t i = 0; i < count; i++, to += most) {
        const int64_t parts =
            split_string(call->params, ((const struct bytes *)call->inputs[0]->data)[i], to);

        for (int64_t p = parts; p < most; p++)
            to[p] = (struct bytes){"", 0};
        if (call->outputs[1] != NULL)
            ((int64_t *)call->outputs[1]->data)[i] = parts;
    }
    return ENGINE_OK;
}

const struct op_def ops_text[] = {
    {.name = "StringNormalizer", .domain = "", .since = 10, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .params_size = sizeof(struct normalizer_params), .init = normalizer_init,
     .infer = normalizer_infer, .run = normalizer_run},
    {.name = "StringConcat", .domain = "", .since = 20, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .infer = concat_infer,
     .run = concat_run},
    {.name = "StringSplit", .domain = "", .since = 20, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 2, .outputs_max = 2, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .params_size = sizeof(struct split_params), .init = split_init, .infer = split_infer,
     .run = split_run},
    {.name = NULL},
};
