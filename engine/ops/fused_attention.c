/* SPDX-License-Identifier: Apache-2.0
 * inferd.Attention (q, k, v, mask) [scale, perm_q, perm_k, perm_v, perm_y], which
 * engine/optimise/fuse_attention.c makes of MatMul, Softmax and MatMul:
 *   y = Transpose(MatMul(Softmax(scale * MatMul(q', k') + mask), v'), perm_y)
 * where q' = Transpose(q, perm_q) and so on. No operand is transposed in memory and no more than a block
 * of one head's scores lives at a time. Leading dimensions broadcast as those of MatMul and Add do.
 * float32 only. */
#include "engine/kernels/attention.h"
#include "engine/op.h"
#include "engine/ops/families.h"

#include <string.h>

enum { Q, K, V, MASK, OPERANDS };

struct fused_params {
    float scale;
    int n_perm[OPERANDS];       /* the last for y, which has no mask's place to lose; 0: none */
    int perm[OPERANDS][SHAPE_RANK_MAX];
};

/* An operand as the products see it: the last two dimensions and those before, aligned at the end. */
struct view {
    int rank;
    int64_t dims[SHAPE_RANK_MAX], strides[SHAPE_RANK_MAX];
};

struct geometry {
    struct shape lead;          /* what all operands broadcast to, but for their last two dimensions */
    int64_t queries, keys, width, v_width;
    struct view operands[OPERANDS];
    struct view y;
};

static enum engine_status read_perm(const struct op_init *init, const char *name, int operand,
                                    struct engine_error *err)
{
    struct fused_params *params = init->params;
    size_t count;
    const int64_t *perm = node_ints(init->node, name, &count);
    unsigned seen = 0;

    if (count > SHAPE_RANK_MAX)
        return op_fail(init->node, err, "%s has %zu dimensions", name, count);
    for (size_t i = 0; i < count; i++) {
        if (perm[i] < 0 || perm[i] >= (int64_t)count || (seen & 1u << perm[i]) != 0)
            return op_fail(init->node, err, "%s is no permutation", name);
        seen |= 1u << perm[i];
        params->perm[operand][i] = (int)perm[i];
    }
    params->n_perm[operand] = (int)count;
    return ENGINE_OK;
}

static enum engine_status fused_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[OPERANDS] = {"perm_q", "perm_k", "perm_v", "perm_y"};
    struct fused_params *params = init->params;
    enum engine_status status = ENGINE_OK;

    params->scale = node_float(init->node, "scale", 1);
    for (int i = 0; i < OPERANDS && status == ENGINE_OK; i++)
        status = read_perm(init, names[i], i, err);
    return status;
}

/* False when the permutation is for another rank. */
static bool view_of(const struct fused_params *params, int operand, const struct shape *shape,
                    struct view *ret)
{
    int64_t strides[SHAPE_RANK_MAX];
    int count = operand == MASK ? 0 : params->n_perm[operand];

    if (count != 0 && count != shape->rank)
        return false;
    shape_strides(shape, strides);
    ret->rank = shape->rank;
    for (int i = 0; i < shape->rank; i++) {
        int from = count != 0 ? params->perm[operand][i] : i;

        ret->dims[i] = shape->dims[from];
        ret->strides[i] = shape->dims[from] == 1 ? 0 : strides[from];
    }
    return true;
}

/* The dimension `back` from the end; 1 where there is none. */
static int64_t dim_of(const struct view *view, int back)
{
    return back <= view->rank ? view->dims[view->rank - back] : 1;
}

static int64_t stride_of(const struct view *view, int back)
{
    return back <= view->rank ? view->strides[view->rank - back] : 0;
}

static bool join_dim(int64_t dim, int64_t *joined)
{
    if (*joined == 1)
        *joined = dim;
    return dim == *joined || dim == 1;
}

/* NULL, or what does not fit. `ret_y` is the shape of the result. */
static const char *geometry_of(const struct fused_params *params, const struct shape *const shapes[OPERANDS],
                               struct geometry *g, struct shape *ret_y)
{
    struct shape y;
    int64_t strides[SHAPE_RANK_MAX];
    bool permuted = params->n_perm[MASK] != 0;

    memset(g, 0, sizeof(*g));
    for (int i = 0; i < OPERANDS; i++) {
        if (shapes[i] != NULL && !view_of(params, i, shapes[i], &g->operands[i]))
            return "a permutation is for another rank";
        if (i != MASK && g->operands[i].rank < 2)
            return "queries, keys and values need two dimensions";
        if (g->operands[i].rank - 2 > g->lead.rank)
            g->lead.rank = g->operands[i].rank - 2;
    }
    g->queries = dim_of(&g->operands[Q], 2);
    g->width = dim_of(&g->operands[Q], 1);
    g->keys = dim_of(&g->operands[K], 1);
    g->v_width = dim_of(&g->operands[V], 1);
    if (dim_of(&g->operands[K], 2) != g->width)
        return "queries and keys are not of one width";
    if (!join_dim(dim_of(&g->operands[MASK], 2), &g->queries) ||
        !join_dim(dim_of(&g->operands[MASK], 1), &g->keys))
        return "the mask does not fit the scores";
    if (dim_of(&g->operands[V], 2) != g->keys)
        return "there is not one value for each key";
    for (int i = 0; i < g->lead.rank; i++) {
        g->lead.dims[i] = 1;
        for (int k = 0; k < OPERANDS; k++)
            if (!join_dim(dim_of(&g->operands[k], g->lead.rank + 2 - i), &g->lead.dims[i]))
                return "the leading dimensions do not broadcast";
    }
    y = g->lead;
    if (y.rank + 2 > SHAPE_RANK_MAX || (permuted && params->n_perm[MASK] != y.rank + 2))
        return "a permutation is for another rank";
    y.dims[y.rank++] = g->queries;
    y.dims[y.rank++] = g->v_width;
    *ret_y = y;
    for (int i = 0; i < y.rank && permuted; i++)
        ret_y->dims[i] = y.dims[params->perm[MASK][i]];
    shape_strides(ret_y, strides);
    g->y.rank = y.rank;
    for (int i = 0; i < y.rank; i++)
        g->y.strides[permuted ? params->perm[MASK][i] : i] = strides[i];
    return NULL;
}

