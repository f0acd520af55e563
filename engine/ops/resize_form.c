/* SPDX-License-Identifier: Apache-2.0
 * Formulas: ONNX operator Resize-19 and its reference evaluator. */
#include "engine/ops/resize_form.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const mode_names[] = {"nearest", "linear", "cubic", NULL};
static const char *const place_names[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_crop_and_resize", "tf_half_pixel_for_nn", NULL,
};
static const char *const round_names[] = {
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL,
};
static const char *const aspect_names[] = {"stretch", "not_larger", "not_smaller", NULL};

/* The position of an attribute's text in a list of names; its default is the first. */
static enum engine_status read_choice(const struct node *node, const char *attribute,
                                      const char *const *names, int *ret, struct engine_error *err)
{
    const char *text = node_string(node, attribute, names[0]);

    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = i;
            return ENGINE_OK;
        }
    }
    return op_unsupported(node, err, "%s '%.64s'", attribute, text);
}

enum engine_status resize_form_read(const struct node *node, struct resize_form *form,
                                    struct engine_error *err)
{
    int mode = 0, place = 0, round = 0, aspect = 0;
    size_t count;
    const int64_t *axes = node_ints(node, "axes", &count);
    enum engine_status status = read_choice(node, "mode", mode_names, &mode, err);

    if (status == ENGINE_OK)
        status = read_choice(node, "coordinate_transformation_mode", place_names, &place, err);
    if (status == ENGINE_OK)
        status = read_choice(node, "nearest_mode", round_names, &round, err);
    if (status == ENGINE_OK)
        status = read_choice(node, "keep_aspect_ratio_policy", aspect_names, &aspect, err);
    if (status == ENGINE_OK && count > SHAPE_RANK_MAX)
        status = op_unsupported(node, err, "%zu axes", count);
    if (status != ENGINE_OK)
        return status;
    form->mode = (enum resize_mode)mode;
    form->place = (enum resize_place)place;
    form->round = (enum resize_round)round;
    form->aspect = (enum resize_aspect)aspect;
    form->antialias = node_int(node, "antialias", 0) != 0 && form->mode != RESIZE_NEAREST;
    form->exclude_outside = node_int(node, "exclude_outside", 0) != 0;
    form->cubic_a = node_float(node, "cubic_coeff_a", -0.75f);
    form->extrapolation = node_float(node, "extrapolation_value", 0.0f);
    form->has_axes = axes != NULL;
    form->n_axes = (int)count;
    for (size_t i = 0; i < count; i++)
        form->axes[i] = axes[i];
    return ENGINE_OK;
}

static enum engine_status axes_by_scales(const struct node *node, const struct tensor *scales,
                                         const int *order, int count, bool crop,
                                         struct resize_axis *axes, struct engine_error *err)
{
    for (int i = 0; i < count; i++) {
        struct resize_axis *axis = &axes[order[i]];
        /* In single precision, as exporters expect: 0.7f of 10 is 7. */
        const float scale = (float)tensor_double_at(scales, i);
        const float span = crop ? (float)(axis->roi_end - axis->roi_start) : 1.0f;
        const float out = floorf((float)axis->in * span * scale);

        if (!(scale > 0) || !isfinite(scale) || !(out >= 0) || out > 9e18f)
            return op_fail(node, err, "scale %d is %g", i, (double)scale);
        axis->scale = scale;
        axis->out = (int64_t)out;
        axis->active = scale != 1.0f || axis->out != axis->in;
    }
    return ENGINE_OK;
}

static enum engine_status axes_by_sizes(const struct node *node, const struct resize_form *form,
                                        const struct tensor *sizes, const int *order, int count,
                                        struct resize_axis *axes, struct engine_error *err)
{
    double common = 0;

    for (int i = 0; i < count; i++) {
        struct resize_axis *axis = &axes[order[i]];
        double scale;

        axis->out = tensor_int_at(sizes, i);
        if (axis->out < 0 || (axis->in == 0 && axis->out != 0))
            return op_fail(node, err, "size %d is %" PRId64 ", of %" PRId64, i, axis->out, axis->in);
        scale = axis->in == 0 ? 1 : (double)axis->out / (double)axis->in;
        if (i == 0 || (form->aspect == ASPECT_NOT_LARGER ? scale < common : scale > common))
            common = scale;
        axis->scale = scale;
        axis->active = axis->out != axis->in;
    }
    for (int i = 0; i < count && form->aspect != ASPECT_STRETCH; i++) {
        struct resize_axis *axis = &axes[order[i]];
        const double out = floor(common * (double)axis->in + 0.5);

        if (!(out < 9e18))
            return op_fail(node, err, "size %d is too large", i);
        axis->scale = common;
        axis->out = (int64_t)out;
        axis->active = common != 1.0 || axis->out != axis->in;
    }
    return ENGINE_OK;
}

enum engine_status resize_form_axes(const struct node *node, const struct resize_form *form,
                                    const struct shape *from, const struct tensor *roi,
                                    const struct tensor *scales, const struct tensor *sizes,
                                    struct resize_axis axes[SHAPE_RANK_MAX],
                                    struct engine_error *err)
{
    const int count = form->has_axes ? form->n_axes : from->rank;
    const struct tensor *given = scales != NULL ? scales : sizes;
    const bool crop = form->place == PLACE_TF_CROP_AND_RESIZE;
    enum engine_status status;
    int order[SHAPE_RANK_MAX];

