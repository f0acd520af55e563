/* SPDX-License-Identifier: Apache-2.0
 * First half of planning: every node is inferred once. What depends on shapes alone is computed
 * here and now, so that chains like Shape, Gather, Concat, Reshape leave no step behind. */
#include "engine/evaluate.h"
#include "engine/plan_private.h"

#include <limits.h>
#include <string.h>

/* A value that no shape depends on is folded only if it is small: each plan has its own copy. */
enum { FOLD_BYTES_MAX = 1 << 20 };

/* Where nodes find their values: `ids` maps those of a body to the plan's, NULL for the graph. */
struct scope {
    const struct graph *graph;
    const int *ids;
};

/* One node in its scope. */
struct site {
    const struct node *node;
    const struct scope *scope;
    const int *input_ids, *output_ids;
    struct tensor *inputs, *outputs;
};

static enum engine_status plan_scope(struct plan_builder *builder, const struct scope *scope,
                                     struct engine_error *err);

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while planning");
}

/* Types and shapes of weights, and the data of those that no training changes: what shapes depend
 * on and what is not floating point. */
static void seed_weights(struct plan_builder *builder)
{
    const struct graph *graph = builder->graph;

    for (int slot = 0; slot < graph->n_weight_slots; slot++) {
        int id = graph->weight_values[slot];

        builder->values[id] = builder->base->slots[slot];
        builder->origins[id] = PLACE_WEIGHT;
        if (!graph->values[id].host && dtype_is_float(builder->values[id].dtype))
            builder->values[id].data = NULL;
    }
}

static void seed_inputs(struct plan_builder *builder)
{
    const struct graph *graph = builder->graph;

    for (int i = 0; i < graph->n_inputs; i++) {
        int id = graph->inputs[i];

        builder->values[id].dtype = graph->values[id].dtype;
        builder->values[id].shape = builder->plan->input_shapes[i];
        builder->origins[id] = PLACE_INPUT;
    }
}

static bool is_foldable(const struct site *site)
{
    const struct node *node = site->node;
    size_t bytes = 0;
    bool host = false;

    if ((node->op->flags & OP_RANDOM) != 0)
        return false;
    for (int i = 0; i < node->n_inputs && (node->op->flags & OP_SHAPE_ONLY) == 0; i++)
        if (site->inputs[i].dtype != DTYPE_NONE && site->inputs[i].data == NULL)
            return false;
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        bytes += tensor_bytes(&site->outputs[i]);
        host = host || site->scope->graph->values[node->outputs[i]].host;
    }
    return host || bytes <= FOLD_BYTES_MAX;
}

static enum engine_status fold(struct plan_builder *builder, const struct site *site,
                               size_t scratch_bytes, struct engine_error *err)
{
    struct evaluation evaluation = {.temporary = builder->scratch};
    size_t budget = builder->plan->model->options.plan_bytes_max;
    const struct node *node = site->node;
    enum engine_status status;

    for (int i = 0; i < node->n_outputs; i++) {
        size_t bytes;

        if (node->outputs[i] == VALUE_ABSENT || ((node->op->flags & OP_VIEW) != 0 && i == 0))
            continue;
        bytes = tensor_bytes(&site->outputs[i]);
        builder->folded_bytes += bytes;
        if (budget > 0 && builder->folded_bytes > budget)
            return engine_error_set(
                err, ENGINE_OVER_BUDGET,
                "%.64s (node '%.64s'): folded constants need %zu bytes, the budget "
                "of a run is %zu",
                node->op_type, node->name, builder->folded_bytes, budget);
        site->outputs[i].data = arena_alloc(builder->plan->arena, bytes);
        if (site->outputs[i].data == NULL)
            return no_memory(err);
    }
    status = evaluate_run(&evaluation, node, site->inputs, site->outputs, scratch_bytes, err);
    for (int i = 0; i < node->n_outputs && status == ENGINE_OK; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            builder->origins[site->output_ids[i]] = PLACE_FOLDED;
    return status;
}

/* One tensor alone may pass the budget: better said here, with the node's name, than at the end. */
static enum engine_status check_size(const struct plan_builder *builder, const struct node *node,
                                     const struct tensor *outputs, struct engine_error *err)
{
    size_t budget = builder->plan->model->options.plan_bytes_max;

    for (int i = 0; i < node->n_outputs && budget > 0; i++)
        if (node->outputs[i] != VALUE_ABSENT && tensor_bytes(&outputs[i]) > budget)
            return engine_error_set(
                err, ENGINE_OVER_BUDGET,
                "%.64s (node '%.64s'): output %d needs %zu bytes, the budget of a "
                "run is %zu",
                node->op_type, node->name, i, tensor_bytes(&outputs[i]), budget);
    return ENGINE_OK;
}

static enum engine_status add_draft(struct plan_builder *builder, const struct plan_draft *draft,
                                    struct engine_error *err)
{
    if (builder->n_drafts == builder->cap_drafts) {
        int capacity = builder->cap_drafts > 0 ? 2 * builder->cap_drafts : 64;
        struct plan_draft *larger =
            arena_alloc(builder->temporary, (size_t)capacity * sizeof(*larger));

        if (larger == NULL || builder->cap_drafts > INT_MAX / 4)
            return no_memory(err);
        if (builder->n_drafts > 0)
            memcpy(larger, builder->drafts, (size_t)builder->n_drafts * sizeof(*larger));
        builder->drafts = larger;
        builder->cap_drafts = capacity;
    }
    builder->drafts[builder->n_drafts++] = *draft;
    return ENGINE_OK;
}

static enum engine_status draft_node(struct plan_builder *builder, const struct site *site,
                                     size_t scratch_bytes, struct engine_error *err)
{
    const struct node *node = site->node;
    struct plan_draft draft = {.node = node,
                               .inputs = site->input_ids,
                               .outputs = site->output_ids,
                               .scratch_bytes = scratch_bytes};

    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            builder->origins[site->output_ids[i]] = PLACE_ARENA;
    return add_draft(builder, &draft, err);
}

/* Leaves the node to the dynamic executor. A branch that is planned in place of its If has no nodes
 * of the graph to leave: the whole If is then. */
static enum engine_status defer(struct plan_builder *builder, const struct site *site)
{
    const struct node *node = site->node;

    if (site->scope->ids != NULL) {
        builder->abandoned = true;
        return ENGINE_OK;
    }
    builder->plan->deferred[builder->plan->n_deferred++] = (int)(node - builder->graph->nodes);
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        builder->values[node->outputs[i]] = (struct tensor){.dtype = DTYPE_NONE};
        builder->origins[node->outputs[i]] = PLACE_DEFERRED;
    }
    return ENGINE_OK;
}

