/* SPDX-License-Identifier: Apache-2.0
 * Losses and their gradients against PyTorch's, refusals by name, and the same bits from any pool. */
#include "engine/kernels/random.h"
#include "engine/train/loss.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float weights3[3] = {2.0f, 0.5f, 1.25f};

static const struct row {
    const char *name;
    struct loss_form form;
    const char *values, *targets;
    double loss;
    const char *grad;
} rows[] = {
#include "tests/train/loss_cases.h"
};

static void check_grad(const char *name, const struct tensor *actual, const struct tensor *expected)
{
    const float *a = actual->data, *e = expected->data;

    for (int64_t i = 0; i < shape_elements(&expected->shape); i++)
        ck_assert_msg(fabsf(a[i] - e[i]) <= 2e-6f * fabsf(e[i]) + 1e-7f, "%s: gradient %lld is %g, not %g",
                      name, (long long)i, (double)a[i], (double)e[i]);
}

START_TEST(equals_pytorch)
{
    const struct row *row = &rows[_i];
    struct loss_form form = row->form;
    struct arena *arena = arena_create(1 << 24);
    struct tensor values = op_case_tensor(arena, row->values);
    struct tensor targets = op_case_tensor(arena, row->targets);
    struct tensor expected = op_case_tensor(arena, row->grad), grad = expected;
    struct engine_error err = {0};
    double divisor, loss;

    form.name = "y";
    ck_assert_msg(loss_check(&form, &values.shape, &targets, &err) == ENGINE_OK, "%s: %s", row->name,
                  err.text);
    divisor = loss_divisor(&form, &values.shape, &targets);
    grad.data = arena_calloc(arena, 1, tensor_bytes(&expected));
    loss = loss_run(&form, &values, &targets, divisor, &grad, NULL);
    ck_assert_msg(fabs(loss - row->loss) <= 2e-6 * fabs(row->loss), "%s: loss %.9g, not %.9g",
                  row->name, loss, row->loss);
    check_grad(row->name, &grad, &expected);
    ck_assert_msg(loss_run(&form, &values, &targets, divisor, NULL, NULL) == loss ||
                      form.kind == LOSS_CE,
                  "%s: another loss without a gradient", row->name);
    arena_destroy(arena);
}
END_TEST

/* Slices with the divisor of all add up to the whole. */
START_TEST(slices_add_up)
{
    const struct row *row = &rows[_i];
    struct loss_form form = row->form;
    struct arena *arena = arena_create(1 << 24);
    struct tensor values = op_case_tensor(arena, row->values), part = values;
    struct tensor targets = op_case_tensor(arena, row->targets), target_part = targets;
    int64_t n = values.shape.dims[0];
    double divisor = 0.0, loss = 0.0;

    form.name = "y";
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            part.shape.dims[0] = target_part.shape.dims[0] = 1;
            part.data = (char *)values.data + tensor_bytes(&values) / (size_t)n * (size_t)i;
            target_part.data = (char *)targets.data + tensor_bytes(&targets) / (size_t)n * (size_t)i;
            if (pass == 0)
                divisor += loss_divisor(&form, &part.shape, &target_part);
            else
                loss += loss_run(&form, &part, &target_part, divisor, NULL, NULL);
        }
    ck_assert_msg(fabs(loss - row->loss) <= 2e-6 * fabs(row->loss), "%s: slices give %.9g, not %.9g",
                  row->name, loss, row->loss);
    arena_destroy(arena);
}
END_TEST

static const struct refusal {
    const char *name;
    struct loss_form form;
    const char *values, *targets, *says;
} refusals[] = {
    {"label", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[2,2] 0 0 0 0", "i64[2] 1 2",
     "label 2 at position 1 is out of range: there are 2 classes"},
    {"negative label", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[2,2] 0 0 0 0", "i32[2] -1 0",
     "label -1 at position 0"},
    {"one class", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[2,1] 0 0", "i64[2] 0 0",
     "needs at least 2 classes"},
    {"floats as ids", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[2,2] 0 0 0 0", "f32[2] 0 1",
     "targets of type float and shape [2] do not fit"},
    {"rows", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[2,2] 0 0 0 0", "i64[3] 0 0 0",
     "shape [3] do not fit"},
    {"sum", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[1,2] 0 0", "f32[1,2] 0.5 0.6",
     "add up to 1.1"},
    {"two labels", {LOSS_CE, .weight = 1, .class_axis = 1}, "f32[1,2] 0 0", "i64[1,2] 1 1",
     "add up to 2"},
    {"axis", {LOSS_CE, .weight = 1, .class_axis = 2}, "f32[1,2] 0 0", "i64[1] 1", "no dimension"},
    {"smoothing", {LOSS_CE, .weight = 1, .class_axis = 1, .smoothing = 1}, "f32[1,2] 0 0", "i64[1] 1",
     "label smoothing"},
    {"class weights", {LOSS_CE, .weight = 1, .class_axis = 1, .class_weights = weights3,
                       .n_class_weights = 3}, "f32[1,2] 0 0", "i64[1] 1", "3 class weights, expected 2"},
    {"class weights of another loss", {LOSS_MSE, .weight = 1, .class_weights = weights3,
                                       .n_class_weights = 3}, "f32[3] 0 0 0", "f32[3] 1 1 1",
     "'ce' and 'bce' alone"},
    {"weight", {LOSS_MSE, .weight = 0}, "f32[1] 0", "f32[1] 1", "weight must be a positive"},
    {"delta", {LOSS_HUBER, .weight = 1}, "f32[1] 0", "f32[1] 1", "delta must be"},
    {"not a number", {LOSS_MSE, .weight = 1}, "f32[2] 0 0", "f32[2] 1 nan",
     "'y': the target at position 1 is nan; expected a finite number"},
    {"beyond float", {LOSS_MSE, .weight = 1}, "f32[2] 0 0", "f64[2] 1 1e300", "position 1"},
    {"infinite", {LOSS_MAE, .weight = 1}, "f32[1] 0", "f32[1] inf", "expected a finite number"},
    {"no probability", {LOSS_BCE, .weight = 1}, "f32[2] 0 0", "f32[2] 0.5 1.5", "between 0 and 1"},
    {"shape", {LOSS_MSE, .weight = 1}, "f32[2,3] 0 0 0 0 0 0", "f32[3,2] 0 0 0 0 0 0",
     "shape [3,2] do not fit; expected numbers of shape [2,3]"},
    {"strings", {LOSS_MSE, .weight = 1}, "f32[1] 0", "str[1] a", "type string"},
};

