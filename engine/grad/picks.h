/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/picks.h - what the indices of Gather and Scatter operators pick: blocks of adjacent elements
 * of the data, one for each block of the picked tensor (the output of a Gather, the updates of a
 * Scatter), in order. The forward pass has checked the indices. Keeps no state; any thread. */
#ifndef ENGINE_GRAD_PICKS_H
#define ENGINE_GRAD_PICKS_H

#include "engine/grad/grad.h"

struct picks {
    const struct tensor *indices;
    const struct shape *data;
    int64_t count, block;          /* blocks, and elements of each */
    /* Where block number `next` starts; below is how it goes on. */
    int64_t offset, next;
    int axis, depth, batch;        /* one coordinate along `axis`, or `depth` of them */
    bool by_element;
    int64_t tuples;                /* index tuples of a batch */
    int64_t strides[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX], base;
};

/* Gather: slices along `axis`; Gather- and ScatterElements: single elements; GatherND and ScatterND: by
 * coordinates. `data` and `indices` are borrowed. */
struct picks picks_slices(const struct shape *data, const struct tensor *indices, int axis);
struct picks picks_elements(const struct shape *data, const struct tensor *indices, int axis);
struct picks picks_coordinates(const struct shape *data, const struct tensor *indices, int batch);

/* Sets picks->offset to that of the next block; false when there is none. */
bool picks_next(struct picks *picks);

/* to[block] += from[i] for the i-th block picked, in order; `to` has the data's shape. */
void picks_add(struct picks picks, struct pool *pool, const float *from, float *to);
/* to[i] = from[block], or added. */
void picks_read(struct picks picks, const float *from, float *to, bool accumulate);

#endif
