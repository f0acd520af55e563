/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/labels.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

static int add(struct labels *labels, const char *name)
{
    return labels_add(labels, name, strlen(name));
}

static const struct {
    const char *given[6], *sorted[6];
} orders[] = {
    {{"cat", "Cat", "ant", "c", NULL}, {"Cat", "ant", "c", "cat", NULL}},
    {{"10", "9", "-3", "2", NULL}, {"-3", "2", "9", "10", NULL}},
    {{"10", "9", "-3", "x", NULL}, {"-3", "10", "9", "x", NULL}},
    {{"\xc3\xa4", "z", "\xf0\x9f\x98\x80", "\xe2\x82\xac", NULL},
     {"z", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", NULL}},
    {{"", "a", NULL}, {"", "a", NULL}},
    {{"-", "1", NULL}, {"-", "1", NULL}},
    {{NULL}, {NULL}},
};

START_TEST(ids_follow_the_sorted_names)
{
    struct labels *labels = labels_create();
    int n = 0;

    for (; orders[_i].given[n] != NULL; n++) {
        ck_assert_int_eq(add(labels, orders[_i].given[n]), n);
        ck_assert_int_eq(add(labels, orders[_i].given[n]), n);
    }
    labels_sort(labels);
    ck_assert_int_eq(labels_count(labels), n);
    for (int id = 0; id < n; id++) {
        ck_assert_str_eq(labels_name(labels, id), orders[_i].sorted[id]);
        ck_assert_int_eq(labels_find(labels, orders[_i].sorted[id], strlen(orders[_i].sorted[id])),
                         id);
    }
    ck_assert_int_eq(labels_find(labels, "unknown", 7), -1);
    labels_destroy(labels);
}
END_TEST

START_TEST(many_names_are_held_up_to_the_limit)
{
    struct labels *labels = labels_create();
    char name[32], long_name[LABEL_BYTES_MAX + 1];

    for (int i = 0; i < LABELS_MAX; i++) {
        snprintf(name, sizeof(name), "name-%d", i * 7);
        ck_assert_int_eq(add(labels, name), i);
    }
    ck_assert_int_eq(add(labels, "one more"), -1);
    ck_assert_int_eq(add(labels, "name-0"), 0);
    labels_sort(labels);
    ck_assert_int_ge(labels_find(labels, "name-7", 6), 0);
    labels_destroy(labels);
    labels_destroy(NULL);
    labels = labels_create();
    memset(long_name, 'x', sizeof(long_name));
    ck_assert_int_eq(labels_add(labels, long_name, sizeof(long_name)), -1);
    ck_assert_int_eq(labels_add(labels, long_name, LABEL_BYTES_MAX), 0);
    labels_destroy(labels);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("labels");
    TCase *tc = tcase_create("labels");

    tcase_add_loop_test(tc, ids_follow_the_sorted_names, 0, sizeof(orders) / sizeof(orders[0]));
    tcase_add_test(tc, many_names_are_held_up_to_the_limit);
    suite_add_tcase(suite, tc);
    return suite;
}
