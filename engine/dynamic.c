/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dynamic_private.h"

#include "engine/evaluate.h"

#include <stddef.h>
#include <string.h>

/* What the data of an empty tensor point at: operators may test for NULL. */
static max_align_t nothing;

static enum engine_status over_budget(const struct dynamic *dynamic, size_t bytes,
                                      struct engine_error *err)
{
    return engine_error_set(
        err, ENGINE_OVER_BUDGET,
        "a run needs %zu bytes more than the %zu that it holds, the budget is %zu", bytes,
        arena_bytes(dynamic->arena) + arena_bytes(dynamic->temporary), dynamic->bytes_max);
}

void *dynamic_alloc(struct dynamic *dynamic, size_t bytes, struct engine_error *err)
{
    void *memory = arena_alloc(dynamic->arena, bytes);

    if (memory == NULL)
        over_budget(dynamic, bytes, err);
    return memory;
}

enum engine_status dynamic_alloc_tensor(struct dynamic *dynamic, struct tensor *tensor,
                                        struct engine_error *err)
{
    size_t bytes;

    if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), &bytes))
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "a tensor's shape is negative or too large");
    tensor->data = dynamic_alloc(dynamic, bytes, err);
    return tensor->data != NULL ? ENGINE_OK : ENGINE_OVER_BUDGET;
}

static enum engine_status copy_strings(struct dynamic *dynamic, const struct tensor *from,
                                       struct tensor *to, struct engine_error *err)
{
    const struct bytes *source = from->data;
    struct bytes *copy = to->data;
    int64_t count = shape_elements(&from->shape);

    for (int64_t i = 0; i < count; i++) {
        char *text = dynamic_alloc(dynamic, source[i].length + 1, err);

        if (text == NULL)
            return ENGINE_OVER_BUDGET;
        if (source[i].length > 0)
            memcpy(text, source[i].data, source[i].length);
        text[source[i].length] = '\0';
        copy[i] = (struct bytes){text, source[i].length};
    }
    return ENGINE_OK;
}

/* A tensor that holds no others. */
static enum engine_status copy_plain(struct dynamic *dynamic, const struct tensor *from,
                                     struct tensor *to, struct engine_error *err)
{
    enum engine_status status;
    size_t bytes = tensor_bytes(from);

    *to = *from;
    status = dynamic_alloc_tensor(dynamic, to, err);
    if (status != ENGINE_OK)
        return status;
    if (from->dtype == DTYPE_STRING)
        return copy_strings(dynamic, from, to, err);
    if (bytes > 0)
        memcpy(to->data, from->data, bytes);
    return ENGINE_OK;
}

static bool is_container(enum dtype dtype)
{
    return dtype == DTYPE_SEQUENCE || dtype == DTYPE_OPTIONAL;
}

enum engine_status dynamic_copy(struct dynamic *dynamic, const struct tensor *from,
                                struct tensor *to, struct engine_error *err)
{
    const struct tensor *source;
    struct tensor *copy;
    enum engine_status status;
    int64_t count;

    if (!is_container(from->dtype))
        return copy_plain(dynamic, from, to, err);
    *to = *from;
    status = dynamic_alloc_tensor(dynamic, to, err);
    source = from->data;
    copy = to->data;
    count = shape_elements(&from->shape);
    for (int64_t i = 0; i < count && status == ENGINE_OK; i++)
        /* ONNX nests these one deep: optional of sequence of tensor. */
        status = is_container(source[i].dtype) ? dynamic_copy(dynamic, &source[i], &copy[i], err)
                                               : copy_plain(dynamic, &source[i], &copy[i], err);
    return status;
}

enum engine_status dynamic_count_iteration(struct dynamic *dynamic, const struct node *node,
                                           struct engine_error *err)
{
    if (++dynamic->iterations <= DYNAMIC_ITERATIONS_MAX)
        return ENGINE_OK;
    return engine_error_set(
        err, ENGINE_OVER_BUDGET,
        "%.64s (node '%.64s'): the loops of a run went round more than %d times", node->op_type,
        node->name, DYNAMIC_ITERATIONS_MAX);
}

static enum engine_status run_op(struct dynamic *dynamic, const struct node *node,
                                 struct tensor *inputs, struct tensor *outputs,
                                 struct engine_error *err)
{
    struct evaluation evaluation = {dynamic->temporary, dynamic->pool, dynamic};
    struct inference inference;
    enum engine_status status;

    if (!evaluate_host_ready(node, inputs))
        return op_fail(node, err, "an input that decides the output's shape has no data");
    status = evaluate_infer(node, inputs, pool_threads(dynamic->pool), dynamic->temporary, outputs,
                            &inference, err);
    for (int i = 0; i < node->n_outputs && status == ENGINE_OK; i++)
        if (node->outputs[i] != VALUE_ABSENT && outputs[i].dtype != DTYPE_NONE &&
            (i > 0 || (node->op->flags & OP_VIEW) == 0))
            status = dynamic_alloc_tensor(dynamic, &outputs[i], err);
    if (status == ENGINE_OK)
        status = evaluate_run(&evaluation, node, inputs, outputs, inference.scratch_bytes, err);
    return status;
}

