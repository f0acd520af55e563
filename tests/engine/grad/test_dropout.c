/* SPDX-License-Identifier: Apache-2.0
 * Dropout while training: what it keeps, and its gradient. */
#include "engine/grad/grad.h"
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 100003 };

static const struct grad_case rows[] = {
    {.name = "half", .graph = "const x f32[5,7] ~; const _r f32[] 0.5; y = Dropout(x,_r); out y",
     .by_tape = true},
    {.name = "the usual ratio", .graph = "const x f32[5,7] ~; y = Dropout(x);"
     "out y", .by_tape = true},
    {.name = "training_mode off", .graph =
     "const x f32[5,7] ~; const _r f32[] 0.25; const t bool[] 0;"
     "y = Dropout(x,_r,t); out y", .by_tape = true},
    {.name = "nothing dropped", .graph =
     "const x f32[5,7] ~; const _r f32[] 0; y = Dropout(x,_r); out y",
     .by_tape = true},
    {.name = "all dropped", .graph =
     "const x f32[5,7] ~; const _r f32[] 1; y = Dropout(x,_r); out y",
     .by_tape = true},
    {.name = "between others", .graph = "const x f32[9,70] ~; const _r f32[] 0.3; a = Mul(x,x);"
     "b = Dropout(a,_r); y = Mul(b,x); out y", .by_tape = true},
};

START_TEST(test_differences)
{
    grad_case_check(&rows[_i]);
}
END_TEST

/* One forward pass over ones. */
static void forward(const struct grad_context *context, int node, float ratio, float *y, uint8_t *mask)
{
    static const struct node none = {.op_type = "Dropout"};
    static float ones[COUNT];
    const struct tensor x = {DTYPE_F32, {1, {COUNT}}, ones}, r = {DTYPE_F32, {0, {0}}, &ratio};
    struct tensor out = {DTYPE_F32, {1, {COUNT}}, y}, kept = {DTYPE_BOOL, {1, {COUNT}}, mask};
    const struct tensor *inputs[] = {&x, &r};
    struct tensor *outputs[] = {&out, &kept};
    const struct grad_forward call = {.call = {.node = &none, .n_inputs = 2, .n_outputs = 2,
                                               .inputs = inputs, .outputs = outputs},
                                      .context = context, .node_id = node};
    struct engine_error err = {0};

    for (int i = 0; i < COUNT; i++)
        ones[i] = 1.0f;
    ck_assert_msg(grad_find(op_find("", "Dropout"))->forward(&call, &err) == ENGINE_OK, "%s", err.text);
}

START_TEST(test_what_is_kept)
{
    float *y = malloc(COUNT * sizeof(float)), *other = malloc(COUNT * sizeof(float));
    uint8_t *mask = malloc(COUNT);
    struct grad_context context = {.seed = 11, .step = 4};
    int64_t kept = 0, runs = 0, wrong = 0;

    forward(&context, 3, 0.3f, y, mask);
    for (int i = 0; i < COUNT; i++) {
        wrong += fabsf(y[i] - (mask[i] ? 1.0f / 0.7f : 0.0f)) > 1e-6f;
        kept += mask[i];
        runs += i > 0 && mask[i] != mask[i - 1];
    }
    ck_assert_int_eq(wrong, 0);
    /* Four standard deviations of a fair draw, of single elements and of changes between them. */
    ck_assert_double_eq_tol((double)kept / COUNT, 0.7, 4 * sqrt(0.21 / COUNT));
    ck_assert_double_eq_tol((double)runs / COUNT, 0.42, 6 * sqrt(0.24 / COUNT));
    forward(&context, 3, 0.3f, other, mask);
    ck_assert_mem_eq(y, other, COUNT * sizeof(float));
    forward(&context, 4, 0.3f, other, mask);
    ck_assert_mem_ne(y, other, COUNT * sizeof(float));
    context.step++;
    forward(&context, 3, 0.3f, other, mask);
    ck_assert_mem_ne(y, other, COUNT * sizeof(float));
    context.step--;
    context.seed++;
    forward(&context, 3, 0.3f, other, mask);
    ck_assert_mem_ne(y, other, COUNT * sizeof(float));
    context.deterministic_inference = true;
    forward(&context, 3, 0.3f, other, mask);
    for (int i = 0; i < COUNT; i++)
        wrong += mask[i] != 1 || other[i] != 1.0f;
    ck_assert_int_eq(wrong, 0);
    free(y);
    free(other);
    free(mask);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_dropout");
    TCase *tcase = tcase_create("dropout");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_differences, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, test_what_is_kept);
    suite_add_tcase(suite, tcase);
    return suite;
}
