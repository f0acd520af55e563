/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/loss.h"

#include "engine/kernels/vec_math.h"
#include "engine/train/loss_targets.h"

#include <assert.h>
#include <math.h>

/* Elements at a time on the stack; tasks of a run; elements that make a task worth its while. */
enum { BLOCK = 128, TASKS_MAX = 64, TASK_ELEMENTS = 8192 };

/* A run over units: blocks of elements, rows of classes, or blocks of rows that lie side by side.
 * partial[t] is the sum of task t, so that the order of adding is fixed. */
struct loss_pass {
    const struct loss_form *form;
    struct loss_layout layout;
    const float *values;
    const struct tensor *targets;
    float *grad;         /* or NULL */
    double factor;       /* weight / divisor */
    double total_weight; /* CE: of all classes */
    int64_t units, units_a_task, column_blocks;
    double partial[TASKS_MAX];
};

static double mse(const struct loss_pass *pass, int64_t n, const float *x, const float *t,
                  float *grad)
{
    const float twice = (float)(2.0 * pass->factor);
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++) {
        float far = x[i] - t[i];

        sum += (double)far * (double)far;
        if (grad != NULL)
            grad[i] = twice * far;
    }
    return sum;
}

static double mae(const struct loss_pass *pass, int64_t n, const float *x, const float *t,
                  float *grad)
{
    const float factor = (float)pass->factor;
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++) {
        float far = x[i] - t[i];

        sum += fabs((double)far);
        if (grad != NULL)
            grad[i] = far > 0.0f ? factor : far < 0.0f ? -factor : far * 0.0f;
    }
    return sum;
}

static double huber(const struct loss_pass *pass, int64_t n, const float *x, const float *t,
                    float *grad)
{
    const double delta = pass->form->delta;
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++) {
        double far = (double)x[i] - (double)t[i], size = fabs(far);

        sum += size <= delta ? 0.5 * far * far : delta * (size - 0.5 * delta);
        if (grad != NULL)
            grad[i] = (float)(pass->factor * (size <= delta ? far : copysign(delta, far)));
    }
    return sum;
}

/* -w t ln sigmoid(x) - (1 - t) ln(1 - sigmoid(x)), each logarithm as a softplus: nothing cancels.
 */
static double bce(const struct loss_pass *pass, int64_t from, int64_t n, const float *x,
                  const float *t, float *grad)
{
    const struct loss_form *form = pass->form;
    float minus[BLOCK], up[BLOCK], down[BLOCK];
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++)
        minus[i] = -x[i];
    vec_softplus_f32((size_t)n, x, up);
    vec_softplus_f32((size_t)n, minus, down);
    for (int64_t i = 0; i < n; i++) {
        double weight = form->class_weights != NULL
                            ? (double)form->class_weights[(from + i) % form->n_class_weights]
                            : 1.0;

        sum += weight * (double)t[i] * (double)down[i] + (1.0 - (double)t[i]) * (double)up[i];
    }
    if (grad == NULL)
        return sum;
    vec_sigmoid_f32((size_t)n, x, up);
    vec_sigmoid_f32((size_t)n, minus, down);
    for (int64_t i = 0; i < n; i++) {
        float weight = form->class_weights != NULL
                           ? form->class_weights[(from + i) % form->n_class_weights]
                           : 1.0f;

        grad[i] = (float)pass->factor * ((1.0f - t[i]) * up[i] - weight * t[i] * down[i]);
    }
    return sum;
}

static double elements_unit(const struct loss_pass *pass, int64_t unit)
{
    int64_t from = unit * BLOCK;
    int64_t n = pass->layout.outer - from < BLOCK ? pass->layout.outer - from : BLOCK;
    const float *x = pass->values + from;
    float *grad = pass->grad != NULL ? pass->grad + from : NULL;
    float t[BLOCK];

    loss_load_targets(pass->targets, from, n, t);
    switch (pass->form->kind) {
    case LOSS_MSE:
        return mse(pass, n, x, t, grad);
    case LOSS_MAE:
        return mae(pass, n, x, t, grad);
    case LOSS_HUBER:
        return huber(pass, n, x, t, grad);
    default:
        return bce(pass, from, n, x, t, grad);
    }
}

static double class_weight(const struct loss_pass *pass, int64_t c)
{
    return pass->form->class_weights != NULL ? (double)pass->form->class_weights[c] : 1.0;
}

