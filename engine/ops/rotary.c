/* SPDX-License-Identifier: Apache-2.0
 * RotaryEmbedding (opset 23): turns each pair of a head's elements by an angle that grows with the
 * token's place. Source: ONNX's definition, after Su et al., RoFormer, 2021. */
#include "engine/kernels/convert.h"
#include "engine/op.h"
#include "engine/ops/families.h"
#include "engine/ops/rotary_form.h"

#include <string.h>

static enum engine_status rotary_init(const struct op_init *init, struct engine_error *err)
{
    struct rotary_params *params = init->params;

    (void)err;
    params->heads = node_int(init->node, "num_heads", 0);
    params->rotated = node_int(init->node, "rotary_embedding_dim", 0);
    params->interleaved = node_int(init->node, "interleaved", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status rotary_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *in = infer->inputs;
    struct rotary_extent s;
    const char *why = rotary_sizes(infer->params, &in[ROTARY_X].shape, &s);
    bool places = infer->n_inputs > ROTARY_PLACES && in[ROTARY_PLACES].dtype != DTYPE_NONE;

    for (int i = ROTARY_COS; why == NULL && i <= ROTARY_SIN; i++) {
        const struct shape *cache = &in[i].shape;

        if (in[i].dtype != in[ROTARY_X].dtype)
            why = "the caches are not of X's type";
        else if (cache->rank != (places ? 2 : 3) || cache->dims[cache->rank - 1] != s.rotated / 2 ||
                 (!places && (cache->dims[0] != s.batch || cache->dims[1] != s.length)) ||
                 !shape_equal(cache, &in[ROTARY_COS].shape))
            why =
                "cos_cache and sin_cache must be [places, rotated / 2], or [batch, length, rotated / 2] "
                "without position_ids";
    }
    if (why == NULL && places &&
        (in[ROTARY_PLACES].dtype != DTYPE_I64 ||
         !shape_equal(&in[ROTARY_PLACES].shape, &(struct shape){2, {s.batch, s.length}})))
        why = "position_ids is not int64 [batch, length]";
    if (why != NULL)
        return op_fail(infer->node, err, "%s", why);
    infer->scratch_bytes = (size_t)(s.head + s.rotated) * sizeof(float);
    return infer_same_as_first(infer, err);
}

/* One head of one token, in place. */
static void turn(const struct rotary_extent *s, bool interleaved, const float *cosines, const float *sines,
                 float *x)
{
    int64_t half = s->rotated / 2;

    for (int64_t i = 0; i < half; i++) {
        float *a = x + (interleaved ? 2 * i : i), *b = interleaved ? a + 1 : a + half;
        float real = cosines[i] * *a - sines[i] * *b;

        *b = sines[i] * *a + cosines[i] * *b;
        *a = real;
    }
}

static enum engine_status rotary_run(const struct op_call *call, struct engine_error *err)
{
    const struct rotary_params *params = call->params;
    const struct tensor *x = call->inputs[ROTARY_X];
    const int64_t *places =
        call->n_inputs > ROTARY_PLACES && call->inputs[ROTARY_PLACES] != NULL
            ? call->inputs[ROTARY_PLACES]->data
            : NULL;
    size_t size = dtype_size(x->dtype);
    struct rotary_extent s = {0};
    float *head = call->scratch, *cosines, *sines;

    rotary_sizes(params, &x->shape, &s);
    cosines = head + s.head;
    sines = cosines + s.rotated / 2;
    for (int64_t token = 0; token < s.batch * s.length; token++) {
        int64_t row = places != NULL ? places[token] : token;
        size_t at = (size_t)(row * (s.rotated / 2)) * size;

        if (places != NULL && (row < 0 || row >= call->inputs[ROTARY_COS]->shape.dims[0]))
            return op_fail(call->node, err, "position_ids has %lld, expected 0 to %lld",
                           (long long)row, (long long)call->inputs[ROTARY_COS]->shape.dims[0] - 1);
        load_f32(x->dtype, s.rotated / 2, (const char *)call->inputs[ROTARY_COS]->data + at, cosines);
        load_f32(x->dtype, s.rotated / 2, (const char *)call->inputs[ROTARY_SIN]->data + at, sines);
        for (int64_t h = 0; h < s.heads; h++) {
            int64_t b = token / s.length, t = token % s.length;
            int64_t place =
                x->shape.rank == 3 ? token * s.heads + h : (b * s.heads + h) * s.length + t;
            size_t offset = (size_t)(place * s.head) * size;

            load_f32(x->dtype, s.head, (const char *)x->data + offset, head);
            turn(&s, params->interleaved, cosines, sines, head);
            store_f32(x->dtype, s.head, head, (char *)call->outputs[0]->data + offset);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_rotary[] = {
    {.domain = "",
     .name = "RotaryEmbedding",
     .since = 23,
     .inputs_min = 3,
     .inputs_max = 4,
     .outputs_min = 1,
     .outputs_max = 1,
     .dtypes = DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16),
     .params_size = sizeof(struct rotary_params),
     .init = rotary_init,
     .infer = rotary_infer,
     .run = rotary_run},
    {.name = NULL},
};
