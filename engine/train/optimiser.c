/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/optimiser.h"

#include "engine/kernels/update.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { TASKS_MAX = 64 };

static const struct kind {
    const char *name;
    int states;
    enum update_kind update;
    const char *state_names[OPTIMISER_STATES_MAX];
    double epsilon;
} kinds[OPTIMISER_KINDS] = {
    [OPTIMISER_SGD] = {"sgd", 0, UPDATE_PLAIN, {NULL, NULL}, 1e-8},
    [OPTIMISER_MOMENTUM] = {"momentum", 1, UPDATE_MOMENTUM, {"momentum", NULL}, 1e-8},
    [OPTIMISER_NESTEROV] = {"nesterov", 1, UPDATE_NESTEROV, {"momentum", NULL}, 1e-8},
    [OPTIMISER_ADAGRAD] = {"adagrad", 1, UPDATE_ADAGRAD, {"squares", NULL}, 1e-10},
    [OPTIMISER_RMSPROP] = {"rmsprop", 1, UPDATE_RMSPROP, {"squares", NULL}, 1e-8},
    [OPTIMISER_ADAM] = {"adam", 2, UPDATE_ADAM, {"first_moment", "second_moment"}, 1e-8},
    [OPTIMISER_ADAMW] = {"adamw", 2, UPDATE_ADAM, {"first_moment", "second_moment"}, 1e-8},
};

struct optimiser_form optimiser_form_default(enum optimiser_kind kind)
{
    return (struct optimiser_form){
        .kind = kind,
        .momentum = 0.9,
        .beta1 = 0.9,
        .beta2 = kind == OPTIMISER_RMSPROP ? 0.99 : 0.999,
        .epsilon = kinds[kind].epsilon,
        .decay = kind == OPTIMISER_ADAMW ? 0.01 : 0.0,
    };
}

const char *optimiser_name(enum optimiser_kind kind)
{
    return kinds[kind].name;
}

bool optimiser_find(const char *name, enum optimiser_kind *ret_kind)
{
    for (int k = 0; k < OPTIMISER_KINDS; k++)
        if (strcmp(name, kinds[k].name) == 0) {
            *ret_kind = (enum optimiser_kind)k;
            return true;
        }
    return false;
}

int optimiser_states(enum optimiser_kind kind)
{
    return kinds[kind].states;
}

const char *optimiser_state_name(enum optimiser_kind kind, int state)
{
    return kinds[kind].state_names[state];
}

enum engine_status optimiser_check(const struct optimiser_form *form, struct engine_error *err)
{
    const struct {
        const char *name;
        double value, least, most;
    } rows[] = {
        {"momentum", form->momentum, 0.0, 0.9999},
        {"beta1", form->beta1, 0.0, 0.999999},
        {"beta2", form->beta2, 0.0, 0.999999},
        {"epsilon", form->epsilon, 1e-16, 1.0},
        {"l2", form->l2, 0.0, 1.0},
        {"decay", form->decay, 0.0, 10.0},
        {"l1", form->l1, 0.0, 1000.0},
        {"clip_norm", form->clip_norm, 0.0, 1e12},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!(rows[i].value >= rows[i].least && rows[i].value <= rows[i].most))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "optimiser: %s is %g; expected a number from %g to %g",
                                    rows[i].name, rows[i].value, rows[i].least, rows[i].most);
    return ENGINE_OK;
}

enum engine_status optimiser_check_rate(double rate, struct engine_error *err)
{
    if (rate >= 0.0 && rate <= 1000.0)
        return ENGINE_OK;
    return engine_error_set(err, ENGINE_BAD_INPUT,
                            "learning rate is %g; expected a number from 0 to 1000", rate);
}

/* The step as its kernel takes it; regularisers off. */
static struct update make_update(const struct optimiser_step *step)
{
    const struct optimiser_form *form = step->form;
    struct update update = {
        .kind = kinds[form->kind].update,
        .clip = 1.0f,
        .keep = 1.0f,
        .rate = (float)step->rate,
        .alpha = (float)form->momentum,
        .beta = (float)form->beta2,
        .beta_rest = (float)(1.0 - form->beta2),
        .epsilon = (float)form->epsilon,
    };

    if (form->clip_norm > 0.0) {
        double factor = form->clip_norm / (step->gradient_norm + 1e-6);

        update.clip = factor < 1.0 ? (float)factor : 1.0f;
    }
    if (update.kind == UPDATE_ADAM) {
        update.alpha = (float)form->beta1;
        update.alpha_rest = (float)(1.0 - form->beta1);
        update.rate = (float)(step->rate / (1.0 - pow(form->beta1, (double)step->step)));
        update.root_factor = (float)(1.0 / sqrt(1.0 - pow(form->beta2, (double)step->step)));
    }
    return update;
}

struct step_pass {
    const struct optimiser_step *step;
    struct update updates[2]; /* for tensors that decay and others */
    int chunks_a_task;
    _Atomic uint32_t most; /* a maximum: no order matters */
};

static void step_task(void *arg, int task, int thread)
{
    struct step_pass *pass = arg;
    const struct optimiser_step *step = pass->step;
    const struct parameters *parameters = step->parameters;
    const int states = kinds[step->form->kind].states;
    int from = task * pass->chunks_a_task, to = from + pass->chunks_a_task;
    uint32_t most = 0, seen;

    (void)thread;
    for (int c = from; c < to && c < parameters->n_chunks; c++) {
        const struct parameter_chunk *chunk = &parameters->chunks[c];
        const int64_t at = chunk->offset;
        struct update_arrays arrays = {
            .w = step->now->weights + at,
            .g = step->gradients + at,
            .w_next = step->next->weights + at,
        };
        struct update_found found;

        if (states > 0) {
            arrays.v = step->now->states[0] + at;
            arrays.v_next = step->next->states[0] + at;
        }
        if (states > 1) {
            arrays.h = step->now->states[1] + at;
            arrays.h_next = step->next->states[1] + at;
        }
        found = update_f32(&pass->updates[!parameters->tensors[chunk->tensor].decays], chunk->count,
                           &arrays);
        step->partial[c] = (double)found.change_squares;
        most = found.most > most ? found.most : most;
    }
    seen = atomic_load(&pass->most);
    while (seen < most && !atomic_compare_exchange_weak(&pass->most, &seen, most))
        ;
}

struct optimiser_result optimiser_run(const struct optimiser_step *step, double *ret_norms,
                                      struct pool *pool)
{
    const struct optimiser_form *form = step->form;
    const int n_chunks = step->parameters->n_chunks;
    struct step_pass pass = {.step = step, .chunks_a_task = (n_chunks + TASKS_MAX - 1) / TASKS_MAX};
    struct optimiser_result result;

    pass.updates[1] = make_update(step);
    pass.updates[0] = pass.updates[1];
    pass.updates[0].l2 = (float)form->l2;
    pass.updates[0].keep = (float)(1.0 - step->rate * form->decay);
    pass.updates[0].threshold = (float)(step->rate * form->l1);
    if (n_chunks > 0)
        pool_run(pool, (n_chunks + pass.chunks_a_task - 1) / pass.chunks_a_task, step_task, &pass);
    result.update_norm = parameters_join(step->parameters, step->partial, ret_norms);
    result.most = atomic_load(&pass.most);
    result.clipped = pass.updates[1].clip < 1.0f;
    return result;
}
