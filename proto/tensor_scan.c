/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/tensor_scan.h"

#include "proto/base64.h"
#include "proto/json_text.h"
#include "proto/number_scan.h"

#include <math.h>
#include <string.h>

bool tensor_scan_start(struct tensor_scan *scan, enum wire_type type, int64_t capacity,
                       size_t bytes_max, struct message_memory *memory, struct problem *problem)
{
    size_t element = type == WIRE_BYTES ? sizeof(struct wire_bytes) : wire_type_bytes(type);

    *scan =
        (struct tensor_scan){.type = type, .capacity = capacity, .leaf_rank = -1, .memory = memory};
    if ((uint64_t)capacity > bytes_max / element)
        return problem_set(problem, 413, "too_large",
                           "%lld elements of %s take more than the %zu bytes left to this request",
                           (long long)capacity, wire_type_name(type), bytes_max);
    scan->data = message_memory_take_block(memory, (size_t)capacity * element);
    if (scan->data == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    return true;
}

/* {"b64": "..."} at p. */
static const char *read_base64(struct tensor_scan *scan, const char *p, const char *end,
                               struct wire_bytes *ret_bytes, struct problem *problem)
{
    struct json_string key, value;
    const char *wrong;
    char *text, *data;
    size_t length;

    p = json_skip_space(p + 1, end);
    wrong = p < end && *p == '"' ? json_string_read(p, end, &key) : "";
    if (wrong != NULL || !json_string_equals(&key, "b64"))
        goto not_base64;
    p = json_skip_space(key.next, end);
    if (p >= end || *p != ':')
        goto not_base64;
    p = json_skip_space(p + 1, end);
    wrong = p < end && *p == '"' ? json_string_read(p, end, &value) : "";
    if (wrong != NULL)
        goto not_base64;
    p = json_skip_space(value.next, end);
    if (p >= end || *p != '}')
        goto not_base64;
    length = (size_t)(value.end - value.start);
    text = message_memory_take(scan->memory, length + 1);
    data = message_memory_take(scan->memory, base64_decoded_max(length));
    if (text == NULL || data == NULL) {
        problem_set(problem, 507, "no_memory", "out of memory");
        return NULL;
    }
    length = json_string_unescape(&value, text);
    ret_bytes->data = data;
    if (base64_decode(text, length, data, &ret_bytes->length))
        return p + 1;
    problem_set(problem, 400, "bad_tensor", "element %lld: the b64 value is not base64",
                (long long)scan->count);
    return NULL;
not_base64:
    problem_set(problem, 400, "bad_tensor",
                "element %lld is an object, expected a string or {\"b64\": \"...\"}",
                (long long)scan->count);
    return NULL;
}

static const char *read_string(struct tensor_scan *scan, const char *p, const char *end,
                               struct wire_bytes *ret_bytes, struct problem *problem)
{
    struct json_string string;
    const char *wrong = json_string_read(p, end, &string);
    char *copy;

    if (wrong != NULL) {
        problem_set(problem, 400, "bad_json", "element %lld: %s", (long long)scan->count, wrong);
        return NULL;
    }
    ret_bytes->data = string.start;
    ret_bytes->length = (size_t)(string.end - string.start);
    if (string.escaped) {
        copy = message_memory_take(scan->memory, ret_bytes->length);
        if (copy == NULL) {
            problem_set(problem, 507, "no_memory", "out of memory");
            return NULL;
        }
        ret_bytes->length = json_string_unescape(&string, copy);
        ret_bytes->data = copy;
    }
    return string.next;
}

/* Strings "a", "b", ... from p, as number_scan_run() reads numbers. */
static const char *read_strings(struct tensor_scan *scan, const char *p, const char *end,
                                struct problem *problem)
{
    struct wire_bytes *elements = scan->data;
    struct wire_bytes bytes;

    for (;;) {
        if (p < end && *p == '"') {
            p = read_string(scan, p, end, &bytes, problem);
        } else if (p < end && *p == '{' && scan->base64) {
            p = read_base64(scan, p, end, &bytes, problem);
        } else {
            problem_set(problem, 400, "bad_tensor", "element %lld is not a string, expected BYTES",
                        (long long)scan->count);
            return NULL;
        }
        if (p == NULL)
            return NULL;
        if (scan->count == scan->capacity) {
            problem_set(problem, 400, "bad_tensor", "more than %lld elements",
                        (long long)scan->capacity);
            return NULL;
        }
        elements[scan->count++] = bytes;
        p = json_skip_space(p, end);
        if (p >= end || *p != ',')
            return p;
        p = json_skip_space(p + 1, end);
    }
}

/* Writes NaN as the next element. */
static void put_nan(struct tensor_scan *scan)
{
    static const float nan32 = NAN;
    static const double nan64 = (double)NAN;
    static const uint16_t nan16 = 0x7e00, nan_bf16 = 0x7fc0;
    size_t bytes = wire_type_bytes(scan->type);
    const void *nan = scan->type == WIRE_FP32   ? (const void *)&nan32
                      : scan->type == WIRE_FP64 ? (const void *)&nan64
                      : scan->type == WIRE_FP16 ? (const void *)&nan16
                                                : (const void *)&nan_bf16;

    memcpy((char *)scan->data + (size_t)scan->count++ * bytes, nan, bytes);
}

static bool is_float(enum wire_type type)
{
    return type == WIRE_FP32 || type == WIRE_FP64 || type == WIRE_FP16 || type == WIRE_BF16;
}

/* Past a null at p and the comma behind it, if any; else NULL. *ret_more: there was one. */
static const char *skip_null(const char *p, const char *end, bool *ret_more)
{
    if (end - p < 4 || memcmp(p, "null", 4) != 0)
        return NULL;
    p = json_skip_space(p + 4, end);
    *ret_more = p < end && *p == ',';
    return *ret_more ? json_skip_space(p + 1, end) : p;
}

/* Scalars from p up to what is no comma. */
static const char *read_scalars(struct tensor_scan *scan, const char *p, const char *end,
                                struct problem *problem)
{
    enum number_fault fault;
    const char *next;
    bool more = true;
    int64_t n;

    if (scan->type == WIRE_BYTES)
        return read_strings(scan, p, end, problem);
    while (more) {
        fault = number_scan_run(
            scan->type, &p, end, scan->capacity - scan->count,
            (char *)scan->data + (size_t)scan->count * wire_type_bytes(scan->type), &n);
        scan->count += n;
        if (fault == NUMBER_OK)
            return p;
        next = scan->null_is_nan && is_float(scan->type) && scan->count < scan->capacity
                   ? skip_null(p, end, &more)
                   : NULL;
        if (next == NULL) {
            number_fault_explain(fault, scan->type, p, end, scan->count, problem);
            return NULL;
        }
        put_nan(scan);
        p = next;
    }
    return p;
}

/* An array of n elements has closed at `depth` (0: the outermost). */
static bool close_array(struct tensor_scan *scan, int depth, int64_t n, struct problem *problem)
{
    if (scan->dims[depth] >= 0 && scan->dims[depth] != n)
        return problem_set(problem, 400, "bad_tensor",
                           "ragged: an array at depth %d has %lld elements, the first has %lld "
                           "(before element %lld)",
                           depth + 1, (long long)n, (long long)scan->dims[depth],
                           (long long)scan->count);
    scan->dims[depth] = n;
    return true;
}

static bool open_array(struct tensor_scan *scan, int depth, struct problem *problem)
{
    if (scan->leaf_rank >= 0 && depth >= scan->leaf_rank)
        return problem_set(problem, 400, "bad_tensor",
                           "ragged: element %lld is an array where the others are values",
                           (long long)scan->count);
    if (depth == WIRE_RANK_MAX)
        return problem_set(problem, 400, "bad_tensor", "arrays nested deeper than %d",
                           WIRE_RANK_MAX);
    if (depth == scan->rank)
        scan->dims[scan->rank++] = -1;
    return true;
}

/* The scalars of an array at `depth`, or the one scalar at depth 0. */
static const char *scan_leaves(struct tensor_scan *scan, const char *p, const char *end, int depth,
                               int64_t *ret_n, struct problem *problem)
{
    int64_t before = scan->count;

    if (p >= end || *p == ',' || *p == ']') {
        problem_set(problem, 400, "bad_json", "a value is missing at element %lld",
                    (long long)scan->count);
        return NULL;
    }
    if (scan->leaf_rank < 0 && scan->rank == depth)
        scan->leaf_rank = depth;
    if (scan->leaf_rank != depth) {
        problem_set(problem, 400, "bad_tensor",
                    "ragged: element %lld is a value where the others are arrays",
                    (long long)scan->count);
        return NULL;
    }
    p = read_scalars(scan, p, end, problem);
    *ret_n = scan->count - before;
    return p;
}

static bool unexpected(const char *p, const char *end, int64_t element, struct problem *problem)
{
    if (p<end && * p> ' ' && *p < 0x7f)
        return problem_set(problem, 400, "bad_json",
                           "'%c' where ',' or ']' was expected, before "
                           "element %lld",
                           *p, (long long)element);
    return problem_set(problem, 400, "bad_json", "expected ',' or ']' before element %lld",
                       (long long)element);
}

bool tensor_scan_value(struct tensor_scan *scan, const char *p, const char *end,
                       struct problem *problem)
{
    int64_t lengths[WIRE_RANK_MAX];
    int64_t n = 0;
    int depth = 0;
    bool wanted = true; /* a value must come, not "]" */

    do {
        p = json_skip_space(p, end);
        if (wanted && p < end && *p == '[') {
            if (!open_array(scan, depth, problem))
                return false;
            lengths[depth++] = 0;
            p = json_skip_space(p + 1, end);
            wanted = !(p < end && *p == ']');
        } else if (wanted) {
            p = scan_leaves(scan, p, end, depth, &n, problem);
            if (p == NULL)
                return false;
            if (depth > 0)
                lengths[depth - 1] += n;
            wanted = false;
        } else if (p < end && *p == ']') {
            p++;
            depth--;
            if (!close_array(scan, depth, lengths[depth], problem))
                return false;
            if (depth > 0) {
                lengths[depth - 1]++;
                p = json_skip_space(p, end);
                wanted = p < end && *p == ',';
                p += wanted;
            }
        } else {
            return unexpected(p, end, scan->count, problem);
        }
    } while (depth > 0);
    return p == end || unexpected(p, end, scan->count, problem);
}
