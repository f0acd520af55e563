/* SPDX-License-Identifier: Apache-2.0
 * Second half of planning: which nodes become steps, which values share memory, and where each
 * lives.
 *
 * Values that share bytes form a class, kept as a tree by value id: a view joins the class of what
 * it views, an output that overwrites an input joins the input's. A class in the arena lives from
 * the step that makes its first value to the last step that reads any. */
#include "engine/memory_plan.h"
#include "engine/plan_private.h"

#include <limits.h>
#include <string.h>

struct layout {
    struct plan_builder *builder;
    const struct graph *graph;
    unsigned char *wanted; /* by value: its data are read */
    int *class;            /* by value: parent in the tree, itself for a root */
    int *first, *last;     /* by root: steps */
    size_t *bytes;         /* by root */
    int *item;             /* by root: index in items */
    int n_items;
    struct memory_item *items; /* classes in the arena, then scratch */
    int *tensor;               /* by value: index of its plan tensor, or -1 */
    int n_seeds;
    int *seeds; /* values that deferred nodes read and do not make */
};

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while planning");
}

static int find_class(struct layout *layout, int id)
{
    while (layout->class[id] != id) {
        layout->class[id] = layout->class[layout->class[id]];
        id = layout->class[id];
    }
    return id;
}

static bool layout_init(struct layout *layout, struct plan_builder *builder)
{
    struct arena *arena = builder->temporary;
    size_t n_values = (size_t)builder->n_ids;

    layout->builder = builder;
    layout->graph = builder->graph;
    layout->wanted = arena_calloc(arena, n_values, 1);
    layout->class = arena_calloc(arena, n_values, sizeof(int));
    layout->first = arena_calloc(arena, n_values, sizeof(int));
    layout->last = arena_calloc(arena, n_values, sizeof(int));
    layout->bytes = arena_calloc(arena, n_values, sizeof(size_t));
    layout->item = arena_calloc(arena, n_values, sizeof(int));
    layout->tensor = arena_calloc(arena, n_values, sizeof(int));
    if (layout->wanted == NULL || layout->class == NULL || layout->first == NULL ||
        layout->last == NULL || layout->bytes == NULL || layout->item == NULL ||
        layout->tensor == NULL)
        return false;
    for (size_t i = 0; i < n_values; i++) {
        layout->class[i] = (int)i;
        layout->first[i] = layout->last[i] = layout->item[i] = layout->tensor[i] = -1;
    }
    return true;
}

/* What the deferred nodes need: it lives to the end. */
static bool find_seeds(struct layout *layout)
{
    const struct plan_builder *builder = layout->builder;
    const struct plan *plan = builder->plan;
    size_t count = 0;

    for (int i = 0; i < plan->n_deferred; i++)
        count += (size_t)layout->graph->nodes[plan->deferred[i]].n_inputs;
    layout->seeds = count < INT_MAX ? arena_alloc(builder->temporary, count * sizeof(int)) : NULL;
    if (layout->seeds == NULL)
        return false;
    for (int i = 0; i < plan->n_deferred; i++) {
        const struct node *node = &layout->graph->nodes[plan->deferred[i]];

        for (int k = 0; k < node->n_inputs; k++) {
            int id = node->inputs[k];

            if (id == VALUE_ABSENT || builder->origins[id] == PLACE_DEFERRED || layout->wanted[id])
                continue;
            layout->wanted[id] = 1;
            layout->seeds[layout->n_seeds++] = id;
        }
    }
    memset(layout->wanted, 0, (size_t)builder->n_ids);
    return true;
}

/* Backwards from the outputs: drafts that nobody needs are dropped, such as what only a folded
 * Shape looked at. */
static void keep_wanted(struct layout *layout)
{
    const struct graph *graph = layout->graph;

    for (int i = 0; i < graph->n_outputs; i++)
        layout->wanted[graph->outputs[i]] = 1;
    for (int i = 0; i < layout->n_seeds; i++)
        layout->wanted[layout->seeds[i]] = 1;
    plan_keep_wanted(layout->builder, layout->wanted);
}

static bool is_step(const struct plan_draft *draft)
{
    return draft->kept && !plan_draft_is_view(draft);
}

