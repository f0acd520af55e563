/* SPDX-License-Identifier: Apache-2.0
 * Cast and CastLike between all types that the engine holds. Numbers go through the widest type
 * that holds both sides, so that each is rounded once; float to integer truncates and saturates. */
#include "engine/dynamic.h"
#include "engine/kernels/convert.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/elementwise.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 40 };

struct cast_params {
    enum dtype to;                 /* DTYPE_NONE: that of input 1 (CastLike) */
};

struct cast {
    enum dtype from, to;
};

static void cast_row(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                     const void *arg)
{
    const struct cast *cast = arg;
    bool from_integer = compute_dtype(cast->from) == DTYPE_I64 || cast->from == DTYPE_U64;
    /* uint64 to a float needs its sign bit read as a number. */
    enum dtype by = from_integer && (cast->from != DTYPE_U64 || !dtype_is_float(cast->to))
                        ? DTYPE_I64
                        : DTYPE_F64;
    _Alignas(64) int64_t buffer[CONVERT_CHUNK];

    (void)steps;
    if (cast->to == DTYPE_F32) {
        load_f32(cast->from, n, inputs[0], output);
        return;
    }
    if (compute_dtype(cast->from) == DTYPE_F32 && compute_dtype(cast->to) == DTYPE_F32)
        by = DTYPE_F32;
    for (int64_t done = 0; done < n; done += CONVERT_CHUNK) {
        int64_t count = n - done < CONVERT_CHUNK ? n - done : CONVERT_CHUNK;

        load_as(by, cast->from, count,
                (const char *)inputs[0] + (size_t)done * dtype_size(cast->from), buffer);
        store_as(by, cast->to, count, buffer,
                 (char *)output + (size_t)done * dtype_size(cast->to));
    }
}

/* As NumPy's str(): the fewest digits that read back as the same number, positional from 1e-4 up to
 * 1e16, at least one digit behind the point. */
