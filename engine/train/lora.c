/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/lora.h"

#include "engine/kernels/random.h"
#include "engine/op.h"
#include "engine/train/trainer_select.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = 1024, RANK_MAX = 4096 };

static const char a_suffix[] = ".lora_a", b_suffix[] = ".lora_b", scale_suffix[] = ".lora_scale";

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for adapters");
}

/* True if a product of matrices reads it. */
static bool is_matrix(const struct graph *graph, int id)
{
    const struct tensor *constant = graph->values[id].constant;

    if (constant == NULL || constant->dtype != DTYPE_F32 || constant->shape.rank != 2 ||
        graph->values[id].name[0] == '\0')
        return false;
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];

        if (node->removed || (strcmp(node->op_type, "MatMul") != 0 && strcmp(node->op_type, "Gemm") != 0))
            continue;
        for (int i = 0; i < node->n_inputs && i < 2; i++)
            if (node->inputs[i] == id)
                return true;
    }
    return false;
}

/* A constant of the graph's arena, zero. -1 when that is used up. */
static int add_constant(struct graph *graph, const char *name, const char *suffix, int rank,
                        int64_t rows, int64_t columns, float **ret_data)
{
    struct tensor tensor = {DTYPE_F32, {rank, {rows, columns}}, NULL};
    char text[NAME_BYTES_MAX];

    snprintf(text, sizeof(text), "%s%s", name, suffix);
    tensor.data = arena_calloc(graph->arena, (size_t)shape_elements(&tensor.shape), sizeof(float));
    *ret_data = tensor.data;
    return tensor.data != NULL ? graph_add_constant(graph, text, &tensor) : -1;
}

static int add_node(struct graph *graph, const char *type, int a, int b)
{
    const int inputs[2] = {a, b};
    int output = graph_add_value(graph, "");

    if (a < 0 || b < 0 || output < 0 ||
        graph_add_node(graph, "", type, "", 2, inputs, 1, &output) < 0)
        return -1;
    /* Forms that have not changed since opset 14. */
    graph->nodes[graph->n_nodes - 1].opset = 14;
    return output;
}

static enum engine_status adapt(struct graph *graph, int id, const struct lora *lora, uint64_t stream,
                                struct engine_error *err)
{
    const char *name = graph->values[id].name;
    const int64_t rows = graph->values[id].constant->shape.dims[0];
    const int64_t columns = graph->values[id].constant->shape.dims[1];
    int64_t rank = rows < columns ? rows : columns;
    float *a_data, *b_data, *scale;
    int a, b, factor, sum;

    if (rank > lora->rank)
        rank = lora->rank;
    if (rank == 0)
        return ENGINE_OK;
    a = add_constant(graph, name, a_suffix, 2, rows, rank, &a_data);
    b = add_constant(graph, name, b_suffix, 2, rank, columns, &b_data);
    factor = add_constant(graph, name, scale_suffix, 0, 0, 0, &scale);
    if (a < 0 || b < 0 || factor < 0)
        return no_memory(err);
    for (int64_t i = 0; i < rows * rank; i++)
        a_data[i] = (float)((2.0 * random_uniform(lora->seed + stream, (uint64_t)i) - 1.0) /
                            sqrt((double)rows));
    *scale = (float)(lora->alpha > 0.0 ? lora->alpha / (double)rank : 1.0);
    sum = add_node(graph, "MatMul", a, b);
    if (sum >= 0)
        sum = add_node(graph, "Mul", sum, factor);
    if (sum >= 0)
        sum = add_node(graph, "Add", id, sum);
    if (sum < 0)
        return no_memory(err);
    graph_replace_uses(graph, id, sum);
    graph_set_input(graph, graph->n_nodes - 1, 0, id);
    return ENGINE_OK;
}

enum engine_status lora_rewrite(struct graph *graph, void *arg, struct engine_error *err)
{
    const struct lora *lora = arg;
    const int n_values = graph->n_values;
    uint64_t chosen = 0;

    if (lora->rank < 1 || lora->rank > RANK_MAX || !(lora->alpha >= 0.0) || !isfinite(lora->alpha))
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "adapters: rank %d, alpha %g; expected a rank from 1 to %d and an alpha of "
                                "0 or more",
                                lora->rank, lora->alpha, RANK_MAX);
    for (int id = 0; id < n_values; id++) {
        enum engine_status status;

        if (!is_matrix(graph, id) ||
            (lora->matrices != NULL && !trainer_name_matches(lora->matrices, graph->values[id].name)))
            continue;
        if (strlen(graph->values[id].name) > NAME_BYTES_MAX - sizeof(scale_suffix))
            return engine_error_set(err, ENGINE_UNSUPPORTED, "a matrix's name is too long for adapters");
        status = adapt(graph, id, lora, ++chosen, err);
        if (status != ENGINE_OK)
            return status;
    }
    if (chosen == 0)
        return engine_error_set(err, ENGINE_BAD_INPUT, "adapters: no matrix matches '%.128s'",
                                lora->matrices != NULL ? lora->matrices : "*");
    return graph_resolve(graph, err);
}

/* Slot of the constant whose name is `length` bytes of `name` and the suffix. */
static int find_slot(const struct graph *graph, const char *name, size_t length, const char *suffix)
{
    for (int s = 0; s < graph->n_constant_slots; s++) {
        const char *has = graph->values[graph->weight_values[s]].name;

        if (strncmp(has, name, length) == 0 && strcmp(has + length, suffix) == 0)
            return s;
    }
    return -1;
}

bool lora_find(const struct graph *graph, const char *name, struct lora_slots *ret)
{
    size_t length = strlen(name), suffix = sizeof(a_suffix) - 1;
    int scale;

    if (length <= suffix || (strcmp(name + length - suffix, a_suffix) != 0 &&
                             strcmp(name + length - suffix, b_suffix) != 0))
        return false;
    length -= suffix;
    ret->matrix = find_slot(graph, name, length, "");
    ret->a = find_slot(graph, name, length, a_suffix);
    ret->b = find_slot(graph, name, length, b_suffix);
    scale = find_slot(graph, name, length, scale_suffix);
    if (ret->matrix < 0 || ret->a < 0 || ret->b < 0 || scale < 0)
        return false;
    ret->scale = *(const float *)graph->values[graph->weight_values[scale]].constant->data;
    return true;
}

void lora_merge(const float *w, const float *a, const float *b, float scale, int64_t rows,
                int64_t rank, int64_t columns, float *ret)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0.0;

            for (int64_t k = 0; k < rank; k++)
                sum += (double)a[i * rank + k] * (double)b[k * columns + j];
            ret[i * columns + j] = (float)((double)w[i * columns + j] + (double)scale * sum);
        }
}
