/* SPDX-License-Identifier: Apache-2.0
 * A trainer's compiled batch shapes: few, the least recently used gives way. */
#include "engine/train/trainer_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void drop(struct trainer *trainer, int index)
{
    tape_destroy(trainer->tapes[index].tape);
    free(trainer->tapes[index].shapes);
    trainer->tapes[index] = trainer->tapes[--trainer->n_tapes];
}

void trainer_drop_tapes(struct trainer *trainer)
{
    while (trainer->n_tapes > 0)
        drop(trainer, 0);
}

static void drop_oldest(struct trainer *trainer)
{
    int oldest = 0;

    for (int i = 1; i < trainer->n_tapes; i++)
        if (trainer->tapes[i].used < trainer->tapes[oldest].used)
            oldest = i;
    drop(trainer, oldest);
}

static bool same_shapes(const struct trainer *trainer, const struct shape *a, const struct shape *b)
{
    for (int i = 0; i < trainer->graph->n_inputs; i++)
        if (!shape_equal(&a[i], &b[i]))
            return false;
    return true;
}

static bool freezes_norm(const struct trainer *trainer, const struct shape *shapes)
{
    if (trainer->options.as_served)
        return true;
    if (trainer->options.norm != TRAINER_NORM_AUTO)
        return trainer->options.norm == TRAINER_NORM_FROZEN;
    return trainer->graph->n_inputs == 0 || shapes[0].rank == 0 ||
           shapes[0].dims[0] < NORM_BATCH_LEAST;
}

/* Bytes left for one more tape, after old ones have given way to the budget. */
static size_t tape_budget(struct trainer *trainer)
{
    size_t bytes_max = trainer->options.bytes_max, held;

    if (bytes_max == 0)
        return 0;
    /* Batches of other shapes are compiled again when they come. */
    trainer_drop_tapes(trainer);
    held = trainer_bytes(trainer);
    return held < bytes_max ? bytes_max - held : 1;
}

/* Where cross-entropies count classes: where the Softmax does, else as PyTorch and text models have
 * it. */
static void place_classes(struct trainer *trainer, const struct tape *tape)
{
    for (int i = 0; i < trainer->n_ends; i++) {
        struct trainer_end *end = &trainer->ends[i];
        int rank = tape_target(tape, i)->shape.rank;

        if (!end->axis_by_head)
            continue;
        if (end->head.kind == HEAD_SOFTMAX)
            end->form.class_axis = end->head.axis < 0 ? end->head.axis + rank : end->head.axis;
        else
            end->form.class_axis = rank == 3 ? 2 : 1;
    }
}

struct tape *trainer_tape(struct trainer *trainer, const struct shape *shapes, bool any_norm,
                          struct engine_error *err)
{
    const struct tape_options options = {
        .n_trainable = trainer->selection.n_slots,
        .trainable = trainer->selection.slots,
        .n_targets = trainer->n_ends,
        .targets = trainer->targets,
        .frozen_norm = freezes_norm(trainer, shapes),
        .bytes_max = 0,
    };
    struct tape_options bounded = options;
    size_t bytes = (size_t)trainer->graph->n_inputs * sizeof(*shapes);
    struct trainer_tape made = {.frozen_norm = options.frozen_norm, .used = ++trainer->clock};

    for (int i = 0; i < trainer->n_tapes; i++) {
        struct trainer_tape *known = &trainer->tapes[i];

        if (!same_shapes(trainer, known->shapes, shapes) ||
            (!any_norm && known->frozen_norm != options.frozen_norm))
            continue;
        known->used = made.used;
        place_classes(trainer, known->tape);
        return known->tape;
    }
    if (trainer->n_tapes >= trainer->options.tapes_max)
        drop_oldest(trainer);
    bounded.bytes_max = tape_budget(trainer);
    made.shapes = malloc(bytes + 1);
    if (made.shapes == NULL) {
        trainer_no_memory(err);
        return NULL;
    }
    memcpy(made.shapes, shapes, bytes);
    made.tape = tape_create(trainer->model, shapes, &bounded, trainer->pool, err);
    if (made.tape == NULL) {
        free(made.shapes);
        return NULL;
    }
    trainer->tapes[trainer->n_tapes++] = made;
    place_classes(trainer, made.tape);
    return made.tape;
}

/* Index of the statistic in that slot: a tape has no others. */
static int find_state(const struct trainer *trainer, int slot)
{
    int i = 0;

    while (trainer->selection.states[i] != slot) {
        i++;
        assert(i < trainer->selection.n_states);
    }
    return i;
}

void trainer_bind(struct trainer *trainer, struct tape *tape, int from, int to)
{
    const struct parameters *parameters = trainer->parameters;
    const struct tape_memory memory = {
        .trainable = trainer->weight_pointers,
        .grads = trainer->gradient_pointers,
        .states = trainer->state_pointers,
        .next_states = trainer->next_state_pointers,
    };

    for (int i = 0; i < parameters->n_tensors; i++) {
        int64_t offset = parameters->tensors[i].offset;

        trainer->weight_pointers[i] = trainer->sets[trainer->now].weights + offset;
        trainer->gradient_pointers[i] = trainer->gradients + offset;
    }
    for (int i = 0; i < tape_n_states(tape); i++) {
        int64_t offset =
            trainer->statistics->tensors[find_state(trainer, tape_state_slot(tape, i))].offset;

        trainer->state_pointers[i] = trainer->statistic_sets[from] + offset;
        trainer->next_state_pointers[i] =
            to >= 0 ? trainer->statistic_sets[to] + offset : NULL;
    }
    tape_bind(tape, &memory);
}
