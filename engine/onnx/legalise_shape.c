/* SPDX-License-Identifier: Apache-2.0
 * Operators whose attributes became inputs, and small changes of one attribute. */
#include "engine/onnx/legalise_edit.h"

#include <math.h>
#include <string.h>

/* Squeeze, Unsqueeze and the reductions. */
enum engine_status legalise_axes(const struct rewrite *rewrite)
{
    return rewrite_ints_to_input(rewrite, "axes", 1);
}

enum engine_status legalise_split(const struct rewrite *rewrite)
{
    const struct node *node = rewrite_node(rewrite);
    enum engine_status status = ENGINE_OK;

    if (node->opset < 13)
        status = rewrite_ints_to_input(rewrite, "split", 1);
    node = rewrite_node(rewrite);
    if (status == ENGINE_OK && rewrite_input(rewrite, 1) == VALUE_ABSENT &&
        node_attribute(node, "num_outputs") == NULL)
        status = rewrite_set_int(rewrite, "num_outputs", node->n_outputs);
    return status;
}

enum engine_status legalise_slice(const struct rewrite *rewrite)
{
    enum engine_status status = rewrite_ints_to_input(rewrite, "starts", 1);

    if (status == ENGINE_OK)
        status = rewrite_ints_to_input(rewrite, "ends", 2);
    if (status == ENGINE_OK)
        status = rewrite_ints_to_input(rewrite, "axes", 3);
    return status;
}

enum engine_status legalise_pad(const struct rewrite *rewrite)
{
    const struct node *node = rewrite_node(rewrite);
    const char *name = node->opset < 2 ? "paddings" : "pads";
    float fill = node_float(node, "value", 0.0f);
    enum engine_status status = rewrite_ints_to_input(rewrite, name, 1);

    if (status != ENGINE_OK || (fill == 0.0f && !signbit(fill)))
        return status;
    return rewrite_set_input(rewrite, 2,
                             rewrite_add_float_scalar(rewrite, fill, rewrite_input(rewrite, 0)));
}

enum engine_status legalise_clip(const struct rewrite *rewrite)
{
    static const char *const names[] = {"min", "max"};
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < 2 && status == ENGINE_OK; i++) {
        const struct node *node = rewrite_node(rewrite);

        if (node_attribute(node, names[i]) != NULL)
            status = rewrite_set_input(rewrite, i + 1,
                                       rewrite_add_float_scalar(rewrite,
                                                                node_float(node, names[i], 0.0f),
                                                                rewrite_input(rewrite, 0)));
    }
    return status;
}

enum engine_status legalise_top_k(const struct rewrite *rewrite)
{
    return rewrite_ints_to_input(rewrite, "k", 1);
}

enum engine_status legalise_reshape(const struct rewrite *rewrite)
{
    return rewrite_ints_to_input(rewrite, "shape", 1);
}

/* One axis and a count for it, both scalars, became a count for each axis. */
enum engine_status legalise_tile(const struct rewrite *rewrite)
{
    const struct value *x = rewrite_value(rewrite, rewrite_input(rewrite, 0));
    const struct value *tiles = rewrite_value(rewrite, rewrite_input(rewrite, 1));
    const struct value *axis = rewrite_value(rewrite, rewrite_input(rewrite, 2));
    int64_t repeats[SHAPE_RANK_MAX];
    int inputs[2], at;

    if (axis == NULL)
        return ENGINE_OK; /* some writers have the new form already */
    if (x == NULL || tiles == NULL || tiles->constant == NULL || axis->constant == NULL ||
        x->shape.rank == RANK_UNKNOWN)
        return rewrite_unsupported(rewrite, "tiles, axis or rank are not known at load");
    if (shape_elements(&tiles->constant->shape) != 1 || dtype_size(tiles->dtype) > 8 ||
        shape_elements(&axis->constant->shape) != 1 || dtype_size(axis->dtype) > 8 ||
        !shape_axis(tensor_int_at(axis->constant, 0), x->shape.rank, &at))
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "tiles or axis are malformed");
    for (int i = 0; i < x->shape.rank; i++)
        repeats[i] = 1;
    repeats[at] = tensor_int_at(tiles->constant, 0);
    inputs[0] = rewrite_input(rewrite, 0);
    inputs[1] = rewrite_add_ints(rewrite, repeats, (size_t)x->shape.rank);
    return inputs[1] != VALUE_ABSENT && graph_set_inputs(rewrite->graph, rewrite->index, 2, inputs)
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

enum engine_status legalise_concat(const struct rewrite *rewrite)
{
    if (node_attribute(rewrite_node(rewrite), "axis") != NULL)
        return ENGINE_OK;
    return rewrite_set_int(rewrite, "axis", 1);
}

/* `to` was the name of a type: "FLOAT", as TensorProto.DataType spells it. */
enum engine_status legalise_cast(const struct rewrite *rewrite)
{
    static const struct {
        const char *name;
        enum dtype dtype;
    } types[] = {
        {"BOOL", DTYPE_BOOL},   {"DOUBLE", DTYPE_F64}, {"FLOAT", DTYPE_F32},
        {"FLOAT16", DTYPE_F16}, {"INT16", DTYPE_I16},  {"INT32", DTYPE_I32},
        {"INT64", DTYPE_I64},   {"INT8", DTYPE_I8},    {"STRING", DTYPE_STRING},
        {"UINT16", DTYPE_U16},  {"UINT32", DTYPE_U32}, {"UINT64", DTYPE_U64},
        {"UINT8", DTYPE_U8},
    };
    const char *to = rewrite_string(rewrite, "to");

    if (to == NULL)
        return ENGINE_OK;
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++)
        if (strcmp(types[k].name, to) == 0)
            return rewrite_set_int(rewrite, "to", types[k].dtype);
    return engine_error_set(rewrite->err, ENGINE_UNSUPPORTED, "type '%.40s'", to);
}

enum engine_status legalise_scatter(const struct rewrite *rewrite)
{
    rewrite_node(rewrite)->op_type = "ScatterElements";
    return ENGINE_OK;
}

enum engine_status legalise_dft(const struct rewrite *rewrite)
{
    int64_t axis = node_int(rewrite_node(rewrite), "axis", 1);

    if (rewrite_input(rewrite, 2) != VALUE_ABSENT)
        return ENGINE_OK;
    return rewrite_set_input(rewrite, 2, rewrite_add_int_scalar(rewrite, axis));
}

/* Rounder constants before 6. */
enum engine_status legalise_selu(const struct rewrite *rewrite)
{
    static const struct {
        const char *name;
        float item;
    } defaults[] = {{"alpha", 1.6732f}, {"gamma", 1.0507f}};

    for (size_t k = 0; k < sizeof(defaults) / sizeof(defaults[0]); k++) {
        struct node *node = rewrite_node(rewrite);

        if (node_attribute(node, defaults[k].name) == NULL &&
            !node_set_float(rewrite->graph, node, defaults[k].name, defaults[k].item))
            return rewrite_no_memory(rewrite);
    }
    return ENGINE_OK;
}
