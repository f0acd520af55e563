/* SPDX-License-Identifier: Apache-2.0
 * Plans: making one, the model's cache of them, and what can be asked of one. */
#include "engine/plan_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_least64_t last_id;

void plan_destroy(struct plan *plan)
{
    if (plan == NULL)
        return;
    arena_destroy(plan->arena);
    free(plan);
}

struct plan *plan_alloc(struct model *model, const struct shape *input_shapes, int threads)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    size_t n_inputs = (size_t)model->signature.n_inputs;

    if (plan == NULL)
        return NULL;
    atomic_init(&plan->refs, 1);
    plan->id = atomic_fetch_add(&last_id, 1) + 1;
    plan->model = model;
    plan->threads = threads;
    plan->arena = arena_create(SIZE_MAX / 2);
    if (plan->arena != NULL)
        plan->input_shapes = arena_calloc(plan->arena, n_inputs, sizeof(*plan->input_shapes));
    if (plan->input_shapes == NULL) {
        plan_destroy(plan);
        return NULL;
    }
    if (n_inputs > 0)
        memcpy(plan->input_shapes, input_shapes, n_inputs * sizeof(*input_shapes));
    return plan;
}

struct plan *plan_create(struct model *model, const struct shape *input_shapes, int threads,
                         bool rows_free, struct engine_error *err)
{
    struct plan_builder builder = {.graph = model->graph, .base = model->base};
    enum engine_status status;

    if (plan_check_inputs(&model->signature, input_shapes, rows_free, err) != ENGINE_OK)
        return NULL;
    builder.plan = plan_alloc(model, input_shapes, threads);
    builder.temporary = arena_create(SIZE_MAX / 2);
    builder.scratch = arena_create(SIZE_MAX / 2);
    if (builder.plan == NULL || builder.temporary == NULL || builder.scratch == NULL) {
        status = engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while planning");
    } else {
        status = plan_infer(&builder, err);
        if (status == ENGINE_OK)
            status = plan_layout(&builder, err);
    }
    arena_destroy(builder.temporary);
    arena_destroy(builder.scratch);
    if (status != ENGINE_OK) {
        plan_destroy(builder.plan);
        return NULL;
    }
    return builder.plan;
}

/* Position in the model's cache, -1 if it is not there. Under the lock. */
static int cache_find(const struct model *model, const struct shape *shapes, int threads)
{
    for (int i = 0; i < model->n_plans; i++) {
        const struct plan *plan = model->plans[i];
        bool same = plan->threads == threads;

        for (int k = 0; k < model->signature.n_inputs && same; k++)
            same = shape_equal(&plan->input_shapes[k], &shapes[k]);
        if (same)
            return i;
    }
    return -1;
}

/* A reference for the outside to the plan at `index`, which becomes the newest. Under the lock. */
static struct plan *cache_take(struct model *model, int index)
{
    struct plan *plan = model->plans[index];

    memmove(&model->plans[1], &model->plans[0], (size_t)index * sizeof(model->plans[0]));
    model->plans[0] = plan;
    return plan_ref(plan);
}

static void release(struct plan *plan)
{
    if (plan != NULL && atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) == 1)
        plan_destroy(plan);
}

struct plan *model_plan(struct model *model, const struct shape *input_shapes, int threads,
                        struct engine_error *err)
{
    struct plan *plan = NULL, *made, *evicted = NULL;
    int index;

    pthread_mutex_lock(&model->lock);
    index = cache_find(model, input_shapes, threads);
    if (index >= 0)
        plan = cache_take(model, index);
    pthread_mutex_unlock(&model->lock);
    if (plan != NULL)
        return plan;

    made = plan_create(model, input_shapes, threads, model->batchable, err);
    if (made == NULL)
        return NULL;
    pthread_mutex_lock(&model->lock);
    index = cache_find(model, input_shapes, threads);
    if (index >= 0) { /* another thread was faster */
        evicted = made;
    } else {
        if (model->n_plans == model->options.plans_max)
            evicted = model->plans[--model->n_plans];
        index = model->n_plans++;
        model->plans[index] = made;
    }
    plan = cache_take(model, index);
    pthread_mutex_unlock(&model->lock);
    release(evicted);
    return plan;
}

void model_drop_plans(struct model *model)
{
    while (model->n_plans > 0)
        release(model->plans[--model->n_plans]);
}

struct plan *plan_ref(struct plan *plan)
{
    if (plan != NULL) {
        model_ref(plan->model);
        atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    }
    return plan;
}

void plan_unref(struct plan *plan)
{
    struct model *model;

    if (plan == NULL)
        return;
    model = plan->model;
    release(plan);
    model_unref(model);
}

struct model *plan_model(const struct plan *plan)
{
    return plan->model;
}

bool plan_is_dynamic(const struct plan *plan)
{
    return plan->n_deferred > 0;
}

size_t plan_arena_bytes(const struct plan *plan)
{
    return plan->arena_bytes;
}

int plan_n_steps(const struct plan *plan)
{
    return plan->n_steps;
}

const struct shape *plan_output_shape(const struct plan *plan, int output)
{
    assert(plan->outputs[output] >= 0);
    return &plan->tensors[plan->outputs[output]].tensor.shape;
}

int64_t plan_flops(const struct plan *plan)
{
    return plan->flops;
}