/* True if the node follows from a deferred one, or works on containers, which plans do not hold. */
static bool is_out_of_reach(const struct plan_builder *builder, const struct site *site)
{
    for (int i = 0; i < site->node->n_inputs; i++) {
        int id = site->input_ids[i];

        if (id != VALUE_ABSENT && (builder->origins[id] == PLACE_DEFERRED ||
                                   builder->values[id].dtype == DTYPE_SEQUENCE ||
                                   builder->values[id].dtype == DTYPE_OPTIONAL))
            return true;
    }
    return false;
}

static enum engine_status infer_node(struct plan_builder *builder, const struct site *site,
                                     struct engine_error *err)
{
    const struct node *node = site->node;
    struct inference inference;
    enum engine_status status;

    status = evaluate_infer(node, site->inputs, builder->plan->threads, builder->scratch,
                            site->outputs, &inference, err);
    if (status == ENGINE_OK && inference.dynamic)
        return defer(builder, site);
    if (status == ENGINE_OK)
        status = check_size(builder, node, site->outputs, err);
    if (status != ENGINE_OK)
        return status;
    if (is_foldable(site)) {
        status = fold(builder, site, inference.scratch_bytes, err);
    } else {
        builder->plan->flops += inference.flops;
        status = draft_node(builder, site, inference.scratch_bytes, err);
    }
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            builder->values[site->output_ids[i]] = site->outputs[i];
    return status;
}

/* Room for `count` more ids; the new ones have nothing known of them. */
static bool grow_ids(struct plan_builder *builder, int count)
{
    int64_t wanted = (int64_t)builder->n_ids + count;
    int64_t capacity =
        wanted > 2 * (int64_t)builder->cap_ids ? wanted : 2 * (int64_t)builder->cap_ids;
    struct tensor *values;
    unsigned char *origins;

    if (wanted > builder->cap_ids) {
        if (capacity > INT_MAX)
            return false;
        values = arena_calloc(builder->temporary, (size_t)capacity, sizeof(*values));
        origins = arena_calloc(builder->temporary, (size_t)capacity, 1);
        if (values == NULL || origins == NULL)
            return false;
        if (builder->n_ids > 0) {
            memcpy(values, builder->values, (size_t)builder->n_ids * sizeof(*values));
            memcpy(origins, builder->origins, (size_t)builder->n_ids);
        }
        builder->values = values;
        builder->origins = origins;
        builder->cap_ids = (int)capacity;
    }
    builder->n_ids = (int)wanted;
    return true;
}

/* Ids for the values of a body: captures are what they capture, the rest is new. */
static int *body_ids(struct plan_builder *builder, const struct graph *body,
                     const struct site *site)
{
    int *ids = arena_alloc(builder->temporary, (size_t)body->n_values * sizeof(*ids));
    int base = builder->n_ids;

    if (ids == NULL || !grow_ids(builder, body->n_values))
        return NULL;
    for (int i = 0; i < body->n_values; i++) {
        ids[i] = base + i;
        if (body->values[i].constant != NULL) {
            builder->values[base + i] = *body->values[i].constant;
            builder->origins[base + i] = PLACE_FOLDED;
        }
    }
    for (int i = 0; i < body->n_captures; i++)
        ids[body->captures[i].value] = site->input_ids[body->captures[i].node_input];
    return ids;
}

static enum engine_status rename_output(struct plan_builder *builder, int from, int to,
                                        struct engine_error *err)
{
    int *pair = arena_alloc(builder->temporary, 2 * sizeof(*pair));
    struct plan_draft draft = {0};

