/* SPDX-License-Identifier: Apache-2.0
 * Running plans. A plan is bound once: every step gets its op_call with all pointers in place, so a
 * run is a loop over calls. What changes from run to run is patched: the pointers of the caller's
 * inputs each time, those of weights when another generation comes. */
#include "engine/runner.h"

#include "engine/dynamic_private.h"
#include "engine/kernels/cpu.h"
#include "engine/plan_private.h"

#include <stdlib.h>
#include <string.h>

enum { BINDINGS_MAX = 32, ALIGNMENT = 64 };

struct bound_step {
    enum engine_status (*run)(const struct op_call *call, struct engine_error *err);
    struct op_call call;
};

/* A tensor whose pointer is patched: input or weight slot `index`. */
struct patch {
    struct tensor *tensor;
    int index;
};

struct binding {
    uint64_t plan_id, weights_id;
    const unsigned char *block; /* of the runner, when this was bound */
    int n_steps;
    struct bound_step *steps;
    struct tensor *tensors;
    int n_inputs, n_weights;
    struct patch *inputs, *weights;
    int n_copies;
    struct bound_copy {
        const struct tensor *from;
        void *to;
        size_t bytes;
    } * copies;
    void *memory; /* all of the above in one piece */
};

struct runner {
    struct pool *pool;
    unsigned char *block; /* activations of whichever plan runs */
    size_t block_bytes;
    int n_bindings;
    struct binding bindings[BINDINGS_MAX]; /* newest first */
    struct arena *dynamic_arena;           /* of the last dynamic run, NULL before the first */
    size_t dynamic_bytes_max;
    unsigned char **aligned; /* by input: a copy of data that stood at an odd address */
    size_t *aligned_bytes;
    int n_aligned;
};

struct runner *runner_create(struct pool *pool)
{
    struct runner *runner = calloc(1, sizeof(*runner));

    if (runner != NULL)
        runner->pool = pool;
    return runner;
}

void runner_destroy(struct runner *runner)
{
    if (runner == NULL)
        return;
    for (int i = 0; i < runner->n_bindings; i++)
        free(runner->bindings[i].memory);
    for (int i = 0; i < runner->n_aligned; i++)
        free(runner->aligned[i]);
    free(runner->aligned);
    free(runner->aligned_bytes);
    free(runner->block);
    arena_destroy(runner->dynamic_arena);
    free(runner);
}

static enum engine_status no_memory(struct engine_error *err, size_t bytes)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %zu bytes of a run", bytes);
}

/* Piece after piece of one allocation; with `memory` NULL it only adds up. */
struct carver {
    unsigned char *memory;
    size_t used;
};

