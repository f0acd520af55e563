/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/onnx/suite_case.h"

#include "engine/engine.h"
#include "engine/onnx/onnx_model.h"
#include "tests/onnx/suite_compare.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IO_MAX = 64, SETS_MAX = 1000 };
static const size_t memory_max = (size_t)4 << 30;

struct run {
    const char *directory;
    struct arena *arena; /* what the .pb files hold */
    struct tolerance tolerance;
    struct suite_outcome *outcome;
};

static bool fail(struct run *run, const char *stage, const char *reason)
{
    snprintf(run->outcome->reason, sizeof(run->outcome->reason), "%s: %s", stage, reason);
    return false;
}

/* NULL if the file is not there. The caller frees. */
static void *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        bytes = malloc((size_t)size + 1);
        *ret_size = (size_t)size;
        if (bytes != NULL && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
            free(bytes);
            bytes = NULL;
        }
        if (bytes != NULL)
            bytes[size] = '\0';
    }
    fclose(file);
    return bytes;
}

/* The suite's own tolerance, or what data.json says. */
static void read_tolerance(struct run *run)
{
    static const char *const keys[] = {"\"rtol\"", "\"atol\""};
    double *numbers[] = {&run->tolerance.rtol, &run->tolerance.atol};
    char path[PATH_MAX];
    size_t size;
    char *text;

    run->tolerance = (struct tolerance){.rtol = 1e-3, .atol = 1e-7};
    snprintf(path, sizeof(path), "%s/data.json", run->directory);
    text = read_file(path, &size);
    for (int k = 0; text != NULL && k < 2; k++) {
        const char *at = strstr(text, keys[k]);

        if (at != NULL && (at = strchr(at, ':')) != NULL)
            *numbers[k] = strtod(at + 1, NULL);
    }
    free(text);
}

static bool read_tensor(struct run *run, int set, const char *kind, int index, enum dtype dtype,
                        struct tensor *ret)
{
    struct engine_error err = {0};
    char path[PATH_MAX];
    enum engine_status status;
    size_t size;
    void *bytes;

    snprintf(path, sizeof(path), "%s/test_data_set_%d/%s_%d.pb", run->directory, set, kind, index);
    bytes = read_file(path, &size);
    if (bytes == NULL)
        return fail(run, "data", path + strlen(run->directory));
    if (dtype == DTYPE_SEQUENCE)
        status = onnx_sequence_read(bytes, size, run->arena, ret, &err);
    else if (dtype == DTYPE_OPTIONAL)
        status = onnx_optional_read(bytes, size, run->arena, ret, &err);
    else
        status = onnx_tensor_read(bytes, size, run->arena, ret, &err);
    free(bytes);
    if (status == ENGINE_OK && dtype == DTYPE_BF16 && ret->dtype == DTYPE_U16)
        ret->dtype = DTYPE_BF16; /* NumPy has no such type: the suite wrote its bits */
    return status == ENGINE_OK || fail(run, kind, err.text);
}

static bool has_set(const struct run *run, int set)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/test_data_set_%d", run->directory, set);
    return access(path, F_OK) == 0;
}

static bool compare_outputs(struct run *run, const struct model *model, int set,
                            const struct tensor *outputs)
{
    char text[300], stage[64];

    for (int i = 0; i < model_n_outputs(model); i++) {
        struct tensor expected;

        if (!read_tensor(run, set, "output", i, outputs[i].dtype, &expected))
            return false;
        if (!suite_compare(&outputs[i], &expected, &run->tolerance, text, sizeof(text))) {
            snprintf(stage, sizeof(stage), "output %d", i);
            return fail(run, stage, text);
        }
    }
    return true;
}

static bool run_set(struct run *run, struct model *model, struct runner *runner,
                    struct weights *weights, int set)
{
    struct tensor inputs[IO_MAX] = {0}, outputs[IO_MAX] = {0};
    struct shape shapes[IO_MAX];
    struct engine_error err = {0};
    struct plan *plan;
    bool ok;

