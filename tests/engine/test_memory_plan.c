/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memory_plan.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>

static size_t padded(size_t bytes)
{
    return (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
}

/* The most that is alive at once: no plan can be smaller. */
static size_t lower_bound(const struct memory_item *items, int count, int steps)
{
    size_t most = 0;

    for (int step = 0; step < steps; step++) {
        size_t sum = 0;

        for (int i = 0; i < count; i++)
            if (items[i].first <= step && step <= items[i].last)
                sum += padded(items[i].bytes);
        most = sum > most ? sum : most;
    }
    return most;
}

static void check_disjoint(const struct memory_item *items, int count, size_t total)
{
    for (int i = 0; i < count; i++) {
        ck_assert_uint_eq(items[i].offset % MEMORY_ALIGNMENT, 0);
        ck_assert_uint_le(items[i].offset + items[i].bytes, total);
        for (int k = 0; k < i; k++) {
            bool together = items[i].first <= items[k].last && items[k].first <= items[i].last;
            bool apart = items[i].offset + items[i].bytes <= items[k].offset ||
                         items[k].offset + items[k].bytes <= items[i].offset;

            if (together && !apart && items[i].bytes > 0 && items[k].bytes > 0)
                ck_abort_msg("items %d and %d overlap", i, k);
        }
    }
}

START_TEST(random_lives_never_overlap)
{
    uint64_t state = test_seed();

    for (int round = 0; round < 300 * test_scale(); round++) {
        int count = 1 + (int)(test_random(&state) % 60), steps = 40;
        struct memory_item items[60];
        size_t total, least;

        for (int i = 0; i < count; i++) {
            items[i].first = (int)(test_random(&state) % (uint64_t)steps);
            items[i].last = items[i].first + (int)(test_random(&state) % 12);
            items[i].bytes = (size_t)(test_random(&state) % (1 << test_random(&state) % 16));
        }
        ck_assert(memory_plan(items, count, &total));
        check_disjoint(items, count, total);
        least = lower_bound(items, count, steps + 12);
        ck_assert_msg(total >= least && total <= 2 * least + 64, "%zu bytes, %zu would do", total,
                      least);
    }
}
END_TEST

START_TEST(many_items_take_the_fast_way)
{
    uint64_t state = test_seed();
    int count = 6000;
    struct memory_item *items = calloc((size_t)count, sizeof(*items));
    size_t total;

    ck_assert_ptr_nonnull(items);
    for (int i = 0; i < count; i++) {
        items[i].first = i;
        items[i].last = i + 1 + (int)(test_random(&state) % 3);
        items[i].bytes = 1000 + (size_t)(test_random(&state) % 1000);
    }
    ck_assert(memory_plan(items, count, &total));
    check_disjoint(items, count, total);
    /* 6,000 items of 1.5 kB, four alive at once: nine classes of a few items each. */
    ck_assert_uint_le(total, 100000);
    free(items);
}
END_TEST

START_TEST(chain_takes_two_buffers)
{
    struct memory_item items[10];
    size_t total;

    for (int i = 0; i < 10; i++)
        items[i] = (struct memory_item){.bytes = 4096, .first = i, .last = i + 1};
    ck_assert(memory_plan(items, 10, &total));
    ck_assert_uint_eq(total, 2 * 4096);
}
END_TEST

START_TEST(sums_past_size_t_are_refused)
{
    struct memory_item items[2] = {{.bytes = SIZE_MAX / 4, .first = 0, .last = 1},
                                   {.bytes = SIZE_MAX / 4, .first = 0, .last = 1}};
    size_t total;

    ck_assert(!memory_plan(items, 2, &total));
    ck_assert(memory_plan(items, 0, &total));
    ck_assert_uint_eq(total, 0);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("memory_plan");
    TCase *tc = tcase_create("memory_plan");

    tcase_add_test(tc, random_lives_never_overlap);
    tcase_add_test(tc, many_items_take_the_fast_way);
    tcase_add_test(tc, chain_takes_two_buffers);
    tcase_add_test(tc, sums_past_size_t_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
