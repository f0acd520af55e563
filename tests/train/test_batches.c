/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/batches.h"
#include "engine/train/shuffle.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t counts[] = {0, 1, 2, 3, 5, 16, 17, 100, 1000, 4096, 60000, 100003};

START_TEST(a_permutation_meets_everything_once)
{
    const uint32_t n = counts[_i];
    uint8_t *seen = calloc(n + 1, 1);
    struct permutation permutation;

    permutation_init(&permutation, n, 7, 3);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = permutation_at(&permutation, i);

        ck_assert_uint_lt(at, n);
        ck_assert_int_eq(seen[at]++, 0);
    }
    free(seen);
}
END_TEST

/* The 24 orders of four and where each of ten lands, by chi-square at a level of 1e-6. */
START_TEST(permutations_are_even_handed)
{
    const int draws = 24000;
    int orders[256] = {0}, lands[10][10] = {{0}};
    double chi = 0;

    for (int draw = 0; draw < draws; draw++) {
        struct permutation four, ten;
        int order = 0;

        permutation_init(&four, 4, 11, (uint64_t)draw);
        permutation_init(&ten, 10, 12, (uint64_t)draw);
        for (uint32_t i = 0; i < 4; i++)
            order = order * 4 + (int)permutation_at(&four, i);
        orders[order]++;
        for (uint32_t i = 0; i < 10; i++)
            lands[i][permutation_at(&ten, i)]++;
    }
    for (int order = 0; order < 256; order++)
        if (orders[order] > 0)
            chi += (orders[order] - 1000.0) * (orders[order] - 1000.0) / 1000.0;
    ck_assert_msg(chi < 74, "chi-square of 23 degrees: %g", chi);
    chi = 0;
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++)
            chi += (lands[i][j] - 2400.0) * (lands[i][j] - 2400.0) / 2400.0;
    ck_assert_msg(chi < 155, "chi-square of 81 degrees: %g", chi);
}
END_TEST

static const struct {
    uint32_t n, block, window;
} blocked[] = {{1000, 32, 4}, {1003, 32, 4}, {64, 32, 256}, {63, 32, 1}, {9999, 7, 3}, {2, 32, 4}};

START_TEST(blocks_are_shuffled_and_stay_together)
{
    const uint32_t n = blocked[_i].n, span = blocked[_i].block * blocked[_i].window;
    uint8_t *seen = calloc(n, 1), *touched = malloc(n / blocked[_i].block + 2);
    int differs = 0;

    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        struct shuffle shuffle;

        shuffle_init(&shuffle, n, blocked[_i].block, blocked[_i].window, 5, epoch);
        memset(seen, 0, n);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = shuffle_at(&shuffle, i);

            ck_assert_uint_lt(at, n);
            ck_assert_int_eq(seen[at]++, 0);
            differs += at != i;
        }
        /* One window's worth of positions touches few blocks (each may lie across two). */
        for (uint32_t first = 0; shuffle.block > 0 && first + span <= n / span * span;
             first += span) {
            uint32_t blocks = 0;

            memset(touched, 0, n / blocked[_i].block + 2);
            for (uint32_t i = first; i < first + span; i++) {
                uint32_t block = shuffle_at(&shuffle, i) / blocked[_i].block;

                blocks += touched[block]++ == 0;
            }
            ck_assert_uint_le(blocks, 2 * blocked[_i].window + 1);
        }
    }
    ck_assert_int_gt(differs, 0);
    free(seen);
    free(touched);
}
END_TEST

/* Positions of an epoch are the same numbers for ever: resumed runs depend on it. */
START_TEST(orders_are_fixed_by_seed_and_epoch)
{
    static const uint32_t expected[2][8] = {{866, 171, 438, 635, 637, 132, 446, 419},
                                            {744, 161, 440, 350, 973, 100, 341, 790}};
    struct permutation permutation;

    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        permutation_init(&permutation, 1000, 42, epoch);
        for (uint32_t i = 0; i < 8; i++)
            ck_assert_uint_eq(permutation_at(&permutation, i), expected[epoch][i]);
    }
}
END_TEST

static const struct {
    int64_t n, size;
    bool drop;
    int64_t count, last;
} rows[] = {
    {10, 3, false, 4, 1}, {10, 3, true, 3, 3}, {9, 3, false, 3, 3}, {2, 3, false, 1, 2},
    {2, 3, true, 0, 0},   {0, 3, false, 0, 0}, {5, 1, false, 5, 1},
};

START_TEST(batches_cover_the_part_once_an_epoch)
{
    uint32_t part[10] = {3, 5, 8, 13, 21, 34, 55, 89, 144, 233}, got[3];
    struct batches batches = {.examples = part,
                              .n_examples = rows[_i].n,
                              .batch_size = rows[_i].size,
                              .drop_last = rows[_i].drop,
                              .shuffled = true,
                              .seed = 1};

    ck_assert_int_eq(batches_count(&batches), rows[_i].count);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int64_t total = 0, n = 0;
        uint8_t seen[256] = {0};

        for (int64_t b = 0; b < rows[_i].count; b++) {
            n = batches_examples(&batches, epoch, b, got);
            total += n;
            for (int64_t i = 0; i < n; i++)
                ck_assert_int_eq(seen[got[i]]++, 0);
        }
        ck_assert_int_eq(n, rows[_i].last);
        if (!rows[_i].drop) {
            ck_assert_int_eq(total, rows[_i].n);
            for (int64_t i = 0; i < rows[_i].n; i++)
                ck_assert_int_eq(seen[part[i]], 1);
        }
    }
    batches.shuffled = false;
    if (rows[_i].count > 0) {
        ck_assert_int_ge(batches_examples(&batches, 9, 0, got), 1);
        ck_assert_uint_eq(got[0], part[0]);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("batches");
    TCase *tc = tcase_create("batches");

    tcase_add_loop_test(tc, a_permutation_meets_everything_once, 0,
                        sizeof(counts) / sizeof(counts[0]));
    tcase_add_test(tc, permutations_are_even_handed);
    tcase_add_loop_test(tc, blocks_are_shuffled_and_stay_together, 0,
                        sizeof(blocked) / sizeof(blocked[0]));
    tcase_add_test(tc, orders_are_fixed_by_seed_and_epoch);
    tcase_add_loop_test(tc, batches_cover_the_part_once_an_epoch, 0,
                        sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
