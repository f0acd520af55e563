/* SPDX-License-Identifier: Apache-2.0
 * Layers that move numbers and compute nothing. */
#include "engine/build/network_build.h"

void build_flatten(struct build *build, const struct layer *layer)
{
    (void)layer;
    if (!build_is_known(build))
        return;
    for (int d = 1; d < build->shape.rank; d++)
        build->shape.dims[0] *= build->shape.dims[d];
    build->shape.rank = 1;
    build->at = BUILD_NODE(build, "Flatten", "", build->at);
    build_int(build, "axis", 1);
}

/* Replaces the dimension -1 by what is left; false unless the numbers come out even. */
static bool complete(struct example_shape *shape, int64_t elements)
{
    int64_t product = 1;
    int open = -1;

    for (int d = 0; d < shape->rank; d++) {
        if (shape->dims[d] == 0 || (shape->dims[d] < 0 && open >= 0))
            return false;
        if (shape->dims[d] < 0)
            open = d;
        else if (__builtin_mul_overflow(product, shape->dims[d], &product))
            return false;
    }
    if (open < 0)
        return product == elements;
    if (elements % product != 0)
        return false;
    shape->dims[open] = elements / product;
    return true;
}

void build_reshape(struct build *build, const struct layer *layer)
{
    const struct layer_dims *dims = &layer->shape.shape;
    struct example_shape shape = {.rank = dims->count};
    int64_t elements = 1, items[NETWORK_RANK_MAX + 1] = {-1};
    char from[128], to[128];

    if (!build_is_known(build))
        return;
    for (int d = 0; d < build->shape.rank; d++)
        elements *= build->shape.dims[d];
    for (int d = 0; d < dims->count; d++)
        shape.dims[d] = dims->items[d];
    if (!complete(&shape, elements)) {
        build_fail(build, "shape", "%s does not hold the %lld numbers of %s",
                   example_text(&shape, to), (long long)elements, example_text(&build->shape, from));
        return;
    }
    for (int d = 0; d < shape.rank; d++)
        items[d + 1] = shape.dims[d];
    build->at = BUILD_NODE(build, "Reshape", "", build->at,
                           build_list(build, "shape", items, shape.rank + 1));
    build->shape = shape;
}

void build_permute(struct build *build, const struct layer *layer)
{
    const struct layer_dims *order = &layer->shape.shape;
    int64_t items[NETWORK_RANK_MAX + 1] = {0};
    struct example_shape shape = {.rank = build->shape.rank};
    unsigned seen = 0;
    char text[128];

    for (int d = 0; d < order->count && order->items[d] <= build->shape.rank; d++)
        seen |= 1u << order->items[d];
    if (order->count != build->shape.rank || seen != (1u << (build->shape.rank + 1)) - 2) {
        build_fail(build, "order", "expected each of 1 to %d once, for an input of %s",
                   build->shape.rank, example_text(&build->shape, text));
        return;
    }
    for (int d = 0; d < shape.rank; d++) {
        items[d + 1] = order->items[d];
        shape.dims[d] = build->shape.dims[order->items[d] - 1];
        if (d > 0 && shape.dims[d] == NETWORK_UNKNOWN) {
            build_fail(build, "order", "the dimension that is not known stays in front");
            return;
        }
    }
    build->at = BUILD_NODE(build, "Transpose", "", build->at);
    build_ints(build, "perm", items, shape.rank + 1);
    build->shape = shape;
}
