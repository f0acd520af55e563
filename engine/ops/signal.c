/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/signal.c - Fourier transforms: DFT, STFT. All sums are in double precision, so that
 * what is zero by symmetry comes out as zero in float. */
#include "engine/kernels/convert.h"
#include "engine/kernels/fft.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct signal_params {
    bool inverse, onesided;
};

static enum engine_status dft_init(const struct op_init *init, struct engine_error *err)
{
    struct signal_params *params = init->params;

    (void)err;
    params->inverse = node_int(init->node, "inverse", 0) != 0;
    params->onesided = node_int(init->node, "onesided", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status stft_init(const struct op_init *init, struct engine_error *err)
{
    struct signal_params *params = init->params;

    (void)err;
    params->onesided = node_int(init->node, "onesided", 1) != 0;
    return ENGINE_OK;
}

/* The scratch of a transform: its tables, then `length` complex numbers. */
static enum engine_status reserve(struct op_infer *infer, int64_t length, struct engine_error *err)
{
    const size_t tables = fft_bytes(length);

    if (tables == 0)
        return op_fail(infer->node, err, "a transform of length %" PRId64, length);
    infer->scratch_bytes = tables + (size_t)length * 2 * sizeof(double);
    return ENGINE_OK;
}

static enum engine_status check_parts(const struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *signal = &infer->inputs[0];
    char text[SHAPE_TEXT_MAX];
    const int rank = signal->shape.rank;

    if (!dtype_is_float(signal->dtype))
        return op_unsupported(infer->node, err, "type %s", dtype_name(signal->dtype));
    if (rank < 2 || signal->shape.dims[rank - 1] < 1 || signal->shape.dims[rank - 1] > 2)
        return op_fail(infer->node, err, "signal has shape %s, expected [..., 1 or 2]",
                       shape_text(&signal->shape, text, sizeof(text)));
    return ENGINE_OK;
}

static enum engine_status dft_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct signal_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;
    const int rank = shape.rank;
    int64_t position = -2, length;
    enum engine_status status = check_parts(infer, err);
    int axis = 0;

    if (status == ENGINE_OK && operand_present(infer, 2))
        status = operand_int(infer, 2, "axis", &position, err);
    if (status == ENGINE_OK)
        status = operand_axis(infer, position, rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (axis == rank - 1)
        return op_fail(infer->node, err, "axis %d holds real and imaginary parts", axis);
    if (params->onesided && (shape.dims[rank - 1] == 2) != params->inverse)
        return op_fail(infer->node, err, "onesided needs a %s signal",
                       params->inverse ? "complex" : "real");
    length = params->onesided && params->inverse ? 2 * (shape.dims[axis] - 1) : shape.dims[axis];
    if (operand_present(infer, 1))
        status = operand_int(infer, 1, "dft_length", &length, err);
    if (status == ENGINE_OK)
        status = reserve(infer, length, err);
    if (status != ENGINE_OK)
        return status;
    shape.dims[axis] = params->onesided && !params->inverse ? length / 2 + 1 : length;
    shape.dims[rank - 1] = params->onesided && params->inverse ? 1 : 2;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

/* What one line of the tensor is: `count` complex or real numbers `stride` apart from `at`. */
struct line {
    const struct tensor *tensor;
    int64_t at, count, stride, parts;
};

static void load_line(const struct line *line, int64_t length, double *data)
{
    memset(data, 0, (size_t)length * 2 * sizeof(*data));
    for (int64_t i = 0; i < line->count && i < length; i++)
        for (int64_t p = 0; p < line->parts; p++)
            data[2 * i + p] = tensor_double_at(line->tensor, (line->at + i * line->stride) *
                                                                 line->parts + p);
}

/* The other half of a spectrum whose signal is real. */
static void complete_spectrum(int64_t length, double *data)
{
    for (int64_t i = length / 2 + 1; i < length; i++) {
        data[2 * i] = data[2 * (length - i)];
        data[2 * i + 1] = -data[2 * (length - i) + 1];
    }
}

static enum engine_status dft_run(const struct op_call *call, struct engine_error *err)
{
    const struct signal_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const size_t size = dtype_size(to->dtype);
    const int rank = from->shape.rank;
    const int64_t parts = from->shape.dims[rank - 1], to_parts = to->shape.dims[rank - 1];
    int64_t length, inner, outer, in, out;
    struct fft fft;
    double *data;
    int axis = rank - 2;

    (void)err;
    if (operand_given(call, 2))
        shape_axis(tensor_int_at(call->inputs[2], 0), rank, &axis);
    in = from->shape.dims[axis];
    out = to->shape.dims[axis];
    length = params->onesided && params->inverse ? 2 * (in - 1) : in;
    if (operand_given(call, 1))
        length = tensor_int_at(call->inputs[1], 0);
    outer = shape_product(&from->shape, 0, axis);
    inner = shape_product(&from->shape, axis + 1, rank - 1);
    fft_init(&fft, length, params->inverse, call->scratch);
    data = (double *)((char *)call->scratch + fft_bytes(length));
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            const struct line line = {from, o * in * inner + i, in, inner, parts};

            load_line(&line, length, data);
            if (params->onesided && params->inverse)
                complete_spectrum(length, data);
            fft_run(&fft, data);
            for (int64_t k = 0; k < out; k++)
                store_f64(to->dtype, to_parts, data + 2 * k,
                          (char *)to->data + (size_t)(((o * out + k) * inner + i) * to_parts) * size);
        }
    }
    return ENGINE_OK;
}

/* The length of a frame: the operand's, or that of the window. */
static enum engine_status frame_length(const struct op_infer *infer, int64_t *ret,
                                       struct engine_error *err)
{
    const bool window = operand_present(infer, 2);
    enum engine_status status = ENGINE_OK;

