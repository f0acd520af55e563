/* SPDX-License-Identifier: Apache-2.0
 * Residual blocks (He et al. 2016): the result of some layers plus what went into them. */
#include "engine/build/network_build.h"

#include <stdio.h>
#include <string.h>

static bool same_shape(const struct example_shape *a, const struct example_shape *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(a->dims[0])) == 0;
}

void build_residual(struct build *build, const struct layer *layer)
{
    struct build_frame *frame = &build->frames[build->depth];

    if (build->depth > NETWORK_DEPTH_MAX) {
        build_fail(build, NULL, "blocks within blocks are deeper than %d", NETWORK_DEPTH_MAX);
        return;
    }
    *frame = (struct build_frame){.list = &layer->residual.layers, .index = -1,
                                  .start = build->at, .start_shape = build->shape};
    snprintf(frame->prefix, sizeof(frame->prefix), "%s.", build->name);
    build->depth++;
}

/* The block's input as an image of the result's shape: a 1 x 1 convolution that steps as far as the
 * block has shrunk it, and a batch norm if the block has one. */
static int project_image(struct build *build, const struct build_frame *block)
{
    const struct example_shape *from = &block->start_shape, *to = &build->shape;
    int64_t strides[2] = {1, 1};
    char text[2][128];
    int value;

    for (int d = 1; d < from->rank; d++) {
        int64_t step = (from->dims[d] + to->dims[d] - 1) / to->dims[d];

        strides[d - 1] = step;
        if ((from->dims[d] - 1) / step + 1 != to->dims[d])
            return build_fail(build, "shortcut", "no step leads from %s to %s",
                              example_text(from, text[0]), example_text(to, text[1]));
    }
    value = build_projection(build, block->start, from->rank - 1, from->dims[0], to->dims[0],
                             strides);
    return block->has_batch_norm
               ? build_norm_of(build, "shortcut_norm", value, to->dims[0], 1e-5, 0.9)
               : value;
}

static int project(struct build *build, const struct build_frame *block)
{
    static const struct layer_init init = {INIT_AUTO, 1};
    const struct example_shape *from = &block->start_shape, *to = &build->shape;
    bool is_known = from->dims[0] != NETWORK_UNKNOWN && to->dims[0] != NETWORK_UNKNOWN;
    bool is_image = from->rank == 3 || (from->rank == 2 && block->has_batch_norm);
    char text[2][128];

    if (from->rank == to->rank && is_known && is_image)
        return project_image(build, block);
    if (from->rank == to->rank && (from->rank == 1 || (from->rank == 2 && from->dims[0] == to->dims[0])))
        return build_product(build, "shortcut", block->start, from->dims[from->rank - 1],
                             to->dims[to->rank - 1], false, &init, INIT_GLOROT_UNIFORM);
    return build_fail(build, "shortcut", "%s cannot be projected to %s", example_text(from, text[0]),
                      example_text(to, text[1]));
}

void build_residual_end(struct build *build)
{
    struct build_frame block = build->frames[build->depth - 1];
    const struct residual_layer *residual;
    char text[2][128];
    bool same;
    int shortcut = block.start;

    build->depth--;
    residual = &build_layer(build)->residual;
    snprintf(build->name, sizeof(build->name), "%.*s", (int)strlen(block.prefix) - 1, block.prefix);
    same = same_shape(&block.start_shape, &build->shape);
    if (residual->shortcut == SHORTCUT_PROJECTION || (residual->shortcut == SHORTCUT_AUTO && !same))
        shortcut = project(build, &block);
    else if (!same)
        build_fail(build, "shortcut", "identity needs equal shapes, %s goes in and %s comes out",
                   example_text(&block.start_shape, text[0]), example_text(&build->shape, text[1]));
    build->at = BUILD_NODE(build, "Add", "", build->at, shortcut);
    build->frames[build->depth - 1].has_batch_norm |= block.has_batch_norm;
    build_function(build, residual->activation, 0.01);
}
