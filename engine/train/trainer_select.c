/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/trainer_select.h"

#include "engine/grad/grad.h"
#include "engine/model_private.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

/* No weight is as large as what masks and formulas are made of. */
static const float WEIGHT_MOST = 1e4f;

enum { PATTERN_BYTES_MAX = 1024 };

/* What operators take as weights: bit i for input i. */
static const struct {
    const char *op_type;
    uint32_t inputs;
} weighted[] = {
    {"BatchNormalization", 1u << 1 | 1u << 2},
    {"Conv", 1u << 1 | 1u << 2},
    {"ConvTranspose", 1u << 1 | 1u << 2},
    {"Dense", 1u << 1 | 1u << 2},  /* of domain inferd */
    {"Einsum", UINT32_MAX},
    {"GRU", 1u << 1 | 1u << 2 | 1u << 3},
    {"Gather", 1u << 0},
    {"Gemm", 1u << 0 | 1u << 1 | 1u << 2},
    {"GroupNormalization", 1u << 1 | 1u << 2},
    {"InstanceNormalization", 1u << 1 | 1u << 2},
    {"LSTM", 1u << 1 | 1u << 2 | 1u << 3 | 1u << 7},
    {"LayerNormalization", 1u << 1 | 1u << 2},
    {"MatMul", 1u << 0 | 1u << 1},
    {"PRelu", 1u << 1},
    {"RMSNormalization", 1u << 1},
    {"RNN", 1u << 1 | 1u << 2 | 1u << 3},
};

/* Operators that scale or shift by a constant behind others. */
static const char *const shifting[] = {"Add", "Div", "Mul", "Sub"};

/* Arrays by value id. */
struct selecting {
    const struct graph *graph;
    const struct selection_options *options;
    unsigned char *reaches;        /* a target, along derivatives */
    unsigned char *wanted;         /* on the way to a target at all */
    unsigned char *weighed;        /* behind an operator with weights */
    unsigned char *weight;         /* a constant that is one */
    int *layer;                    /* of a constant's first reader: operators with weights before it */
    int n_layers;
};

static bool is_float_constant(const struct graph *graph, int id)
{
    const struct value *value = &graph->values[id];

    return value->constant != NULL && value->constant->dtype == DTYPE_F32 && !value->host &&
           value->weight_slot >= 0 && value->weight_slot < graph->n_constant_slots;
}

static uint32_t weight_inputs(const struct node *node)
{
    for (size_t i = 0; i < sizeof(weighted) / sizeof(weighted[0]); i++)
        if (strcmp(weighted[i].op_type, node->op_type) == 0 &&
            (node->domain[0] == '\0' || strcmp(node->domain, "inferd") == 0))
            return weighted[i].inputs;
    return 0;
}

static bool is_shifting(const struct node *node)
{
    for (size_t i = 0; i < sizeof(shifting) / sizeof(shifting[0]); i++)
        if (strcmp(shifting[i], node->op_type) == 0 && node->domain[0] == '\0')
            return true;
    return false;
}

/* As the tape sees it: engine/grad/tape_analyse.c. */
static uint32_t derivative_inputs(const struct node *node)
{
    const struct grad_def *grad;

    if ((node->op->flags & OP_VIEW) != 0)
        return 1;
    grad = grad_find(node->op);
    if (grad == NULL)
        return GRAD_ALL;
    if (grad->backward != NULL)
        return grad->inputs;
    return (grad->flags & GRAD_STOPS) != 0 ? 0 : GRAD_ALL;
}

static bool any(const struct node *node, const unsigned char *flags)
{
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT && flags[node->outputs[i]])
            return true;
    return false;
}

static void walk_back(struct selecting *selecting)
{
    const struct graph *graph = selecting->graph;

    for (int i = 0; i < selecting->options->n_targets; i++) {
        selecting->reaches[selecting->options->targets[i]] = 1;
        selecting->wanted[selecting->options->targets[i]] = 1;
    }
    for (int n = graph->n_nodes - 1; n >= 0; n--) {
        const struct node *node = &graph->nodes[n];
        uint32_t mask = any(node, selecting->reaches) ? derivative_inputs(node) : 0;
        bool wanted = any(node, selecting->wanted);

        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i] == VALUE_ABSENT)
                continue;
            if ((mask & GRAD_BIT(i)) != 0)
                selecting->reaches[node->inputs[i]] = 1;
            if (wanted)
                selecting->wanted[node->inputs[i]] = 1;
        }
    }
}

