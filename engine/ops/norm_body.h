/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/norm_body.h - the normalisations for one floating type. Included by norm.c alone, for
 * T float and T double, after it has defined NAME(x) and the row primitives
 *   NAME(sum)(n, x)                       the sum
 *   NAME(sum_squares)(n, shift, x)        the sum of (x - shift)^2
 *   NAME(normalise)(n, shift, factor, scale, bias, x, y)   see vec_normalise_f32()
 *   NAME(scale)(n, shift, factor, offset, x, y)            see vec_scale_f32()
 *   NAME(power)(n, exponent, x)           x = x^exponent, in place
 * Therefore no include guard. */

/* The operand as n values of T: its own data, or `scratch` filled from it. Its elements are n, or
 * broadcast to `shape`, which has n. */
static const T *NAME(operand)(const struct tensor *operand, const struct shape *shape, T *scratch)
{
    struct tensor filled = {.dtype = NAME(dtype), .shape = *shape, .data = scratch};

    if (operand->dtype == NAME(dtype) && shape_elements(&operand->shape) == shape_elements(shape))
        return operand->data;
    elementwise_run_as(NAME(dtype), NULL, &copy_rows, 1, &operand, &filled, NULL);
    return scratch;
}

static void NAME(store)(struct tensor *output, int64_t i, T value)
{
    store_as(NAME(dtype), output->dtype, 1, &value,
             (char *)output->data + (size_t)i * dtype_size(output->dtype));
}

static void NAME(layer_row)(const struct row_norm *norm, const T *scale, const T *bias, int64_t row)
{
    size_t n = (size_t)norm->n;
    const T *x = (const T *)norm->x + row * norm->n;
    T *y = (T *)norm->y + row * norm->n;
    T mean = 0, factor;

    if (!norm->rms)
        mean = NAME(sum)(n, x) / (T)norm->n;
    factor = 1 / NAME(root)(NAME(sum_squares)(n, mean, x) / (T)norm->n + (T)norm->epsilon);
    NAME(normalise)(n, mean, factor, scale, bias, x, y);
    if (norm->mean != NULL)
        NAME(store)(norm->mean, row, mean);
    if (norm->inverse != NULL)
        NAME(store)(norm->inverse, row, factor);
}

static void NAME(layer_rows)(void *arg, int task, int thread)
{
    const struct row_norm *norm = arg;

    (void)thread;
    for (int64_t row = norm->rows * task / norm->tasks; row < norm->rows * (task + 1) / norm->tasks;
         row++)
        NAME(layer_row)(norm, norm->scale, norm->bias, row);
}

/* InstanceNormalization and GroupNormalization: each group is `channels` planes of `plane`
 * elements that share mean and variance; scale and bias are by channel. */
static void NAME(groups)(const struct group_norm *norm, const T *scale, const T *bias, const T *x,
                         T *y)
{
    int64_t n = norm->channels * norm->plane;

    for (int64_t group = 0; group < norm->images * norm->groups; group++) {
        int64_t channel = group % norm->groups * norm->channels;
        T mean = NAME(sum)((size_t)n, x) / (T)n;
        T variance = NAME(sum_squares)((size_t)n, mean, x) / (T)n;
        T factor = 1 / NAME(root)(variance + (T)norm->epsilon);

        for (int64_t c = channel; c < channel + norm->channels; c++) {
            NAME(scale)((size_t)norm->plane, mean, factor * scale[c], bias[c], x, y);
            x += norm->plane;
            y += norm->plane;
        }
    }
}

/* Applies y = x * factor[c] + offset[c]. */
static void NAME(by_channel)(const struct group_norm *norm, const T *factor, const T *offset,
                             const T *x, T *y)
{
    for (int64_t image = 0; image < norm->images; image++) {
        if (norm->plane == 1) {
            NAME(normalise)((size_t)norm->channels, 0, 1, factor, offset, x, y);
        } else {
            for (int64_t c = 0; c < norm->channels; c++)
                NAME(scale)((size_t)norm->plane, 0, factor[c], offset[c], x + c * norm->plane,
                            y + c * norm->plane);
        }
        x += norm->channels * norm->plane;
        y += norm->channels * norm->plane;
    }
}

