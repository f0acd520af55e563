/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/signal_window.c - tables of signal processing: HannWindow, HammingWindow,
 * BlackmanWindow, MelWeightMatrix. Computed in double precision, whatever the output's type. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* w[n] = a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N) */
struct cosines {
    double a0, a1, a2;
};

struct window_params {
    struct cosines cosines;
    enum dtype dtype;
    bool periodic;
};

static const struct { const char *name; struct cosines cosines; } windows[] = {
    {"HannWindow", {0.5, 0.5, 0}},
    {"HammingWindow", {25.0 / 46.0, 1 - 25.0 / 46.0, 0}},
    {"BlackmanWindow", {0.42, 0.5, 0.08}},
};

static enum engine_status read_dtype(const struct op_init *init, enum dtype *ret,
                                     struct engine_error *err)
{
    *ret = (enum dtype)node_int(init->node, "output_datatype", DTYPE_F32);
    if (!dtype_is_float(*ret) && !dtype_is_integer(*ret))
        return op_unsupported(init->node, err, "output_datatype %d", (int)*ret);
    return ENGINE_OK;
}

static enum engine_status window_init(const struct op_init *init, struct engine_error *err)
{
    struct window_params *params = init->params;

    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
        if (strcmp(init->node->op_type, windows[i].name) == 0)
            params->cosines = windows[i].cosines;
    params->periodic = node_int(init->node, "periodic", 1) != 0;
    return read_dtype(init, &params->dtype, err);
}

static enum engine_status window_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct window_params *params = infer->params;
    struct shape shape = {.rank = 1};
    enum engine_status status = operand_int(infer, 0, "size", &shape.dims[0], err);

    if (status == ENGINE_OK && shape.dims[0] < 0)
        status = op_fail(infer->node, err, "size is %" PRId64, shape.dims[0]);
    infer_output(infer, 0, params->dtype, &shape);
    return status;
}

static void store_number(struct tensor *tensor, int64_t i, double x)
{
    store_f64(tensor->dtype, 1, &x, (char *)tensor->data + (size_t)i * dtype_size(tensor->dtype));
}

static enum engine_status window_run(const struct op_call *call, struct engine_error *err)
{
    const struct window_params *params = call->params;
    const struct cosines *c = &params->cosines;
    const int64_t size = call->outputs[0]->shape.dims[0];
    const double period = (double)(params->periodic ? size : size - 1);

    (void)err;
    for (int64_t n = 0; n < size; n++) {
        const double angle = 2 * M_PI * (double)n / period;

        /* A symmetric window of one element has no period: it is all peak. */
        store_number(call->outputs[0], n,
                     period == 0 ? 1 : c->a0 - c->a1 * cos(angle) + c->a2 * cos(2 * angle));
    }
    return ENGINE_OK;
}

struct mel_params {
    enum dtype dtype;
};

static enum engine_status mel_init(const struct op_init *init, struct engine_error *err)
{
    struct mel_params *params = init->params;

    return read_dtype(init, &params->dtype, err);
}

static enum engine_status mel_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct mel_params *params = infer->params;
    struct shape shape = {.rank = 2};
    int64_t bins, dft_length, rate;
    double low, high;
    enum engine_status status = operand_int(infer, 0, "num_mel_bins", &bins, err);

    if (status == ENGINE_OK)
        status = operand_int(infer, 1, "dft_length", &dft_length, err);
    if (status == ENGINE_OK)
        status = operand_int(infer, 2, "sample_rate", &rate, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 3; i < 5; i++)
        if (!dtype_is_float(infer->inputs[i].dtype) || shape_elements(&infer->inputs[i].shape) != 1)
            return op_fail(infer->node, err, "the edges have to be floats");
    low = tensor_double_at(&infer->inputs[3], 0);
    high = tensor_double_at(&infer->inputs[4], 0);
    if (bins < 0 || dft_length < 0 || rate < 1 || !(low >= 0) || !(high > low) || !isfinite(high))
        return op_fail(infer->node, err, "%" PRId64 " bins of %" PRId64 " points at %" PRId64
                       " Hz from %g to %g Hz", bins, dft_length, rate, low, high);
    shape.dims[0] = dft_length / 2 + 1;
    shape.dims[1] = bins;
    infer_output(infer, 0, params->dtype, &shape);
    return ENGINE_OK;
}

static double hertz_to_mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

/* Edge `i` of the bins, as a row of the spectrogram, which it may lie beyond. */
static int64_t mel_edge(const struct op_call *call, int64_t i)
{
    const int64_t edges = tensor_int_at(call->inputs[0], 0) + 2;
    const double low = hertz_to_mel(tensor_double_at(call->inputs[3], 0));
    const double high = hertz_to_mel(tensor_double_at(call->inputs[4], 0));
    const double mel = low + (double)i * (high - low) / (double)edges;
    const double row = floor(((double)tensor_int_at(call->inputs[1], 0) + 1) * 700 *
                             (pow(10, mel / 2595) - 1) / (double)tensor_int_at(call->inputs[2], 0));

    return row < 0 ? 0 : row < 9e15 ? (int64_t)row : INT64_MAX / 2;
}

static enum engine_status mel_run(const struct op_call *call, struct engine_error *err)
{
    struct tensor *to = call->outputs[0];
    const int64_t rows = to->shape.dims[0], bins = to->shape.dims[1];

    (void)err;
    for (int64_t i = 0; i < rows * bins; i++)
        store_number(to, i, 0);
    for (int64_t bin = 0; bin < bins; bin++) {
        const int64_t low = mel_edge(call, bin), centre = mel_edge(call, bin + 1);
        const int64_t high = mel_edge(call, bin + 2);

        if (low == centre && centre < rows)
            store_number(to, centre * bins + bin, 1);
        for (int64_t j = low; j <= centre && j < rows && low < centre; j++)
            store_number(to, j * bins + bin, (double)(j - low) / (double)(centre - low));
        for (int64_t j = centre; j < high && j < rows; j++)
            store_number(to, j * bins + bin, (double)(high - j) / (double)(high - centre));
    }
    return ENGINE_OK;
}

#define WINDOW(op) \
    {.name = (op), .domain = "", .since = 17, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 0, \
     .params_size = sizeof(struct window_params), .init = window_init, .infer = window_infer, \
     .run = window_run}

const struct op_def ops_signal_window[] = {
    WINDOW("HannWindow"),
    WINDOW("HammingWindow"),
    WINDOW("BlackmanWindow"),
    {.name = "MelWeightMatrix", .domain = "", .since = 17, .inputs_min = 5, .inputs_max = 5,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 0x1f,
     .params_size = sizeof(struct mel_params), .init = mel_init, .infer = mel_infer,
     .run = mel_run},
    {.name = NULL},
};
