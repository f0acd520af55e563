/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/split.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 7, LABEL = 0, VALUE = 1 };

/* Class c has about c times as many examples as class 1, scattered. */
static struct dataset *make_dataset(int64_t n, int64_t *labels)
{
    static const struct dataset_field fields[] = {
        {"label", DATASET_TARGET, DTYPE_I64, {0, {0}}},
        {"value", DATASET_INPUT, DTYPE_F32, {1, {2}}},
    };
    struct dataset *dataset = dataset_create(fields, 2, NULL, NULL);
    float *values = calloc((size_t)n + 1, 2 * sizeof(float));
    const void *data[] = {labels, values};

    for (int64_t i = 0; i < n; i++) {
        uint64_t x = (uint64_t)i * 2654435761u % 28;

        labels[i] = 0;
        for (uint64_t c = 1; c <= CLASSES && x >= c * (c - 1) / 2; c++)
            labels[i] = (int64_t)c - 1;
    }
    ck_assert_int_eq(dataset_append(dataset, data, n, NULL), ENGINE_OK);
    free(values);
    return dataset;
}

static void check_disjoint(const struct split *split, int64_t n, int64_t expected)
{
    uint8_t *seen = calloc((size_t)n + 1, 1);
    int64_t total = 0, m;

    for (int p = 0; p < split->n_parts; p++) {
        const uint32_t *part = split_part(split, p, &m);

        total += m;
        for (int64_t i = 0; i < m; i++) {
            ck_assert_uint_lt(part[i], n);
            ck_assert_int_eq(seen[part[i]]++, 0);
            ck_assert(i == 0 || part[i - 1] < part[i]);
        }
    }
    ck_assert_int_eq(total, expected);
    free(seen);
}

static const struct {
    int64_t n;
    int n_parts;
    double fractions[4];
    int64_t total;
} rows[] = {
    {1000, 3, {0.8, 0.1, 0.1}, 1000}, {1000, 2, {0.7, 0.3}, 1000},     {997, 3, {0.6, 0.2, 0.2}, 997},
    {1000, 2, {0.5, 0.25}, 750},      {100, 1, {1.0}, 100},            {1000, 3, {0.9, 0, 0.1}, 1000},
    {150, 3, {1.0 / 3, 1.0 / 3, 1.0 / 3}, 150}, {12, 2, {0.5, 0.5}, 12},
};

START_TEST(parts_are_disjoint_and_stratified)
{
    int64_t *labels = malloc((size_t)rows[_i].n * sizeof(int64_t)), m;
    struct dataset *dataset = make_dataset(rows[_i].n, labels);

    for (int field = -1; field <= LABEL; field++) {
        struct engine_error err = {0};
        struct split split, again;

        ck_assert_msg(split_fractions(dataset, field, rows[_i].fractions, rows[_i].n_parts, 9,
                                      &split, &err) == ENGINE_OK,
                      "%s", err.text);
        check_disjoint(&split, rows[_i].n, rows[_i].total);
        for (int p = 0; p < rows[_i].n_parts; p++) {
            const uint32_t *part = split_part(&split, p, &m);
            double due = rows[_i].fractions[p] * (double)rows[_i].n;

            ck_assert_msg(fabs((double)m - due) < 1 + 1e-9, "part %d: %d for %g", p, (int)m, due);
            for (int c = 0; field == LABEL && c < CLASSES; c++) {
                int64_t all = 0, here = 0;

                for (int64_t i = 0; i < rows[_i].n; i++)
                    all += labels[i] == c;
                for (int64_t i = 0; i < m; i++)
                    here += labels[part[i]] == c;
                ck_assert_msg(fabs((double)here - rows[_i].fractions[p] * (double)all) < 1 + 1e-9,
                              "part %d, class %d: %d of %d", p, c, (int)here, (int)all);
            }
        }
        /* The same seed gives the same parts. */
        ck_assert_int_eq(split_fractions(dataset, field, rows[_i].fractions, rows[_i].n_parts, 9,
                                         &again, &err),
                         ENGINE_OK);
        ck_assert_mem_eq(split.examples, again.examples,
                         (size_t)rows[_i].total * sizeof(uint32_t));
        split_finish(&again);
        split_finish(&split);
    }
    dataset_destroy(dataset);
    free(labels);
}
END_TEST

START_TEST(folds_are_equal_and_complement_each_other)
{
    const int64_t n = 103;
    int64_t labels[103], m;
    struct dataset *dataset = make_dataset(n, labels);
    struct split split;
    uint32_t others[103];

    ck_assert_int_eq(split_folds(dataset, LABEL, 5, 1, &split, NULL), ENGINE_OK);
    check_disjoint(&split, n, n);
    for (int p = 0; p < 5; p++) {
        const uint32_t *part = split_part(&split, p, &m);

        ck_assert(m == 20 || m == 21);
        ck_assert_int_eq(split_others(&split, p, others), n - m);
        for (int64_t i = 0; i < n - m; i++)
            for (int64_t j = 0; j < m; j++)
                ck_assert_uint_ne(others[i], part[j]);
    }
    split_finish(&split);
    dataset_destroy(dataset);
}
END_TEST

static const struct {
    const char *text;
    int field, n_parts;
    double fractions[2];
} refused[] = {
    {"1.1 together", -1, 2, {0.6, 0.5}},   {"part 1 of the split is -0.1", -1, 2, {0.6, -0.1}},
    {"'value' has none", VALUE, 1, {0.5}}, {"part 1 of the split is nan", -1, 2, {0.6, NAN}},
    {"1 to 1024 parts", -1, 0, {0}},       {"none of the 10 examples", -1, 2, {0.99, 0.01}},
};

START_TEST(bad_splits_are_refused)
{
    int64_t labels[10];
    struct dataset *dataset = make_dataset(10, labels);
    struct engine_error err = {0};
    struct split split;

    ck_assert_int_eq(split_fractions(dataset, refused[_i].field, refused[_i].fractions,
                                     refused[_i].n_parts, 1, &split, &err),
                     ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, refused[_i].text) != NULL, "%d: %s", _i, err.text);
    dataset_destroy(dataset);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("split");
    TCase *tc = tcase_create("split");

    tcase_add_loop_test(tc, parts_are_disjoint_and_stratified, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tc, folds_are_equal_and_complement_each_other);
    tcase_add_loop_test(tc, bad_splits_are_refused, 0, sizeof(refused) / sizeof(refused[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
