/* SPDX-License-Identifier: Apache-2.0
 * rnn, lstm and gru: ONNX's operators want time in front; a batch is turned on the way in and out. */
#include "engine/build/network_build.h"

#include <string.h>

enum { FORGET_GATE = 2 }; /* of ONNX's order: input, output, forget, cell */

static const struct kind {
    int type;
    const char *op_type;
    int gates, outputs;
} kinds[] = {
    {LAYER_RNN, "RNN", 1, 2},
    {LAYER_LSTM, "LSTM", 4, 3},
    {LAYER_GRU, "GRU", 3, 2},
};

/* [directions, gates * units, from]: each gate's matrix is drawn alone. */
static int gate_matrices(struct build *build, const char *suffix, int directions, int gates,
                         int64_t units, int64_t from, const struct layer_init *init,
                         enum initialiser automatic)
{
    struct shape shape = {3, {directions, gates * units, from}};
    struct weight_matrix matrix = {units, from, from, units};

    return build_matrices(build, suffix, &shape, directions * gates, &matrix, init, automatic);
}

/* [directions, 2 * gates * units]: of the input and of the state; what an LSTM forgets at first. */
static int gate_biases(struct build *build, int directions, const struct kind *kind, int64_t units,
                       double forget_bias)
{
    struct shape shape = {2, {directions, 2 * kind->gates * units}};
    float *data = NULL;
    int id = build_weight(build, "bias", &shape, &data);

    if (data == NULL)
        return id;
    memset(data, 0, (size_t)(directions * shape.dims[1]) * sizeof(*data));
    for (int d = 0; d < directions && kind->type == LAYER_LSTM; d++)
        for (int64_t u = 0; u < units; u++)
            data[d * shape.dims[1] + FORGET_GATE * units + u] = (float)forget_bias;
    return id;
}

/* [time, directions, batch, units] to [batch, time, directions * units]. */
static int all_states(struct build *build, int states, int64_t width)
{
    static const int64_t perm[] = {2, 0, 1, 3};
    int64_t shape[] = {0, 0, width};

    states = BUILD_NODE(build, "Transpose", "batch_first", states);
    build_ints(build, "perm", perm, 4);
    return BUILD_NODE(build, "Reshape", "", states, build_list(build, "shape", shape, 3));
}

/* [directions, batch, units] to [batch, directions * units]. */
static int last_state(struct build *build, int state, int64_t width)
{
    static const int64_t perm[] = {1, 0, 2};
    int64_t shape[] = {0, width};

    state = BUILD_NODE(build, "Transpose", "batch_first", state);
    build_ints(build, "perm", perm, 3);
    return BUILD_NODE(build, "Reshape", "", state, build_list(build, "shape", shape, 2));
}

void build_recurrent(struct build *build, const struct layer *layer)
{
    static const int64_t time_first[] = {1, 0, 2};
    const struct recurrent_layer *recurrent = &layer->recurrent;
    const struct kind *kind = &kinds[0];
    int directions = recurrent->bidirectional ? 2 : 1;
    int64_t units = recurrent->units, width = build->shape.dims[1];
    int inputs[4];
    char text[128];

    while (kind->type != layer->type)
        kind++;
    if (build->shape.rank != 2 || width == NETWORK_UNKNOWN) {
        build_fail(build, NULL, "expected a sequence [time, features], got %s",
                   example_text(&build->shape, text));
        return;
    }
    inputs[0] = BUILD_NODE(build, "Transpose", "time_first", build->at);
    build_ints(build, "perm", time_first, 3);
    inputs[1] = gate_matrices(build, "weight", directions, kind->gates, units, width,
                              &recurrent->init, INIT_GLOROT_UNIFORM);
    inputs[2] = gate_matrices(build, "recurrent_weight", directions, kind->gates, units, units,
                              &recurrent->recurrent_init, INIT_ORTHOGONAL);
    inputs[3] = gate_biases(build, directions, kind, units, recurrent->forget_bias);
    build->at = build_node_output(build, kind->op_type, "states", 4, inputs, kind->outputs,
                                  recurrent->sequences ? 0 : 1);
    build_int(build, "hidden_size", units);
    if (recurrent->bidirectional)
        build_text(build, "direction", "bidirectional");
    if (layer->type == LAYER_GRU)
        build_int(build, "linear_before_reset", 1);
    build->at = recurrent->sequences ? all_states(build, build->at, directions * units)
                                     : last_state(build, build->at, directions * units);
    if (!recurrent->sequences)
        build->shape.rank = 1;
    build->shape.dims[build->shape.rank - 1] = directions * units;
}
