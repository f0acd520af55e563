/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/loss_targets.h"

#include <math.h>
#include <string.h>

struct loss_form loss_form_default(enum loss_kind kind)
{
    return (struct loss_form){
        .kind = kind, .name = "", .weight = 1.0, .class_axis = 1, .delta = 1.0};
}

static const char *const names[LOSS_KINDS] = {
#define X(name, text) [LOSS_##name] = text,
    LOSS_MAP(X)
#undef X
};

const char *loss_name(enum loss_kind kind)
{
    return names[kind];
}

bool loss_find(const char *name, enum loss_kind *ret_kind)
{
    for (int k = 0; k < LOSS_KINDS; k++)
        if (strcmp(name, names[k]) == 0) {
            *ret_kind = (enum loss_kind)k;
            return true;
        }
    return false;
}

static bool is_number(enum dtype dtype)
{
    return dtype_is_float(dtype) || dtype_is_integer(dtype) || dtype == DTYPE_BOOL;
}

/* Equal but for dimensions of 1. */
static bool same_but_ones(const struct shape *a, const struct shape *b)
{
    int i = 0, j = 0;

    for (;;) {
        while (i < a->rank && a->dims[i] == 1)
            i++;
        while (j < b->rank && b->dims[j] == 1)
            j++;
        if (i == a->rank || j == b->rank)
            return i == a->rank && j == b->rank;
        if (a->dims[i++] != b->dims[j++])
            return false;
    }
}

/* Class ids for values of this shape: without the axis, or with 1 in its place. */
static bool is_ids_shape(const struct shape *values, int axis, const struct shape *ids)
{
    struct shape expected = *values;

    expected.dims[axis] = 1;
    if (shape_equal(&expected, ids))
        return true;
    for (int i = axis; i + 1 < values->rank; i++)
        expected.dims[i] = values->dims[i + 1];
    expected.rank--;
    return shape_equal(&expected, ids);
}

struct loss_layout loss_layout(const struct loss_form *form, const struct shape *values,
                               const struct tensor *targets)
{
    struct loss_layout layout = {TARGETS_UNFIT, shape_elements(values), 1, 1};
    const int axis = form->class_axis;

    if (form->kind != LOSS_CE) {
        if (is_number(targets->dtype) && same_but_ones(values, &targets->shape))
            layout.form = TARGETS_ELEMENTS;
        return layout;
    }
    if (axis < 0 || axis >= values->rank)
        return layout;
    layout.outer = shape_product(values, 0, axis);
    layout.classes = values->dims[axis];
    layout.inner = shape_product(values, axis + 1, values->rank);
    if (shape_equal(values, &targets->shape) && is_number(targets->dtype))
        layout.form = TARGETS_SOFT;
    else if (dtype_is_integer(targets->dtype) && is_ids_shape(values, axis, &targets->shape))
        layout.form = TARGETS_IDS;
    return layout;
}

void loss_load_targets(const struct tensor *targets, int64_t from, int64_t count, float *ret)
{
    if (targets->dtype == DTYPE_F32) {
        memcpy(ret, (const float *)targets->data + from, (size_t)count * sizeof(*ret));
        return;
    }
    for (int64_t i = 0; i < count; i++)
        ret[i] = (float)tensor_double_at(targets, from + i);
}

static enum engine_status refuse(const struct loss_form *form, struct engine_error *err,
                                 const char *what)
{
    return engine_error_set(err, ENGINE_BAD_INPUT, "loss '%s' for '%.64s': %s",
                            loss_name(form->kind), form->name, what);
}

static enum engine_status check_form(const struct loss_form *form, const struct shape *values,
                                     int64_t classes, struct engine_error *err)
{
    int64_t last = values->rank > 0 ? values->dims[values->rank - 1] : 1;

    if (!(form->weight > 0.0) || !isfinite(form->weight))
        return refuse(form, err, "its weight must be a positive number");
    if (form->kind == LOSS_HUBER && (!(form->delta > 0.0) || !isfinite(form->delta)))
        return refuse(form, err, "delta must be a positive number");
    if (form->kind == LOSS_CE && !(form->smoothing >= 0.0 && form->smoothing < 1.0))
        return refuse(form, err, "label smoothing must be at least 0 and less than 1");
    if (form->kind == LOSS_CE && classes < 2)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "loss 'ce' for '%.64s' needs at least 2 classes along dimension %d "
                                "of its output, which has %lld; with one output use 'bce'",
                                form->name, form->class_axis, (long long)classes);
    if (form->class_weights == NULL)
        return ENGINE_OK;
    if (form->kind != LOSS_CE && form->kind != LOSS_BCE)
        return refuse(form, err, "class weights go with 'ce' and 'bce' alone");
    if (form->kind == LOSS_CE ? form->n_class_weights != classes
                              : form->n_class_weights != 1 && form->n_class_weights != last)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "loss '%s' for '%.64s': %lld class weights, expected %lld",
                                loss_name(form->kind), form->name, (long long)form->n_class_weights,
                                (long long)(form->kind == LOSS_CE ? classes : last));
    for (int64_t i = 0; i < form->n_class_weights; i++)
        if (!(form->class_weights[i] >= 0.0f) || !isfinite(form->class_weights[i]))
            return refuse(form, err, "class weights must be finite and not negative");
    return ENGINE_OK;
}

