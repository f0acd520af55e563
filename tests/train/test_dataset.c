/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/dataset.h"
#include "engine/train/labels.h"
#include "tests/support/run_suite.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 37 };

static const struct dataset_field fields[] = {
    {"pixels", DATASET_INPUT, DTYPE_U8, {1, {WIDTH}}},
    {"temperature", DATASET_INPUT, DTYPE_F64, {0, {0}}},
    {"label", DATASET_TARGET, DTYPE_I64, {0, {0}}},
};
enum { PIXELS, TEMPERATURE, LABEL, N_FIELDS };

static uint8_t pixel_of(int64_t example, int64_t i)
{
    return (uint8_t)(example * 131 + i * 7);
}

static double temperature_of(int64_t example)
{
    return (double)example / 3.0;
}

/* Adds examples first .. first + n - 1 of the pattern above. */
static enum engine_status append_pattern(struct dataset *dataset, int64_t first, int64_t n,
                                         struct engine_error *err)
{
    uint8_t *pixels = malloc((size_t)n * WIDTH);
    double *temperatures = malloc((size_t)n * sizeof(double));
    int64_t *labels = malloc((size_t)n * sizeof(int64_t));
    const void *data[N_FIELDS] = {pixels, temperatures, labels};
    enum engine_status status;

    for (int64_t e = 0; e < n; e++) {
        for (int64_t i = 0; i < WIDTH; i++)
            pixels[e * WIDTH + i] = pixel_of(first + e, i);
        temperatures[e] = temperature_of(first + e);
        labels[e] = -(first + e);
    }
    status = dataset_append(dataset, data, n, err);
    free(pixels);
    free(temperatures);
    free(labels);
    return status;
}

static void check_examples(const struct dataset *dataset, const uint32_t *examples, int64_t n)
{
    float *pixels = malloc((size_t)n * WIDTH * sizeof(float));
    float *temperatures = malloc((size_t)n * sizeof(float));
    int32_t *labels = malloc((size_t)n * sizeof(int32_t));
    struct tensor a = {.dtype = DTYPE_F32, .data = pixels};
    struct tensor b = {.dtype = DTYPE_F32, .data = temperatures};
    struct tensor c = {.dtype = DTYPE_I32, .data = labels};
    struct engine_error err = {0};

    ck_assert_int_eq(dataset_gather(dataset, PIXELS, examples, n, &a, &err), ENGINE_OK);
    ck_assert_int_eq(dataset_gather(dataset, TEMPERATURE, examples, n, &b, &err), ENGINE_OK);
    ck_assert_int_eq(dataset_gather(dataset, LABEL, examples, n, &c, &err), ENGINE_OK);
    for (int64_t e = 0; e < n; e++) {
        for (int64_t i = 0; i < WIDTH; i++)
            ck_assert_msg(pixels[e * WIDTH + i] == (float)pixel_of(examples[e], i),
                          "example %u, pixel %d", examples[e], (int)i);
        ck_assert_msg(temperatures[e] == (float)temperature_of(examples[e]), "example %u",
                      examples[e]);
        ck_assert_int_eq(labels[e], -(int64_t)examples[e]);
    }
    free(pixels);
    free(temperatures);
    free(labels);
}

static const struct {
    const char *name;
    size_t memory_bytes_max;
    int64_t examples, step;
    bool spills;
} sizes[] = {
    {"all in memory", 0, 5000, 777, false},
    {"an example a chunk", 1024, 300, 1, true},
    {"half in a file", 1 << 17, 5000, 1000, true},
    {"mostly in a file", 1 << 16, 50000, 4096, true},
    {"one append", 1 << 16, 20000, 20000, true},
};