/* A row's loss is sum_c q_c (ln sum e^x - x_c), its gradient p sum_c q_c - q. This is what q is for
 * a class id: `all` times each class's weight, and `hit` more for the label. */
struct label_share {
    int64_t label; /* -1: the row does not count */
    double hit, all, sum;
};

static struct label_share label_share(const struct loss_pass *pass, int64_t row)
{
    const struct loss_form *form = pass->form;
    struct label_share share = {.label = tensor_int_at(pass->targets, row)};

    if (form->ignores && share.label == form->ignore_index) {
        share.label = -1;
        return share;
    }
    share.hit = (1.0 - form->smoothing) * class_weight(pass, share.label);
    share.all = form->smoothing / (double)pass->layout.classes;
    share.sum = share.hit + share.all * pass->total_weight;
    return share;
}

/* q of soft targets. */
static double soft_share(const struct loss_pass *pass, int64_t c, int64_t index)
{
    double t = tensor_double_at(pass->targets, index), smoothing = pass->form->smoothing;

    return class_weight(pass, c) *
           (t * (1.0 - smoothing) + smoothing / (double)pass->layout.classes);
}

/* ln sum e^x of one row of adjacent logits; e^(x - most) in grad, whose sum is *ret_sum. */
static double log_sum(int64_t n, const float *x, float *grad, float *ret_sum)
{
    float most = vec_max_f32((size_t)n, x), sum = 0.0f;

    if (grad != NULL) {
        sum = vec_exp_sum_f32((size_t)n, most, x, grad);
    } else {
        float powers[BLOCK];

        for (int64_t from = 0; from < n; from += BLOCK)
            sum += vec_exp_sum_f32((size_t)(n - from < BLOCK ? n - from : BLOCK), most, x + from,
                                   powers);
    }
    *ret_sum = sum;
    return (double)most + log((double)sum);
}

/* Classes lie side by side (inner is 1), labels are ids. */
static double ids_row(const struct loss_pass *pass, int64_t row)
{
    const int64_t n = pass->layout.classes;
    const float *x = pass->values + row * n;
    float *grad = pass->grad != NULL ? pass->grad + row * n : NULL, sum;
    const struct label_share share = label_share(pass, row);
    double total, loss;

    if (share.label < 0) {
        for (int64_t c = 0; c < n && grad != NULL; c++)
            grad[c] = 0.0f;
        return 0.0;
    }
    total = log_sum(n, x, grad, &sum);
    loss = share.hit * (total - (double)x[share.label]);
    if (share.all > 0.0)
        for (int64_t c = 0; c < n; c++)
            loss += share.all * class_weight(pass, c) * (total - (double)x[c]);
    if (grad == NULL)
        return loss;
    vec_scale_f32((size_t)n, 0.0f, (float)(share.sum * pass->factor / (double)sum), 0.0f, grad,
                  grad);
    grad[share.label] -= (float)(share.hit * pass->factor);
    if (share.all > 0.0)
        for (int64_t c = 0; c < n; c++)
            grad[c] -= (float)(share.all * class_weight(pass, c) * pass->factor);
    return loss;
}

static double soft_row(const struct loss_pass *pass, int64_t row)
{
    const int64_t n = pass->layout.classes;
    const float *x = pass->values + row * n;
    float *grad = pass->grad != NULL ? pass->grad + row * n : NULL, sum;
    double total = log_sum(n, x, grad, &sum), loss = 0.0, shares = 0.0;

    for (int64_t c = 0; c < n; c++) {
        double share = soft_share(pass, c, row * n + c);

        shares += share;
        if (share > 0.0)
            loss += share * (total - (double)x[c]);
    }
    if (grad == NULL)
        return loss;
    for (int64_t c = 0; c < n; c++)
        grad[c] = (float)(pass->factor * (shares * (double)grad[c] / (double)sum -
                                          soft_share(pass, c, row * n + c)));
    return loss;
}

/* ln sum e^x of `count` rows whose classes are `inner` apart. */
static void log_sums(const struct loss_pass *pass, const float *x, int64_t count, double *ret)
{
    const int64_t n = pass->layout.classes, inner = pass->layout.inner;
    float most[BLOCK], powers[BLOCK];

    for (int64_t k = 0; k < count; k++) {
        most[k] = x[k];
        ret[k] = 0.0;
    }
    for (int64_t c = 1; c < n; c++)
        for (int64_t k = 0; k < count; k++) {
            float item = x[c * inner + k];

            most[k] = item > most[k] || item != item ? item : most[k];
        }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t k = 0; k < count; k++)
            powers[k] = x[c * inner + k] - most[k];
        vec_exp_f32((size_t)count, powers, powers);
        for (int64_t k = 0; k < count; k++)
            ret[k] += (double)powers[k];
    }
    for (int64_t k = 0; k < count; k++)
        ret[k] = (double)most[k] + log(ret[k]);
}

