/* SPDX-License-Identifier: Apache-2.0
 * Random tensors: RandomNormal RandomUniform (and Like) Bernoulli Multinomial. With a seed the
 * result is the same at each run; without one it is fresh. */
#include "engine/kernels/random.h"

#include "engine/kernels/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct random_params {
    bool normal, seeded;
    uint64_t seed;
    double first, second;          /* mean and scale, or low and high */
    enum dtype dtype;              /* DTYPE_NONE: that of the input */
    struct shape shape;            /* RandomNormal, RandomUniform */
    int64_t samples;               /* Multinomial */
};

static enum engine_status common_init(const struct op_init *init, int64_t dtype_default,
                                      struct engine_error *err)
{
    struct random_params *params = init->params;
    int64_t dtype = node_int(init->node, "dtype", dtype_default);
    float seed = node_float(init->node, "seed", 0.0f);
    uint32_t bits;

    memcpy(&bits, &seed, sizeof(bits));
    params->seeded = node_attribute(init->node, "seed") != NULL;
    params->seed = bits;
    params->dtype = (enum dtype)dtype;
    if (dtype != DTYPE_NONE && (dtype < 0 || dtype >= DTYPE_SEQUENCE ||
                                compute_dtype((enum dtype)dtype) == DTYPE_NONE))
        return op_unsupported(init->node, err, "dtype %" PRId64, dtype);
    return ENGINE_OK;
}

static enum engine_status fill_init(const struct op_init *init, struct engine_error *err)
{
    struct random_params *params = init->params;
    const struct node *node = init->node;
    bool like = strstr(node->op_type, "Like") != NULL;
    size_t rank;
    const int64_t *dims = node_ints(node, "shape", &rank);

    params->normal = strncmp(node->op_type, "RandomNormal", 12) == 0;
    params->first = (double)(params->normal ? node_float(node, "mean", 0.0f)
                                            : node_float(node, "low", 0.0f));
    params->second = (double)(params->normal ? node_float(node, "scale", 1.0f)
                                             : node_float(node, "high", 1.0f));
    if (rank > SHAPE_RANK_MAX)
        return op_unsupported(node, err, "a shape of %zu dimensions", rank);
    params->shape.rank = (int)rank;
    for (size_t d = 0; d < rank; d++)
        params->shape.dims[d] = dims[d];
    return common_init(init, like ? DTYPE_NONE : DTYPE_F32, err);
}

static enum engine_status fill_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct random_params *params = infer->params;
    bool like = infer->n_inputs > 0;
    enum dtype dtype = params->dtype == DTYPE_NONE ? infer->inputs[0].dtype : params->dtype;

    if (!dtype_is_float(dtype))
        return op_unsupported(infer->node, err, "random %s", dtype_name(dtype));
    infer_output(infer, 0, dtype, like ? &infer->inputs[0].shape : &params->shape);
    return ENGINE_OK;
}

static uint64_t seed_of(const struct random_params *params)
{
    return params->seeded ? params->seed : random_fresh_seed();
}

static enum engine_status fill_run(const struct op_call *call, struct engine_error *err)
{
    const struct random_params *params = call->params;
    struct tensor *y = call->outputs[0];
    uint64_t seed = seed_of(params);
    int64_t n = shape_elements(&y->shape);
    double items[CONVERT_CHUNK];

    (void)err;
    for (int64_t at = 0; at < n; at += CONVERT_CHUNK) {
        int64_t count = n - at < CONVERT_CHUNK ? n - at : CONVERT_CHUNK;

        for (int64_t i = 0; i < count; i++) {
            uint64_t index = (uint64_t)(at + i);

            items[i] = params->first + (params->normal
                                            ? params->second * random_normal(seed, index)
                                            : (params->second - params->first) *
                                                  random_uniform(seed, index));
        }
        store_f64(y->dtype, count, items, (char *)y->data + (size_t)at * dtype_size(y->dtype));
    }
    return ENGINE_OK;
}

static enum engine_status bernoulli_init(const struct op_init *init, struct engine_error *err)
{
    return common_init(init, DTYPE_NONE, err);
}