/* An output that is optional and that nobody reads is not made. */
static bool makes_output(const struct layout *layout, const struct plan_draft *draft, int index)
{
    int id = draft->outputs[index];

    return id != VALUE_ABSENT && (layout->wanted[id] || index < draft->node->op->outputs_min);
}

/* Views join classes; each class learns when it is first made and last read. Returns the number of
 * steps. */
static int find_lives(struct layout *layout)
{
    struct plan_builder *builder = layout->builder;
    const struct graph *graph = layout->graph;
    int step = 0;

    for (int d = 0; d < builder->n_drafts; d++) {
        const struct plan_draft *draft = &builder->drafts[d];

        if (draft->kept && plan_draft_is_view(draft))
            layout->class[draft->outputs[0]] = find_class(layout, draft->inputs[0]);
        if (!is_step(draft))
            continue;
        for (int i = 0; i < draft->node->n_inputs; i++)
            if (draft->inputs[i] != VALUE_ABSENT)
                layout->last[find_class(layout, draft->inputs[i])] = step;
        for (int i = 0; i < draft->node->n_outputs; i++) {
            int id = draft->outputs[i];

            if (!makes_output(layout, draft, i))
                continue;
            layout->first[id] = layout->last[id] = step;
            layout->bytes[id] = tensor_bytes(&builder->values[id]);
        }
        step++;
    }
    for (int i = 0; i < graph->n_outputs; i++)
        layout->last[find_class(layout, graph->outputs[i])] = step;
    for (int i = 0; i < layout->n_seeds; i++)
        layout->last[find_class(layout, layout->seeds[i])] = step;
    return step;
}

/* The class of an input that output 0 of this step may overwrite, or -1. */
static int find_overwritable(struct layout *layout, const struct plan_draft *draft, int step)
{
    const struct tensor *output = &layout->builder->values[draft->outputs[0]];
    int candidate = -1;

    for (int i = 0; i < draft->node->n_inputs; i++) {
        const struct tensor *input;
        int root;

        if (draft->inputs[i] == VALUE_ABSENT)
            continue;
        input = &layout->builder->values[draft->inputs[i]];
        root = find_class(layout, draft->inputs[i]);
        if (layout->first[root] < 0 || layout->last[root] != step)
            continue;
        if (candidate < 0 && dtype_size(input->dtype) == dtype_size(output->dtype) &&
            shape_equal(&input->shape, &output->shape))
            candidate = root;
    }
    /* The same bytes may be read in another order as well. */
    for (int i = 0; i < draft->node->n_inputs && candidate >= 0; i++)
        if (draft->inputs[i] != VALUE_ABSENT && find_class(layout, draft->inputs[i]) == candidate &&
            !shape_equal(&layout->builder->values[draft->inputs[i]].shape, &output->shape))
            return -1;
    return candidate;
}

static void overwrite_inputs(struct layout *layout)
{
    struct plan_builder *builder = layout->builder;
    int step = 0;

    for (int d = 0; d < builder->n_drafts; d++) {
        const struct plan_draft *draft = &builder->drafts[d];
        int target, output;

        if (!is_step(draft))
            continue;
        if ((draft->node->op->flags & OP_INPLACE) != 0 && makes_output(layout, draft, 0)) {
            output = draft->outputs[0];
            target = find_overwritable(layout, draft, step);
            if (target >= 0) {
                layout->class[output] = target;
                layout->last[target] = layout->last[output];
            }
        }
        step++;
    }
}

/* One memory item for each class that lives in the arena and for each scratch. */
static enum engine_status place_all(struct layout *layout, struct engine_error *err)
{
    struct plan_builder *builder = layout->builder;
    struct plan *plan = builder->plan;
    size_t budget = plan->model->options.plan_bytes_max;
    int step = 0;