/* A block of rows that lie side by side, as pixels do. */
static double columns_unit(const struct loss_pass *pass, int64_t unit)
{
    const int64_t n = pass->layout.classes, inner = pass->layout.inner;
    const int64_t o = unit / pass->column_blocks, from = unit % pass->column_blocks * BLOCK;
    const int64_t count = inner - from < BLOCK ? inner - from : BLOCK;
    const int64_t base = o * n * inner + from;
    struct label_share shares[BLOCK];
    double totals[BLOCK], loss = 0.0;

    log_sums(pass, pass->values + base, count, totals);
    for (int64_t k = 0; k < count; k++) {
        if (pass->layout.form == TARGETS_IDS) {
            shares[k] = label_share(pass, o * inner + from + k);
            continue;
        }
        shares[k] = (struct label_share){.label = 0};
        for (int64_t c = 0; c < n; c++)
            shares[k].sum += soft_share(pass, c, base + c * inner + k);
    }
    for (int64_t c = 0; c < n; c++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t i = base + c * inner + k;
            double share = 0.0, x = (double)pass->values[i];

            if (pass->layout.form == TARGETS_SOFT)
                share = soft_share(pass, c, i);
            else if (shares[k].label >= 0)
                share = shares[k].all * class_weight(pass, c) +
                        (c == shares[k].label ? shares[k].hit : 0.0);
            if (share > 0.0)
                loss += share * (totals[k] - x);
            if (pass->grad != NULL)
                pass->grad[i] =
                    shares[k].label < 0
                        ? 0.0f
                        : (float)(pass->factor * (shares[k].sum * exp(x - totals[k]) - share));
        }
    return loss;
}

static void run_task(void *arg, int task, int thread)
{
    struct loss_pass *pass = arg;
    int64_t from = task * pass->units_a_task, to = from + pass->units_a_task;
    double sum = 0.0;

    (void)thread;
    if (to > pass->units)
        to = pass->units;
    for (int64_t unit = from; unit < to; unit++) {
        if (pass->layout.form == TARGETS_ELEMENTS)
            sum += elements_unit(pass, unit);
        else if (pass->layout.inner > 1)
            sum += columns_unit(pass, unit);
        else
            sum += pass->layout.form == TARGETS_IDS ? ids_row(pass, unit) : soft_row(pass, unit);
    }
    pass->partial[task] = sum;
}

double loss_run(const struct loss_form *form, const struct tensor *values,
                const struct tensor *targets, double divisor, struct tensor *grad,
                struct pool *pool)
{
    struct loss_pass pass = {
        .form = form,
        .layout = loss_layout(form, &values->shape, targets),
        .values = values->data,
        .targets = targets,
        .grad = grad != NULL ? grad->data : NULL,
        .factor = divisor > 0.0 ? form->weight / divisor : 0.0,
    };
    const struct loss_layout *layout = &pass.layout;
    int64_t elements = shape_elements(&values->shape), least;
    double sum = 0.0;
    int tasks;

    assert(values->dtype == DTYPE_F32 && layout->form != TARGETS_UNFIT);
    if (elements == 0)
        return 0.0;
    for (int64_t c = 0; c < layout->classes; c++)
        pass.total_weight += class_weight(&pass, c);
    pass.column_blocks = (layout->inner + BLOCK - 1) / BLOCK;
    pass.units = layout->form == TARGETS_ELEMENTS ? (elements + BLOCK - 1) / BLOCK
                                                  : layout->outer * pass.column_blocks;
    least = (pass.units * TASK_ELEMENTS + elements - 1) / elements;
    pass.units_a_task = (pass.units + TASKS_MAX - 1) / TASKS_MAX;
    if (pass.units_a_task < least)
        pass.units_a_task = least;
    tasks = (int)((pass.units + pass.units_a_task - 1) / pass.units_a_task);
    pool_run(pool, tasks, run_task, &pass);
    for (int t = 0; t < tasks; t++)
        sum += pass.partial[t];
    return sum * pass.factor;
}
