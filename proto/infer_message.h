/* SPDX-License-Identifier: Apache-2.0
 * proto/infer_message.h - Open Inference Protocol v2 infer request and response, JSON and
 * binary_tensor_data. */
#ifndef PROTO_INFER_MESSAGE_H
#define PROTO_INFER_MESSAGE_H

#include "proto/tensor_print.h"
#include "proto/wire_tensor.h"

struct wire_limits {
    size_t tensor_bytes_max;    /* all decoded tensors of one request together */
    size_t envelope_bytes_max;  /* JSON without tensor data */
    int depth_max;              /* JSON nesting */
    int tensors_max;
};

struct requested_output {
    const char *name;
    int binary;                 /* -1 not said, 0, 1 */
    int classification;         /* N largest; 0: plain */
};

struct infer_request {
    const char *id;             /* NULL if not given */
    int n_inputs, n_outputs;    /* n_outputs 0: all */
    struct wire_tensor *inputs;
    struct requested_output *outputs;
    bool binary_output_default;
    bool log;                   /* parameters.log: keep it until its label comes */
    int64_t timeout_us;         /* parameters.timeout; 0: none */
    int64_t priority;           /* parameters.priority; 0: default */
    void *memory;               /* owner of all of the above */
};

/* `header_length`: value of Inference-Header-Content-Length, or -1 when absent. `specs` (may be
 * NULL) are the model's inputs: needed only for the raw form (header length 0). The body must
 * outlive the request: binary tensors point into it when aligned. On failure `problem` is set and
 * nothing is held. Any thread. */
bool infer_request_decode(const void *body, size_t body_bytes, int64_t header_length,
                          const struct wire_limits *limits, const struct tensor_spec *specs,
                          int n_specs, struct infer_request *ret_request, struct problem *problem);
void infer_request_finish(struct infer_request *request);
/* For clients: appends the body that decodes to `request`. `binary` says for each input whether it
 * travels as binary data (NULL: none does). *ret_header_length as in infer_response_encode(). */
void infer_request_encode(const struct infer_request *request, const int *binary,
                          struct text *text, int64_t *ret_header_length);

struct infer_response {
    const char *model_name, *model_version;
    const char *id;             /* NULL: left out */
    int64_t generation;         /* parameters.generation; -1: left out */
    int logged;                 /* parameters.logged: 1, or -1 for false; 0: left out */
    int n_outputs;
    const struct wire_tensor *outputs;
    const int *binary;          /* for each output: 1 binary; NULL: none is */
    enum non_finite non_finite; /* of outputs in JSON; a decoded null is NaN */
    void *memory;               /* owner of all of the above once decoded, else NULL */
};

/* Appends the body. *ret_header_length gets the JSON's length when any output is binary (send it as
 * Inference-Header-Content-Length with application/octet-stream), else -1. */
void infer_response_encode(const struct infer_response *response, struct text *text,
                           int64_t *ret_header_length);

/* For clients: reads an answer, of this server or another. Fields it does not know are passed over.
 * The body must outlive the response. On failure `problem` is set and nothing is held. */
bool infer_response_decode(const void *body, size_t body_bytes, int64_t header_length,
                           const struct wire_limits *limits, struct infer_response *ret_response,
                           struct problem *problem);
void infer_response_finish(struct infer_response *response);

#endif
