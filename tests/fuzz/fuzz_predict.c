/* SPDX-License-Identifier: Apache-2.0
 * Predict requests for a model of two inputs (first byte 'T'), one of strings ('S'), or one of
 * numbers. What decodes must survive encoding in column form and decoding. */
#include "proto/predict_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 16,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 8,
};
static const struct wire_limits wide = {
    .tensor_bytes_max = 1 << 24,
    .envelope_bytes_max = 1 << 20,
    .depth_max = 32,
    .tensors_max = 8,
};
static const struct tensor_spec two[] = {{"a", WIRE_FP64, 1, {-1}}, {"b_bytes", WIRE_BYTES, 1, {-1}}};
static const struct tensor_spec strings[] = {{"s_bytes", WIRE_BYTES, 1, {-1}}};
static const struct tensor_spec numbers[] = {{"x", WIRE_FP32, 2, {-1, -1}}};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void encode_columns(const struct predict_request *request, struct text *text)
{
    struct problem problem = {0};

    text_init(text);
    require(predict_response_encode(false, request->inputs, request->n_inputs, NON_FINITE_TOKEN, text,
                                    &problem));
    require(!text->failed);
}

/* {"outputs": X} as {"inputs": X}. */
static void round_trip(const struct predict_request *request, const struct tensor_spec *specs,
                       int n_specs)
{
    static const char key[] = "{\"outputs\":", other[] = "{ \"inputs\":";
    struct predict_request back;
    struct problem problem = {0};
    struct text first, second;

    encode_columns(request, &first);
    require(memcmp(first.data, key, sizeof(key) - 1) == 0);
    memcpy(first.data, other, sizeof(other) - 1);
    require(predict_request_decode(first.data, first.length, &wide, specs, n_specs, &back, &problem));
    encode_columns(&back, &second);
    require(first.length == second.length &&
            memcmp(first.data + sizeof(key), second.data + sizeof(key),
                   first.length - sizeof(key)) == 0);
    predict_request_finish(&back);
    text_free(&first);
    text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tensor_spec *specs = numbers;
    const char *body = (const char *)data;
    struct predict_request request;
    struct problem problem = {0};
    int n_specs = 1;

    if (size > 0 && (*body == 'T' || *body == 'S')) {
        specs = *body == 'T' ? two : strings;
        n_specs = *body == 'T' ? 2 : 1;
        body++;
        size--;
    }
    if (!predict_request_decode(body, size, &limits, specs, n_specs, &request, &problem)) {
        require(problem.status >= 400 && problem.reason != NULL && problem.text[0] != '\0');
        return 0;
    }
    round_trip(&request, specs, n_specs);
    predict_request_finish(&request);
    return 0;
}
