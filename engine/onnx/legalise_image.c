/* SPDX-License-Identifier: Apache-2.0
 * Resizing, sampling and Lp pooling. */
#include "engine/onnx/legalise_edit.h"

#include <math.h>
#include <string.h>

/* How Upsample and Resize-10 place their samples. */
static enum engine_status set_old_sampling(const struct rewrite *rewrite)
{
    const char *mode = rewrite_string(rewrite, "mode");
    enum engine_status status =
        rewrite_set_string(rewrite, "coordinate_transformation_mode", "asymmetric");

    if (status == ENGINE_OK)
        status = rewrite_set_string(rewrite, "nearest_mode", "floor");
    if (status == ENGINE_OK && mode != NULL && strcmp(mode, "bilinear") == 0)
        status = rewrite_set_string(rewrite, "mode", "linear");
    return status;
}

/* (X, scales) becomes (X, no roi, scales). */
static enum engine_status set_scales(const struct rewrite *rewrite, int scales)
{
    int inputs[3] = {rewrite_input(rewrite, 0), VALUE_ABSENT, scales};

    if (scales == VALUE_ABSENT)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "has no scales");
    return graph_set_inputs(rewrite->graph, rewrite->index, 3, inputs) ? ENGINE_OK
                                                                       : rewrite_no_memory(rewrite);
}

static int add_floats(const struct rewrite *rewrite, const float *items, size_t count)
{
    struct tensor tensor = {.dtype = DTYPE_F32, .shape = {.rank = 1, .dims = {(int64_t)count}}};
    int id = -1;

    tensor.data = arena_calloc(rewrite->graph->arena, count, sizeof(*items));
    if (tensor.data != NULL) {
        if (count > 0)
            memcpy(tensor.data, items, count * sizeof(*items));
        id = graph_add_constant(rewrite->graph, "", &tensor);
    }
    return id < 0 ? VALUE_ABSENT : id;
}

enum engine_status legalise_resize_10(const struct rewrite *rewrite)
{
    enum engine_status status = set_scales(rewrite, rewrite_input(rewrite, 1));

    return status == ENGINE_OK ? set_old_sampling(rewrite) : status;
}

/* Upsample-1 has one attribute for each of height and width, -7 a list, -9 an input. */
enum engine_status legalise_upsample(const struct rewrite *rewrite)
{
    struct node *node = rewrite_node(rewrite);
    float pair[4] = {1.0f, 1.0f, node_float(node, "height_scale", 1.0f),
                     node_float(node, "width_scale", 1.0f)};
    const float *floats;
    enum engine_status status;
    int scales = rewrite_input(rewrite, 1);
    size_t count;

    if (scales == VALUE_ABSENT) {
        floats = node_floats(node, "scales", &count);
        scales = floats != NULL ? add_floats(rewrite, floats, count) : add_floats(rewrite, pair, 4);
        if (scales == VALUE_ABSENT)
            return rewrite_no_memory(rewrite);
    }
    status = set_scales(rewrite, scales);
    if (status == ENGINE_OK)
        status = set_old_sampling(rewrite);
    rewrite_node(rewrite)->op_type = "Resize";
    return status;
}

/* An empty constant was the way to leave an input out. */
enum engine_status legalise_resize(const struct rewrite *rewrite)
{
    for (int i = 1; i < rewrite_node(rewrite)->n_inputs; i++) {
        const struct value *value = rewrite_value(rewrite, rewrite_input(rewrite, i));

        if (value != NULL && value->constant != NULL &&
            shape_elements(&value->constant->shape) == 0)
            graph_set_input(rewrite->graph, rewrite->index, i, VALUE_ABSENT);
    }
    return ENGINE_OK;
}

enum engine_status legalise_grid_sample(const struct rewrite *rewrite)
{
    const char *mode = rewrite_string(rewrite, "mode");

    if (mode == NULL || strcmp(mode, "bilinear") == 0)
        return rewrite_set_string(rewrite, "mode", "linear");
    if (strcmp(mode, "bicubic") == 0)
        return rewrite_set_string(rewrite, "mode", "cubic");
    return ENGINE_OK;
}

enum engine_status legalise_roi_align(const struct rewrite *rewrite)
{
    if (rewrite_string(rewrite, "coordinate_transformation_mode") != NULL)
        return ENGINE_OK;
    return rewrite_set_string(rewrite, "coordinate_transformation_mode", "output_half_pixel");
}

/* `p` was a float. */
enum engine_status legalise_lp_pool(const struct rewrite *rewrite)
{
    float p = node_float(rewrite_node(rewrite), "p", 2.0f);

    if (!(p >= 1.0f && p <= 1000.0f) || p != floorf(p))
        return rewrite_unsupported(rewrite, "p is no whole number");
    return rewrite_set_int(rewrite, "p", (int64_t)p);
}