static enum engine_status run_node(struct dynamic *dynamic, const struct node *node,
                                   struct tensor *values, struct engine_error *err)
{
    struct arena *temporary = dynamic->temporary;
    size_t mark = arena_mark(temporary);
    struct tensor *inputs = arena_calloc(temporary, (size_t)node->n_inputs, sizeof(*inputs));
    struct tensor *outputs = arena_calloc(temporary, (size_t)node->n_outputs, sizeof(*outputs));
    enum engine_status status;

    if (inputs == NULL || outputs == NULL)
        return over_budget(dynamic, sizeof(*inputs) * (size_t)node->n_inputs, err);
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != VALUE_ABSENT)
            inputs[i] = values[node->inputs[i]];
    status = run_op(dynamic, node, inputs, outputs, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        if (outputs[i].dtype == DTYPE_NONE)
            return op_fail(node, err, "output %d was not made", i);
        values[node->outputs[i]] = outputs[i];
    }
    arena_reset(temporary, mark);
    return ENGINE_OK;
}

static struct tensor with_data(struct tensor tensor)
{
    if (tensor.data == NULL)
        tensor.data = &nothing;
    return tensor;
}

enum engine_status dynamic_run_body(const struct op_call *call, const struct graph *body,
                                    const struct tensor *inputs, struct tensor *outputs,
                                    struct engine_error *err)
{
    struct dynamic *dynamic = call->dynamic;
    size_t mark = arena_mark(dynamic->temporary);
    size_t n_values = (size_t)body->n_values;
    struct tensor *values = arena_calloc(dynamic->temporary, n_values, sizeof(*values));
    enum engine_status status = ENGINE_OK;

    if (values == NULL)
        return over_budget(dynamic, sizeof(*values) * n_values, err);
    for (int i = 0; i < body->n_values; i++)
        if (body->values[i].constant != NULL)
            values[i] = with_data(*body->values[i].constant);
    for (int i = 0; i < body->n_inputs; i++)
        values[body->inputs[i]] = with_data(inputs[i]);
    for (int i = 0; i < body->n_captures; i++)
        if (call->inputs[body->captures[i].node_input] != NULL)
            values[body->captures[i].value] = *call->inputs[body->captures[i].node_input];
    for (int n = 0; n < body->n_nodes && status == ENGINE_OK; n++)
        status = run_node(dynamic, &body->nodes[n], values, err);
    for (int i = 0; i < body->n_outputs && status == ENGINE_OK; i++)
        outputs[i] = values[body->outputs[i]];
    arena_reset(dynamic->temporary, mark);
    return status;
}

/* Outputs outlive the caller's inputs and the weights: views of those are copied. */
static enum engine_status take_output(struct dynamic *dynamic, const struct tensor *value,
                                      struct tensor *output, struct engine_error *err)
{
    if (is_container(value->dtype) || value->dtype == DTYPE_STRING ||
        !arena_owns(dynamic->arena, value->data))
        return dynamic_copy(dynamic, value, output, err);
    *output = *value;
    return ENGINE_OK;
}

static enum engine_status run_deferred(struct dynamic *dynamic, const struct plan *plan,
                                       const struct tensor *tensors, struct tensor *outputs,
                                       struct engine_error *err)
{
    const struct graph *graph = plan->model->graph;
    struct tensor *values =
        arena_calloc(dynamic->temporary, (size_t)graph->n_values, sizeof(*values));
    enum engine_status status = ENGINE_OK;

    if (values == NULL)
        return over_budget(dynamic, sizeof(*values) * (size_t)graph->n_values, err);
    for (int i = 0; i < plan->n_seeds; i++)
        values[plan->seeds[i].value] = with_data(tensors[plan->seeds[i].tensor]);
    for (int i = 0; i < plan->n_deferred && status == ENGINE_OK; i++)
        status = run_node(dynamic, &graph->nodes[plan->deferred[i]], values, err);
    for (int i = 0; i < graph->n_outputs && status == ENGINE_OK; i++)
        if (plan->outputs[i] < 0)
            status = take_output(dynamic, &values[graph->outputs[i]], &outputs[i], err);
    return status;
}

enum engine_status dynamic_run_deferred(struct dynamic *dynamic, const struct plan *plan,
                                        const struct tensor *tensors, struct tensor *outputs,
                                        struct engine_error *err)
{
    enum engine_status status;

    dynamic->temporary = arena_create(dynamic->bytes_max);
    if (dynamic->temporary == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a run");
    status = run_deferred(dynamic, plan, tensors, outputs, err);
    arena_destroy(dynamic->temporary);
    dynamic->temporary = NULL;
    return status;
}