    if (operand_present(infer, 3))
        status = operand_int(infer, 3, "frame_length", ret, err);
    else if (window)
        *ret = shape_elements(&infer->inputs[2].shape);
    else
        status = op_fail(infer->node, err, "neither window nor frame_length is given");
    if (status == ENGINE_OK && window && shape_elements(&infer->inputs[2].shape) != *ret)
        status = op_fail(infer->node, err, "the window has %" PRId64 " elements, a frame %" PRId64,
                         shape_elements(&infer->inputs[2].shape), *ret);
    return status;
}

static enum engine_status stft_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct signal_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    struct shape shape = {.rank = 4};
    int64_t step, length;
    enum engine_status status = check_parts(infer, err);

    if (status == ENGINE_OK && from->rank != 3)
        status = op_fail(infer->node, err, "signal has rank %d, expected 3", from->rank);
    if (status == ENGINE_OK)
        status = operand_int(infer, 1, "frame_step", &step, err);
    if (status == ENGINE_OK)
        status = frame_length(infer, &length, err);
    if (status != ENGINE_OK)
        return status;
    if (step < 1 || length < 1 || length > from->dims[1])
        return op_fail(infer->node, err, "frames of %" PRId64 " every %" PRId64 " in %" PRId64
                       " samples", length, step, from->dims[1]);
    if (params->onesided && from->dims[2] == 2)
        return op_fail(infer->node, err, "onesided needs a real signal");
    if (operand_present(infer, 2) && !dtype_is_float(infer->inputs[2].dtype))
        return op_fail(infer->node, err, "window is of type %s", dtype_name(infer->inputs[2].dtype));
    shape.dims[0] = from->dims[0];
    shape.dims[1] = (from->dims[1] - length) / step + 1;
    shape.dims[2] = params->onesided ? length / 2 + 1 : length;
    shape.dims[3] = 2;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return reserve(infer, length, err);
}

static enum engine_status stft_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    const struct tensor *window = operand_given(call, 2) ? call->inputs[2] : NULL;
    struct tensor *to = call->outputs[0];
    const size_t size = dtype_size(to->dtype);
    const int64_t samples = from->shape.dims[1], parts = from->shape.dims[2];
    const int64_t step = tensor_int_at(call->inputs[1], 0);
    const int64_t length = operand_given(call, 3) ? tensor_int_at(call->inputs[3], 0)
                                                  : shape_elements(&window->shape);
    const int64_t frames = to->shape.dims[1], bins = to->shape.dims[2];
    struct fft fft;
    double *data;

    (void)err;
    fft_init(&fft, length, false, call->scratch);
    data = (double *)((char *)call->scratch + fft_bytes(length));
    for (int64_t b = 0; b < from->shape.dims[0]; b++) {
        for (int64_t f = 0; f < frames; f++) {
            const struct line line = {from, b * samples + f * step, length, 1, parts};

            load_line(&line, length, data);
            for (int64_t i = 0; i < length && window != NULL; i++) {
                data[2 * i] *= tensor_double_at(window, i);
                data[2 * i + 1] *= tensor_double_at(window, i);
            }
            fft_run(&fft, data);
            store_f64(to->dtype, 2 * bins, data,
                      (char *)to->data + (size_t)((b * frames + f) * 2 * bins) * size);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_signal[] = {
    {.name = "DFT", .domain = "", .since = 17, .inputs_min = 1, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 2,
     .params_size = sizeof(struct signal_params), .init = dft_init, .infer = dft_infer,
     .run = dft_run},
    {.name = "STFT", .domain = "", .since = 17, .inputs_min = 2, .inputs_max = 4,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 3,
     .params_size = sizeof(struct signal_params), .init = stft_init, .infer = stft_infer,
     .run = stft_run},
    {.name = NULL},
};