START_TEST(examples_come_back_from_memory_and_file)
{
    struct dataset_options options = {.memory_bytes_max = sizes[_i].memory_bytes_max,
                                      .spill_dir = "/tmp"};
    struct engine_error err = {0};
    struct dataset *dataset = dataset_create(fields, N_FIELDS, &options, &err);
    uint64_t state = test_seed();
    uint32_t examples[200];
    double first[8];
    struct tensor tensor = {.dtype = DTYPE_F64, .data = first};

    ck_assert_msg(dataset != NULL, "%s", err.text);
    for (int64_t e = 0; e < sizes[_i].examples; e += sizes[_i].step) {
        int64_t n = sizes[_i].examples - e;

        n = n < sizes[_i].step ? n : sizes[_i].step;
        ck_assert_msg(append_pattern(dataset, e, n, &err) == ENGINE_OK, "%s", err.text);
    }
    ck_assert_int_eq(dataset_n_examples(dataset), sizes[_i].examples);
    ck_assert_int_eq(dataset_spilled_bytes(dataset) > 0, sizes[_i].spills);
    if (sizes[_i].memory_bytes_max > 0)
        ck_assert_uint_le(dataset_memory_bytes(dataset), sizes[_i].memory_bytes_max);
    for (int round = 0; round < 50 * test_scale(); round++) {
        uint64_t start = test_random(&state) % (uint64_t)sizes[_i].examples;

        for (int i = 0; i < 200; i++)
            examples[i] = (uint32_t)(round % 2 == 0
                                         ? test_random(&state) % (uint64_t)sizes[_i].examples
                                         : (start + (uint64_t)i) % (uint64_t)sizes[_i].examples);
        check_examples(dataset, examples, 200);
    }
    ck_assert_int_eq(dataset_read(dataset, TEMPERATURE, sizes[_i].examples - 8, 8, &tensor, &err),
                     ENGINE_OK);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq(first[i], temperature_of(sizes[_i].examples - 8 + i));
    dataset_destroy(dataset);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
/* What malloc has given out grows by no more than the option, whatever goes in. */
START_TEST(memory_is_bounded)
{
    const size_t bound = 4 << 20;
    struct dataset_options options = {.memory_bytes_max = bound, .spill_dir = "/tmp"};
    struct dataset_field image = {"image", DATASET_INPUT, DTYPE_F32, {3, {3, 32, 32}}};
    struct dataset *dataset = dataset_create(&image, 1, &options, NULL);
    float *block = calloc(64, 3 * 32 * 32 * sizeof(float));
    const void *data[] = {block};
    struct mallinfo2 before = mallinfo2(), after;

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(dataset_append(dataset, data, 64, NULL), ENGINE_OK);
    after = mallinfo2();
    ck_assert_uint_le(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd,
                      bound + 65536);
    ck_assert_uint_ge(dataset_spilled_bytes(dataset), 70u << 20);
    free(block);
    dataset_destroy(dataset);
}
END_TEST
#endif

START_TEST(limits_are_kept_and_named)
{
    struct dataset_options none = {.memory_bytes_max = 1 << 16};
    struct dataset_options disk = {
        .memory_bytes_max = 1 << 16, .spill_dir = "/tmp", .spill_bytes_max = 1 << 18};
    struct dataset_options count = {.examples_max = 100};
    struct dataset_options nowhere = {.memory_bytes_max = 1 << 16, .spill_dir = "/nonexistent"};
    static const struct {
        const char *text;
        enum engine_status status;
    } expected[] = {
        {"no folder", ENGINE_OVER_BUDGET},
        {"of disk", ENGINE_OVER_BUDGET},
        {"more than 100 examples", ENGINE_OVER_BUDGET},
        {"No such file", ENGINE_IO},
    };
    const struct dataset_options *options[] = {&none, &disk, &count, &nowhere};

    for (int i = 0; i < 4; i++) {
        struct engine_error err = {0};
        struct dataset *dataset = dataset_create(fields, N_FIELDS, options[i], &err);
        int64_t n;

        ck_assert_int_eq(append_pattern(dataset, 0, 20000, &err), expected[i].status);
        ck_assert_msg(strstr(err.text, expected[i].text) != NULL, "%s", err.text);
        /* What was taken before can still be read. */
        n = dataset_n_examples(dataset);
        for (int64_t e = 0; e < n; e++) {
            uint32_t one = (uint32_t)e;

            check_examples(dataset, &one, 1);
        }
        dataset_destroy(dataset);
    }
}
END_TEST

static const struct {
    const char *text;
    int n_fields;
    struct dataset_field fields[2];
    size_t memory_bytes_max;
} refused[] = {
    {"1 to 64 fields", 0, {{0}}, 0},
    {"its name", 1, {{"", DATASET_INPUT, DTYPE_F32, {0, {0}}}}, 0},
    {"twice", 2, {{"a", DATASET_INPUT, DTYPE_F32, {0, {0}}}, {"a", DATASET_TARGET, DTYPE_F32, {0, {0}}}}, 0},
    {"type string", 1, {{"a", DATASET_INPUT, DTYPE_STRING, {0, {0}}}}, 0},
    {"empty or too large", 1, {{"a", DATASET_INPUT, DTYPE_F32, {1, {0}}}}, 0},
    {"empty or too large", 1, {{"a", DATASET_INPUT, DTYPE_F32, {1, {-1}}}}, 0},
    {"empty or too large", 1, {{"a", DATASET_INPUT, DTYPE_F32, {2, {INT64_MAX, 16}}}}, 0},
    {"8 dimensions", 1, {{"a", DATASET_INPUT, DTYPE_F32, {8, {1, 1, 1, 1, 1, 1, 1, 1}}}}, 0},
    {"one example takes", 1, {{"a", DATASET_INPUT, DTYPE_F32, {1, {1000}}}}, 2000},
};

START_TEST(bad_fields_are_refused_by_name)
{
    struct dataset_options options = {.memory_bytes_max = refused[_i].memory_bytes_max};
    struct engine_error err = {0};

    ck_assert_ptr_null(dataset_create(refused[_i].fields, refused[_i].n_fields, &options, &err));
    ck_assert_msg(strstr(err.text, refused[_i].text) != NULL, "%d: %s", _i, err.text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tc = tcase_create("dataset");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, examples_come_back_from_memory_and_file, 0,
                        sizeof(sizes) / sizeof(sizes[0]));
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(tc, memory_is_bounded);
#endif
    tcase_add_test(tc, limits_are_kept_and_named);
    tcase_add_loop_test(tc, bad_fields_are_refused_by_name, 0,
                        sizeof(refused) / sizeof(refused[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
