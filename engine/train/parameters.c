/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/parameters.h"

#include "engine/kernels/update.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096, TASKS_MAX = 64 };

static int64_t padded(int64_t count)
{
    return (count + UPDATE_ALIGNMENT - 1) / UPDATE_ALIGNMENT * UPDATE_ALIGNMENT;
}

static void cut_chunks(struct parameters *parameters)
{
    struct parameter_chunk *chunk = parameters->chunks;

    for (int t = 0; t < parameters->n_tensors; t++) {
        int64_t count = padded(parameters->tensors[t].count);

        for (int64_t from = 0; from < count; from += CHUNK)
            *chunk++ = (struct parameter_chunk){t, parameters->tensors[t].offset + from,
                                                count - from < CHUNK ? count - from : CHUNK};
    }
}

struct parameters *parameters_create(int n_tensors, const struct parameter *tensors,
                                     struct engine_error *err)
{
    struct parameters *parameters = calloc(1, sizeof(*parameters));
    int64_t total = 0, n_chunks = 0;

    if (parameters != NULL)
        parameters->tensors = calloc((size_t)n_tensors + 1, sizeof(*parameters->tensors));
    if (parameters == NULL || parameters->tensors == NULL)
        goto fail;
    parameters->n_tensors = n_tensors;
    for (int t = 0; t < n_tensors; t++) {
        if (tensors[t].count < 0 || tensors[t].count > INT64_MAX / 64 - total)
            goto fail;
        parameters->tensors[t] = tensors[t];
        parameters->tensors[t].offset = total;
        total += padded(tensors[t].count);
        n_chunks += (padded(tensors[t].count) + CHUNK - 1) / CHUNK;
    }
    if (n_chunks > INT32_MAX - 1)
        goto fail;
    parameters->total = total;
    parameters->n_chunks = (int)n_chunks;
    parameters->chunks = calloc((size_t)n_chunks + 1, sizeof(*parameters->chunks));
    if (parameters->chunks == NULL)
        goto fail;
    cut_chunks(parameters);
    return parameters;
fail:
    parameters_destroy(parameters);
    engine_error_set(err, ENGINE_NO_MEMORY, "no memory for the tensors that learn");
    return NULL;
}

void parameters_destroy(struct parameters *parameters)
{
    if (parameters == NULL)
        return;
    free(parameters->tensors);
    free(parameters->chunks);
    free(parameters);
}

float *parameters_block(const struct parameters *parameters, struct engine_error *err)
{
    size_t bytes = ((size_t)parameters->total + UPDATE_ALIGNMENT) * sizeof(float);
    float *block = aligned_alloc(64, bytes);

    if (block == NULL)
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %zu bytes of training state", bytes);
    else
        memset(block, 0, bytes);
    return block;
}

struct norm_pass {
    const struct parameters *parameters;
    const float *block;
    double *partial;
    int chunks_a_task;
};

static void norm_task(void *arg, int task, int thread)
{
    const struct norm_pass *pass = arg;
    int from = task * pass->chunks_a_task, to = from + pass->chunks_a_task;

    (void)thread;
    for (int c = from; c < to && c < pass->parameters->n_chunks; c++) {
        const struct parameter_chunk *chunk = &pass->parameters->chunks[c];

        pass->partial[c] =
            (double)vec_sum_squares_f32((size_t)chunk->count, 0.0f, pass->block + chunk->offset);
    }
}

double parameters_norm(const struct parameters *parameters, const float *block, double *partial,
                       double *ret_norms, struct pool *pool)
{
    struct norm_pass pass = {parameters, block, partial,
                             (parameters->n_chunks + TASKS_MAX - 1) / TASKS_MAX};

    if (parameters->n_chunks > 0)
        pool_run(pool, (parameters->n_chunks + pass.chunks_a_task - 1) / pass.chunks_a_task,
                 norm_task, &pass);
    return parameters_join(parameters, partial, ret_norms);
}

double parameters_join(const struct parameters *parameters, const double *partial,
                       double *ret_norms)
{
    double all = 0.0;
    int c = 0;

    for (int t = 0; t < parameters->n_tensors; t++) {
        double sum = 0.0;

        for (; c < parameters->n_chunks && parameters->chunks[c].tensor == t; c++)
            sum += partial[c];
        if (ret_norms != NULL)
            ret_norms[t] = sqrt(sum);
        all += sum;
    }
    return sqrt(all);
}

uint32_t parameters_most(const struct parameters *parameters, const float *block)
{
    uint32_t most = 0;

    for (int64_t i = 0; i < parameters->total; i++) {
        uint32_t bits;

        memcpy(&bits, block + i, sizeof(bits));
        bits &= 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    return most;
}