static enum engine_status bernoulli_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct random_params *params = infer->params;

    (void)err;
    infer_output(infer, 0,
                 params->dtype == DTYPE_NONE ? infer->inputs[0].dtype : params->dtype,
                 &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status bernoulli_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    struct tensor *y = call->outputs[0];
    uint64_t seed = seed_of(call->params);
    int64_t n = shape_elements(&y->shape), hits[CONVERT_CHUNK];
    double chances[CONVERT_CHUNK];

    (void)err;
    for (int64_t at = 0; at < n; at += CONVERT_CHUNK) {
        int64_t count = n - at < CONVERT_CHUNK ? n - at : CONVERT_CHUNK;

        load_f64(x->dtype, count, (const char *)x->data + (size_t)at * dtype_size(x->dtype),
                 chances);
        for (int64_t i = 0; i < count; i++)
            hits[i] = random_uniform(seed, (uint64_t)(at + i)) < chances[i];
        store_i64(y->dtype, count, hits, (char *)y->data + (size_t)at * dtype_size(y->dtype));
    }
    return ENGINE_OK;
}

static enum engine_status multinomial_init(const struct op_init *init, struct engine_error *err)
{
    struct random_params *params = init->params;

    params->samples = node_int(init->node, "sample_size", 1);
    if (params->samples < 1)
        return op_unsupported(init->node, err, "sample_size %" PRId64, params->samples);
    return common_init(init, DTYPE_I32, err);
}

static enum engine_status multinomial_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct random_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;

    if (shape.rank != 2 || shape.dims[1] == 0)
        return op_fail(infer->node, err, "the input is not [batch, classes]");
    if (params->dtype != DTYPE_I32 && params->dtype != DTYPE_I64)
        return op_unsupported(infer->node, err, "samples of %s", dtype_name(params->dtype));
    infer->scratch_bytes = (size_t)shape.dims[1] * sizeof(double);
    shape.dims[1] = params->samples;
    infer_output(infer, 0, params->dtype, &shape);
    return ENGINE_OK;
}

/* Inputs are logarithms of probabilities, up to a constant. */
static enum engine_status multinomial_run(const struct op_call *call, struct engine_error *err)
{
    const struct random_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    struct tensor *y = call->outputs[0];
    uint64_t seed = seed_of(params);
    int64_t n = x->shape.dims[1];
    double *sums = call->scratch;

    (void)err;
    for (int64_t row = 0; row < x->shape.dims[0]; row++) {
        double most = -INFINITY, sum = 0.0;

        load_f64(x->dtype, n, (const char *)x->data + (size_t)(row * n) * dtype_size(x->dtype),
                 sums);
        for (int64_t i = 0; i < n; i++)
            most = sums[i] > most ? sums[i] : most;
        for (int64_t i = 0; i < n; i++) {
            sum += exp(sums[i] - most);
            sums[i] = sum;
        }
        for (int64_t s = 0; s < params->samples; s++) {
            int64_t at = row * params->samples + s, class = 0;
            double place = random_uniform(seed, (uint64_t)at) * sum;

            while (class < n - 1 && sums[class] <= place)
                class++;
            store_i64(y->dtype, 1, &class, (char *)y->data + (size_t)at * dtype_size(y->dtype));
        }
    }
    return ENGINE_OK;
}

#define FILL(op_name, inputs) \
    {.name = op_name, .domain = "", .since = 1, .inputs_min = inputs, .inputs_max = inputs, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_RANDOM, \
     .params_size = sizeof(struct random_params), .init = fill_init, .infer = fill_infer, \
     .run = fill_run}

const struct op_def ops_random[] = {
    FILL("RandomNormal", 0),
    FILL("RandomUniform", 0),
    FILL("RandomNormalLike", 1),
    FILL("RandomUniformLike", 1),
    {.name = "Bernoulli", .domain = "", .since = 15, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_RANDOM, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct random_params), .init = bernoulli_init,
     .infer = bernoulli_infer, .run = bernoulli_run},
    {.name = "Multinomial", .domain = "", .since = 7, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_RANDOM, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct random_params), .init = multinomial_init,
     .infer = multinomial_infer, .run = multinomial_run},
    {0},
};
