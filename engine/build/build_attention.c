/* SPDX-License-Identifier: Apache-2.0
 * Multi-head self-attention (Vaswani et al. 2017), spelled as exporters do. */
#include "engine/build/network_build.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

enum { CAUSAL_LENGTH_MAX = 16384 }; /* the mask has its square */

/* [batch, time, width] to [batch, heads, time, units], or with the last two turned. */
static int heads_of(struct build *build, const char *what, int value, int64_t width,
                    const struct attention_layer *attention, int64_t units, bool turned)
{
    int64_t shape[] = {0, 0, attention->heads, units};
    int64_t perm[] = {0, 2, turned ? 3 : 1, turned ? 1 : 3};
    char name[32], shape_name[32];

    value = build_product(build, what, value, width, attention->heads * units, attention->bias,
                          &attention->init, INIT_GLOROT_UNIFORM);
    snprintf(name, sizeof(name), "%s_split", what);
    snprintf(shape_name, sizeof(shape_name), "%s_split_shape", what);
    value = BUILD_NODE(build, "Reshape", name, value, build_list(build, shape_name, shape, 4));
    snprintf(name, sizeof(name), "%s_heads", what);
    value = BUILD_NODE(build, "Transpose", name, value);
    build_ints(build, "perm", perm, 4);
    return value;
}

/* True where a step may look: [time, time], shared by all layers of that length. Made of whole
 * numbers, so that nobody takes it for a weight. */
static int causal_mask(struct build *build)
{
    int64_t length = build->shape.dims[0];
    int zero, one, steps, row, column;

    if (build->mask != NO_VALUE && build->mask_length == length)
        return build->mask;
    zero = build_scalar(build, "mask_zero", DTYPE_I64, 0);
    one = build_scalar(build, "mask_one", DTYPE_I64, 1);
    if (length == NETWORK_UNKNOWN) {
        steps = BUILD_NODE(build, "Shape", "mask_given", build->at);
        build_int(build, "start", 1);
        build_int(build, "end", 2);
        steps = BUILD_NODE(build, "Squeeze", "mask_length", steps,
                           build_list(build, "mask_front", (int64_t[]){0}, 1));
    } else {
        steps = build_scalar(build, "mask_length", DTYPE_I64, (double)length);
    }
    steps = BUILD_NODE(build, "Range", "mask_steps", zero, steps, one);
    row = BUILD_NODE(build, "Unsqueeze", "mask_row", steps,
                     build_list(build, "mask_axis0", (int64_t[]){0}, 1));
    column = BUILD_NODE(build, "Unsqueeze", "mask_column", steps,
                        build_list(build, "mask_axis1", (int64_t[]){1}, 1));
    build->mask = BUILD_NODE(build, "LessOrEqual", "mask", row, column);
    build->mask_length = length;
    return build->mask;
}

static int scores_of(struct build *build, const struct attention_layer *attention, int queries,
                     int keys, int64_t units)
{
    int scores = BUILD_NODE(build, "MatMul", "products", queries, keys);
    int root = build_scalar(build, "root", DTYPE_F32, sqrt((double)units));

    scores = BUILD_NODE(build, "Div", "scores", scores, root);
    if (attention->causal) {
        int mask = causal_mask(build);

        scores = BUILD_NODE(build, "Where", "masked", mask, scores,
                            build_scalar(build, "never", DTYPE_F32, -FLT_MAX));
    }
    scores = BUILD_NODE(build, "Softmax", "shares", scores);
    build_int(build, "axis", -1);
    if (attention->dropout > 0)
        scores = build_dropout_of(build, "shares_dropout", attention->dropout, scores);
    return scores;
}

void build_attention(struct build *build, const struct layer *layer)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    const struct attention_layer *attention = &layer->attention;
    int64_t width = build->shape.dims[1], units = attention->key_units, joined[] = {0, 0, 0};
    int queries, keys, values, shares;
    char text[128];

    if (build->shape.rank != 2 || width == NETWORK_UNKNOWN) {
        build_fail(build, NULL, "expected a sequence [time, features], got %s",
                   example_text(&build->shape, text));
        return;
    }
    if (units == 0 && width % attention->heads != 0) {
        build_fail(build, "heads", "%lld do not divide the input's width, %lld",
                   (long long)attention->heads, (long long)width);
        return;
    }
    if (attention->causal && build->shape.dims[0] > CAUSAL_LENGTH_MAX) {
        build_fail(build, "causal", "expected a sequence of at most %d steps, got %s",
                   CAUSAL_LENGTH_MAX, example_text(&build->shape, text));
        return;
    }
    if (units == 0)
        units = width / attention->heads;
    joined[2] = attention->heads * units;
    queries = heads_of(build, "query", build->at, width, attention, units, false);
    keys = heads_of(build, "key", build->at, width, attention, units, true);
    values = heads_of(build, "value", build->at, width, attention, units, false);
    shares = scores_of(build, attention, queries, keys, units);
    values = BUILD_NODE(build, "MatMul", "context_heads", shares, values);
    values = BUILD_NODE(build, "Transpose", "context_turned", values);
    build_ints(build, "perm", perm, 4);
    values = BUILD_NODE(build, "Reshape", "context", values,
                        build_list(build, "joined", joined, 3));
    build->at = build_product(build, "output", values, joined[2], width, attention->bias,
                              &attention->output_init, INIT_GLOROT_UNIFORM);
}