static void *carve(struct carver *carver, size_t count, size_t size)
{
    size_t start = carver->used;

    carver->used += (count * size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return carver->memory != NULL ? carver->memory + start : NULL;
}

struct parts {
    const struct tensor **in;
    struct tensor **out;
};

/* Twice: to learn the size, then to place the arrays. The counts come from a plan that exists, so
 * their sums fit. */
static void carve_all(struct carver *carver, const struct plan *plan, struct binding *binding,
                      struct parts *parts)
{
    size_t operands = (size_t)plan->n_operands, tensors = (size_t)plan->n_tensors;

    binding->steps = carve(carver, (size_t)plan->n_steps, sizeof(*binding->steps));
    binding->tensors = carve(carver, tensors, sizeof(*binding->tensors));
    parts->in = carve(carver, operands, sizeof(*parts->in));
    parts->out = carve(carver, operands, sizeof(*parts->out));
    binding->inputs = carve(carver, tensors, sizeof(*binding->inputs));
    binding->weights = carve(carver, tensors, sizeof(*binding->weights));
    binding->copies = carve(carver, (size_t)plan->n_copies, sizeof(*binding->copies));
}

static void bind_tensors(struct binding *binding, const struct plan *plan, unsigned char *block)
{
    for (int i = 0; i < plan->n_tensors; i++) {
        const struct plan_tensor *from = &plan->tensors[i];
        struct tensor *to = &binding->tensors[i];

        *to = from->tensor;
        if (from->place == PLACE_ARENA)
            to->data = block + from->offset;
        else if (from->place == PLACE_INPUT)
            binding->inputs[binding->n_inputs++] = (struct patch){to, from->index};
        else if (from->place == PLACE_WEIGHT)
            binding->weights[binding->n_weights++] = (struct patch){to, from->index};
    }
}

static void bind_steps(struct binding *binding, const struct plan *plan, struct parts *parts,
                       unsigned char *block, struct pool *pool)
{
    binding->n_steps = plan->n_steps;
    for (int i = 0; i < plan->n_steps; i++) {
        const struct plan_step *step = &plan->steps[i];
        const int *operands = &plan->operands[step->first_operand];
        struct op_call *call = &binding->steps[i].call;

        for (int k = 0; k < step->n_inputs; k++)
            parts->in[k] = operands[k] >= 0 ? &binding->tensors[operands[k]] : NULL;
        for (int k = 0; k < step->n_outputs; k++)
            parts->out[k] = operands[step->n_inputs + k] >= 0
                                ? &binding->tensors[operands[step->n_inputs + k]]
                                : NULL;
        *call = (struct op_call){.node = step->node,
                                 .params = step->node->params,
                                 .n_inputs = step->n_inputs,
                                 .n_outputs = step->n_outputs,
                                 .inputs = parts->in,
                                 .outputs = parts->out,
                                 .pool = pool};
        if (step->scratch_bytes > 0)
            call->scratch = block + step->scratch_offset;
        binding->steps[i].run = step->node->op->run;
        parts->in += step->n_inputs;
        parts->out += step->n_outputs;
    }
    for (int i = 0; i < plan->n_copies; i++) {
        const struct tensor *from = &binding->tensors[plan->copies[i].from];

        binding->copies[binding->n_copies++] = (struct bound_copy){
            from, binding->tensors[plan->copies[i].to].data, tensor_bytes(from)};
    }
}

static enum engine_status bind(struct runner *runner, const struct plan *plan,
                               struct binding *binding, struct engine_error *err)
{
    struct carver carver = {0};
    struct parts parts;

    memset(binding, 0, sizeof(*binding));
    carve_all(&carver, plan, binding, &parts);
    carver.memory = aligned_alloc(ALIGNMENT, carver.used > 0 ? carver.used : ALIGNMENT);
    if (carver.memory == NULL)
        return no_memory(err, carver.used);
    carver.used = 0;
    carve_all(&carver, plan, binding, &parts);
    binding->memory = carver.memory;
    binding->plan_id = plan->id;
    binding->block = runner->block;
    bind_tensors(binding, plan, runner->block);
    bind_steps(binding, plan, &parts, runner->block, runner->pool);
    return ENGINE_OK;
}

static enum engine_status grow_block(struct runner *runner, size_t bytes, struct engine_error *err)
{
    unsigned char *block;

    if (bytes <= runner->block_bytes && runner->block != NULL)
        return ENGINE_OK;
    bytes = (bytes + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
    block = aligned_alloc(ALIGNMENT, bytes);
    if (block == NULL)
        return no_memory(err, bytes);
    free(runner->block);
    runner->block = block;
    runner->block_bytes = bytes;
    /* All bindings point into the old block. */
    for (int i = 0; i < runner->n_bindings; i++)
        free(runner->bindings[i].memory);
    runner->n_bindings = 0;
    return ENGINE_OK;
}

/* Moves the binding at `index` to the front. */
static struct binding *make_newest(struct runner *runner, int index)
{
    struct binding newest = runner->bindings[index];

    memmove(&runner->bindings[1], &runner->bindings[0], (size_t)index * sizeof(newest));
    runner->bindings[0] = newest;
    return &runner->bindings[0];
}

static enum engine_status find_binding(struct runner *runner, const struct plan *plan,
                                       struct binding **ret_binding, struct engine_error *err)
{
    struct binding made;
    enum engine_status status;

    for (int i = 0; i < runner->n_bindings; i++) {
        if (runner->bindings[i].plan_id == plan->id) {
            *ret_binding = i == 0 ? &runner->bindings[0] : make_newest(runner, i);
            return ENGINE_OK;
        }
    }
    /* Scratch memory is there for each of the plan's threads. */
    if (pool_threads(runner->pool) > plan->threads)
        return engine_error_set(err, ENGINE_BAD_INPUT, "a plan for %d threads cannot run on %d",
                                plan->threads, pool_threads(runner->pool));
    status = grow_block(runner, plan->arena_bytes, err);
    if (status == ENGINE_OK)
        status = bind(runner, plan, &made, err);
    if (status != ENGINE_OK)
        return status;
    if (runner->n_bindings == BINDINGS_MAX)
        free(runner->bindings[--runner->n_bindings].memory);
    runner->bindings[runner->n_bindings] = made;
    *ret_binding = make_newest(runner, runner->n_bindings++);
    return ENGINE_OK;
}

static enum engine_status check_input(const struct plan *plan, int index,
                                      const struct tensor *input, struct engine_error *err)
{
    const struct model_io *declared = &plan->model->signature.inputs[index];
    char given[SHAPE_TEXT_MAX], wanted[SHAPE_TEXT_MAX];

    if (input->dtype != declared->dtype)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "input '%.128s': elements are %s, expected %s", declared->name,
                                dtype_name(input->dtype), dtype_name(declared->dtype));
    if (!shape_equal(&input->shape, &plan->input_shapes[index]))
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "input '%.128s': shape is %s, the plan is for %s", declared->name,
                                shape_text(&input->shape, given, sizeof(given)),
                                shape_text(&plan->input_shapes[index], wanted, sizeof(wanted)));
    return ENGINE_OK;
}