static void print_float(double value, bool single, char text[NUMBER_TEXT_MAX])
{
    char digits[NUMBER_TEXT_MAX];
    double size = fabs(value);
    int precision = 1, exponent;

    if (isnan(value) || isinf(value)) {
        snprintf(text, NUMBER_TEXT_MAX, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    for (; precision < 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*e", precision - 1, value);
        if (single ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value)
            break;
    }
    snprintf(digits, sizeof(digits), "%.*e", precision - 1, value);
    exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (size != 0.0 && (size < 1e-4 || size >= 1e16)) {
        snprintf(text, NUMBER_TEXT_MAX, "%.*e", precision - 1, value);
        return;
    }
    precision -= exponent + 1;
    snprintf(text, NUMBER_TEXT_MAX, "%.*f", precision < 1 ? 1 : precision, value);
}

static void print_number(const struct tensor *tensor, int64_t i, char text[NUMBER_TEXT_MAX])
{
    if (dtype_is_float(tensor->dtype))
        print_float(tensor_double_at(tensor, i), tensor->dtype != DTYPE_F64, text);
    else if (tensor->dtype == DTYPE_BOOL)
        snprintf(text, NUMBER_TEXT_MAX, "%s", tensor_int_at(tensor, i) != 0 ? "True" : "False");
    else if (tensor->dtype == DTYPE_U64)
        snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64, (uint64_t)tensor_int_at(tensor, i));
    else
        snprintf(text, NUMBER_TEXT_MAX, "%" PRId64, tensor_int_at(tensor, i));
}

static enum engine_status to_strings(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    struct bytes *out = call->outputs[0]->data;

    for (int64_t i = 0; i < shape_elements(&from->shape); i++) {
        char text[NUMBER_TEXT_MAX];
        char *copy;

        print_number(from, i, text);
        out[i].length = strlen(text);
        copy = call->dynamic != NULL ? dynamic_alloc(call->dynamic, out[i].length + 1, err) : NULL;
        if (copy == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "Cast has no memory for strings");
        memcpy(copy, text, out[i].length + 1);
        out[i].data = copy;
    }
    return ENGINE_OK;
}

/* The whole of a string as a number: an integer exactly, or else what strtod() reads. */
static bool parse_number(struct bytes bytes, double *ret_float, int64_t *ret_integer,
                         bool *ret_is_integer)
{
    char text[128];
    char *end;

    if (bytes.length == 0 || bytes.length >= sizeof(text))
        return false;
    memcpy(text, bytes.data, bytes.length);
    text[bytes.length] = '\0';
    errno = 0;
    *ret_integer = text[0] == '-' ? (int64_t)strtoll(text, &end, 10)
                                  : (int64_t)strtoull(text, &end, 10);
    *ret_is_integer = *end == '\0' && errno == 0;
    *ret_float = strtod(text, &end);
    return *end == '\0' && end != text;
}

static enum engine_status from_strings(const struct op_call *call, struct engine_error *err)
{
    const struct bytes *in = call->inputs[0]->data;
    struct tensor *to = call->outputs[0];

    for (int64_t i = 0; i < shape_elements(&to->shape); i++) {
        char *out = (char *)to->data + (size_t)i * dtype_size(to->dtype);
        double number;
        int64_t integer;
        bool is_integer;

        if (!parse_number(in[i], &number, &integer, &is_integer))
            return op_fail(call->node, err, "element %" PRId64 ", '%.*s', is no number", i,
                           in[i].length < 40 ? (int)in[i].length : 40,
                           in[i].length == 0 ? "" : in[i].data);
        if (is_integer && !dtype_is_float(to->dtype))
            store_i64(to->dtype, 1, &integer, out);
        else
            store_f64(to->dtype, 1, &number, out);
    }
    return ENGINE_OK;
}

static enum engine_status cast_run(const struct op_call *call, struct engine_error *err)
{
    const struct cast cast = {call->inputs[0]->dtype, call->outputs[0]->dtype};

    if (cast.from == cast.to) {
        memmove(call->outputs[0]->data, call->inputs[0]->data, tensor_bytes(call->outputs[0]));
        return ENGINE_OK;
    }
    if (cast.to == DTYPE_STRING)
        return to_strings(call, err);
    if (cast.from == DTYPE_STRING)
        return from_strings(call, err);
    broadcast_run(call->pool, 16384, 1, call->inputs, call->outputs[0], cast_row, &cast);
    return ENGINE_OK;
}

static enum engine_status cast_init(const struct op_init *init, struct engine_error *err)
{
    struct cast_params *params = init->params;
    int64_t to = node_int(init->node, "to", 0);

    if (to <= 0 || to >= DTYPE_SEQUENCE || dtype_size((enum dtype)to) == 0)
        return op_unsupported(init->node, err, "to type %" PRId64, to);
    params->to = (enum dtype)to;
    return ENGINE_OK;
}

static enum engine_status cast_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct cast_params *params = infer->params;
    enum dtype to = params->to != DTYPE_NONE ? params->to : infer->inputs[1].dtype;

    infer->outputs[0].dtype = to;
    infer->outputs[0].shape = infer->inputs[0].shape;
    infer->dynamic = to == DTYPE_STRING && infer->inputs[0].dtype != DTYPE_STRING;
    if (dtype_size(to) == 0 || to >= DTYPE_SEQUENCE)
        return op_fail(infer->node, err, "to %s", dtype_name(to));
    return ENGINE_OK;
}

const struct op_def ops_cast[] = {
    {.name = "Cast", .domain = "", .since = 6, .inputs_min = 1, .inputs_max = 1, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = DTYPES_ANY,
     .params_size = sizeof(struct cast_params), .init = cast_init, .infer = cast_infer,
     .run = cast_run},
    {.name = "CastLike", .domain = "", .since = 15, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPES_ANY,
     .params_size = sizeof(struct cast_params), .infer = cast_infer, .run = cast_run},
    {0},
};
