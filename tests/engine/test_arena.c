/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/arena.h"
#include "tests/support/run_suite.h"

#include <stdint.h>
#include <string.h>

START_TEST(memory_is_aligned_separate_and_bounded)
{
    struct arena *arena = arena_create(1 << 20);
    unsigned char *blocks[64];
    size_t taken = 0;

    for (int i = 0; i < 64; i++) {
        blocks[i] = arena_alloc(arena, (size_t)(i * 37));
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 64, 0);
        memset(blocks[i], i, (size_t)(i * 37));
    }
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < i * 37; k++)
            ck_assert_int_eq(blocks[i][k], i);
    while (arena_alloc(arena, 1000) != NULL)
        taken += 1000;
    ck_assert_uint_gt(taken, 800000);
    ck_assert_uint_le(arena_bytes(arena), 1 << 20);
    arena_destroy(arena);
}
END_TEST

START_TEST(reset_goes_back_to_the_mark)
{
    struct arena *arena = arena_create((size_t)1 << 24);
    char *kept = arena_strndup(arena, "kept", 4);
    size_t mark = arena_mark(arena), before = arena_bytes(arena);

    for (int round = 0; round < 100; round++) {
        ck_assert_ptr_nonnull(arena_alloc(arena, 100));
        ck_assert_ptr_nonnull(arena_alloc(arena, 1 << 20));
        ck_assert_ptr_nonnull(arena_alloc(arena, 70000));
        arena_reset(arena, mark);
        ck_assert_uint_eq(arena_mark(arena), mark);
        ck_assert_uint_eq(arena_bytes(arena), before);
    }
    ck_assert_str_eq(kept, "kept");
    arena_reset(arena, 0);
    ck_assert_uint_eq(arena_bytes(arena), 0);
    arena_destroy(arena);
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    struct arena *arena = arena_create(SIZE_MAX);

    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX / 2));
    ck_assert_ptr_null(arena_calloc(arena, SIZE_MAX / 2, 3));
    ck_assert_ptr_nonnull(arena_alloc(arena, 0));
    arena_destroy(arena);
    arena_destroy(NULL);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("arena");
    TCase *tc = tcase_create("arena");

    tcase_add_test(tc, memory_is_aligned_separate_and_bounded);
    tcase_add_test(tc, reset_goes_back_to_the_mark);
    tcase_add_test(tc, absurd_sizes_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