    for (int d = 0; d < builder->n_drafts; d++) {
        const struct plan_draft *draft = &builder->drafts[d];

        if (!is_step(draft))
            continue;
        for (int i = 0; i < draft->node->n_outputs; i++) {
            int id = draft->outputs[i];

            if (!makes_output(layout, draft, i) || find_class(layout, id) != id)
                continue;
            layout->item[id] = layout->n_items;
            layout->items[layout->n_items++] =
                (struct memory_item){layout->bytes[id] > 0 ? layout->bytes[id] : 1,
                                     layout->first[id], layout->last[id], 0};
        }
        if (draft->scratch_bytes > 0)
            layout->items[layout->n_items++] =
                (struct memory_item){draft->scratch_bytes, step, step, 0};
        step++;
    }
    for (int i = 0; i < plan->n_copies; i++) {
        size_t bytes = tensor_bytes(&plan->tensors[plan->copies[i].to].tensor);

        layout->items[layout->n_items++] =
            (struct memory_item){bytes > 0 ? bytes : 1, step, step, 0};
    }
    if (!memory_plan(layout->items, layout->n_items, &plan->arena_bytes))
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "a run needs more memory than can be addressed");
    if (budget > 0 && plan->arena_bytes > budget)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "a run needs %zu bytes for activations, the budget is %zu",
                                plan->arena_bytes, budget);
    return ENGINE_OK;
}

/* The plan tensor of a value, made when first asked for. Places in the arena are filled in later.
 */
static int add_tensor(struct layout *layout, int id)
{
    struct plan_builder *builder = layout->builder;
    struct plan *plan = builder->plan;
    struct plan_tensor *tensor;
    int root;

    if (layout->tensor[id] >= 0)
        return layout->tensor[id];
    root = find_class(layout, id);
    tensor = &plan->tensors[plan->n_tensors];
    tensor->tensor = builder->values[id];
    tensor->place = (enum plan_place)builder->origins[root];
    tensor->index = -1;
    if (tensor->place == PLACE_WEIGHT)
        tensor->index = layout->graph->values[root].weight_slot;
    else if (tensor->place == PLACE_ARENA && layout->first[root] >= 0)
        tensor->index = root; /* until fill_offsets() */
    else if (tensor->place == PLACE_ARENA)
        tensor->place = PLACE_NONE;
    else if (tensor->place == PLACE_INPUT)
        tensor->index = root; /* until number_inputs() */
    if (tensor->place != PLACE_FOLDED)
        tensor->tensor.data = NULL;
    layout->tensor[id] = plan->n_tensors;
    return plan->n_tensors++;
}

static void add_step(struct layout *layout, const struct plan_draft *draft)
{
    struct plan *plan = layout->builder->plan;
    const struct node *node = draft->node;
    struct plan_step *step = &plan->steps[plan->n_steps++];

    step->node = node;
    step->first_operand = plan->n_operands;
    step->n_inputs = node->n_inputs;
    step->n_outputs = node->n_outputs;
    step->scratch_bytes = draft->scratch_bytes;
    for (int i = 0; i < node->n_inputs; i++)
        plan->operands[plan->n_operands++] =
            draft->inputs[i] != VALUE_ABSENT ? add_tensor(layout, draft->inputs[i]) : -1;
    for (int i = 0; i < node->n_outputs; i++)
        plan->operands[plan->n_operands++] =
            makes_output(layout, draft, i) ? add_tensor(layout, draft->outputs[i]) : -1;
}

static void add_output(struct layout *layout, int index)
{
    struct plan *plan = layout->builder->plan;
    struct plan_tensor *to;
    int from = -1;

    if (layout->builder->origins[layout->graph->outputs[index]] != PLACE_DEFERRED)
        from = add_tensor(layout, layout->graph->outputs[index]);
    plan->outputs[index] = from;
    if (from < 0 || plan->tensors[from].place == PLACE_ARENA)
        return;
    to = &plan->tensors[plan->n_tensors];
    to->place = PLACE_ARENA;
    to->tensor = plan->tensors[from].tensor;
    to->tensor.data = NULL;
    plan->outputs[index] = plan->n_tensors++;
    plan->copies[plan->n_copies++] = (struct plan_copy){from, plan->outputs[index]};
}

static void add_seeds(struct layout *layout)
{
    struct plan *plan = layout->builder->plan;

    for (int i = 0; i < layout->n_seeds; i++)
        plan->seeds[plan->n_seeds++] =
            (struct plan_seed){layout->seeds[i], add_tensor(layout, layout->seeds[i])};
}

