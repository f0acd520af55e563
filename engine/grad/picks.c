/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grad/picks.h"

#include <string.h>

/* Elements of a block that are worth a thread's visit to all indices, and elements in all. */
enum { COLUMNS = 64, GRAIN = 65536, PARTS_MAX = 8 };

static int64_t index_at(const struct tensor *indices, int64_t i, int64_t dim)
{
    const int64_t index = indices->dtype == DTYPE_I64 ? ((const int64_t *)indices->data)[i]
                                                      : ((const int32_t *)indices->data)[i];

    return index < 0 ? index + dim : index;
}

struct picks picks_slices(const struct shape *data, const struct tensor *indices, int axis)
{
    struct picks picks = {.indices = indices, .data = data, .axis = axis};

    picks.tuples = shape_elements(&indices->shape);
    picks.block = shape_product(data, axis + 1, data->rank);
    picks.count = shape_product(data, 0, axis) * picks.tuples;
    return picks;
}

struct picks picks_elements(const struct shape *data, const struct tensor *indices, int axis)
{
    struct picks picks = {.indices = indices, .data = data, .axis = axis, .by_element = true,
                          .block = 1, .count = shape_elements(&indices->shape)};

    shape_strides(data, picks.strides);
    return picks;
}

struct picks picks_coordinates(const struct shape *data, const struct tensor *indices, int batch)
{
    const struct shape *shape = &indices->shape;
    struct picks picks = {.indices = indices, .data = data, .batch = batch,
                          .depth = (int)shape->dims[shape->rank - 1]};

    shape_strides(data, picks.strides);
    picks.tuples = shape_product(shape, batch, shape->rank - 1);
    picks.count = shape_product(shape, 0, shape->rank - 1);
    picks.block = shape_product(data, batch + picks.depth, data->rank);
    return picks;
}

/* The indices' position falls at `base` in the data, its axis left out. */
static void next_element(struct picks *picks)
{
    const struct shape *shape = &picks->indices->shape;

    picks->offset = picks->base + index_at(picks->indices, picks->next, picks->data->dims[picks->axis]) *
                                      picks->strides[picks->axis];
    for (int d = shape->rank - 1; d >= 0; d--) {
        const int64_t stride = d == picks->axis ? 0 : picks->strides[d];

        picks->base += stride;
        if (++picks->at[d] < shape->dims[d])
            break;
        picks->base -= stride * shape->dims[d];
        picks->at[d] = 0;
    }
}

bool picks_next(struct picks *picks)
{
    if (picks->next >= picks->count)
        return false;
    if (picks->by_element) {
        next_element(picks);
    } else if (picks->depth > 0) {
        const int64_t batch = picks->next / picks->tuples;

        picks->offset = batch * shape_product(picks->data, picks->batch, picks->data->rank);
        for (int d = 0; d < picks->depth; d++)
            picks->offset += index_at(picks->indices, picks->next * picks->depth + d,
                                      picks->data->dims[picks->batch + d]) *
                             picks->strides[picks->batch + d];
    } else {
        const int64_t dim = picks->data->dims[picks->axis];
        const int64_t index = index_at(picks->indices, picks->next % picks->tuples, dim);

        picks->offset = (picks->next / picks->tuples * dim + index) * picks->block;
    }
    picks->next++;
    return true;
}

struct job {
    struct picks picks;
    const float *from;
    float *to;
    int parts;
};

/* A part of the columns of each block: every sum keeps its order. */
static void add_task(void *arg, int task, int thread)
{
    const struct job *job = arg;
    struct picks picks = job->picks;
    const int64_t first = picks.block * task / job->parts, last = picks.block * (task + 1) / job->parts;

    (void)thread;
    for (int64_t i = 0; picks_next(&picks); i++) {
        const float *from = job->from + i * picks.block;
        float *to = job->to + picks.offset;

        for (int64_t k = first; k < last; k++)
            to[k] += from[k];
    }
}

void picks_add(struct picks picks, struct pool *pool, const float *from, float *to)
{
    struct job job = {.picks = picks, .from = from, .to = to, .parts = 1};

    if (picks.block == 0 || picks.count == 0)
        return;
    if (picks.count * picks.block >= GRAIN)
        job.parts = (int)(picks.block / COLUMNS < PARTS_MAX ? picks.block / COLUMNS : PARTS_MAX);
    if (job.parts > pool_threads(pool))
        job.parts = pool_threads(pool);
    job.parts = job.parts < 1 ? 1 : job.parts;
    pool_run(job.parts == 1 ? NULL : pool, job.parts, add_task, &job);
}

void picks_read(struct picks picks, const float *from, float *to, bool accumulate)
{
    for (; picks_next(&picks); to += picks.block) {
        const float *at = from + picks.offset;

        if (!accumulate && picks.block > 0)
            memcpy(to, at, (size_t)picks.block * sizeof(*to));
        for (int64_t k = 0; k < picks.block && accumulate; k++)
            to[k] += at[k];
    }
}
