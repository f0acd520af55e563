/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/curve.h"
#include "engine/train/labels.h"
#include "tests/support/run_suite.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct curve_point points[] = {
    {0, 2.5, NAN, 0.1, NAN, 0.01, 1.25},
    {1, 1.25, 1.5, 0.5, 0.45, 0.01, 1.5},
    {2, 0.625, 1.0, 0.75, 0.625, 0.001, 1.5},
    {3, 0.005, 1.75, 0.875, 0.6, 0.001, 1.5},
};
static const struct curve curve = {"digits <b> & co", "accuracy", points, 4, 2};

START_TEST(the_table_has_a_line_for_each_epoch)
{
    static const char expected[] =
        "epoch,train_loss,validation_loss,train_accuracy,validation_accuracy,learning_rate,seconds\n"
        "0,2.5,,0.1,,0.01,1.25\n"
        "1,1.25,1.5,0.5,0.45,0.01,1.5\n"
        "2,0.625,1,0.75,0.625,0.001,1.5\n"
        "3,0.005,1.75,0.875,0.6,0.001,1.5\n";
    size_t length;
    char *text;

    /* Whatever the locale, if there is one with a comma. */
    setlocale(LC_ALL, "de_DE.UTF-8");
    text = curve_csv(&curve, &length);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(length, strlen(expected));
    free(text);
}
END_TEST

static int count(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

/* Every tag that is opened is closed. */
static void check_well_formed(const char *svg)
{
    static const char *const names[] = {"svg", "title", "style", "text"};
    char open[16], closed[16];

    for (int i = 0; i < 4; i++) {
        snprintf(open, sizeof(open), "<%s", names[i]);
        snprintf(closed, sizeof(closed), "</%s>", names[i]);
        ck_assert_int_eq(count(svg, open), count(svg, closed));
    }
    ck_assert_int_eq(count(svg, "<line") + count(svg, "<polyline") + count(svg, "<circle") +
                         count(svg, "<rect"),
                     count(svg, "/>"));
    ck_assert_int_eq(count(svg, "nan") + count(svg, "inf"), 0);
}

START_TEST(the_picture_has_both_panels)
{
    size_t length;
    char *svg = curve_svg(&curve, &length);

    ck_assert_uint_eq(length, strlen(svg));
    check_well_formed(svg);
    ck_assert_int_eq(count(svg, "<polyline"), 4);
    ck_assert_int_eq(count(svg, "class=\"best\""), 1);
    ck_assert_int_eq(count(svg, "digits &lt;b> &amp; co"), 1);
    ck_assert_int_eq(count(svg, ">accuracy<"), 1);
    ck_assert_int_eq(count(svg, "loss (logarithmic)"), 1);
    ck_assert_int_eq(count(svg, "prefers-color-scheme: dark"), 1);
    /* The accuracy of epoch 2 lies between 0 and 1, at its place: 0.75 of the range from 0 to 1. */
    ck_assert_ptr_nonnull(strstr(svg, "488.0,"));
    free(svg);
}
END_TEST

static const struct {
    struct curve_point points[3];
    int64_t n;
    const char *has;
} sparse[] = {
    {{{0}}, 0, "nothing was measured"},
    {{{5, NAN, NAN, NAN, NAN, NAN, NAN}}, 1, "nothing was measured"},
    {{{5, 1, NAN, NAN, NAN, NAN, NAN}}, 1, "<circle class=\"dot train\""},
    {{{0, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}}, 2, "<polyline"},
    {{{0, 1, 1, 1, 1, 1, 1}, {1, NAN, NAN, NAN, NAN, 1, 1}, {2, INFINITY, 2, 3, 4, 1, 1}}, 3, "<circle"},
    {{{0, 1e300, 1e-300, 0, 0, 0, 0}, {1, -1e300, 1, 0, 0, 0, 0}}, 2, "<polyline"},
};

START_TEST(sparse_curves_are_drawn)
{
    struct curve few = {NULL, "m", sparse[_i].points, sparse[_i].n, -1};
    size_t length;
    char *svg = curve_svg(&few, &length);

    check_well_formed(svg);
    ck_assert_msg(strstr(svg, sparse[_i].has) != NULL, "%d:\n%s", _i, svg);
    free(svg);
}
END_TEST

START_TEST(a_confusion_matrix_is_aligned)
{
    static const double confusion[] = {5, 1, 0, 0, 123456, 0.5, 0, 0, 0};
    static const char expected[] =
        "                  cat fledermaus     b\xc3\xa4renk  recall\n"
        "       cat          5          1          0  0.8333\n"
        "fledermaus          0     123456        0.5  1.0000\n"
        "    b\xc3\xa4renk          0          0          0  -\n";
    struct labels *labels = labels_create();
    size_t length;
    char *text;

    labels_add(labels, "cat", 3);
    labels_add(labels, "fledermaus", 10);
    labels_add(labels, "b\xc3\xa4renk", 7);
    text = confusion_text(confusion, 3, labels, &length);
    ck_assert_str_eq(text, expected);
    free(text);
    text = confusion_text(confusion, 3, NULL, &length);
    ck_assert_int_eq(strncmp(text, "            0      1      2  recall\n", 36), 0);
    free(text);
    labels_destroy(labels);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("curve");
    TCase *tc = tcase_create("curve");

    tcase_add_test(tc, the_table_has_a_line_for_each_epoch);
    tcase_add_test(tc, the_picture_has_both_panels);
    tcase_add_loop_test(tc, sparse_curves_are_drawn, 0, sizeof(sparse) / sizeof(sparse[0]));
    tcase_add_test(tc, a_confusion_matrix_is_aligned);
    suite_add_tcase(suite, tc);
    return suite;
}