    for (int d = 0; d < from->rank; d++)
        axes[d] = (struct resize_axis){from->dims[d], from->dims[d], 1, 0, 1, false};
    if ((scales == NULL) == (sizes == NULL))
        return op_fail(node, err, "one of scales and sizes has to be given");
    if (!dtype_is_float(given->dtype) && !dtype_is_integer(given->dtype))
        return op_fail(node, err, "%s are of type %s", scales != NULL ? "scales" : "sizes",
                       dtype_name(given->dtype));
    if (shape_elements(&given->shape) != count)
        return op_fail(node, err, "%" PRId64 " %s for %d axes", shape_elements(&given->shape),
                       scales != NULL ? "scales" : "sizes", count);
    for (int i = 0; i < count; i++) {
        order[i] = i;
        if (form->has_axes && !shape_axis(form->axes[i], from->rank, &order[i]))
            return op_fail(node, err, "axis %" PRId64 " is outside rank %d", form->axes[i],
                           from->rank);
    }
    if (crop && (roi == NULL || !dtype_is_float(roi->dtype) ||
                 shape_elements(&roi->shape) != 2 * count))
        return op_fail(node, err, "roi has to have %d floats", 2 * count);
    for (int i = 0; i < count && crop; i++) {
        axes[order[i]].roi_start = tensor_double_at(roi, i);
        axes[order[i]].roi_end = tensor_double_at(roi, count + i);
    }
    status = scales != NULL ? axes_by_scales(node, scales, order, count, crop, axes, err)
                            : axes_by_sizes(node, form, sizes, order, count, axes, err);
    for (int i = 0; i < count && crop; i++)
        axes[order[i]].active |= axes[order[i]].roi_start != 0 || axes[order[i]].roi_end != 1;
    return status;
}

/* The first neighbour's place relative to the one left of the looked-at point. */
static double first_tap(const struct resize_form *form, double scale)
{
    const double reach = form->mode == RESIZE_CUBIC ? 2 : 1;

    return floor(-reach / (form->antialias && scale < 1 ? scale : 1)) + 1;
}

int64_t resize_taps(const struct resize_form *form, const struct resize_axis *axis)
{
    const double taps = form->mode == RESIZE_NEAREST ? 1 : 2 - 2 * first_tap(form, axis->scale);

    return taps <= 8.0 * (double)axis->in + 16 ? (int64_t)taps : -1;
}

/* Where output element `x` looks, in input elements. */
static double look(const struct resize_form *form, const struct resize_axis *axis, double x)
{
    const double in = (double)axis->in;
    const double out = axis->scale * in;           /* not rounded, as the standard has it */
    const double span = axis->roi_end - axis->roi_start;
    const double half = (x + 0.5) / axis->scale - 0.5;

    switch (form->place) {
    case PLACE_ALIGN_CORNERS:
        return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case PLACE_ASYMMETRIC:
        return x / axis->scale;
    case PLACE_TF_CROP_AND_RESIZE:
        return axis->roi_start * (in - 1) + (axis->out == 1 ? span * (in - 1) / 2
                                             : x * span * (in - 1) / ((double)axis->out - 1));
    case PLACE_PYTORCH_HALF_PIXEL:
        return out == 1 ? -0.5 : half;
    case PLACE_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)axis->out / out) + half;
    case PLACE_TF_HALF_PIXEL_FOR_NN:
        return (x + 0.5) / axis->scale;
    default:
        return half;
    }
}

static int64_t clamp_index(double index, int64_t in)
{
    return index >= (double)(in - 1) ? in - 1 : index > 0 ? (int64_t)index : 0;
}

static double nearest(enum resize_round round, double at)
{
    switch (round) {
    case ROUND_PREFER_FLOOR: return ceil(at - 0.5);
    case ROUND_PREFER_CEIL: return floor(at + 0.5);
    case ROUND_CEIL: return ceil(at);
    default: return floor(at);
    }
}

/* The kernel's height at distance `x`: a triangle, or Keys' cubic with parameter `a` (R. Keys,
 * "Cubic convolution interpolation for digital image processing", 1981). */
static double kernel(const struct resize_form *form, double x)
{
    const double a = form->cubic_a;

    x = fabs(x);
    if (form->mode == RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

bool resize_neighbours(const struct resize_form *form, const struct resize_axis *axis, int64_t x,
                       int64_t taps, int64_t *indices, double *weights)
{
    const double at = look(form, axis, (double)x);
    const double left = floor(at);
    const double first = left + (taps > 1 ? first_tap(form, axis->scale) : 0);
    const double narrow = form->antialias && axis->scale < 1 ? axis->scale : 1;
    double sum = 0;

    if (form->place == PLACE_TF_CROP_AND_RESIZE && !(at >= 0 && at <= (double)(axis->in - 1)))
        return false;
    if (form->mode == RESIZE_NEAREST) {
        indices[0] = clamp_index(nearest(form->round, at), axis->in);
        weights[0] = 1;
        return true;
    }
    for (int64_t i = 0; i < taps; i++) {
        const double index = first + (double)i;
        const bool outside = index < 0 || index >= (double)axis->in;

        indices[i] = clamp_index(index, axis->in);
        weights[i] = form->exclude_outside && outside ? 0 : kernel(form, (index - at) * narrow);
        sum += weights[i];
    }
    for (int64_t i = 0; i < taps && sum != 0; i++)
        weights[i] /= sum;
    return true;
}