/* Kernels may rely on elements that stand at multiples of their size; bytes out of a message may
 * not. */
static enum engine_status align_input(struct runner *runner, int index, const struct tensor *input,
                                      void **ret_data, struct engine_error *err)
{
    size_t bytes = tensor_bytes(input);

    if (index >= runner->n_aligned) {
        size_t count = (size_t)index + 1;
        unsigned char **copies = realloc(runner->aligned, count * sizeof(*copies));
        size_t *sizes;

        if (copies == NULL)
            return no_memory(err, bytes);
        runner->aligned = copies;
        sizes = realloc(runner->aligned_bytes, count * sizeof(*sizes));
        if (sizes == NULL)
            return no_memory(err, bytes);
        runner->aligned_bytes = sizes;
        for (; runner->n_aligned <= index; runner->n_aligned++) {
            copies[runner->n_aligned] = NULL;
            sizes[runner->n_aligned] = 0;
        }
    }
    if (runner->aligned_bytes[index] < bytes) {
        unsigned char *copy =
            aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1));

        if (copy == NULL)
            return no_memory(err, bytes);
        free(runner->aligned[index]);
        runner->aligned[index] = copy;
        runner->aligned_bytes[index] = bytes;
    }
    memcpy(runner->aligned[index], input->data, bytes);
    *ret_data = runner->aligned[index];
    return ENGINE_OK;
}

static bool is_misaligned(const struct tensor *input)
{
    size_t size = dtype_size(input->dtype);
    size_t unit = size > 8 ? 8 : size;

    return unit > 1 && ((uintptr_t)input->data & (unit - 1)) != 0;
}

static enum engine_status set_inputs(struct runner *runner, const struct plan *plan,
                                     struct binding *binding, const struct tensor *inputs,
                                     struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < plan->model->signature.n_inputs && status == ENGINE_OK; i++)
        status = check_input(plan, i, &inputs[i], err);
    for (int i = 0; i < binding->n_inputs && status == ENGINE_OK; i++) {
        const struct tensor *input = &inputs[binding->inputs[i].index];

        binding->inputs[i].tensor->data = input->data;
        if (is_misaligned(input))
            status = align_input(runner, binding->inputs[i].index, input,
                                 &binding->inputs[i].tensor->data, err);
    }
    return status;
}

static void set_weights(struct binding *binding, const struct weights *weights)
{
    for (int i = 0; i < binding->n_weights; i++)
        binding->weights[i].tensor->data = weights->slots[binding->weights[i].index].data;
    binding->weights_id = weights->id;
}

static enum engine_status run_deferred(struct runner *runner, const struct plan *plan,
                                       const struct binding *binding, struct tensor *outputs,
                                       struct engine_error *err)
{
    size_t bytes_max = plan->model->options.plan_bytes_max;
    struct dynamic dynamic = {.pool = runner->pool};

    if (bytes_max == 0)
        bytes_max = SIZE_MAX / 2;
    if (runner->dynamic_arena != NULL && runner->dynamic_bytes_max != bytes_max) {
        arena_destroy(runner->dynamic_arena);
        runner->dynamic_arena = NULL;
    }
    if (runner->dynamic_arena == NULL)
        runner->dynamic_arena = arena_create(bytes_max);
    if (runner->dynamic_arena == NULL)
        return no_memory(err, sizeof(void *));
    runner->dynamic_bytes_max = bytes_max;
    arena_reset(runner->dynamic_arena, 0);
    dynamic.arena = runner->dynamic_arena;
    dynamic.bytes_max = bytes_max;
    return dynamic_run_deferred(&dynamic, plan, binding->tensors, outputs, err);
}

enum engine_status runner_run(struct runner *runner, struct plan *plan, struct weights *weights,
                              const struct tensor *inputs, struct tensor *outputs,
                              struct engine_error *err)
{
    struct binding *binding = NULL;
    enum engine_status status = find_binding(runner, plan, &binding, err);
    const struct bound_step *step, *end;

    cpu_flush_denormals();
    if (status == ENGINE_OK)
        status = set_inputs(runner, plan, binding, inputs, err);
    if (status != ENGINE_OK)
        return status;
    if (binding->weights_id != weights->id)
        set_weights(binding, weights);
    end = binding->steps + binding->n_steps;
    for (step = binding->steps; step < end; step++) {
        status = step->run(&step->call, err);
        if (status != ENGINE_OK)
            return status;
    }
    for (int i = 0; i < binding->n_copies; i++)
        if (binding->copies[i].bytes > 0)
            memcpy(binding->copies[i].to, binding->copies[i].from->data, binding->copies[i].bytes);
    for (int i = 0; i < plan->model->signature.n_outputs; i++)
        if (plan->outputs[i] >= 0)
            outputs[i] = binding->tensors[plan->outputs[i]];
    return plan->n_deferred > 0 ? run_deferred(runner, plan, binding, outputs, err) : ENGINE_OK;
}
