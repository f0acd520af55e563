/* SPDX-License-Identifier: Apache-2.0
 * Dropout (Srivastava et al., 2014) while training: always active, whatever the model's training_mode
 * says, unless the gradients of the model as it is served are wanted. What is kept is scaled by
 * 1 / (1 - ratio). Element i is kept if number i of a stream made of seed, step and node is at least
 * the ratio: both passes make the same numbers, so nothing is stored. */
#include "engine/grad/families.h"
#include "engine/kernels/random.h"
#include "engine/ops/operands.h"

#include <string.h>

enum { DATA, RATIO, MODE };
enum { BLOCK = 1 << 14, GROUP = 4 };    /* elements of a task; that share 64 random bits, 16 each */

struct drop {
    uint64_t stream;
    uint32_t threshold;            /* of 65536: smaller numbers are dropped */
    float scale;
    int64_t n;
    bool add;
    const float *from;
    float *to;
    uint8_t *mask;                 /* NULL: nobody reads it */
};

static uint64_t stream_of(const struct grad_context *context, int node_id)
{
    return random_bits(random_bits(context->seed, context->step), (uint64_t)node_id);
}

static void drop_task(void *arg, int task, int thread)
{
    const struct drop *drop = arg;
    int64_t from = (int64_t)task * BLOCK, to = from + BLOCK < drop->n ? from + BLOCK : drop->n;

    (void)thread;
    for (int64_t i = from; i < to; i += GROUP) {
        uint64_t bits = random_bits(drop->stream, (uint64_t)(i / GROUP));
        int64_t end = i + GROUP < to ? i + GROUP : to;

        for (int64_t k = i; k < end; k++, bits >>= 16) {
            bool keep = (bits & 0xffff) >= drop->threshold;
            float item = keep ? drop->from[k] * drop->scale : 0.0f;

            drop->to[k] = drop->add ? drop->to[k] + item : item;
            if (drop->mask != NULL)
                drop->mask[k] = keep;
        }
    }
}

/* Fails on a ratio out of range. */
static enum engine_status drop_begin(struct drop *drop, const struct node *node,
                                     const struct tensor *ratio, const struct grad_context *context,
                                     int node_id, struct engine_error *err)
{
    double p = ratio != NULL && ratio->data != NULL ? tensor_double_at(ratio, 0) : 0.5;

    if (!(p >= 0.0 && p <= 1.0))
        return op_fail(node, err, "ratio %g is not in [0, 1]", p);
    if (context->deterministic_inference)
        p = 0;
    drop->stream = stream_of(context, node_id);
    drop->threshold = (uint32_t)(p * 65536 + 0.5);
    drop->scale = p < 1 ? (float)(1 / (1 - p)) : 0.0f;
    return ENGINE_OK;
}

static void drop_run(struct drop *drop, struct pool *pool)
{
    if (drop->threshold == 0 && !drop->add && drop->from == drop->to && drop->mask == NULL)
        return;
    pool_run(pool, (int)((drop->n + BLOCK - 1) / BLOCK), drop_task, drop);
}

static enum engine_status dropout_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (prepare->n_inputs <= RATIO || prepare->inputs[RATIO].dtype == DTYPE_NONE)
        prepare->save_inputs = 0;
    return ENGINE_OK;
}

static enum engine_status dropout_forward(const struct grad_forward *forward, struct engine_error *err)
{
    const struct op_call *call = &forward->call;
    const struct tensor *x = call->inputs[DATA];
    struct tensor *mask = call->n_outputs > 1 ? call->outputs[1] : NULL;
    struct drop drop = {.n = shape_elements(&x->shape), .from = x->data, .to = call->outputs[0]->data,
                        .mask = mask != NULL ? mask->data : NULL};
    enum engine_status status;

    if (x->dtype != DTYPE_F32)
        return call->node->op->run(call, err);
    status = drop_begin(&drop, call->node, operand_given(call, RATIO) ? call->inputs[RATIO] : NULL,
                        forward->context, forward->node_id, err);
    if (status == ENGINE_OK)
        drop_run(&drop, call->pool);
    return status;
}

static enum engine_status dropout_backward(const struct grad_call *call, struct engine_error *err)
{
    struct drop drop = {.n = shape_elements(&call->inputs[DATA]->shape)};
    enum engine_status status;

    if (call->in_grads[DATA] == NULL || call->out_grads[0] == NULL)
        return ENGINE_OK;
    status = drop_begin(&drop, call->node, call->n_inputs > RATIO ? call->inputs[RATIO] : NULL,
                        call->context, call->node_id, err);
    drop.from = call->out_grads[0]->data;
    drop.to = call->in_grads[DATA]->data;
    drop.add = call->accumulate[DATA];
    if (status == ENGINE_OK)
        drop_run(&drop, call->pool);
    return status;
}

const struct grad_def grads_dropout[] = {
    {.domain = "", .name = "Dropout", .flags = GRAD_INPLACE, .inputs = GRAD_BIT(DATA),
     .save_inputs = GRAD_BIT(RATIO), .prepare = dropout_prepare, .forward = dropout_forward,
     .backward = dropout_backward},
    {0},
};
