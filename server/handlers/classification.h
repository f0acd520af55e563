/* SPDX-License-Identifier: Apache-2.0
 * server/handlers/classification.h - the classification extension: instead of an output's numbers,
 * its N largest as strings "value:index", highest first. */
#ifndef SERVER_HANDLERS_CLASSIFICATION_H
#define SERVER_HANDLERS_CLASSIFICATION_H

#include "proto/wire_tensor.h"

#include <stdbool.h>

/* The strings of one output; zeroed is empty. */
struct classification {
    struct wire_bytes *items;
    char *text;
};

/* Fills `ret_tensor` with BYTES of shape [batch, n] (`batched`: dimension 0 of `output` is the batch)
 * or [n], which live in `classification`. `n` is cut to the number of classes. False sets a 400 for an
 * output that holds no numbers. */
bool classification_make(struct classification *classification, const struct wire_tensor *output,
                         int n, bool batched, struct wire_tensor *ret_tensor,
                         struct problem *problem);
void classification_finish(struct classification *classification);

#endif
