/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/infer_scan.h"

#include "proto/number_scan.h"

#include <string.h>

enum { TENSORS_MAX = 8, STRING_BYTES_MAX = 128, DIGITS_MAX = 18 };

/* All functions below return false for what is not usual. */
struct cursor {
    const char *p, *end;         /* the byte before `end` is '}', so no number runs over it */
    struct infer_source *source;
    size_t data_bytes;           /* of "data" members so far */
};

struct word {
    const char *start;
    size_t length;
};

static bool eat(struct cursor *c, char byte)
{
    c->p = json_skip_space(c->p, c->end);
    if (c->p == c->end || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static bool read_word(struct cursor *c, struct word *ret_word)
{
    const char *p;

    if (!eat(c, '"'))
        return false;
    for (p = c->p; p < c->end && *p != '"'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f || *p == '\\')
            return false;
    ret_word->start = c->p;
    ret_word->length = (size_t)(p - c->p);
    c->p = p + 1;
    return p < c->end && ret_word->length <= STRING_BYTES_MAX;
}

static bool read_string(struct cursor *c, const char **ret_string)
{
    struct word word;
    char *copy;

    if (*ret_string != NULL || !read_word(c, &word))
        return false;
    copy = message_memory_take(c->source->memory, word.length + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, word.start, word.length);   /* the memory is zeroed */
    *ret_string = copy;
    return true;
}

/* 0 and up; *ret_value must be `unset`, for each member comes once. */
static bool read_int(struct cursor *c, int64_t unset, int64_t *ret_value)
{
    const char *first;
    int64_t value = 0;

    if (*ret_value != unset)
        return false;
    for (first = c->p = json_skip_space(c->p, c->end);
         c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - first < DIGITS_MAX; c->p++)
        value = value * 10 + (*c->p - '0');
    *ret_value = value;
    return c->p > first && (*first != '0' || c->p == first + 1) && *c->p != '.' &&
           (*c->p | 0x20) != 'e' && !(*c->p >= '0' && *c->p <= '9');
}

static bool read_bool(struct cursor *c, int *ret_value)
{
    size_t length;

    c->p = json_skip_space(c->p, c->end);
    if (*ret_value >= 0 || c->end - c->p < 5)
        return false;
    *ret_value = *c->p == 't';
    length = *ret_value ? 4 : 5;
    if (memcmp(c->p, *ret_value ? "true" : "false", length) != 0)
        return false;
    c->p += length;
    return true;
}

/* Reads {"key": value, ...}, which must not be empty: finds each key among `keys` and calls `read` with its
 * index. */
static bool read_members(struct cursor *c, const char *const *keys,
                         bool (*read)(struct cursor *c, int key, void *arg), void *arg)
{
    struct word word;
    int key;

    if (!eat(c, '{'))
        return false;
    do {
        if (!read_word(c, &word) || !eat(c, ':'))
            return false;
        for (key = 0; keys[key] != NULL; key++)
            if (strlen(keys[key]) == word.length && memcmp(keys[key], word.start, word.length) == 0)
                break;
        if (keys[key] == NULL || !read(c, key, arg))
            return false;
    } while (eat(c, ','));
    return eat(c, '}');
}

/* Reads [element, ...] of 1 to `max` elements. */
static bool read_elements(struct cursor *c, int max, int *ret_n,
                          bool (*read)(struct cursor *c, int index, void *arg), void *arg)
{
    int n = 0;

    if (!eat(c, '['))
        return false;
    do {
        if (n == max || !read(c, n, arg))
            return false;
        n++;
    } while (eat(c, ','));
    *ret_n = n;
    return eat(c, ']');
}

struct input {
    struct wire_tensor *tensor;
    int64_t binary_bytes;        /* -1: not given */
    bool has_shape, has_data, has_parameters;
};

static bool read_dim(struct cursor *c, int index, void *arg)
{
    struct wire_tensor *tensor = arg;

    tensor->dims[index] = -1;
    return read_int(c, -1, &tensor->dims[index]);
}

static size_t element_bytes(const struct wire_tensor *tensor)
{
    return tensor->type == WIRE_BYTES ? sizeof(struct wire_bytes) : wire_type_bytes(tensor->type);
}

/* Numbers in one flat array, straight into their tensor. */
static bool read_flat(struct cursor *c, struct wire_tensor *tensor)
{
    size_t bytes = (size_t)tensor->count * element_bytes(tensor);
    int64_t n;

    if (bytes > c->source->bytes_left)
        return false;
    tensor->data = message_memory_take_block(c->source->memory, bytes);
    tensor->owned = true;
    return tensor->data != NULL &&
           number_scan_run(tensor->type, &c->p, c->end, tensor->count, tensor->data, &n) ==
               NUMBER_OK &&
           n == tensor->count && eat(c, ']');
}

static bool read_data(struct cursor *c, struct input *input)
{
    const char *start = c->p = json_skip_space(c->p, c->end);
    struct problem ignored = {0};
    struct json_span span;
    const char *first;

    if (input->has_data || !input->has_shape || input->tensor->type == WIRE_NONE ||
        !wire_count(input->tensor->dims, input->tensor->rank, element_bytes(input->tensor),
                    &input->tensor->count) ||
        !eat(c, '['))
        return false;
    input->has_data = true;
    first = json_skip_space(c->p, c->end);
    if (input->tensor->type != WIRE_BYTES && *first != '[') {
        c->p = first;
        if (!read_flat(c, input->tensor))
            return false;
    } else {
        if (!json_span_find(start, c->end, &span) ||
            !infer_tensor_from_span(c->source, &span, input->tensor, &ignored))
            return false;
        c->p = span.end;
    }
    c->data_bytes += (size_t)(c->p - start);
    return true;
}

static bool read_input_parameter(struct cursor *c, int key, void *arg)
{
    (void)key;
    return read_int(c, -1, arg);
}

static bool read_input_member(struct cursor *c, int key, void *arg)
{
    static const char *const parameters[] = {"binary_data_size", NULL};
    struct input *input = arg;
    struct word word;

    switch (key) {
    case 0:
        return read_string(c, &input->tensor->name);
    case 1:
        if (input->tensor->type != WIRE_NONE || !read_word(c, &word))
            return false;
        input->tensor->type = wire_type_find(word.start, word.length);
        return input->tensor->type != WIRE_NONE;
    case 2:
        if (input->has_shape)
            return false;
        input->has_shape = true;
        return read_elements(c, WIRE_RANK_MAX, &input->tensor->rank, read_dim, input->tensor);
    case 3:
        return read_data(c, input);
    default:
        if (input->has_parameters)
            return false;
        input->has_parameters = true;
        return read_members(c, parameters, read_input_parameter, &input->binary_bytes);
    }
}

static bool read_tail(struct cursor *c, struct input *input)
{
    struct wire_tensor *tensor = input->tensor;
    struct problem ignored = {0};

    return c->source->binary &&
           wire_count(tensor->dims, tensor->rank, element_bytes(tensor), &tensor->count) &&
           infer_tensor_from_tail(c->source, "inputs.", (size_t)input->binary_bytes, tensor,
                                  &ignored);
}

static bool read_input(struct cursor *c, int index, void *arg)
{
    static const char *const members[] = {"name", "datatype", "shape", "data", "parameters", NULL};
    struct wire_tensor *tensors = arg, *tensor = &tensors[index];
    struct input input = {.tensor = tensor, .binary_bytes = -1};

    if (!read_members(c, members, read_input_member, &input) || tensor->name == NULL ||
        tensor->name[0] == '\0' || tensor->type == WIRE_NONE || !input.has_shape ||
        input.has_data == (input.binary_bytes >= 0) || (!input.has_data && !read_tail(c, &input)))
        return false;
    c->source->bytes_left -= (size_t)tensor->count * element_bytes(tensor);
    for (int i = 0; i < index; i++)
        if (strcmp(tensors[i].name, tensor->name) == 0)
            return false;
    return true;
}

static bool read_output_parameter(struct cursor *c, int key, void *arg)
{
    (void)key;
    return read_bool(c, &((struct requested_output *)arg)->binary);
}

static bool read_output_member(struct cursor *c, int key, void *arg)
{
    static const char *const parameters[] = {"binary_data", NULL};
    struct requested_output *output = arg;

    return key == 0 ? read_string(c, &output->name)
                    : read_members(c, parameters, read_output_parameter, output);
}

static bool read_output(struct cursor *c, int index, void *arg)
{
    static const char *const members[] = {"name", "parameters", NULL};
    struct requested_output *outputs = arg;

    outputs[index].binary = -1;
    if (!read_members(c, members, read_output_member, &outputs[index]) ||
        outputs[index].name == NULL)
        return false;
    for (int i = 0; i < index; i++)
        if (strcmp(outputs[i].name, outputs[index].name) == 0)
            return false;
    return true;
}

struct root {
    struct infer_request request;
    struct wire_tensor inputs[TENSORS_MAX];
    struct requested_output outputs[TENSORS_MAX];
    int binary_output, log;      /* -1: not given */
    bool has_parameters;
};

static bool read_parameter(struct cursor *c, int key, void *arg)
{
    struct root *root = arg;

    int64_t *value = key == 1 ? &root->request.timeout_us : &root->request.priority;

    if (key == 0 || key == 3)
        return read_bool(c, key == 0 ? &root->binary_output : &root->log);
    return read_int(c, 0, value) && *value > 0;
}

static bool read_root_member(struct cursor *c, int key, void *arg)
{
    static const char *const parameters[] = {"binary_data_output", "timeout", "priority", "log",
                                             NULL};
    struct root *root = arg;
    struct infer_request *request = &root->request;
    int max = c->source->tensors_max < TENSORS_MAX ? c->source->tensors_max : TENSORS_MAX;

    switch (key) {
    case 0:
        return request->n_inputs == 0 &&
               read_elements(c, max, &request->n_inputs, read_input, root->inputs);
    case 1:
        return request->n_outputs == 0 &&
               read_elements(c, max, &request->n_outputs, read_output, root->outputs);
    case 2:
        return read_string(c, &request->id);
    default:
        if (root->has_parameters)
            return false;
        root->has_parameters = true;
        return read_members(c, parameters, read_parameter, root);
    }
}

/* Copies what lives on the stack. */
static bool keep(struct root *root, struct message_memory *memory)
{
    struct infer_request *request = &root->request;
    size_t inputs_bytes = (size_t)request->n_inputs * sizeof(root->inputs[0]);
    size_t outputs_bytes = (size_t)request->n_outputs * sizeof(root->outputs[0]);

    request->inputs = message_memory_take(memory, inputs_bytes);
    request->outputs = message_memory_take(memory, outputs_bytes);
    if (request->inputs == NULL || request->outputs == NULL)
        return false;
    memcpy(request->inputs, root->inputs, inputs_bytes);
    memcpy(request->outputs, root->outputs, outputs_bytes);
    request->binary_output_default = root->binary_output > 0;
    request->log = root->log > 0;
    return true;
}

bool infer_request_scan(struct infer_source *source, const char *json, size_t bytes,
                        size_t envelope_bytes_max, struct infer_request *ret_request)
{
    static const char *const members[] = {"inputs", "outputs", "id", "parameters", NULL};
    struct cursor c = {.p = json, .end = json + bytes, .source = source};
    struct root root;

    memset(&root, 0, sizeof(root));
    root.binary_output = root.log = -1;
    while (c.end > json && (c.end[-1] == ' ' || c.end[-1] == '\n' || c.end[-1] == '\r'))
        c.end--;
    if (c.end == json || c.end[-1] != '}' ||
        !read_members(&c, members, read_root_member, &root) || c.p != c.end ||
        root.request.n_inputs == 0 || source->tail != source->tail_end ||
        bytes - c.data_bytes > envelope_bytes_max || !keep(&root, source->memory))
        return false;
    *ret_request = root.request;
    return true;
}
