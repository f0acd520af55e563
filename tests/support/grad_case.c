/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/grad_case.h"

#include "engine/grad/tape.h"
#include "engine/runner.h"
#include "tests/support/graph_case.h"
#include "tests/support/op_case.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 16, TRAINABLE_MAX = 16, OUTPUTS_MAX = 8, ALIGNMENT = 64 };

static const struct grad_context context = {.seed = 7, .step = 3};

/* Numbers that depend on nothing but the position (splitmix64, Steele et al. 2014). */
static double uniform(uint64_t stream, uint64_t index)
{
    uint64_t z = stream * 0x9e3779b97f4a7c15u + (index + 1) * 0xbf58476d1ce4e5b9u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static size_t count_elements(const char *dims, const char *end)
{
    size_t count = 1;

    while (dims < end) {
        char *after;

        count *= strtoul(dims, &after, 10);
        dims = *after == ',' ? after + 1 : end;
    }
    return count;
}

/* The numbers that '~', '~+', '~d' or '~p' stand for. */
static size_t print_numbers(char *out, size_t space, char kind, size_t count, uint64_t stream)
{
    size_t length = 0;

    for (size_t i = 0; i < count; i++) {
        double u = uniform(stream, i), item = 2 * u - 1;
        /* A permutation of 0 .. count - 1 for odd strides that share no factor with it. */
        double rank = (double)((i * 7919 + stream) % count);

        if (kind == '+')
            item = u + 0.5;
        else if (kind == 'd')
            item = (rank + 0.25 + 0.5 * u) / (double)count * 4 - 2;
        else if (kind == 'p')
            item = (rank + 0.25 + 0.5 * u) / (double)count * 2 + 0.5;
        length += (size_t)snprintf(out + length, space - length, " %.9g", (double)(float)item);
        ck_assert_uint_lt(length, space);
    }
    return length;
}

/* The text with numbers in the place of tildes and, for differences, f64 in that of f32. */
static void expand(const char *text, bool wide, char *out)
{
    size_t length = 0;
    uint64_t stream = 1;

    for (const char *p = text; *p != '\0'; p++) {
        ck_assert_uint_lt(length + 8, TEXT_MAX);
        if (wide && strncmp(p, "f32", 3) == 0) {
            memcpy(out + length, "f64", 3);
            length += 3;
            p += 2;
        } else if (*p == '~') {
            const char *close = p, *open;
            char kind = strchr("+dp", p[1]) != NULL && p[1] != '\0' ? *++p : ' ';

            while (*close != ']')
                close--;
            for (open = close; *open != '['; open--)
                continue;
            length += print_numbers(out + length, TEXT_MAX - length, kind,
                                    count_elements(open + 1, close), stream++);
        } else {
            out[length++] = *p;
        }
    }
    out[length] = '\0';
}

struct trial {
    const struct grad_case *c;
    struct model *model;
    const struct graph *graph;
    int n_trainable;
    int trainable[TRAINABLE_MAX];
    int n_targets;
    int targets[OUTPUTS_MAX];
};

static void trial_begin(struct trial *trial, const struct grad_case *c, bool wide)
{
    static char text[TEXT_MAX];
    const struct model_options options = {.optimise = false};
    enum dtype dtype = wide ? DTYPE_F64 : DTYPE_F32;

    *trial = (struct trial){.c = c};
    expand(c->graph, wide, text);
    trial->model = graph_case_model(text, &options);
    trial->graph = model_graph(trial->model);
    for (int slot = 0; slot < trial->graph->n_constant_slots; slot++) {
        const struct value *value = &trial->graph->values[trial->graph->weight_values[slot]];

        if (value->name[0] == '_' || value->constant == NULL || value->constant->dtype != dtype)
            continue;
        ck_assert_int_lt(trial->n_trainable, TRAINABLE_MAX);
        trial->trainable[trial->n_trainable++] = slot;
    }
    for (int i = 0; i < trial->graph->n_outputs; i++)
        trial->targets[trial->n_targets++] = trial->graph->outputs[i];
    ck_assert_msg(trial->n_trainable > 0, "%s: no trainable constant", c->name);
}

static const struct tensor *constant(const struct trial *trial, int index)
{
    int id = trial->graph->weight_values[trial->trainable[index]];

    return trial->graph->values[id].constant;
}

static const char *constant_name(const struct trial *trial, int index)
{
    return trial->graph->values[trial->graph->weight_values[trial->trainable[index]]].name;
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT);

    ck_assert_ptr_nonnull(memory);
    memset(memory, 0x7f, bytes); /* floats that nobody wrote are seen: 3.4e38 */
    return memory;
}

