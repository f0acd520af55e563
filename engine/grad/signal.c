/* SPDX-License-Identifier: Apache-2.0
 * Gradients of DFT and STFT. Both are linear; with real and imaginary parts as two real numbers the
 * transposed map of a transform is the transform with the opposite sign, without its division by the
 * length, or with it if the transform had it. */
#include "engine/grad/families.h"
#include "engine/kernels/fft.h"

#include <string.h>

enum { SIGNAL, DFT_LENGTH, DFT_AXIS, FRAME_STEP = 1, WINDOW, FRAME_LENGTH };

static bool given(const struct grad_call *call, int input)
{
    return input < call->n_inputs && call->inputs[input] != NULL;
}

/* The tables of a transform, then `length` complex numbers. */
static enum engine_status reserve(struct grad_prepare *prepare, int64_t length, struct engine_error *err)
{
    size_t tables = fft_bytes(length);

    if (tables == 0)
        return op_fail(prepare->node, err, "a transform of that length");
    prepare->backward_scratch = tables + (size_t)length * 2 * sizeof(double);
    return ENGINE_OK;
}

static int64_t dft_length(bool onesided, bool inverse, int64_t in, const struct tensor *length)
{
    if (length != NULL && length->dtype != DTYPE_NONE)
        return tensor_int_at(length, 0);
    return onesided && inverse ? 2 * (in - 1) : in;
}

static int dft_axis(const struct shape *shape, const struct tensor *axis)
{
    int ret = shape->rank - 2;

    if (axis != NULL && axis->dtype != DTYPE_NONE)
        shape_axis(tensor_int_at(axis, 0), shape->rank, &ret);
    return ret;
}

static enum engine_status dft_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct tensor *in = prepare->inputs;
    const struct node *node = prepare->node;
    int axis = dft_axis(&in[SIGNAL].shape, prepare->n_inputs > DFT_AXIS ? &in[DFT_AXIS] : NULL);

    return reserve(prepare,
                   dft_length(node_int(node, "onesided", 0) != 0, node_int(node, "inverse", 0) != 0,
                              in[SIGNAL].shape.dims[axis],
                              prepare->n_inputs > DFT_LENGTH ? &in[DFT_LENGTH] : NULL), err);
}

static void add_to(const struct grad_call *call, int64_t at, double item)
{
    float *to = (float *)call->in_grads[SIGNAL]->data + at;

    *to = call->accumulate[SIGNAL] ? *to + (float)item : (float)item;
}

/* A real signal's spectrum was completed from its first half: what its other half was got is theirs. */
static void fold_spectrum(int64_t length, double *data)
{
    for (int64_t k = length / 2 + 1; k < length; k++) {
        data[2 * (length - k)] += data[2 * k];
        data[2 * (length - k) + 1] -= data[2 * k + 1];
        data[2 * k] = data[2 * k + 1] = 0;
    }
}

/* Without the division that a transform would do, or did not. */
static void transform_back(struct fft *fft, bool inverse, double *data)
{
    double factor = inverse ? 1.0 / (double)fft->length : (double)fft->length;

    fft_run(fft, data);
    for (int64_t i = 0; i < 2 * fft->length; i++)
        data[i] *= factor;
}

static enum engine_status dft_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct shape *x = &call->inputs[SIGNAL]->shape, *y = &call->out_grads[0]->shape;
    bool onesided = node_int(call->node, "onesided", 0) != 0;
    bool inverse = node_int(call->node, "inverse", 0) != 0;
    int axis = dft_axis(x, given(call, DFT_AXIS) ? call->inputs[DFT_AXIS] : NULL);
    int64_t parts = x->dims[x->rank - 1], y_parts = y->dims[y->rank - 1], in = x->dims[axis];
    int64_t out = y->dims[axis], inner = shape_product(x, axis + 1, x->rank - 1);
    int64_t length = dft_length(onesided, inverse, in,
                                given(call, DFT_LENGTH) ? call->inputs[DFT_LENGTH] : NULL);
    double *data = (double *)(void *)((char *)call->scratch + fft_bytes(length));
    const float *dy = call->out_grads[0]->data;
    struct fft fft;

    (void)err;
    fft_init(&fft, length, !inverse, call->scratch);
    for (int64_t line = 0; line < shape_product(x, 0, axis) * inner && call->in_grads[SIGNAL] != NULL;
         line++) {
        int64_t o = line / inner, i = line % inner;

        memset(data, 0, (size_t)length * 2 * sizeof(*data));
        for (int64_t k = 0; k < out; k++)
            for (int64_t p = 0; p < y_parts; p++)
                data[2 * k + p] = (double)dy[((o * out + k) * inner + i) * y_parts + p];
        transform_back(&fft, inverse, data);
        if (onesided && inverse)
            fold_spectrum(length, data);
        for (int64_t k = 0; k < in; k++)
            for (int64_t p = 0; p < parts; p++)
                add_to(call, ((o * in + k) * inner + i) * parts + p, k < length ? data[2 * k + p] : 0);
    }
    return ENGINE_OK;
}