/* Mean and population variance of each channel over images and plane. */
static void NAME(channel_moments)(const struct group_norm *norm, const T *x, T *mean, T *variance)
{
    int64_t stride = norm->channels * norm->plane;
    T count = (T)(norm->images * norm->plane);

    for (int64_t c = 0; c < norm->channels; c++) {
        T sum = 0, squares = 0;

        for (int64_t image = 0; image < norm->images; image++)
            sum += NAME(sum)((size_t)norm->plane, x + image * stride + c * norm->plane);
        mean[c] = sum / count;
        for (int64_t image = 0; image < norm->images; image++)
            squares += NAME(sum_squares)((size_t)norm->plane, mean[c],
                                         x + image * stride + c * norm->plane);
        variance[c] = squares / count;
    }
}

/* `scratch` has six values of T for each channel. */
static void NAME(batch)(const struct op_call *call, const struct batch_params *params,
                        const struct group_norm *norm, T *scratch)
{
    const struct shape channels = {.rank = 1, .dims = {norm->channels}};
    int64_t n = norm->channels;
    T *factor = scratch, *offset = scratch + n;
    const T *scale = NAME(operand)(call->inputs[1], &channels, factor);
    const T *bias = NAME(operand)(call->inputs[2], &channels, offset);
    const T *mean = NAME(operand)(call->inputs[3], &channels, scratch + 2 * n);
    const T *variance = NAME(operand)(call->inputs[4], &channels, scratch + 3 * n);

    if (params->training) {
        T *batch_mean = scratch + 4 * n, *batch_variance = scratch + 5 * n;
        T momentum = (T)params->momentum;

        NAME(channel_moments)(norm, call->inputs[0]->data, batch_mean, batch_variance);
        for (int64_t c = 0; c < n; c++) {
            T next_mean = mean[c] * momentum + batch_mean[c] * (1 - momentum);
            T next_variance = variance[c] * momentum + batch_variance[c] * (1 - momentum);

            if (call->n_outputs > 1 && call->outputs[1] != NULL)
                NAME(store)(call->outputs[1], c, next_mean);
            if (call->n_outputs > 2 && call->outputs[2] != NULL)
                NAME(store)(call->outputs[2], c, next_variance);
        }
        mean = batch_mean;
        variance = batch_variance;
    }
    for (int64_t c = 0; c < n; c++) {
        T f = scale[c] / NAME(root)(variance[c] + (T)params->epsilon);

        offset[c] = bias[c] - mean[c] * f;
        factor[c] = f;
    }
    NAME(by_channel)(norm, factor, offset, call->inputs[0]->data, call->outputs[0]->data);
}

/* y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta, a block of
 * positions at a time. */
static void NAME(across_channels)(const struct lrn_params *params, const struct group_norm *norm,
                                  const T *x, T *y)
{
    T squares[LRN_BLOCK];
    int64_t below = (params->size - 1) / 2, above = params->size - 1 - below;
    T factor = (T)params->alpha / (T)params->size;

    for (int64_t image = 0; image < norm->images; image++, x += norm->channels * norm->plane,
                 y += norm->channels * norm->plane)
        for (int64_t c = 0; c < norm->channels; c++) {
            int64_t first = c > below ? c - below : 0;
            int64_t last = above < norm->channels - 1 - c ? c + above : norm->channels - 1;

            for (int64_t from = 0; from < norm->plane; from += LRN_BLOCK) {
                int64_t count = norm->plane - from < LRN_BLOCK ? norm->plane - from : LRN_BLOCK;
                const T *in = x + c * norm->plane + from;
                T *out = y + c * norm->plane + from;

                for (int64_t i = 0; i < count; i++)
                    squares[i] = 0;
                for (int64_t k = first; k <= last; k++)
                    for (int64_t i = 0; i < count; i++) {
                        T item = x[k * norm->plane + from + i];

                        squares[i] += item * item;
                    }
                for (int64_t i = 0; i < count; i++)
                    squares[i] = (T)params->bias + factor * squares[i];
                NAME(power)((size_t)count, -(T)params->beta, squares);
                for (int64_t i = 0; i < count; i++)
                    out[i] = in[i] * squares[i];
            }
        }
}