static double weigh(int output, const struct tensor *tensor)
{
    double sum = 0;

    for (int64_t i = 0; i < shape_elements(&tensor->shape); i++)
        sum += (2 * uniform(1000 + (uint64_t)output, (uint64_t)i) - 1) *
               tensor_double_at(tensor, i);
    return sum;
}

/* All that a tape needs from outside. */
struct memory {
    void *trainable[TRAINABLE_MAX], *grads[TRAINABLE_MAX];
    void *states[TRAINABLE_MAX], *next_states[TRAINABLE_MAX];
};

static void memory_begin(struct memory *memory, const struct trial *trial, const struct tape *tape)
{
    for (int i = 0; i < trial->n_trainable; i++) {
        size_t bytes = tensor_bytes(constant(trial, i));

        memory->trainable[i] = allocate(bytes);
        memcpy(memory->trainable[i], constant(trial, i)->data, bytes);
        memory->grads[i] = allocate(bytes);
    }
    for (int i = 0; i < tape_n_states(tape); i++) {
        int id = trial->graph->weight_values[tape_state_slot(tape, i)];
        const struct tensor *state = trial->graph->values[id].constant;

        memory->states[i] = allocate(tensor_bytes(state));
        memcpy(memory->states[i], state->data, tensor_bytes(state));
        memory->next_states[i] = allocate(tensor_bytes(state));
    }
}

static void memory_end(struct memory *memory, const struct trial *trial, const struct tape *tape)
{
    for (int i = 0; i < trial->n_trainable; i++) {
        free(memory->trainable[i]);
        free(memory->grads[i]);
    }
    for (int i = 0; i < tape_n_states(tape); i++) {
        free(memory->states[i]);
        free(memory->next_states[i]);
    }
}

static void bind(struct tape *tape, const struct memory *memory)
{
    tape_bind(tape, &(struct tape_memory){(const void *const *)memory->trainable, memory->grads,
                                          (const void *const *)memory->states,
                                          memory->next_states});
}

static struct tape *make_tape(const struct trial *trial, struct pool *pool,
                              struct engine_error *err)
{
    const struct tape_options options = {
        .n_trainable = trial->n_trainable, .trainable = trial->trainable,
        .n_targets = trial->n_targets, .targets = trial->targets,
        .frozen_norm = trial->c->frozen_norm};

    return tape_create(trial->model, NULL, &options, pool, err);
}

static void forward(const struct trial *trial, struct tape *tape)
{
    struct engine_error err = {0};

    ck_assert_msg(tape_forward(tape, NULL, &context, &err) == ENGINE_OK, "%s: %s", trial->c->name,
                  err.text);
}

static void backward(const struct trial *trial, struct tape *tape, bool accumulate)
{
    struct engine_error err = {0};

    for (int t = 0; t < trial->n_targets; t++) {
        struct tensor *grad = tape_target_grad(tape, t);

        for (int64_t i = 0; grad != NULL && i < shape_elements(&grad->shape); i++)
            ((float *)grad->data)[i] =
                (float)(2 * uniform(1000 + (uint64_t)t, (uint64_t)i) - 1);
    }
    ck_assert_msg(tape_backward(tape, accumulate, &err) == ENGINE_OK, "%s: %s", trial->c->name,
                  err.text);
}