static int64_t stft_length(const struct tensor *length, const struct tensor *window)
{
    return length != NULL && length->dtype != DTYPE_NONE ? tensor_int_at(length, 0)
                                                          : shape_elements(&window->shape);
}

static enum engine_status stft_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct tensor *in = prepare->inputs;

    if (!(prepare->wanted & GRAD_BIT(WINDOW)))
        prepare->save_inputs &= ~GRAD_BIT(SIGNAL);
    if (!(prepare->wanted & GRAD_BIT(SIGNAL)))
        prepare->save_inputs &= ~GRAD_BIT(WINDOW);
    return reserve(prepare, stft_length(prepare->n_inputs > FRAME_LENGTH ? &in[FRAME_LENGTH] : NULL,
                                        &in[WINDOW]), err);
}

/* `data` has the gradient of one windowed frame, which began at sample `at`. */
static void back_frame(const struct grad_call *call, const double *data, int64_t length, int64_t at)
{
    int64_t parts = call->inputs[SIGNAL]->shape.dims[2];
    const float *x = call->inputs[SIGNAL]->data;
    const float *window = given(call, WINDOW) ? call->inputs[WINDOW]->data : NULL;
    float *dx = call->in_grads[SIGNAL] != NULL ? call->in_grads[SIGNAL]->data : NULL;
    float *dwindow =
        given(call, WINDOW) && call->in_grads[WINDOW] != NULL ? call->in_grads[WINDOW]->data : NULL;

    for (int64_t i = 0; i < length; i++)
        for (int64_t p = 0; p < parts; p++) {
            double item = data[2 * i + p];

            if (dx != NULL)
                dx[(at + i) * parts + p] += (float)(window != NULL ? item * (double)window[i] : item);
            if (dwindow != NULL)
                dwindow[i] += (float)(item * (double)x[(at + i) * parts + p]);
        }
}

static enum engine_status stft_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct shape *x = &call->inputs[SIGNAL]->shape, *y = &call->out_grads[0]->shape;
    int64_t step = tensor_int_at(call->inputs[FRAME_STEP], 0), frames = y->dims[1], bins = y->dims[2];
    int64_t length = stft_length(given(call, FRAME_LENGTH) ? call->inputs[FRAME_LENGTH] : NULL,
                                 given(call, WINDOW) ? call->inputs[WINDOW] : NULL);
    double *data = (double *)(void *)((char *)call->scratch + fft_bytes(length));
    const float *dy = call->out_grads[0]->data;
    struct fft fft;

    (void)err;
    for (int i = SIGNAL; i <= WINDOW; i += WINDOW - SIGNAL)
        if (i < call->n_inputs && call->in_grads[i] != NULL && !call->accumulate[i])
            memset(call->in_grads[i]->data, 0, tensor_bytes(call->in_grads[i]));
    fft_init(&fft, length, true, call->scratch);
    for (int64_t frame = 0; frame < x->dims[0] * frames; frame++) {
        memset(data, 0, (size_t)length * 2 * sizeof(*data));
        for (int64_t k = 0; k < 2 * bins; k++)
            data[k] = (double)dy[frame * 2 * bins + k];
        transform_back(&fft, false, data);
        back_frame(call, data, length, frame / frames * x->dims[1] + frame % frames * step);
    }
    return ENGINE_OK;
}

#define MADE_OF_A_SIZE(NAME) \
    {.domain = "", .name = NAME, .flags = GRAD_STOPS, .why_not = "it computes with no real input"}

const struct grad_def grads_signal[] = {
    {.domain = "", .name = "DFT", .inputs = GRAD_BIT(SIGNAL), .prepare = dft_prepare,
     .backward = dft_backward},
    {.domain = "", .name = "STFT", .inputs = GRAD_BIT(SIGNAL) | GRAD_BIT(WINDOW),
     .save_inputs = GRAD_BIT(SIGNAL) | GRAD_BIT(WINDOW), .prepare = stft_prepare,
     .backward = stft_backward},
    MADE_OF_A_SIZE("HannWindow"),
    MADE_OF_A_SIZE("HammingWindow"),
    MADE_OF_A_SIZE("BlackmanWindow"),
    MADE_OF_A_SIZE("MelWeightMatrix"),
    {0},
};
