/* SPDX-License-Identifier: Apache-2.0
 * Before opset 7 a binary operator said with `broadcast` and `axis` where its second input lies
 * along the first. */
#include "engine/onnx/legalise_edit.h"

/* Input 1 goes through a view of it that has ones appended: inferd.AlignAxis. */
static enum engine_status align(const struct rewrite *rewrite, int64_t axis)
{
    int inputs[2] = {rewrite_input(rewrite, 1), rewrite_input(rewrite, 0)};
    int view;

    if (inputs[0] == VALUE_ABSENT || inputs[1] == VALUE_ABSENT)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "needs two inputs");
    view = rewrite_add(rewrite, "AlignAxis", 2, inputs);
    if (view == VALUE_ABSENT)
        return rewrite_no_memory(rewrite);
    rewrite_producer(rewrite, view)->domain = "inferd";
    if (!node_set_int(rewrite->graph, rewrite_producer(rewrite, view), "axis", axis))
        return rewrite_no_memory(rewrite);
    return rewrite_set_input(rewrite, 1, view);
}

enum engine_status legalise_binary(const struct rewrite *rewrite)
{
    const struct node *node = rewrite_node(rewrite);

    if (node_int(node, "broadcast", 0) == 0 || node_attribute(node, "axis") == NULL)
        return ENGINE_OK;
    return align(rewrite, node_int(node, "axis", 0));
}

/* A slope of one dimension was one for each channel. */
enum engine_status legalise_prelu(const struct rewrite *rewrite)
{
    return align(rewrite, 1);
}
