/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/augment.h"
#include "engine/train/standardise.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct dataset *make(const struct shape *shape, enum dtype dtype, const void *values, int64_t n)
{
    struct dataset_field field = {"x", DATASET_INPUT, dtype, *shape};
    struct dataset *dataset = dataset_create(&field, 1, NULL, NULL);
    const void *data[] = {values};

    ck_assert_int_eq(dataset_append(dataset, data, n, NULL), ENGINE_OK);
    return dataset;
}

/* numpy: a.mean(axis=0), a.std(axis=0) */
START_TEST(columns_have_their_own_statistics)
{
    const double values[4][3] = {{1, 5, 1e9}, {2, 5, 1e9 + 1}, {3, 5, 1e9 + 2}, {10, 5, 1e9 + 3}};
    const double mean[] = {4, 5, 1e9 + 1.5}, deviation[] = {sqrt(12.5), 1, sqrt(1.25)};
    struct shape shape = {1, {3}};
    struct dataset *dataset = make(&shape, DTYPE_F64, values, 4);
    struct standard standard;
    uint32_t part[] = {0, 1};

    ck_assert_int_eq(standard_measure(dataset, 0, NULL, 4, STANDARD_EACH, &standard, NULL),
                     ENGINE_OK);
    ck_assert_int_eq(standard.n, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(standard.mean[i], mean[i], 1e-12 * mean[i]);
        ck_assert_double_eq_tol(standard.deviation[i], deviation[i], 1e-12);
    }
    standard_finish(&standard);
    /* Only the part that is named counts. */
    ck_assert_int_eq(standard_measure(dataset, 0, part, 2, STANDARD_EACH, &standard, NULL),
                     ENGINE_OK);
    ck_assert(standard.mean[0] == 1.5 && standard.deviation[0] == 0.5);
    standard_finish(&standard);
    dataset_destroy(dataset);
}
END_TEST

START_TEST(channels_and_wholes_share_statistics)
{
    const uint8_t values[2][2][2][2] = {{{{0, 2}, {4, 6}}, {{10, 10}, {10, 10}}},
                                        {{{0, 2}, {4, 6}}, {{20, 20}, {20, 20}}}};
    struct shape shape = {3, {2, 2, 2}};
    struct dataset *dataset = make(&shape, DTYPE_U8, values, 2);
    struct standard standard;

    ck_assert_int_eq(standard_measure(dataset, 0, NULL, 2, STANDARD_FIRST, &standard, NULL),
                     ENGINE_OK);
    ck_assert_int_eq(standard.n, 2);
    ck_assert(standard.shape.rank == 3 && standard.shape.dims[0] == 2 &&
              standard.shape.dims[1] == 1 && standard.shape.dims[2] == 1);
    ck_assert_double_eq_tol(standard.mean[0], 3, 1e-14);
    ck_assert_double_eq_tol(standard.mean[1], 15, 1e-14);
    ck_assert_double_eq_tol(standard.deviation[1], 5, 1e-14);
    ck_assert_double_eq_tol(standard.deviation[0], sqrt(5), 1e-14);
    standard_finish(&standard);
    ck_assert_int_eq(standard_measure(dataset, 0, NULL, 2, STANDARD_ALL, &standard, NULL),
                     ENGINE_OK);
    ck_assert_int_eq(standard.n, 1);
    ck_assert_double_eq_tol(standard.mean[0], 9, 1e-14);
    standard_finish(&standard);
    dataset_destroy(dataset);
}
END_TEST

START_TEST(constants_and_bad_values)
{
    float values[] = {0.1f, 0.1f, 0.1f, NAN};
    struct shape scalar = {0, {0}};
    struct dataset *dataset = make(&scalar, DTYPE_F32, values, 4);
    struct standard standard;
    struct engine_error err = {0};

    ck_assert_int_eq(standard_measure(dataset, 0, NULL, 3, STANDARD_EACH, &standard, NULL),
                     ENGINE_OK);
    ck_assert(standard.deviation[0] == 1);
    standard_finish(&standard);
    ck_assert_int_eq(standard_measure(dataset, 0, NULL, 4, STANDARD_EACH, &standard, &err),
                     ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "example 3: 'x' has a value that is not finite");
    dataset_destroy(dataset);
}
END_TEST

enum { CHANNELS = 2, SIDE = 5, ELEMENTS = CHANNELS * SIDE * SIDE };
static const struct shape image = {3, {CHANNELS, SIDE, SIDE}};

static void fill_images(float *values, int64_t n)
{
    for (int64_t i = 0; i < n * ELEMENTS; i++)
        values[i] = (float)(i + 1);
}

/* The same by the definition: every pixel looks up where it comes from. */
static bool is_moved(const float *got, const float *from, int dy, int dx, bool mirrored, bool upended)
{
    for (int c = 0; c < CHANNELS; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int sy = y - dy, sx = x - dx;
                bool inside = sy >= 0 && sy < SIDE && sx >= 0 && sx < SIDE;
                int oy = upended ? SIDE - 1 - sy : sy, ox = mirrored ? SIDE - 1 - sx : sx;
                float expected = inside ? from[(c * SIDE + oy) * SIDE + ox] : -1;

                if (got[(c * SIDE + y) * SIDE + x] != expected)
                    return false;
            }
    return true;
}

