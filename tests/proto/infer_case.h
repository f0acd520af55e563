/* SPDX-License-Identifier: Apache-2.0
 * tests/proto/infer_case.h - bodies of infer requests, decoded from exact copies so that a read past
 * the end is seen. */
#ifndef TESTS_PROTO_INFER_CASE_H
#define TESTS_PROTO_INFER_CASE_H

#include "proto/infer_message.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

#define TENSOR(rest) "{\"inputs\":[{\"name\":\"x\"," rest "}]}"
#define FP32_2 "\"shape\":[2],\"datatype\":\"FP32\","
#define ONE TENSOR(FP32_2 "\"data\":[1,2]")
#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 20,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 16,
};

/* One request and the copy of its body. */
struct infer_case {
    struct infer_request request;
    struct problem problem;
    char *body;
};

static inline bool infer_case_decode(struct infer_case *c, const char *body, size_t bytes,
                                     int64_t header_length)
{
    *c = (struct infer_case){.body = malloc(bytes > 0 ? bytes : 1)};
    ck_assert_ptr_nonnull(c->body);
    memcpy(c->body, body, bytes);
    return infer_request_decode(c->body, bytes, header_length, &limits, NULL, 0, &c->request,
                                &c->problem);
}

static inline void infer_case_finish(struct infer_case *c)
{
    infer_request_finish(&c->request);
    free(c->body);
}

#endif
