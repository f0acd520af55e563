/* SPDX-License-Identifier: Apache-2.0
 * Infer requests. A first line "H<number>" is the value of Inference-Header-Content-Length; without
 * it there is none. What decodes must survive encoding and decoding, in JSON and in binary. */
#include "proto/infer_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 16,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 8,
};
/* Escapes may make an answer larger than the request was. */
static const struct wire_limits wide = {
    .tensor_bytes_max = 1 << 20,
    .envelope_bytes_max = 1 << 20,
    .depth_max = 32,
    .tensors_max = 8,
};
static const struct tensor_spec spec = {"x", WIRE_FP32, 2, {-1, 3}};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Encodes the tensors, reads them back, and encodes those: both texts must be the same. */
static void round_trip(const struct wire_tensor *tensors, int n, int binary)
{
    int choice[8] = {binary, binary, binary, binary, binary, binary, binary, binary};
    struct infer_response response = {.model_name = "m", .model_version = "1", .generation = 7,
                                      .n_outputs = n, .outputs = tensors, .binary = choice};
    struct infer_response back = {0};
    struct problem problem = {0};
    struct text first, second;
    int64_t first_header, second_header;

    text_init(&first);
    text_init(&second);
    infer_response_encode(&response, &first, &first_header);
    require(!first.failed);
    require(infer_response_decode(first.data, first.length, first_header, &wide, &back, &problem));
    require(back.n_outputs == n);
    back.binary = choice;
    infer_response_encode(&back, &second, &second_header);
    require(first_header == second_header && first.length == second.length &&
            memcmp(first.data, second.data, first.length) == 0);
    infer_response_finish(&back);
    text_free(&first);
    text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data;
    struct infer_request request;
    struct problem problem = {0};
    int64_t header_length = -1;

    if (size > 0 && body[0] == 'H') {
        header_length = 0;
        for (body++, size--; size > 0 && *body >= '0' && *body <= '9'; body++, size--)
            header_length = header_length < 1000000 ? header_length * 10 + (*body - '0')
                                                    : header_length;
        if (size > 0 && *body == '\n') {
            body++;
            size--;
        }
    }
    if (!infer_request_decode(body, size, header_length, &limits, &spec, 1, &request, &problem)) {
        require(problem.status >= 400 && problem.reason != NULL && problem.text[0] != '\0');
        return 0;
    }
    round_trip(request.inputs, request.n_inputs, 0);
    round_trip(request.inputs, request.n_inputs, 1);
    infer_request_finish(&request);
    return 0;
}