START_TEST(images_are_moved_and_mirrored_whole)
{
    enum { N = 400 };
    struct augment augment = {.shift_y = 1, .shift_x = 2, .flip_x = 0.5, .flip_y = 0.25, .fill = -1};
    float *values = malloc(N * ELEMENTS * sizeof(float)), *from = malloc(N * ELEMENTS * sizeof(float));
    uint32_t examples[N];
    int shifts[3][5] = {{0}}, mirrors = 0, upends = 0;

    for (uint32_t i = 0; i < N; i++)
        examples[i] = i;
    fill_images(values, N);
    fill_images(from, N);
    ck_assert_int_eq(augment_check(&augment, &image, NULL), ENGINE_OK);
    augment_apply(&augment, &image, 3, 1, examples, N, values);
    for (int e = 0; e < N; e++) {
        int found = 0;

        for (int k = 0; k < 3 * 5 * 4; k++) {
            int dy = k % 3 - 1, dx = k / 3 % 5 - 2, mirrored = k / 15 % 2, upended = k / 30;

            if (is_moved(values + e * ELEMENTS, from + e * ELEMENTS, dy, dx, mirrored, upended)) {
                found++;
                shifts[dy + 1][dx + 2]++;
                mirrors += mirrored;
                upends += upended;
            }
        }
        ck_assert_int_eq(found, 1);
    }
    for (int k = 0; k < 15; k++)
        ck_assert_int_ge(shifts[k / 5][k % 5], 8);
    ck_assert(mirrors > 150 && mirrors < 250 && upends > 60 && upends < 140);
    free(values);
    free(from);
}
END_TEST

START_TEST(augmentation_ignores_batches_and_changes_with_epochs)
{
    struct augment augment = {.shift_y = 2, .shift_x = 2, .flip_x = 0.5, .noise = 0.5};
    uint32_t examples[] = {7, 100, 3}, two[] = {3, 7};
    float all[3 * ELEMENTS], some[2 * ELEMENTS], later[3 * ELEMENTS];

    fill_images(all, 1);
    for (int e = 1; e < 3; e++)
        memcpy(all + e * ELEMENTS, all, ELEMENTS * sizeof(float));
    memcpy(some, all, sizeof(some));
    memcpy(later, all, sizeof(later));
    augment_apply(&augment, &image, 5, 9, examples, 3, all);
    augment_apply(&augment, &image, 5, 9, two, 2, some);
    augment_apply(&augment, &image, 5, 10, examples, 3, later);
    ck_assert_mem_eq(some, all + 2 * ELEMENTS, ELEMENTS * sizeof(float));
    ck_assert_mem_eq(some + ELEMENTS, all, ELEMENTS * sizeof(float));
    ck_assert_mem_ne(later, all, sizeof(all));
}
END_TEST

START_TEST(noise_has_its_deviation)
{
    enum { SIZE = 200 };
    struct shape shape = {2, {SIZE, SIZE}};
    struct augment augment = {.noise = 2};
    float *values = calloc(SIZE * SIZE, sizeof(float));
    uint32_t example = 0;
    double sum = 0, squares = 0;

    augment_apply(&augment, &shape, 1, 0, &example, 1, values);
    for (int i = 0; i < SIZE * SIZE; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
    }
    ck_assert_double_eq_tol(sum / (SIZE * SIZE), 0, 0.05);
    ck_assert_double_eq_tol(sqrt(squares / (SIZE * SIZE)), 2, 0.05);
    free(values);
}
END_TEST

static const struct {
    const char *text;
    struct augment augment;
    struct shape shape;
} refused[] = {
    {"1 dimensions", {0}, {1, {9}}},
    {"shift by 5, 0", {.shift_y = 5}, {2, {5, 9}}},
    {"shift by 0, -1", {.shift_x = -1}, {2, {5, 9}}},
    {"probability 1.5, 0", {.flip_x = 1.5}, {2, {5, 9}}},
    {"noise of nan", {.noise = NAN}, {2, {5, 9}}},
};

START_TEST(bad_augmentation_is_refused)
{
    struct engine_error err = {0};

    ck_assert_int_eq(augment_check(&refused[_i].augment, &refused[_i].shape, &err),
                     ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, refused[_i].text) != NULL, "%s", err.text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("standardise");
    TCase *tc = tcase_create("standardise"), *images = tcase_create("augment");

    tcase_add_test(tc, columns_have_their_own_statistics);
    tcase_add_test(tc, channels_and_wholes_share_statistics);
    tcase_add_test(tc, constants_and_bad_values);
    suite_add_tcase(suite, tc);
    tcase_add_test(images, images_are_moved_and_mirrored_whole);
    tcase_add_test(images, augmentation_ignores_batches_and_changes_with_epochs);
    tcase_add_test(images, noise_has_its_deviation);
    tcase_add_loop_test(images, bad_augmentation_is_refused, 0,
                        sizeof(refused) / sizeof(refused[0]));
    suite_add_tcase(suite, images);
    return suite;
}