START_TEST(refuses)
{
    const struct refusal *row = &refusals[_i];
    struct loss_form form = row->form;
    struct arena *arena = arena_create(1 << 20);
    struct tensor values = op_case_tensor(arena, row->values);
    struct tensor targets = op_case_tensor(arena, row->targets);
    struct engine_error err = {0};

    form.name = "y";
    ck_assert_msg(loss_check(&form, &values.shape, &targets, &err) == ENGINE_BAD_INPUT, "%s: accepted",
                  row->name);
    ck_assert_msg(strstr(err.text, row->says) != NULL, "%s: says '%s'", row->name, err.text);
    arena_destroy(arena);
}
END_TEST

/* What is ignored altogether costs nothing and moves nothing. */
START_TEST(all_ignored)
{
    struct loss_form form = loss_form_default(LOSS_CE);
    float x[4] = {1, 2, 3, 4}, g[4] = {9, 9, 9, 9};
    int64_t ids[2] = {7, 7};
    struct tensor values = {DTYPE_F32, {2, {2, 2}}, x}, grad = {DTYPE_F32, {2, {2, 2}}, g};
    struct tensor targets = {DTYPE_I64, {1, {2}}, ids};

    form.ignores = true;
    form.ignore_index = 7;
    ck_assert(loss_divisor(&form, &values.shape, &targets) == 0.0);
    ck_assert(loss_run(&form, &values, &targets, 0.0, &grad, NULL) == 0.0);
    for (int i = 0; i < 4; i++)
        ck_assert(g[i] == 0.0f);
}
END_TEST

START_TEST(same_bits_from_any_pool)
{
    enum { ROWS = 300, CLASSES = 257 };
    struct pool *pool = pool_create(3, 0);
    float *x = malloc(3 * sizeof(float) * ROWS * CLASSES), *one = x + ROWS * CLASSES;
    float *three = one + ROWS * CLASSES;
    int64_t ids[ROWS];
    const struct tensor values = {DTYPE_F32, {2, {ROWS, CLASSES}}, x};
    const struct tensor labels = {DTYPE_I64, {1, {ROWS}}, ids};
    struct tensor grad_one = values, grad_three = values;

    ck_assert(pool != NULL && x != NULL);
    for (int i = 0; i < ROWS * CLASSES; i++)
        x[i] = (float)random_normal(1, (uint64_t)i);
    for (int i = 0; i < ROWS; i++)
        ids[i] = i * 7 % CLASSES;
    grad_one.data = one;
    grad_three.data = three;
    for (int kind = 0; kind < LOSS_KINDS; kind++) {
        struct loss_form form = loss_form_default((enum loss_kind)kind);
        const struct tensor *targets = kind == LOSS_CE ? &labels : &values;
        double a = loss_run(&form, &values, targets, 3.0, &grad_one, NULL);
        double b = loss_run(&form, &values, targets, 3.0, &grad_three, pool);

        ck_assert_msg(memcmp(&a, &b, sizeof(a)) == 0, "%s: loss", loss_name(form.kind));
        ck_assert_msg(memcmp(one, three, sizeof(float) * ROWS * CLASSES) == 0, "%s: gradient",
                      loss_name(form.kind));
    }
    free(x);
    pool_destroy(pool);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("loss");
    TCase *tc = tcase_create("loss");

    tcase_add_loop_test(tc, equals_pytorch, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, slices_add_up, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, refuses, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tc, all_ignored);
    tcase_add_test(tc, same_bits_from_any_pool);
    suite_add_tcase(suite, tc);
    return suite;
}
