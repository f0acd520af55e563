/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/head.h"

#include "engine/op.h"

#include <string.h>

static const struct node *producer(const struct graph *graph, int value)
{
    int node = value != VALUE_ABSENT ? graph->values[value].producer : -1;

    return node >= 0 ? &graph->nodes[node] : NULL;
}

static bool is(const struct node *node, const char *domain, const char *type)
{
    return strcmp(node->op_type, type) == 0 && strcmp(node->domain, domain) == 0;
}

/* Goes back over what turns scores into labels and maps. False if it ends elsewhere than at scores. */
static bool skip_labels(const struct graph *graph, int *value)
{
    bool labels = false;

    /* Topological: each turn goes back by a node at least. */
    for (const struct node *node = producer(graph, *value); node != NULL;
         node = producer(graph, *value)) {
        if (is(node, "ai.onnx.ml", "ZipMap")) {
            *value = node->inputs[0];
            return true;
        }
        if (is(node, "", "ArgMax")) {
            *value = node->inputs[0];
            return true;
        }
        if (is(node, "ai.onnx.ml", "ArrayFeatureExtractor"))
            *value = node->inputs[1];
        else if ((is(node, "", "Cast") && node_int(node, "to", DTYPE_F32) != DTYPE_F32) ||
                 (labels && (node->op->flags & OP_VIEW) != 0))
            *value = node->inputs[0];
        else
            return !labels;
        labels = true;
    }
    return !labels;
}

static int skip_views(const struct graph *graph, int value)
{
    for (const struct node *node = producer(graph, value);
         node != NULL && (node->op->flags & OP_VIEW) != 0; node = producer(graph, value))
        value = node->inputs[0];
    return value;
}

struct head head_find(const struct graph *graph, int output)
{
    struct head head = {HEAD_NONE, graph->outputs[output], graph->outputs[output], -1};
    const struct node *node;
    int value;

    if (!skip_labels(graph, &head.value))
        return head;
    head.logits = head.value;
    value = skip_views(graph, head.value);
    node = producer(graph, value);
    if (node == NULL)
        return head;
    head.kind = HEAD_PLAIN;
    if (is(node, "", "Softmax") || is(node, "", "LogSoftmax")) {
        head.kind = HEAD_SOFTMAX;
        head.axis = (int)node_int(node, "axis", -1);
        head.logits = node->inputs[0];
    } else if (is(node, "", "Sigmoid")) {
        head.kind = HEAD_SIGMOID;
        head.logits = node->inputs[0];
    }
    return head;
}

enum loss_kind head_loss(const struct head *head)
{
    return head->kind == HEAD_SOFTMAX ? LOSS_CE : head->kind == HEAD_SIGMOID ? LOSS_BCE : LOSS_MSE;
}

int head_value(const struct head *head, enum loss_kind kind)
{
    if (kind != LOSS_CE && kind != LOSS_BCE)
        return head->value;
    if (head->kind == (kind == LOSS_CE ? HEAD_SIGMOID : HEAD_SOFTMAX))
        return VALUE_ABSENT;
    return head->logits;
}
