/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/tensor_print.h"

#include "proto/base64.h"
#include "proto/half.h"
#include "proto/number_print.h"

#include <string.h>

/* Writes element i of `data` at `out`, which has room for NUMBER_PRINT_BYTES_MAX. */
static size_t print_number(enum wire_type type, const void *data, int64_t i, char *out)
{
    switch (type) {
    case WIRE_BOOL:
        memcpy(out, ((const uint8_t *)data)[i] != 0 ? "true\0" : "false", 5);
        return ((const uint8_t *)data)[i] != 0 ? 4 : 5;
    case WIRE_UINT8:
        return number_print_uint(((const uint8_t *)data)[i], out);
    case WIRE_UINT16:
        return number_print_uint(((const uint16_t *)data)[i], out);
    case WIRE_UINT32:
        return number_print_uint(((const uint32_t *)data)[i], out);
    case WIRE_UINT64:
        return number_print_uint(((const uint64_t *)data)[i], out);
    case WIRE_INT8:
        return number_print_int(((const int8_t *)data)[i], out);
    case WIRE_INT16:
        return number_print_int(((const int16_t *)data)[i], out);
    case WIRE_INT32:
        return number_print_int(((const int32_t *)data)[i], out);
    case WIRE_INT64:
        return number_print_int(((const int64_t *)data)[i], out);
    case WIRE_FP16:
        return number_print_float(fp16_to_float(((const uint16_t *)data)[i]), out);
    case WIRE_BF16:
        return number_print_float(bf16_to_float(((const uint16_t *)data)[i]), out);
    case WIRE_FP32:
        return number_print_float(((const float *)data)[i], out);
    case WIRE_FP64:
        return number_print_double(((const double *)data)[i], out);
    case WIRE_BYTES:
    case WIRE_NONE:
        break;
    }
    return 0;
}

static void print_bytes(struct text *text, const struct wire_bytes *bytes, bool base64)
{
    if (!base64) {
        text_json_string(text, bytes->data, bytes->length);
        return;
    }
    text_puts(text, "{\"b64\":\"");
    base64_encode(text, bytes->data, bytes->length);
    text_puts(text, "\"}");
}

/* The number just printed at `out` is none: it begins with a letter, after its sign. */
static bool is_token(const char *out)
{
    return out[*out == '-'] > '9';
}

/* `n` elements from `offset`, with commas between. */
static void print_row(struct text *text, const struct wire_tensor *tensor, int64_t offset,
                      int64_t n, bool base64, enum non_finite non_finite)
{
    enum { GROUP = 64 };
    bool no_tokens = non_finite == NON_FINITE_NULL && tensor->type != WIRE_BOOL;
    size_t length;
    char *out;
    int64_t i;

    for (i = 0; i < n; i++) {
        if (tensor->type == WIRE_BYTES) {
            if (i > 0)
                text_append(text, ",", 1);
            print_bytes(text, (const struct wire_bytes *)tensor->data + offset + i, base64);
            continue;
        }
        if (i % GROUP == 0 && !text_reserve(text, GROUP * (size_t)(NUMBER_PRINT_BYTES_MAX + 1)))
            return;
        if (i > 0)
            text->data[text->length++] = ',';
        out = text->data + text->length;
        length = print_number(tensor->type, tensor->data, offset + i, out);
        if (no_tokens && is_token(out)) {
            memcpy(out, "null", 4);
            length = 4;
        }
        text->length += length;
    }
}

void tensor_print_flat(struct text *text, const struct wire_tensor *tensor,
                       enum non_finite non_finite)
{
    text_append(text, "[", 1);
    print_row(text, tensor, 0, tensor->count, false, non_finite);
    text_append(text, "]", 1);
}

/* Depth is at most WIRE_RANK_MAX. */
void tensor_print_nested(struct text *text, const struct wire_tensor *tensor, int first_dim,
                         int64_t offset, bool base64, enum non_finite non_finite)
{
    int64_t i, n, stride = 1;
    int d;

    if (first_dim == tensor->rank) {
        print_row(text, tensor, offset, 1, base64, non_finite);
        return;
    }
    n = tensor->dims[first_dim];
    text_append(text, "[", 1);
    if (first_dim == tensor->rank - 1) {
        print_row(text, tensor, offset, n, base64, non_finite);
    } else {
        for (d = first_dim + 1; d < tensor->rank; d++)
            stride *= tensor->dims[d];
        for (i = 0; i < n && !text->failed; i++) {
            if (i > 0)
                text_append(text, ",", 1);
            tensor_print_nested(text, tensor, first_dim + 1, offset + i * stride, base64,
                                non_finite);
        }
    }
    text_append(text, "]", 1);
}