static bool shapes_of(int n_inputs, const struct tensor *const inputs[], const struct shape *ret[OPERANDS])
{
    for (int i = 0; i < OPERANDS; i++) {
        bool given = i < n_inputs && inputs[i] != NULL && inputs[i]->dtype != DTYPE_NONE;

        ret[i] = given ? &inputs[i]->shape : NULL;
        if (given && inputs[i]->dtype != DTYPE_F32)
            return false;
    }
    return true;
}

static size_t head_bytes(const struct geometry *g)
{
    size_t floats = (size_t)attention_head_scratch(g->queries, g->keys, g->width, g->v_width);

    return (floats * sizeof(float) + 63) / 64 * 64;
}

static enum engine_status fused_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *inputs[OPERANDS] = {NULL};
    const struct shape *shapes[OPERANDS];
    struct geometry g;
    const char *problem;
    char text[SHAPE_TEXT_MAX];
    size_t scores, total;

    for (int i = 0; i < infer->n_inputs; i++)
        inputs[i] = &infer->inputs[i];
    if (!shapes_of(infer->n_inputs, inputs, shapes))
        return op_unsupported(infer->node, err, "only float is supported");
    problem = geometry_of(infer->params, shapes, &g, &infer->outputs[0].shape);
    if (problem != NULL)
        return op_fail(infer->node, err, "%s (queries of shape %s)", problem,
                       shape_text(shapes[Q], text, sizeof(text)));
    infer->outputs[0].dtype = DTYPE_F32;
    /* More than the scratch of a thread can take, in dimensions that fit: their product is checked here. */
    if (!shape_check(&(struct shape){2, {g.queries + g.width + g.v_width + 64, g.keys + g.v_width + 64}},
                     2 * sizeof(float), &scores) ||
        __builtin_mul_overflow(head_bytes(&g), (size_t)infer->threads, &total) ||
        shape_elements(&g.lead) > INT32_MAX)
        return op_fail(infer->node, err, "the sequence is too large");
    infer->scratch_bytes = total;
    infer->flops = op_flops(shape_elements(&g.lead) * g.queries, g.keys, g.width + g.v_width);
    return ENGINE_OK;
}

/* What the threads share. */
struct work {
    const struct fused_params *params;
    struct geometry g;
    const float *data[OPERANDS];
    float *y;
    char *scratch;
    size_t scratch_bytes;       /* of a thread */
};

/* Where an operand's matrix for leading place `index` begins, from the operand's own beginning. */
static int64_t lead_offset(const struct geometry *g, const struct view *view, int64_t index)
{
    int64_t offset = 0;

    for (int i = g->lead.rank - 1; i >= 0; i--) {
        offset += index % g->lead.dims[i] * stride_of(view, g->lead.rank + 2 - i);
        index /= g->lead.dims[i];
    }
    return offset;
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct geometry *g = &work->g;
    const struct view *q = &g->operands[Q], *k = &g->operands[K], *v = &g->operands[V];
    const struct view *mask = &g->operands[MASK];
    struct attention_head head = {
        .queries = g->queries, .keys = g->keys, .width = g->width, .v_width = g->v_width,
        .q = work->data[Q] + lead_offset(g, q, task), .q_step = stride_of(q, 2),
        .k = work->data[K] + lead_offset(g, k, task), .k_step = stride_of(k, 1),
        .k_element = g->width == 1 ? 1 : stride_of(k, 2),
        .v = work->data[V] + lead_offset(g, v, task), .v_step = stride_of(v, 2),
        .scale = work->params->scale,
        .y = work->y + lead_offset(g, &g->y, task), .y_step = stride_of(&g->y, 2),
    };

    if (work->data[MASK] != NULL) {
        head.mask = work->data[MASK] + lead_offset(g, mask, task);
        head.mask_step = stride_of(mask, 2);
        head.mask_element = stride_of(mask, 1);
    }
    attention_head(&head, (float *)(void *)(work->scratch + (size_t)thread * work->scratch_bytes));
}

static enum engine_status fused_run(const struct op_call *call, struct engine_error *err)
{
    struct work work = {.params = call->params, .scratch = call->scratch, .y = call->outputs[0]->data};
    const struct shape *shapes[OPERANDS];
    struct shape y;
    const char *problem = "types differ";

    if (shapes_of(call->n_inputs, call->inputs, shapes))
        problem = geometry_of(call->params, shapes, &work.g, &y);
    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    for (int i = 0; i < OPERANDS; i++)
        work.data[i] = shapes[i] != NULL ? call->inputs[i]->data : NULL;
    work.scratch_bytes = head_bytes(&work.g);
    pool_run(call->pool, (int)shape_elements(&work.g.lead), run_task, &work);
    return ENGINE_OK;
}

const struct op_def ops_fused_attention[] = {
    {.domain = "inferd", .name = "Attention", .since = 1, .inputs_min = 3, .inputs_max = OPERANDS,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct fused_params), .init = fused_init, .infer = fused_infer,
     .run = fused_run},
    {0},
};
