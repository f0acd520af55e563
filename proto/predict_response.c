/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/predict_message.h"

#include "proto/tensor_print.h"

#include <string.h>

/* TensorFlow Serving's rule: strings of an output whose name ends in "_bytes" travel as base64. */
static bool is_base64(const struct wire_tensor *tensor)
{
    size_t length = strlen(tensor->name);

    return tensor->type == WIRE_BYTES && length >= 6 &&
           strcmp(tensor->name + length - 6, "_bytes") == 0;
}

/* {"a": ..., "b": ...}: the part of each output that dims[first_dim..] describe at `row`. */
static void print_object(const struct wire_tensor *outputs, int n_outputs, int first_dim,
                         int64_t row, enum non_finite non_finite, struct text *text)
{
    int64_t stride;
    int i, d;

    text_puts(text, "{");
    for (i = 0; i < n_outputs; i++) {
        stride = 1;
        for (d = first_dim; d < outputs[i].rank; d++)
            stride *= outputs[i].dims[d];
        if (i > 0)
            text_puts(text, ",");
        text_json_string(text, outputs[i].name, strlen(outputs[i].name));
        text_puts(text, ":");
        tensor_print_nested(text, &outputs[i], first_dim, row * stride, is_base64(&outputs[i]),
                            non_finite);
    }
    text_puts(text, "}");
}

static void print_rows(const struct wire_tensor *outputs, int n_outputs, enum non_finite non_finite,
                       struct text *text)
{
    int64_t row;

    text_puts(text, "[");
    for (row = 0; row < outputs[0].dims[0] && !text->failed; row++) {
        if (row > 0)
            text_puts(text, ",");
        print_object(outputs, n_outputs, 1, row, non_finite, text);
    }
    text_puts(text, "]");
}

static bool check_rows(const struct wire_tensor *outputs, int n_outputs, struct problem *problem)
{
    int i;

    for (i = 0; i < n_outputs; i++) {
        if (outputs[i].rank == 0)
            return problem_set(problem, 400, "bad_request",
                               "output '%.100s' has no rows: ask with 'inputs' instead of "
                               "'instances'",
                               outputs[i].name);
        if (outputs[i].dims[0] != outputs[0].dims[0])
            return problem_set(
                problem, 400, "bad_request",
                "output '%.100s' has %lld rows, '%.100s' has %lld: ask with 'inputs' "
                "instead of 'instances'",
                outputs[i].name, (long long)outputs[i].dims[0], outputs[0].name,
                (long long)outputs[0].dims[0]);
    }
    return true;
}

bool predict_response_encode(bool row_format, const struct wire_tensor *outputs, int n_outputs,
                             enum non_finite non_finite, struct text *text,
                             struct problem *problem)
{
    if (row_format && !check_rows(outputs, n_outputs, problem))
        return false;
    text_puts(text, row_format ? "{\"predictions\":" : "{\"outputs\":");
    if (n_outputs == 1)
        tensor_print_nested(text, &outputs[0], 0, 0, is_base64(&outputs[0]), non_finite);
    else if (row_format && n_outputs > 0)
        print_rows(outputs, n_outputs, non_finite, text);
    else
        print_object(outputs, n_outputs, 0, 0, non_finite, text);
    text_puts(text, "}");
    return true;
}