/* True for values that follow from constants alone, but for numbers that decide shapes. */
static bool *follow_constants(const struct selecting *selecting, struct arena *arena)
{
    const struct graph *graph = selecting->graph;
    bool *constant = arena_calloc(arena, (size_t)graph->n_values + 1, sizeof(*constant));

    for (int id = 0; id < graph->n_values && constant != NULL; id++)
        constant[id] = graph->values[id].constant != NULL;
    for (int n = 0; n < graph->n_nodes && constant != NULL; n++) {
        const struct node *node = &graph->nodes[n];
        bool follows = false, other = false;

        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] != VALUE_ABSENT) {
                follows |= constant[node->inputs[i]];
                other |= !constant[node->inputs[i]] && !graph->values[node->inputs[i]].host;
            }
        for (int i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] != VALUE_ABSENT)
                constant[node->outputs[i]] = follows && !other;
    }
    return constant;
}

/* A single number learns only as the bias of one output. */
static bool may_shift(const struct selecting *selecting, const struct node *node, int id, int other)
{
    const struct value *value = &selecting->graph->values[id];
    int from = selecting->graph->values[other].producer;

    if (value->constant == NULL || shape_elements(&value->constant->shape) > 1)
        return true;
    return value->constant->shape.rank > 0 && strcmp(node->op_type, "Add") == 0 && from >= 0 &&
           weight_inputs(&selecting->graph->nodes[from]) != 0;
}

static bool makes_constant(const struct node *node, const bool *constant)
{
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            return constant[node->outputs[i]];
    return false;
}

/* Backwards from weights to what they are computed of: the constants of the file. */
static void mark_sources(struct selecting *selecting, const bool *constant)
{
    const struct graph *graph = selecting->graph;

    for (int n = graph->n_nodes - 1; n >= 0; n--) {
        const struct node *node = &graph->nodes[n];

        if (!makes_constant(node, constant))
            continue;
        for (int i = 0; i < node->n_outputs; i++)
            for (int k = 0; k < node->n_inputs; k++)
                if (node->outputs[i] != VALUE_ABSENT && node->inputs[k] != VALUE_ABSENT &&
                    selecting->weight[node->outputs[i]]) {
                    selecting->weight[node->inputs[k]] = 1;
                    if (selecting->layer[node->inputs[k]] < 0)
                        selecting->layer[node->inputs[k]] = selecting->layer[node->outputs[i]];
                }
    }
}

/* Forward over what is computed from inputs: where weights lie, and in which layer. */
static bool walk_forward(struct selecting *selecting, struct arena *arena)
{
    const struct graph *graph = selecting->graph;
    const bool *constant = follow_constants(selecting, arena);

    if (constant == NULL)
        return false;
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];
        uint32_t mask = any(node, selecting->reaches) ? weight_inputs(node) : 0;
        bool found = false, behind = false;

        if (makes_constant(node, constant))
            continue;

        for (int i = 0; i < node->n_inputs; i++) {
            int id = node->inputs[i];

            if (id == VALUE_ABSENT)
                continue;
            behind |= selecting->weighed[id] != 0;
            if ((mask & GRAD_BIT(i)) == 0 || !constant[id])
                continue;
            found = true;
            if (selecting->layer[id] < 0)
                selecting->layer[id] = selecting->n_layers;
            selecting->weight[id] = 1;
        }
        if (behind && is_shifting(node) && any(node, selecting->reaches))
            for (int i = 0; i < 2; i++)
                if (constant[node->inputs[i]] && !constant[node->inputs[1 - i]] &&
                    may_shift(selecting, node, node->inputs[i], node->inputs[1 - i])) {
                    selecting->weight[node->inputs[i]] = 1;
                    if (selecting->layer[node->inputs[i]] < 0)
                        selecting->layer[node->inputs[i]] = selecting->n_layers - 1;
                }
        selecting->n_layers += found;
        for (int i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] != VALUE_ABSENT)
                selecting->weighed[node->outputs[i]] = behind || found;
    }
    mark_sources(selecting, constant);
    return true;
}

/* Of a constant that lies where weights do. */
static bool looks_like_weight(const struct tensor *tensor)
{
    const float *items = tensor->data;
    int64_t count = shape_elements(&tensor->shape);

    if (tensor->shape.rank == 0)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(items[i]) <= WEIGHT_MOST))
            return false;
    return count > 0;
}

/* Calls back with each pattern of the list, NUL-terminated; stops when that says so. */
static bool each_pattern(const char *patterns, bool (*stop)(const char *pattern, void *arg),
                         void *arg)
{
    while (patterns != NULL && *patterns != '\0') {
        char pattern[PATTERN_BYTES_MAX];
        size_t length = strcspn(patterns, ",");

        if (length < sizeof(pattern)) {
            memcpy(pattern, patterns, length);
            pattern[length] = '\0';
            if (length > 0 && stop(pattern, arg))
                return true;
        }
        patterns += length + (patterns[length] == ',');
    }
    return false;
}