/* Two threads give the same bits; a second pass that accumulates gives twice the gradient. */
static void check_repeats(const struct trial *trial, const struct memory *expected)
{
    struct engine_error err = {0};
    struct pool *pool = pool_create(2, 0);
    struct memory memory = {0};
    struct tape *tape = make_tape(trial, pool, &err);

    ck_assert_msg(tape != NULL, "%s: %s", trial->c->name, err.text);
    memory_begin(&memory, trial, tape);
    bind(tape, &memory);
    forward(trial, tape);
    backward(trial, tape, false);
    for (int k = 0; k < trial->n_trainable; k++)
        ck_assert_msg(!tape_reaches(tape, k) ||
                          memcmp(memory.grads[k], expected->grads[k],
                                 tensor_bytes(constant(trial, k))) == 0,
                      "%s: two threads change the gradient of '%s'", trial->c->name,
                      constant_name(trial, k));
    forward(trial, tape);
    backward(trial, tape, true);
    for (int k = 0; k < trial->n_trainable; k++)
        for (int64_t i = 0; i < shape_elements(&constant(trial, k)->shape); i++) {
            double once = ((float *)expected->grads[k])[i], twice = ((float *)memory.grads[k])[i];

            ck_assert_msg(!tape_reaches(tape, k) ||
                              fabs(twice - 2 * once) <= 1e-5 * (1 + fabs(once)),
                          "%s: accumulating '%s'[%d]: %g, then %g", trial->c->name,
                          constant_name(trial, k), (int)i, once, twice);
        }
    memory_end(&memory, trial, tape);
    tape_destroy(tape);
    pool_destroy(pool);
}

/* One evaluation of the loss: either way of computing it. */
struct oracle {
    struct trial trial;            /* in float64, or the tape's own */
    struct tape *tape;
    struct memory *memory;
    struct weights *base;
    struct runner *runner;
    struct plan *plan;
};

static double loss_by_runner(struct oracle *oracle, int index, const double *data)
{
    const void *replaced[1] = {data};
    struct tensor outputs[OUTPUTS_MAX];
    struct engine_error err = {0};
    struct weights *weights =
        weights_replace(oracle->base, 1, &oracle->trial.trainable[index], replaced, &err);
    double sum = 0;

    ck_assert_msg(weights != NULL, "%s: %s", oracle->trial.c->name, err.text);
    ck_assert_msg(runner_run(oracle->runner, oracle->plan, weights, NULL, outputs, &err) ==
                      ENGINE_OK,
                  "%s: %s", oracle->trial.c->name, err.text);
    for (int t = 0; t < oracle->trial.n_targets; t++)
        sum += weigh(t, &outputs[t]);
    weights_unref(weights);
    return sum;
}

static double loss_by_tape(struct oracle *oracle)
{
    double sum = 0;

    forward(&oracle->trial, oracle->tape);
    for (int t = 0; t < oracle->trial.n_targets; t++)
        sum += weigh(t, tape_target(oracle->tape, t));
    return sum;
}

/* d loss / d element by a central difference; the step grows with the element. */
static double difference(struct oracle *oracle, int index, int64_t element, double *copy)
{
    double up, down;

    if (oracle->tape != NULL) {
        float *item = (float *)oracle->memory->trainable[index] + element;
        float kept = *item, step = 4e-3f * (1 + fabsf(kept));

        *item = kept + step;
        up = loss_by_tape(oracle);
        *item = kept - step;
        down = loss_by_tape(oracle);
        *item = kept;
        return (up - down) / ((double)(kept + step) - (double)(kept - step));
    } else {
        double kept = copy[element], step = 1e-5 * (1 + fabs(kept));

        copy[element] = kept + step;
        up = loss_by_runner(oracle, index, copy);
        copy[element] = kept - step;
        down = loss_by_runner(oracle, index, copy);
        copy[element] = kept;
        return (up - down) / ((kept + step) - (kept - step));
    }
}

