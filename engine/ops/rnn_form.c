/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/rnn_form.h"

#include <string.h>
#include <strings.h>

static enum engine_status read_activations(const struct op_init *init, struct rnn_form *params,
                                           struct engine_error *err)
{
    static const char *const defaults[] = {
        [RNN_PLAIN] = "Tanh", [RNN_GRU] = "Sigmoid", [RNN_LSTM] = "Sigmoid"};
    const struct node *node = init->node;
    size_t each = params->kind == RNN_PLAIN ? 1 : params->kind == RNN_GRU ? 2 : 3;
    size_t count, n_alpha, n_beta;
    const struct bytes *names = node_strings(node, "activations", &count);
    const float *alpha = node_floats(node, "activation_alpha", &n_alpha);
    const float *beta = node_floats(node, "activation_beta", &n_beta);

    if (names != NULL && count != each * (size_t)params->directions)
        return op_fail(node, err, "%zu activations, expected %zu", count,
                       each * (size_t)params->directions);
    for (size_t i = 0; i < each * (size_t)params->directions; i++) {
        struct cell *cell = &params->cells[i / each];
        struct gate_function *slot = i % each == 0 ? &cell->f : i % each == 1 ? &cell->g : &cell->h;
        const char *name = i % each == 0 ? defaults[params->kind] : "Tanh";
        size_t length = strlen(name);

        if (names != NULL) {
            name = names[i].data;
            length = names[i].length;
        }
        if (!gate_function_find(name, length, slot))
            return op_unsupported(node, err, "activation '%.*s' is unknown",
                                  (int)(length < 32 ? length : 32), name);
        if (i < n_alpha)
            slot->alpha = alpha[i];
        if (i < n_beta)
            slot->beta = beta[i];
    }
    return ENGINE_OK;
}

enum engine_status rnn_form_init(const struct op_init *init, enum rnn_kind kind,
                                 struct engine_error *err)
{
    const struct node *node = init->node;
    struct rnn_form *params = init->params;
    const char *direction = node_string(node, "direction", "forward");
    float clip = node_float(node, "clip", 0.0f);

    params->kind = kind;
    params->directions = strcasecmp(direction, "bidirectional") == 0 ? 2 : 1;
    params->reverse[0] = strcasecmp(direction, "reverse") == 0;
    params->reverse[1] = true;
    if (params->directions == 1 && !params->reverse[0] && strcasecmp(direction, "forward") != 0)
        return op_fail(node, err, "direction '%.32s', expected forward, reverse or bidirectional",
                       direction);
    params->batch_first = node_int(node, "layout", 0) != 0;
    params->linear_before_reset = node_int(node, "linear_before_reset", 0) != 0;
    params->packed = strcmp(node->domain, "inferd") == 0;
    params->hidden = node_int(node, "hidden_size", 0);
    for (int d = 0; d < 2; d++) {
        params->cells[d].clip = clip;
        params->cells[d].input_forget = node_int(node, "input_forget", 0) != 0;
    }
    return read_activations(init, params, err);
}

struct rnn_extent rnn_form_extent(const struct rnn_form *params, const struct shape *x,
                                  const struct shape *r)
{
    return (struct rnn_extent){.time = x->dims[params->batch_first],
                           .batch = x->dims[!params->batch_first],
                           .input = x->dims[2],
                           .hidden = params->packed ? params->hidden : r->dims[2],
                           .gates = params->kind};
}

enum engine_status rnn_form_lengths(const struct node *node, const struct rnn_extent *e,
                                    const int32_t *lengths, struct engine_error *err)
{
    for (int64_t n = 0; lengths != NULL && n < e->batch; n++)
        if (lengths[n] < 0 || lengths[n] > e->time)
            return op_fail(node, err, "sequence_lens[%lld] is %d, expected 0 to %lld",
                           (long long)n, (int)lengths[n], (long long)e->time);
    return ENGINE_OK;
}