static enum engine_status allocate(struct layout *layout, int n_steps, struct engine_error *err)
{
    struct plan_builder *builder = layout->builder;
    const struct graph *graph = layout->graph;
    struct plan *plan = builder->plan;
    size_t operands = 0, items = (size_t)n_steps, outputs = (size_t)graph->n_outputs;
    size_t seeds = (size_t)layout->n_seeds;

    for (int d = 0; d < builder->n_drafts; d++) {
        const struct plan_draft *draft = &builder->drafts[d];

        if (!is_step(draft))
            continue;
        operands += (size_t)draft->node->n_inputs + (size_t)draft->node->n_outputs;
        items += (size_t)draft->node->n_outputs;
    }
    items += outputs;
    if (operands + 2 * outputs + seeds > INT_MAX || items > INT_MAX)
        return no_memory(err);
    plan->tensors =
        arena_calloc(plan->arena, operands + 2 * outputs + seeds, sizeof(*plan->tensors));
    plan->seeds = arena_calloc(plan->arena, seeds, sizeof(*plan->seeds));
    plan->steps = arena_calloc(plan->arena, (size_t)n_steps, sizeof(*plan->steps));
    plan->operands = arena_calloc(plan->arena, operands, sizeof(int));
    plan->copies = arena_calloc(plan->arena, outputs, sizeof(*plan->copies));
    plan->outputs = arena_calloc(plan->arena, outputs, sizeof(int));
    layout->items = arena_calloc(builder->temporary, items, sizeof(*layout->items));
    if (plan->tensors == NULL || plan->steps == NULL || plan->operands == NULL ||
        plan->copies == NULL || plan->outputs == NULL || plan->seeds == NULL ||
        layout->items == NULL)
        return no_memory(err);
    return ENGINE_OK;
}

/* Which of the caller's inputs a tensor views: by now `index` is the input's value id. */
static void number_inputs(struct layout *layout)
{
    struct plan *plan = layout->builder->plan;
    int *number = layout->last; /* lives are no longer needed for inputs */

    for (int i = 0; i < layout->graph->n_inputs; i++)
        number[layout->graph->inputs[i]] = i;
    for (int t = 0; t < plan->n_tensors; t++)
        if (plan->tensors[t].place == PLACE_INPUT)
            plan->tensors[t].index = number[plan->tensors[t].index];
}

/* Arena offsets, in the order in which place_all() listed the items. */
static void fill_offsets(struct layout *layout)
{
    struct plan_builder *builder = layout->builder;
    struct plan *plan = builder->plan;
    int next = 0, step = 0;

    for (int d = 0; d < builder->n_drafts; d++) {
        const struct plan_draft *draft = &builder->drafts[d];

        if (!is_step(draft))
            continue;
        for (int i = 0; i < draft->node->n_outputs; i++)
            if (makes_output(layout, draft, i) &&
                find_class(layout, draft->outputs[i]) == draft->outputs[i])
                next++;
        if (draft->scratch_bytes > 0)
            plan->steps[step].scratch_offset = layout->items[next++].offset;
        step++;
    }
    for (int t = 0; t < plan->n_tensors; t++)
        if (plan->tensors[t].place == PLACE_ARENA && plan->tensors[t].index >= 0)
            plan->tensors[t].offset = layout->items[layout->item[plan->tensors[t].index]].offset;
    for (int i = 0; i < plan->n_copies; i++)
        plan->tensors[plan->copies[i].to].offset = layout->items[next++].offset;
}

enum engine_status plan_layout(struct plan_builder *builder, struct engine_error *err)
{
    struct layout layout = {0};
    enum engine_status status;

    if (!layout_init(&layout, builder) || !find_seeds(&layout))
        return no_memory(err);
    keep_wanted(&layout);
    status = allocate(&layout, find_lives(&layout), err);
    if (status != ENGINE_OK)
        return status;
    overwrite_inputs(&layout);
    for (int d = 0; d < builder->n_drafts; d++)
        if (is_step(&builder->drafts[d]))
            add_step(&layout, &builder->drafts[d]);
    for (int i = 0; i < builder->graph->n_outputs; i++)
        add_output(&layout, i);
    add_seeds(&layout);
    status = place_all(&layout, err);
    if (status != ENGINE_OK)
        return status;
    number_inputs(&layout);
    fill_offsets(&layout);
    return ENGINE_OK;
}
