/* SPDX-License-Identifier: Apache-2.0
 * proto/predict_message.h - TensorFlow Serving's v1 predict: rows ("instances") and columns
 * ("inputs"). Types come from the model. */
#ifndef PROTO_PREDICT_MESSAGE_H
#define PROTO_PREDICT_MESSAGE_H

#include "proto/infer_message.h"

struct predict_request {
    bool row_format;            /* answer with "predictions", else with "outputs" */
    int n_inputs;
    struct wire_tensor *inputs; /* in the order of `specs` */
    void *memory;
};

bool predict_request_decode(const void *body, size_t body_bytes, const struct wire_limits *limits,
                            const struct tensor_spec *specs, int n_specs,
                            struct predict_request *ret_request, struct problem *problem);
void predict_request_finish(struct predict_request *request);

/* False with `problem` when outputs of a row-format request do not share dimension 0. */
bool predict_response_encode(bool row_format, const struct wire_tensor *outputs, int n_outputs,
                             enum non_finite non_finite, struct text *text,
                             struct problem *problem);

#endif