static enum engine_status check_ids(const struct loss_form *form, const struct loss_layout *layout,
                                    const struct tensor *targets, struct engine_error *err)
{
    int64_t count = layout->outer * layout->inner;

    for (int64_t i = 0; i < count; i++) {
        int64_t label = tensor_int_at(targets, i);

        if (label >= 0 && label < layout->classes)
            continue;
        if (form->ignores && label == form->ignore_index)
            continue;
        return engine_error_set(
            err, ENGINE_BAD_INPUT,
            "'%.64s': label %lld at position %lld is out of range: there are %lld "
            "classes, 0 to %lld",
            form->name, (long long)label, (long long)i, (long long)layout->classes,
            (long long)layout->classes - 1);
    }
    return ENGINE_OK;
}

static enum engine_status check_elements(const struct loss_form *form, const struct tensor *targets,
                                         bool probabilities, struct engine_error *err)
{
    int64_t count = shape_elements(&targets->shape);

    for (int64_t i = 0; i < count; i++) {
        double item = tensor_double_at(targets, i);

        if (!isfinite((float)item))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "'%.64s': the target at position %lld is %g; expected a finite "
                                    "number",
                                    form->name, (long long)i, item);
        if (probabilities && !(item >= 0.0 && item <= 1.0))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "'%.64s': the target at position %lld is %g; expected a "
                                    "probability between 0 and 1",
                                    form->name, (long long)i, item);
    }
    return ENGINE_OK;
}

static enum engine_status check_rows(const struct loss_form *form, const struct loss_layout *layout,
                                     const struct tensor *targets, struct engine_error *err)
{
    for (int64_t o = 0; o < layout->outer; o++)
        for (int64_t k = 0; k < layout->inner; k++) {
            double sum = 0.0;

            for (int64_t c = 0; c < layout->classes; c++)
                sum += tensor_double_at(targets, (o * layout->classes + c) * layout->inner + k);
            if (fabs(sum - 1.0) > 1e-3)
                return engine_error_set(
                    err, ENGINE_BAD_INPUT,
                    "'%.64s': the class probabilities of row %lld add up to %g; "
                    "expected 1",
                    form->name, (long long)(o * layout->inner + k), sum);
        }
    return ENGINE_OK;
}

enum engine_status loss_check(const struct loss_form *form, const struct shape *values,
                              const struct tensor *targets, struct engine_error *err)
{
    struct loss_layout layout = loss_layout(form, values, targets);
    char has[SHAPE_TEXT_MAX], wants[SHAPE_TEXT_MAX];
    enum engine_status status;

    if (form->kind == LOSS_CE && (form->class_axis < 0 || form->class_axis >= values->rank))
        return refuse(form, err, "its output has no dimension that counts classes");
    status = check_form(form, values, layout.classes, err);
    if (status != ENGINE_OK)
        return status;
    if (layout.form == TARGETS_UNFIT)
        return engine_error_set(
            err, ENGINE_BAD_INPUT,
            "'%.64s': targets of type %s and shape %s do not fit; expected %s%s", form->name,
            dtype_name(targets->dtype), shape_text(&targets->shape, has, sizeof(has)),
            form->kind == LOSS_CE ? "integer class ids for, or probabilities of, "
                                  : "numbers of shape ",
            shape_text(values, wants, sizeof(wants)));
    if (layout.form == TARGETS_IDS)
        return check_ids(form, &layout, targets, err);
    status = check_elements(form, targets, form->kind == LOSS_CE || form->kind == LOSS_BCE, err);
    if (status == ENGINE_OK && layout.form == TARGETS_SOFT)
        status = check_rows(form, &layout, targets, err);
    return status;
}

double loss_divisor(const struct loss_form *form, const struct shape *values,
                    const struct tensor *targets)
{
    struct loss_layout layout = loss_layout(form, values, targets);
    int64_t count = layout.outer * layout.inner;
    double sum = 0.0;

    if (layout.form != TARGETS_IDS || (form->class_weights == NULL && !form->ignores))
        return (double)count;
    for (int64_t i = 0; i < count; i++) {
        int64_t label = tensor_int_at(targets, i);

        if (form->ignores && label == form->ignore_index)
            continue;
        sum += form->class_weights != NULL ? (double)form->class_weights[label] : 1.0;
    }
    return sum;
}
