/* SPDX-License-Identifier: Apache-2.0
 * May requests be joined along dimension 0? Shapes alone do not tell (a Softmax over rows keeps all
 * of them), so a few random rows are run together and one by one, and the answers are compared. */
#include "engine/plan_private.h"
#include "engine/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3 };

/* Sizes tried for dimensions that a file leaves open: networks with strides need more than one. */
static const int64_t free_sizes[] = {8, 1, 32, 64, 224};

struct probe {
    struct model *model;
    struct weights *weights;
    struct runner *runner;
    int n_inputs, n_outputs;
    int64_t free_size;
    struct shape *shapes;
    struct tensor *inputs;     /* ROWS rows of random data */
    struct tensor *row_inputs; /* views of one row of each */
    struct tensor *outputs, *row_outputs;
    void **joined; /* copies of the outputs of the joined run */
};

static void probe_finish(struct probe *probe)
{
    for (int i = 0; i < probe->n_inputs && probe->inputs != NULL; i++)
        free(probe->inputs[i].data);
    for (int i = 0; i < probe->n_outputs && probe->joined != NULL; i++)
        free(probe->joined[i]);
    free(probe->shapes);
    free(probe->inputs);
    free(probe->row_inputs);
    free(probe->outputs);
    free(probe->row_outputs);
    free(probe->joined);
    runner_destroy(probe->runner);
    weights_unref(probe->weights);
}

static bool probe_init(struct probe *probe, struct model *model)
{
    size_t inputs, outputs;

    probe->model = model;
    probe->n_inputs = model_n_inputs(model);
    probe->n_outputs = model_n_outputs(model);
    inputs = (size_t)probe->n_inputs + 1;
    outputs = (size_t)probe->n_outputs + 1;
    probe->weights = model_base_weights(model);
    probe->runner = runner_create(NULL);
    probe->shapes = calloc(inputs, sizeof(*probe->shapes));
    probe->inputs = calloc(inputs, sizeof(*probe->inputs));
    probe->row_inputs = calloc(inputs, sizeof(*probe->row_inputs));
    probe->outputs = calloc(outputs, sizeof(*probe->outputs));
    probe->row_outputs = calloc(outputs, sizeof(*probe->row_outputs));
    probe->joined = calloc(outputs, sizeof(*probe->joined));
    return probe->runner != NULL && probe->shapes != NULL && probe->inputs != NULL &&
           probe->row_inputs != NULL && probe->outputs != NULL && probe->row_outputs != NULL &&
           probe->joined != NULL;
}

/* Plain tensors with a first dimension only. */
static bool may_have_rows(const struct model *model)
{
    for (int i = 0; i < model_n_inputs(model); i++) {
        const struct model_io *io = model_input(model, i);

        if (io->shape.rank < 1 || dtype_size(io->dtype) == 0 || io->dtype >= DTYPE_SEQUENCE ||
            io->dtype == DTYPE_STRING)
            return false;
    }
    return model_n_inputs(model) > 0 && model_n_outputs(model) > 0;
}

static void set_shapes(struct probe *probe, int64_t rows)
{
    for (int i = 0; i < probe->n_inputs; i++) {
        const struct declared_shape *declared = &model_input(probe->model, i)->shape;

        probe->shapes[i].rank = declared->rank;
        probe->shapes[i].dims[0] = rows;
        for (int d = 1; d < declared->rank; d++)
            probe->shapes[i].dims[d] =
                declared->dims[d] >= 0 ? declared->dims[d] : probe->free_size;
    }
}

/* A plan of the probe's own, the declared number of rows notwithstanding. */
static struct plan *plan_rows(struct probe *probe, int64_t rows)
{
    struct engine_error err = {0};

    set_shapes(probe, rows);
    return plan_create(probe->model, probe->shapes, 1, true, &err);
}

/* True if every output of `plan` has `rows` rows and otherwise the shape it has in `other`. */
static bool outputs_scale(const struct probe *probe, const struct plan *plan, int64_t rows,
                          const struct plan *other)
{
    for (int i = 0; i < probe->n_outputs; i++) {
        struct shape shape = *plan_output_shape(plan, i);

        if (shape.rank < 1 || shape.dims[0] != rows)
            return false;
        shape.dims[0] = plan_output_shape(other, i)->dims[0];
        if (!shape_equal(&shape, plan_output_shape(other, i)))
            return false;
    }
    return true;
}

/* The same numbers on every run: xorshift64. Small integers are safe as indices of most tables. */
static double next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) * 0x1p-53;
}