static void compare(struct oracle *oracle, const struct tape *tape, const struct memory *memory)
{
    const struct trial *trial = &oracle->trial;
    double tolerance = trial->c->tolerance > 0 ? trial->c->tolerance
                       : trial->c->by_tape     ? 2e-2
                                               : 2e-5;

    for (int k = 0; k < trial->n_trainable; k++) {
        int64_t count = shape_elements(&constant(trial, k)->shape);
        double *expected = calloc((size_t)count + 1, sizeof(double)), *copy = NULL, largest = 0;

        ck_assert_ptr_nonnull(expected);
        if (oracle->tape == NULL) {
            copy = allocate((size_t)count * sizeof(double));
            memcpy(copy, constant(trial, k)->data, (size_t)count * sizeof(double));
        }
        for (int64_t i = 0; i < count; i++) {
            expected[i] = difference(oracle, k, i, copy);
            largest = fmax(largest, fabs(expected[i]));
        }
        for (int64_t i = 0; i < count; i++) {
            double actual = tape_reaches(tape, k) ? ((float *)memory->grads[k])[i] : 0;

            ck_assert_msg(fabs(actual - expected[i]) <= tolerance * (largest + 1e-2),
                          "%s: d/d%s[%d] is %.9g, by differences %.9g (largest %.3g)",
                          trial->c->name, constant_name(trial, k), (int)i, actual, expected[i],
                          largest);
        }
        free(expected);
        free(copy);
    }
}

/* Against gradients that the row has. */
static void compare_given(const struct trial *trial, const struct tape *tape,
                          const struct memory *memory)
{
    struct arena *arena = arena_create(SIZE_MAX / 2);

    ck_assert_ptr_nonnull(arena);
    for (int k = 0; k < trial->n_trainable; k++) {
        const char *text = k < GRAD_CASE_GRADIENTS_MAX ? trial->c->gradients[k] : NULL;
        struct tensor expected;

        ck_assert_msg(text != NULL, "%s: no gradient for '%s'", trial->c->name, constant_name(trial, k));
        expected = op_case_tensor(arena, text);
        ck_assert_msg(shape_equal(&expected.shape, &constant(trial, k)->shape), "%s: shape of '%s'",
                      trial->c->name, constant_name(trial, k));
        for (int64_t i = 0; i < shape_elements(&expected.shape); i++) {
            double item = tensor_double_at(&expected, i);
            double actual = tape_reaches(tape, k) ? ((float *)memory->grads[k])[i] : 0;

            ck_assert_msg(fabs(actual - item) <= 1e-5 * fabs(item) + 1e-7,
                          "%s: d/d%s[%d] is %.9g, expected %.9g", trial->c->name,
                          constant_name(trial, k), (int)i, actual, item);
        }
    }
    arena_destroy(arena);
}

static void compare_by_differences(const struct trial *trial, struct tape *tape,
                                   struct memory *memory)
{
    const struct grad_case *c = trial->c;
    struct engine_error err = {0};
    struct oracle oracle = {0};

    if (c->by_tape) {
        oracle.trial = *trial;
        oracle.tape = tape;
        oracle.memory = memory;
    } else {
        trial_begin(&oracle.trial, c, true);
        oracle.base = model_base_weights(oracle.trial.model);
        oracle.runner = runner_create(NULL);
        oracle.plan = model_plan(oracle.trial.model, NULL, 1, &err);
        ck_assert_msg(oracle.plan != NULL, "%s: %s", c->name, err.text);
    }
    compare(&oracle, tape, memory);
    plan_unref(oracle.plan);
    runner_destroy(oracle.runner);
    weights_unref(oracle.base);
    if (!c->by_tape)
        model_unref(oracle.trial.model);
}

void grad_case_check(const struct grad_case *c)
{
    struct engine_error err = {0};
    struct memory memory = {0};
    struct trial trial;
    struct tape *tape;

    trial_begin(&trial, c, false);
    tape = make_tape(&trial, NULL, &err);
    if (c->error != NULL) {
        ck_assert_msg(tape == NULL, "%s: a tape was made", c->name);
        ck_assert_msg(strstr(err.text, c->error) != NULL, "%s: '%s'", c->name, err.text);
        model_unref(trial.model);
        return;
    }
    ck_assert_msg(tape != NULL, "%s: %s", c->name, err.text);
    memory_begin(&memory, &trial, tape);
    bind(tape, &memory);
    forward(&trial, tape);
    backward(&trial, tape, false);
    check_repeats(&trial, &memory);
    if (c->gradients[0] != NULL)
        compare_given(&trial, tape, &memory);
    else
        compare_by_differences(&trial, tape, &memory);
    memory_end(&memory, &trial, tape);
    tape_destroy(tape);
    model_unref(trial.model);
}

void grad_case_check_all(const struct grad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        grad_case_check(&cases[i]);
}
