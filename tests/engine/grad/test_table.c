/* SPDX-License-Identifier: Apache-2.0
 * The walk over all operators: each is a view, has a gradient, or says why it has none. */
#include "engine/grad/families.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct grad_def *const families[] = {
#define X(name) grads_##name,
    GRAD_FAMILY_MAP(X)
#undef X
};

enum { N_FAMILIES = sizeof(families) / sizeof(families[0]) };

/* Whether a mask is GRAD_ALL or has bits for operands that there can be alone: `most` of them,
 * OP_VARIADIC for any number. */
static bool fits(uint32_t mask, int most)
{
    return mask == GRAD_ALL || most >= 32 || mask >> most == 0;
}

START_TEST(every_operator_has_one_or_a_reason)
{
    char missing[1024] = "";

    for (const struct op_def *op = op_next(NULL); op != NULL; op = op_next(op)) {
        const struct grad_def *grad = grad_find(op);

        if ((op->flags & OP_VIEW) != 0)
            ck_assert_msg(grad == NULL, "%s%s is a view: it needs no gradient", op->domain, op->name);
        else if (grad == NULL || (grad->backward == NULL && grad->why_not == NULL))
            snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s", op->name);
    }
    ck_assert_msg(missing[0] == '\0', "neither gradient nor reason why not:%s", missing);
}
END_TEST

START_TEST(every_gradient_has_its_operator)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        for (const struct grad_def *grad = families[f]; grad->name != NULL; grad++) {
            const struct op_def *op = op_find(grad->domain, grad->name);

            ck_assert_msg(op != NULL, "there is no operator %s %s", grad->domain, grad->name);
            ck_assert_msg(grad_find(op) == grad, "%s %s has two gradients", grad->domain, grad->name);
        }
    }
}
END_TEST

START_TEST(stops_have_reasons_and_nothing_else)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        for (const struct grad_def *grad = families[f]; grad->name != NULL; grad++) {
            bool stops = (grad->flags & GRAD_STOPS) != 0;

            if (grad->backward != NULL) {
                ck_assert_msg(!stops && grad->inputs != 0, "%s", grad->name);
                continue;
            }
            ck_assert_msg(grad->why_not != NULL && strlen(grad->why_not) > 10, "%s", grad->name);
            ck_assert_msg(grad->inputs == 0 && grad->save_inputs == 0 && grad->save_outputs == 0 &&
                              grad->prepare == NULL && grad->forward == NULL &&
                              (grad->flags & GRAD_INPLACE) == 0,
                          "%s has no backward pass but prepares one", grad->name);
        }
    }
}
END_TEST

START_TEST(masks_name_operands_that_there_are)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        for (const struct grad_def *grad = families[f]; grad->name != NULL; grad++) {
            const struct op_def *op = op_find(grad->domain, grad->name);

            ck_assert_ptr_nonnull(op);
            ck_assert_msg(fits(grad->inputs, op->inputs_max), "%s: gradients of inputs it has not",
                          grad->name);
            ck_assert_msg(fits(grad->save_inputs, op->inputs_max), "%s: keeps inputs it has not", grad->name);
            ck_assert_msg(fits(grad->save_outputs, op->outputs_max), "%s: keeps outputs it has not",
                          grad->name);
            ck_assert_msg(fits(grad->state_inputs, op->inputs_max), "%s: moves on inputs it has not",
                          grad->name);
            ck_assert_msg((grad->state_inputs & grad->inputs) == 0,
                          "%s: an input both has a gradient and is a state", grad->name);
            ck_assert_msg((grad->inputs & op->host_inputs) == 0,
                          "%s: an input whose value decides shapes has no gradient", grad->name);
            ck_assert_msg((op->flags & OP_DYNAMIC) == 0 || grad->backward == NULL,
                          "%s runs in the dynamic executor alone", grad->name);
        }
    }
}
END_TEST

START_TEST(families_are_in_order)
{
    static const char *const names[] = {
#define X(name) #name,
        GRAD_FAMILY_MAP(X)
#undef X
    };

    for (int f = 1; f < N_FAMILIES; f++)
        ck_assert_msg(strcmp(names[f - 1], names[f]) < 0, "%s comes after %s", names[f - 1], names[f]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("table of gradients");
    TCase *tc = tcase_create("table");

    tcase_add_test(tc, every_operator_has_one_or_a_reason);
    tcase_add_test(tc, every_gradient_has_its_operator);
    tcase_add_test(tc, stops_have_reasons_and_nothing_else);
    tcase_add_test(tc, masks_name_operands_that_there_are);
    tcase_add_test(tc, families_are_in_order);
    suite_add_tcase(suite, tc);
    return suite;
}