static void fill(struct tensor *tensor, uint64_t *state)
{
    int64_t count = shape_elements(&tensor->shape);

    for (int64_t i = 0; i < count; i++) {
        double number = 2 * next_number(state) - 1;
        bool one = number > 0;

        switch (tensor->dtype) {
        case DTYPE_F32:
            ((float *)tensor->data)[i] = (float)number;
            break;
        case DTYPE_F64:
            ((double *)tensor->data)[i] = number;
            break;
        case DTYPE_F16:
            ((uint16_t *)tensor->data)[i] = f32_to_f16((float)number);
            break;
        case DTYPE_BF16:
            ((uint16_t *)tensor->data)[i] = f32_to_bf16((float)number);
            break;
        default:
            memset((unsigned char *)tensor->data + (size_t)i * dtype_size(tensor->dtype), 0,
                   dtype_size(tensor->dtype));
            ((unsigned char *)tensor->data)[(size_t)i * dtype_size(tensor->dtype)] = one;
        }
    }
}

static bool make_inputs(struct probe *probe)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    set_shapes(probe, ROWS);
    for (int i = 0; i < probe->n_inputs; i++) {
        struct tensor *input = &probe->inputs[i];

        input->dtype = model_input(probe->model, i)->dtype;
        input->shape = probe->shapes[i];
        input->data = malloc(tensor_bytes(input) + 1);
        if (input->data == NULL)
            return false;
        fill(input, &state);
    }
    return true;
}

static bool run_joined(struct probe *probe, struct plan *plan)
{
    struct engine_error err = {0};

    if (runner_run(probe->runner, plan, probe->weights, probe->inputs, probe->outputs, &err) !=
        ENGINE_OK)
        return false;
    for (int i = 0; i < probe->n_outputs; i++) {
        size_t bytes = tensor_bytes(&probe->outputs[i]);

        if (probe->outputs[i].dtype >= DTYPE_STRING && dtype_size(probe->outputs[i].dtype) > 8)
            return false;
        probe->joined[i] = malloc(bytes + 1);
        if (probe->joined[i] == NULL)
            return false;
        if (bytes > 0)
            memcpy(probe->joined[i], probe->outputs[i].data, bytes);
        probe->outputs[i].data = probe->joined[i];
    }
    return true;
}

static bool same_number(double a, double b)
{
    double scale = fabs(a) > fabs(b) ? fabs(a) : fabs(b);

    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= 1e-4 * scale + 1e-6;
}

static bool row_is_the_same(const struct probe *probe, int64_t row)
{
    for (int i = 0; i < probe->n_outputs; i++) {
        int64_t count = shape_elements(&probe->row_outputs[i].shape);

        for (int64_t k = 0; k < count; k++)
            if (!same_number(tensor_double_at(&probe->outputs[i], row * count + k),
                             tensor_double_at(&probe->row_outputs[i], k)))
                return false;
    }
    return true;
}

static bool rows_agree(struct probe *probe, struct plan *joined, struct plan *single)
{
    struct engine_error err = {0};

    if (!make_inputs(probe) || !run_joined(probe, joined))
        return false;
    for (int64_t row = 0; row < ROWS; row++) {
        for (int i = 0; i < probe->n_inputs; i++) {
            probe->row_inputs[i] = probe->inputs[i];
            probe->row_inputs[i].shape.dims[0] = 1;
            probe->row_inputs[i].data = (unsigned char *)probe->inputs[i].data +
                                        (size_t)row * tensor_bytes(&probe->row_inputs[i]);
        }
        if (runner_run(probe->runner, single, probe->weights, probe->row_inputs, probe->row_outputs,
                       &err) != ENGINE_OK ||
            !row_is_the_same(probe, row))
            return false;
    }
    return true;
}

static bool try_plans(struct probe *probe)
{
    struct plan *one = plan_rows(probe, 1);
    struct plan *two = one != NULL ? plan_rows(probe, 2) : NULL;
    struct plan *three = two != NULL ? plan_rows(probe, ROWS) : NULL;
    bool good = three != NULL && one->n_deferred == 0 && two->n_deferred == 0 &&
                three->n_deferred == 0 && outputs_scale(probe, one, 1, three) &&
                outputs_scale(probe, two, 2, three) && outputs_scale(probe, three, ROWS, three) &&
                rows_agree(probe, three, one);

    plan_destroy(one);
    plan_destroy(two);
    plan_destroy(three);
    return good;
}

/* The first open size for which a single row can be planned decides. */
static bool find_free_size(struct probe *probe)
{
    for (size_t i = 0; i < sizeof(free_sizes) / sizeof(free_sizes[0]); i++) {
        struct plan *plan;

        probe->free_size = free_sizes[i];
        plan = plan_rows(probe, 1);
        plan_destroy(plan);
        if (plan != NULL)
            return true;
    }
    return false;
}

bool model_probe_batchable(struct model *model)
{
    struct probe probe = {0};
    bool good = false;

    if (!may_have_rows(model))
        return false;
    if (probe_init(&probe, model))
        good = find_free_size(&probe) && try_plans(&probe);
    probe_finish(&probe);
    model->batchable = good;
    return good;
}