    if (pair == NULL)
        return no_memory(err);
    draft.inputs = pair;
    draft.outputs = pair + 1;
    pair[0] = from;
    pair[1] = to;
    builder->values[to] = builder->values[from];
    builder->origins[to] = builder->origins[from] == PLACE_FOLDED ? PLACE_FOLDED : PLACE_ARENA;
    return builder->origins[to] == PLACE_FOLDED ? ENGINE_OK : add_draft(builder, &draft, err);
}

static bool is_known_if(const struct site *site)
{
    return strcmp(site->node->op->name, "If") == 0 && site->node->op->domain[0] == '\0' &&
           site->inputs[0].dtype == DTYPE_BOOL && site->inputs[0].data != NULL &&
           shape_elements(&site->inputs[0].shape) == 1;
}

/* Plans the branch that is taken in the place of its If. */
static enum engine_status plan_branch(struct plan_builder *builder, const struct site *site,
                                      struct engine_error *err)
{
    bool condition = tensor_int_at(&site->inputs[0], 0) != 0;
    const struct attribute *branch =
        node_attribute(site->node, condition ? "then_branch" : "else_branch");
    struct scope scope = {.graph = branch->g};
    int64_t flops = builder->plan->flops;
    int n_drafts = builder->n_drafts;
    enum engine_status status;

    scope.ids = body_ids(builder, branch->g, site);
    if (scope.ids == NULL)
        return no_memory(err);
    status = plan_scope(builder, &scope, err);
    if (status == ENGINE_OK && builder->abandoned) {
        builder->n_drafts = n_drafts;
        builder->plan->flops = flops;
        builder->abandoned = site->scope->ids != NULL;
        return defer(builder, site);
    }
    for (int i = 0; i < site->node->n_outputs && status == ENGINE_OK; i++)
        if (site->node->outputs[i] != VALUE_ABSENT)
            status =
                rename_output(builder, scope.ids[branch->g->outputs[i]], site->output_ids[i], err);
    return status;
}

static const int *map_ids(struct plan_builder *builder, const struct scope *scope, const int *ids,
                          int count)
{
    int *mapped;

    if (scope->ids == NULL)
        return ids;
    mapped = arena_alloc(builder->temporary, (size_t)count * sizeof(*mapped));
    for (int i = 0; i < count && mapped != NULL; i++)
        mapped[i] = ids[i] != VALUE_ABSENT ? scope->ids[ids[i]] : VALUE_ABSENT;
    return mapped;
}

static enum engine_status plan_node(struct plan_builder *builder, const struct scope *scope,
                                    const struct node *node, struct engine_error *err)
{
    struct site site = {.node = node, .scope = scope};

    site.input_ids = map_ids(builder, scope, node->inputs, node->n_inputs);
    site.output_ids = map_ids(builder, scope, node->outputs, node->n_outputs);
    site.inputs = arena_calloc(builder->scratch, (size_t)node->n_inputs, sizeof(*site.inputs));
    site.outputs = arena_calloc(builder->scratch, (size_t)node->n_outputs, sizeof(*site.outputs));
    if (site.input_ids == NULL || site.output_ids == NULL || site.inputs == NULL ||
        site.outputs == NULL)
        return no_memory(err);
    for (int i = 0; i < node->n_inputs; i++)
        if (site.input_ids[i] != VALUE_ABSENT)
            site.inputs[i] = builder->values[site.input_ids[i]];
    if (is_out_of_reach(builder, &site))
        return defer(builder, &site);
    if (is_known_if(&site))
        return plan_branch(builder, &site, err);
    if ((node->op->flags & OP_DYNAMIC) != 0 || !evaluate_host_ready(node, site.inputs))
        return defer(builder, &site);
    return infer_node(builder, &site, err);
}

/* Prologue nodes have run already, but those that a tape runs again (builder->live). Depth of bodies is
 * bounded by the reader. */
static enum engine_status plan_scope(struct plan_builder *builder, const struct scope *scope,
                                     struct engine_error *err)
{
    const struct graph *graph = scope->graph;
    enum engine_status status = ENGINE_OK;

    for (int n = 0; n < graph->n_nodes && status == ENGINE_OK; n++) {
        size_t mark = arena_mark(builder->scratch);

        if (n < graph->n_prologue && (builder->live == NULL || !builder->live[n]))
            continue;
        status = plan_node(builder, scope, &graph->nodes[n], err);
        if (builder->abandoned)
            return status;
        arena_reset(builder->scratch, mark);
    }
    return status;
}

enum engine_status plan_infer(struct plan_builder *builder, struct engine_error *err)
{
    struct scope scope = {.graph = builder->graph};
    struct plan *plan = builder->plan;

    plan->deferred = arena_alloc(plan->arena, (size_t)builder->graph->n_nodes * sizeof(int));
    if (plan->deferred == NULL || !grow_ids(builder, builder->graph->n_values))
        return no_memory(err);
    seed_weights(builder);
    seed_inputs(builder);
    return plan_scope(builder, &scope, err);
}
