/* SPDX-License-Identifier: Apache-2.0
 * proto/infer_tensors.h - the list of tensor objects that v2 requests call "inputs" and v2 answers
 * "outputs": their data from JSON or from the binary tail, and back. */
#ifndef PROTO_INFER_TENSORS_H
#define PROTO_INFER_TENSORS_H

#include "proto/infer_message.h"
#include "proto/json_envelope.h"
#include "proto/message_memory.h"

/* Where the tensors of one message come from. */
struct infer_source {
    const struct json_envelope *envelope;
    const struct json_rule *rule; /* {"inputs", "data"} */
    bool binary;                  /* a tail was announced */
    const char *tail, *tail_end;  /* what follows the JSON; consumed tensor by tensor */
    size_t bytes_left;            /* of wire_limits.tensor_bytes_max */
    int tensors_max;
    bool strict; /* unknown fields are refused */
    bool more;   /* the tail goes on: another list follows */
    struct message_memory *memory;
};

/* Decodes root[rule->key]. Names live as long as the envelope. */
bool infer_tensors_decode(struct infer_source *source, json_t *list,
                          struct wire_tensor **ret_tensors, int *ret_n, struct problem *problem);
/* Data of a tensor whose name, type, dims and count are set, from the span of its JSON array. */
bool infer_tensor_from_span(struct infer_source *source, const struct json_span *span,
                            struct wire_tensor *tensor, struct problem *problem);
/* The same from the next `bytes` of the tail. */
bool infer_tensor_from_tail(struct infer_source *source, const char *path, size_t bytes,
                            struct wire_tensor *tensor, struct problem *problem);

/* Bytes of a tensor in binary form. */
size_t infer_tensor_tail_bytes(const struct wire_tensor *tensor);
/* "[{...},{...}]"; `binary[i]` leaves data out and announces its bytes (NULL: none does). */
void infer_tensors_encode(const struct wire_tensor *tensors, int n, const int *binary,
                          enum non_finite non_finite, struct text *text);
/* Appends the binary data of those tensors. */
void infer_tensors_encode_tail(const struct wire_tensor *tensors, int n, const int *binary,
                               struct text *text);

#endif
