/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/legalise.h"

#include "engine/onnx/legalise_edit.h"

#include <limits.h>
#include <string.h>

enum { ANY_OPSET = INT_MAX };

/* Sorted by name. A node whose opset is below `below` is rewritten. Where two rows name one
 * operator, the first that applies is taken. */
static const struct legal_form {
    const char *op_type;
    int below;
    enum engine_status (*rewrite)(const struct rewrite *rewrite);
} forms[] = {
    {"Add", 7, legalise_binary},
    {"And", 7, legalise_binary},
    {"BatchNormalization", 14, legalise_batch_norm},
    {"Cast", 6, legalise_cast},
    {"Clip", 11, legalise_clip},
    {"Concat", 4, legalise_concat},
    {"DFT", 20, legalise_dft},
    {"Div", 7, legalise_binary},
    {"Dropout", 12, legalise_dropout},
    {"Equal", 7, legalise_binary},
    {"GlobalLpPool", 2, legalise_lp_pool},
    {"Greater", 7, legalise_binary},
    {"GridSample", 20, legalise_grid_sample},
    {"GroupNormalization", 21, legalise_group_norm},
    {"Hardmax", 13, legalise_softmax},
    {"Less", 7, legalise_binary},
    {"LogSoftmax", 13, legalise_softmax},
    {"LpPool", 2, legalise_lp_pool},
    {"Mul", 7, legalise_binary},
    {"Or", 7, legalise_binary},
    {"PRelu", 7, legalise_prelu},
    {"Pad", 11, legalise_pad},
    {"Pow", 7, legalise_binary},
    {"ReduceL1", 18, legalise_axes},
    {"ReduceL2", 18, legalise_axes},
    {"ReduceLogSum", 18, legalise_axes},
    {"ReduceLogSumExp", 18, legalise_axes},
    {"ReduceMax", 18, legalise_axes},
    {"ReduceMean", 18, legalise_axes},
    {"ReduceMin", 18, legalise_axes},
    {"ReduceProd", 18, legalise_axes},
    {"ReduceSum", 13, legalise_axes},
    {"ReduceSumSquare", 18, legalise_axes},
    {"Reshape", 5, legalise_reshape},
    {"Resize", 11, legalise_resize_10},
    {"Resize", ANY_OPSET, legalise_resize},
    {"RoiAlign", 16, legalise_roi_align},
    {"Scan", 9, legalise_scan},
    {"Scatter", ANY_OPSET, legalise_scatter},
    {"Selu", 6, legalise_selu},
    {"Slice", 10, legalise_slice},
    {"Softmax", 13, legalise_softmax},
    {"Split", ANY_OPSET, legalise_split},
    {"Squeeze", 13, legalise_axes},
    {"Sub", 7, legalise_binary},
    {"Tile", 6, legalise_tile},
    {"TopK", 10, legalise_top_k},
    {"Unsqueeze", 13, legalise_axes},
    {"Upsample", ANY_OPSET, legalise_upsample},
    {"Xor", 7, legalise_binary},
};

static const struct legal_form *find_form(const struct node *node)
{
    if (node->domain[0] != '\0')
        return NULL;
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++)
        if (node->opset < forms[k].below && strcmp(forms[k].op_type, node->op_type) == 0)
            return &forms[k];
    return NULL;
}

static enum engine_status legalise_bodies(const struct node *node, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int k = 0; k < node->n_attributes && status == ENGINE_OK; k++) {
        const struct attribute *attribute = &node->attributes[k];

        if (attribute->type == ATTRIBUTE_GRAPH)
            status = onnx_legalise(attribute->g, err);
        for (size_t i = 0;
             attribute->type == ATTRIBUTE_GRAPHS && i < attribute->count && status == ENGINE_OK;
             i++)
            status = onnx_legalise(attribute->graphs[i], err);
    }
    return status;
}

enum engine_status onnx_legalise(struct graph *graph, struct engine_error *err)
{
    int n_nodes = graph->n_nodes; /* what is added on the way has the newest form */

    for (int i = 0; i < n_nodes; i++) {
        struct rewrite rewrite = {.graph = graph, .index = i, .err = err};
        const struct legal_form *form;
        enum engine_status status;

        if (graph->nodes[i].removed)
            continue;
        status = legalise_bodies(&graph->nodes[i], err);
        if (status != ENGINE_OK)
            return status;
        form = find_form(&graph->nodes[i]);
        if (form == NULL)
            continue;
        status = form->rewrite(&rewrite);
        if (status != ENGINE_OK) {
            const struct node *node = rewrite_node(&rewrite);

            engine_error_prefix(err, "%s-%d (node '%.200s')", form->op_type, node->opset,
                                node->name);
            return status;
        }
    }
    return ENGINE_OK;
}