    for (int i = 0; i < model_n_inputs(model); i++) {
        if (!read_tensor(run, set, "input", i, model_input(model, i)->dtype, &inputs[i]))
            return false;
        shapes[i] = inputs[i].shape;
    }
    plan = model_plan(model, shapes, 1, &err);
    if (plan == NULL)
        return fail(run, "plan", err.text);
    ok = runner_run(runner, plan, weights, inputs, outputs, &err) == ENGINE_OK ||
         fail(run, "run", err.text);
    ok = ok && compare_outputs(run, model, set, outputs);
    plan_unref(plan);
    return ok;
}

static bool run_model(struct run *run, const void *bytes, size_t size, bool optimise)
{
    struct model_options options = {
        .optimise = optimise,
        .memory_bytes_max = memory_max,
        .plan_bytes_max = memory_max,
    };
    struct engine_error err = {0};
    struct model *model = model_load_bytes(bytes, size, &options, &err);
    struct runner *runner = runner_create(NULL);
    struct weights *weights;
    bool ok = true;

    if (model == NULL || runner == NULL) {
        model_unref(model);
        runner_destroy(runner);
        return fail(run, "load", err.text);
    }
    if (model_n_inputs(model) > IO_MAX || model_n_outputs(model) > IO_MAX)
        ok = fail(run, "load", "more inputs or outputs than the suite's runner takes");
    weights = model_base_weights(model);
    if (ok && !has_set(run, 0))
        ok = fail(run, "data", "no test_data_set_0");
    for (int set = 0; set < SETS_MAX && ok && has_set(run, set); set++)
        ok = run_set(run, model, runner, weights, set);
    weights_unref(weights);
    runner_destroy(runner);
    model_unref(model);
    return ok;
}

/* The first "Name-13" or "Name (node" in the reason; false if there is none. */
static bool family_in_reason(struct suite_outcome *outcome)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *at = outcome->reason;

    while (*at != '\0') {
        size_t length = strspn(at, letters);
        const char *next = at + length;

        if (length > 0 && at[0] >= 'A' && at[0] <= 'Z' &&
            ((next[0] == '-' && next[1] >= '0' && next[1] <= '9') ||
             strncmp(next, " (node", 6) == 0)) {
            snprintf(outcome->family, sizeof(outcome->family), "%.*s", (int)length, at);
            return true;
        }
        at = length > 0 ? next : at + 1;
    }
    return false;
}

/* The operator that the reason names; else the last one of the graph. */
static void name_family(struct run *run, const void *bytes, size_t size)
{
    struct arena *arena = arena_create(memory_max);
    struct engine_error err = {0};
    struct onnx_info info;
    struct graph *graph;

    snprintf(run->outcome->family, sizeof(run->outcome->family), "?");
    if (!family_in_reason(run->outcome) && arena != NULL &&
        onnx_read(bytes, size, -1, arena, &graph, &info, &err) == ENGINE_OK && graph->n_nodes > 0)
        snprintf(run->outcome->family, sizeof(run->outcome->family), "%s",
                 graph->nodes[graph->n_nodes - 1].op_type);
    arena_destroy(arena);
}

void suite_case_run(const char *directory, struct suite_outcome *ret_outcome)
{
    struct run run = {.directory = directory, .outcome = ret_outcome};
    char path[PATH_MAX], reason[sizeof(ret_outcome->reason) - 16];
    size_t size = 0;
    void *bytes;

    memset(ret_outcome, 0, sizeof(*ret_outcome));
    snprintf(path, sizeof(path), "%s/model.onnx", directory);
    bytes = read_file(path, &size);
    run.arena = arena_create(memory_max);
    read_tolerance(&run);
    if (bytes == NULL || run.arena == NULL) {
        fail(&run, "data", "model.onnx cannot be read");
    } else {
        ret_outcome->passed = run_model(&run, bytes, size, false);
        if (ret_outcome->passed && !run_model(&run, bytes, size, true)) {
            ret_outcome->passed = false;
            snprintf(reason, sizeof(reason), "%s", ret_outcome->reason);
            snprintf(ret_outcome->reason, sizeof(ret_outcome->reason), "optimised: %s", reason);
        }
        name_family(&run, bytes, size);
    }
    arena_destroy(run.arena);
    free(bytes);
}
