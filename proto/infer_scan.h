/* SPDX-License-Identifier: Apache-2.0
 * proto/infer_scan.h - reads the usual form of an infer request in one pass, without a JSON tree.
 *
 * Usual are the members that clients send, each once, in an order that names a tensor's type and shape
 * before its data, and strings without escapes. All else, and every mistake, is left to the general way
 * (json_envelope.h), which knows how to say what is wrong. */
#ifndef PROTO_INFER_SCAN_H
#define PROTO_INFER_SCAN_H

#include "proto/infer_tensors.h"

/* Reads json[0 .. bytes). True: `ret_request` is filled but for its memory; strings and tensors live in
 * source->memory. False: nothing is, and the source must be made anew. */
bool infer_request_scan(struct infer_source *source, const char *json, size_t bytes,
                        size_t envelope_bytes_max, struct infer_request *ret_request);

#endif