static bool matches(const char *pattern, void *arg)
{
    return fnmatch(pattern, arg, 0) == 0;
}

bool trainer_name_matches(const char *patterns, const char *name)
{
    return each_pattern(patterns, matches, (void *)name);
}

struct pattern_check {
    const struct selecting *selecting;
    const char *option;
    struct engine_error *err;
};

/* Stops with an error at a pattern that no candidate matches. */
static bool matches_nothing(const char *pattern, void *arg)
{
    const struct pattern_check *check = arg;
    const struct graph *graph = check->selecting->graph;

    for (int s = 0; s < graph->n_constant_slots; s++) {
        int id = graph->weight_values[s];

        if (is_float_constant(graph, id) && check->selecting->reaches[id] &&
            fnmatch(pattern, graph->values[id].name, 0) == 0)
            return false;
    }
    engine_error_set(check->err, ENGINE_BAD_INPUT,
                     "%s: no tensor on which a loss depends matches '%.128s'", check->option,
                     pattern);
    return true;
}

static bool learns(const struct selecting *selecting, int id)
{
    const struct selection_options *options = selecting->options;
    const struct value *value = &selecting->graph->values[id];

    if (!is_float_constant(selecting->graph, id) || !selecting->reaches[id] ||
        trainer_name_matches(options->frozen, value->name))
        return false;
    if (options->last_layers > 0 &&
        selecting->layer[id] < selecting->n_layers - options->last_layers)
        return false;
    if (options->learns != NULL)
        return trainer_name_matches(options->learns, value->name);
    return selecting->weight[id] && looks_like_weight(value->constant);
}

static bool find_states(const struct selecting *selecting, struct arena *arena,
                        struct selection *ret)
{
    const struct graph *graph = selecting->graph;
    bool *state = arena_calloc(arena, (size_t)graph->n_constant_slots + 1, sizeof(*state));

    if (state == NULL)
        return false;
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];
        const struct grad_def *grad = any(node, selecting->wanted) ? grad_find(node->op) : NULL;

        for (int i = 0; i < node->n_inputs && grad != NULL && grad->state_inputs != 0; i++)
            if ((grad->state_inputs & GRAD_BIT(i)) != 0 && node->inputs[i] != VALUE_ABSENT &&
                is_float_constant(graph, node->inputs[i]))
                state[graph->values[node->inputs[i]].weight_slot] = true;
    }
    for (int s = 0; s < graph->n_constant_slots; s++)
        if (state[s])
            ret->states[ret->n_states++] = s;
    return true;
}

static enum engine_status choose(const struct selecting *selecting, struct selection *ret,
                                 struct engine_error *err)
{
    const struct graph *graph = selecting->graph;
    struct pattern_check check = {selecting, "learns", err};

    if (each_pattern(selecting->options->learns, matches_nothing, &check))
        return ENGINE_BAD_INPUT;
    check.option = "frozen";
    if (each_pattern(selecting->options->frozen, matches_nothing, &check))
        return ENGINE_BAD_INPUT;
    for (int s = 0; s < graph->n_constant_slots; s++)
        if (learns(selecting, graph->weight_values[s]))
            ret->slots[ret->n_slots++] = s;
    if (ret->n_slots == 0)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "nothing learns: the model has no weights that reach a loss and are "
                                "chosen");
    return ENGINE_OK;
}

enum engine_status trainer_select(const struct model *model, const struct selection_options *options,
                                  struct arena *arena, struct selection *ret,
                                  struct engine_error *err)
{
    const struct graph *graph = model_graph(model);
    size_t n_values = (size_t)graph->n_values + 1, n_slots = (size_t)graph->n_constant_slots + 1;
    struct selecting selecting = {
        .graph = graph,
        .options = options,
        .reaches = arena_calloc(arena, n_values, 1),
        .wanted = arena_calloc(arena, n_values, 1),
        .weighed = arena_calloc(arena, n_values, 1),
        .weight = arena_calloc(arena, n_values, 1),
        .layer = arena_calloc(arena, n_values, sizeof(int)),
    };

    *ret = (struct selection){.slots = arena_calloc(arena, n_slots, sizeof(int)),
                              .states = arena_calloc(arena, n_slots, sizeof(int))};
    if (selecting.reaches == NULL || selecting.wanted == NULL || selecting.weighed == NULL ||
        selecting.weight == NULL || selecting.layer == NULL || ret->slots == NULL ||
        ret->states == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while preparing to train");
    for (int id = 0; id < graph->n_values; id++)
        selecting.layer[id] = -1;
    walk_back(&selecting);
    if (!walk_forward(&selecting, arena) || !find_states(&selecting, arena, ret))
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while preparing to train");
    return choose(&selecting, ret, err);
}
