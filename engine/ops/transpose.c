/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/transpose.c - elements in another order: Transpose, DepthToSpace, SpaceToDepth. */
#include "engine/ops/moves.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct transpose_params {
    int rank;                      /* of perm; -1: reverse all */
    int perm[SHAPE_RANK_MAX];
};

static enum engine_status transpose_init(const struct op_init *init, struct engine_error *err)
{
    struct transpose_params *params = init->params;
    size_t count;
    const int64_t *perm = node_ints(init->node, "perm", &count);
    uint32_t seen = 0;

    params->rank = -1;
    if (perm == NULL)
        return ENGINE_OK;
    if (count > SHAPE_RANK_MAX)
        return op_unsupported(init->node, err, "perm names %zu axes, at most %d are held", count,
                              SHAPE_RANK_MAX);
    params->rank = (int)count;
    for (int d = 0; d < params->rank; d++) {
        if (!shape_axis(perm[d], params->rank, &params->perm[d]) ||
            seen & (1u << params->perm[d]))
            return op_fail(init->node, err, "perm is no permutation of %zu axes", count);
        seen |= 1u << params->perm[d];
    }
    return ENGINE_OK;
}

static int transpose_axis(const struct transpose_params *params, int rank, int d)
{
    return params->rank < 0 ? rank - 1 - d : params->perm[d];
}

static enum engine_status transpose_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct transpose_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    struct shape shape = {.rank = from->rank};

    if (params->rank >= 0 && params->rank != from->rank)
        return op_fail(infer->node, err, "perm names %d axes, the input has %d", params->rank,
                       from->rank);
    for (int d = 0; d < shape.rank; d++)
        shape.dims[d] = from->dims[transpose_axis(params, from->rank, d)];
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

struct placed_move transpose_move(const void *params, int n_inputs,
                                  const struct tensor *const *inputs, const struct tensor *output)
{
    const struct shape *from = &inputs[0]->shape, *to = &output->shape;
    int64_t from_strides[SHAPE_RANK_MAX], to_strides[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    (void)n_inputs;
    shape_strides(from, from_strides);
    shape_strides(to, to_strides);
    for (int d = 0; d < to->rank; d++)
        move_push(&placed.move, to->dims[d], to_strides[d],
                  from_strides[transpose_axis(params, from->rank, d)]);
    return placed;
}

static enum engine_status transpose_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed = transpose_move(call->params, call->n_inputs, call->inputs,
                                               call->outputs[0]);

    (void)err;
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

struct block_params {
    int64_t block;
    bool column_row_depth;         /* DepthToSpace mode CRD */
};

static enum engine_status block_init(const struct op_init *init, struct engine_error *err)
{
    struct block_params *params = init->params;
    const char *mode = node_string(init->node, "mode", "DCR");

    params->block = node_int(init->node, "blocksize", 0);
    params->column_row_depth = strcmp(mode, "CRD") == 0;
    if (params->block < 1 || params->block > INT32_MAX)
        return op_fail(init->node, err, "blocksize is %" PRId64, params->block);
    if (!params->column_row_depth && strcmp(mode, "DCR") != 0)
        return op_fail(init->node, err, "mode is '%s', expected DCR or CRD", mode);
    return ENGINE_OK;
}

static enum engine_status block_check(const struct op_infer *infer, struct engine_error *err)
{
    char text[SHAPE_TEXT_MAX];

    if (infer->inputs[0].shape.rank != 4)
        return op_fail(infer->node, err, "input has shape %s, expected 4 dimensions",
                       shape_text(&infer->inputs[0].shape, text, sizeof(text)));
    return ENGINE_OK;
}

static enum engine_status depth_to_space_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct block_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;
    enum engine_status status = block_check(infer, err);

    if (status != ENGINE_OK)
        return status;
    if (shape.dims[1] % (params->block * params->block) != 0)
        return op_fail(infer->node, err, "%" PRId64 " channels do not divide into blocks of %" PRId64,
                       shape.dims[1], params->block * params->block);
    shape.dims[1] /= params->block * params->block;
    if (__builtin_mul_overflow(shape.dims[2], params->block, &shape.dims[2]) ||
        __builtin_mul_overflow(shape.dims[3], params->block, &shape.dims[3]))
        return op_fail(infer->node, err, "output is too large");
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status space_to_depth_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct block_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;
    enum engine_status status = block_check(infer, err);

    if (status != ENGINE_OK)
        return status;
    if (shape.dims[2] % params->block != 0 || shape.dims[3] % params->block != 0)
        return op_fail(infer->node, err, "%" PRId64 " x %" PRId64 " does not divide into blocks of %"
                       PRId64, shape.dims[2], shape.dims[3], params->block);
    if (__builtin_mul_overflow(shape.dims[1], params->block * params->block, &shape.dims[1]))
        return op_fail(infer->node, err, "output is too large");
    shape.dims[2] /= params->block;
    shape.dims[3] /= params->block;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

/* Both ways between depth [N, C*b*b, H, W] and space [N, C, H*b, W*b] are one walk over
 * [N, C, H, row in block, W, column in block]. */
static struct placed_move block_move(const struct shape *depth, int64_t block, bool column_row_depth,
                                     bool to_depth)
{
    const int64_t channels = depth->dims[1] / (block * block);
    const int64_t high = depth->dims[2], wide = depth->dims[3], image = high * wide;
    const int64_t channel = column_row_depth ? block * block * image : image;
    const int64_t row = column_row_depth ? block * image : block * channels * image;
    const int64_t column = column_row_depth ? image : channels * image;
    const int64_t walk[6][3] = {
        /* dim, stride in depth, stride in space */
        {depth->dims[0], depth->dims[1] * image, depth->dims[1] * image},
        {channels, channel, image * block * block},
        {high, wide, block * block * wide},
        {block, row, block * wide},
        {wide, 1, block},
        {block, column, 1},
    };

    struct placed_move placed = {0};

    for (int d = 0; d < 6; d++)
        move_push(&placed.move, walk[d][0], walk[d][to_depth ? 1 : 2], walk[d][to_depth ? 2 : 1]);
    return placed;
}

struct placed_move depth_to_space_move(const void *params, int n_inputs,
                                       const struct tensor *const *inputs,
                                       const struct tensor *output)
{
    const struct block_params *block = params;

    (void)n_inputs;
    (void)output;
    return block_move(&inputs[0]->shape, block->block, block->column_row_depth, false);
}

struct placed_move space_to_depth_move(const void *params, int n_inputs,
                                       const struct tensor *const *inputs,
                                       const struct tensor *output)
{
    const struct block_params *block = params;

    (void)n_inputs;
    (void)inputs;
    return block_move(&output->shape, block->block, false, true);
}

static enum engine_status depth_to_space_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed = depth_to_space_move(call->params, call->n_inputs, call->inputs,
                                                    call->outputs[0]);

    (void)err;
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

static enum engine_status space_to_depth_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed = space_to_depth_move(call->params, call->n_inputs, call->inputs,
                                                    call->outputs[0]);

    (void)err;
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

const struct op_def ops_transpose[] = {
    {.name = "Transpose", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct transpose_params),
     .init = transpose_init, .infer = transpose_infer, .run = transpose_run},
    {.name = "DepthToSpace", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct block_params),
     .init = block_init, .infer = depth_to_space_infer, .run = depth_to_space_run},
    {.name = "SpaceToDepth", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct block_params),
     .init = block_init, .infer = space_to_depth_infer, .run = space_to_depth_run},
    {.name = NULL},
};
