/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/replay_buffer.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct replay_buffer *make(size_t places, uint32_t classes, uint64_t seed)
{
    struct replay_options options = {.examples_max = places, .example_bytes = sizeof(uint64_t),
                                     .classes = classes, .seed = seed};
    struct engine_error err = {0};
    struct replay_buffer *buffer = replay_buffer_create(&options, &err);

    ck_assert_msg(buffer != NULL, "%s", err.text);
    return buffer;
}

static void offer(struct replay_buffer *buffer, uint64_t number, uint32_t label)
{
    uint64_t content = number * 3 + 1;

    replay_buffer_offer(buffer, &content, label, number);
}

/* Each of 200 examples is among the 20 kept with chance 1/10: chi-squared over many seeds. */
START_TEST(a_reservoir_is_fair)
{
    enum { EXAMPLES = 200, PLACES = 20, SEEDS = 4000 };
    uint64_t first = test_seed();
    double kept[EXAMPLES] = {0}, expected = (double)SEEDS * PLACES / EXAMPLES, sum = 0.0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct replay_buffer *buffer = make(PLACES, 0, first + seed * 7919);

        for (uint64_t i = 0; i < EXAMPLES; i++)
            offer(buffer, i, 0);
        for (size_t place = 0; place < PLACES; place++) {
            uint64_t number, content;

            memcpy(&content, replay_buffer_at(buffer, place, NULL, &number), sizeof(content));
            ck_assert_uint_eq(content, number * 3 + 1);
            kept[number]++;
        }
        replay_buffer_destroy(buffer);
    }
    for (int i = 0; i < EXAMPLES; i++)
        sum += (kept[i] - expected) * (kept[i] - expected) / (expected * (1.0 - 0.1));
    /* 199 degrees: mean 199, deviation 20; six of them. */
    ck_assert_double_lt(sum, 199.0 + 120.0);
    ck_assert_double_gt(sum, 199.0 - 120.0);
}
END_TEST

START_TEST(the_same_stream_is_the_same_buffer)
{
    struct replay_buffer *a = make(50, 3, 5), *b = make(50, 3, 5), *c = make(50, 3, 6);
    size_t from_a[32], from_b[32];
    int differences = 0;

    for (uint64_t i = 0; i < 1000; i++) {
        offer(a, i, (uint32_t)(i % 3));
        offer(b, i, (uint32_t)(i % 3));
        offer(c, i, (uint32_t)(i % 3));
    }
    ck_assert_uint_eq(replay_buffer_count(a), 48);      /* 16 for each class */
    for (size_t place = 0; place < 48; place++) {
        uint64_t numbers[3];
        uint32_t labels[3];

        replay_buffer_at(a, place, &labels[0], &numbers[0]);
        replay_buffer_at(b, place, &labels[1], &numbers[1]);
        replay_buffer_at(c, place, &labels[2], &numbers[2]);
        ck_assert_uint_eq(numbers[0], numbers[1]);
        ck_assert_uint_eq(labels[0], (uint32_t)(numbers[0] % 3));
        differences += numbers[0] != numbers[2];
    }
    ck_assert_int_gt(differences, 20);
    ck_assert(replay_buffer_draw(a, 7, 32, from_a) && replay_buffer_draw(b, 7, 32, from_b));
    ck_assert_mem_eq(from_a, from_b, sizeof(from_a));
    ck_assert(replay_buffer_draw(b, 8, 32, from_b));
    ck_assert_int_ne(memcmp(from_a, from_b, sizeof(from_a)), 0);
    replay_buffer_destroy(a);
    replay_buffer_destroy(b);
    replay_buffer_destroy(c);
}
END_TEST

/* One class in a hundred keeps its share of the places and of every draw. */
START_TEST(balanced_keeps_the_rare)
{
    struct replay_buffer *buffer = make(40, 4, 9);
    int counts[4] = {0}, drawn[4] = {0};
    size_t places[400];

    for (uint64_t i = 0; i < 4000; i++)
        offer(buffer, i, i % 100 == 0 ? 3 : (uint32_t)(i % 2));     /* class 2 never comes */
    for (size_t place = 0; place < 40; place++) {
        uint32_t label = 9;

        if (place >= 20 && place < 30)
            continue;
        replay_buffer_at(buffer, place, &label, NULL);
        counts[label]++;
    }
    ck_assert(counts[0] == 10 && counts[1] == 10 && counts[3] == 10);
    ck_assert_uint_eq(replay_buffer_count(buffer), 30);
    ck_assert(replay_buffer_draw(buffer, 1, 400, places));
    for (size_t i = 0; i < 400; i++) {
        uint32_t label;

        replay_buffer_at(buffer, places[i], &label, NULL);
        drawn[label]++;
    }
    ck_assert(drawn[2] == 0 && abs(drawn[0] - drawn[1]) <= 1 && abs(drawn[0] - drawn[3]) <= 1);
    ck_assert(!replay_buffer_offer(buffer, places, 4, 1));
    replay_buffer_destroy(buffer);
}
END_TEST

START_TEST(draws_are_even)
{
    struct replay_buffer *buffer = make(50, 0, 3);
    int counts[50] = {0};
    double sum = 0.0;

    for (uint64_t i = 0; i < 50; i++)
        offer(buffer, i, 0);
    for (uint64_t draw = 0; draw < 1000; draw++) {
        size_t places[20];

        ck_assert(replay_buffer_draw(buffer, draw, 20, places));
        for (int i = 0; i < 20; i++)
            counts[places[i]]++;
    }
    for (int i = 0; i < 50; i++)
        sum += (counts[i] - 400.0) * (counts[i] - 400.0) / 400.0;
    ck_assert_double_lt(sum, 49.0 + 6 * sqrt(98.0));
    replay_buffer_destroy(buffer);
}
END_TEST

START_TEST(what_is_forgotten_is_gone)
{
    struct replay_buffer *buffer = make(10, 0, 1);
    size_t place;

    ck_assert(!replay_buffer_draw(buffer, 0, 1, &place));
    for (uint64_t i = 0; i < 10; i++)
        offer(buffer, i, 0);
    ck_assert(replay_buffer_forget(buffer, 4));
    ck_assert(!replay_buffer_forget(buffer, 4));
    ck_assert_uint_eq(replay_buffer_count(buffer), 9);
    for (size_t i = 0; i < 9; i++) {
        uint64_t number, content;

        memcpy(&content, replay_buffer_at(buffer, i, NULL, &number), sizeof(content));
        ck_assert_uint_ne(number, 4);
        ck_assert_uint_eq(content, number * 3 + 1);
    }
    {
        static const uint64_t zero;

        ck_assert_mem_eq(replay_buffer_at(buffer, 9, NULL, NULL), &zero, sizeof(zero));
    }
    for (uint64_t i = 0; i < 10; i++)
        replay_buffer_forget(buffer, i);
    ck_assert_uint_eq(replay_buffer_count(buffer), 0);
    offer(buffer, 77, 0);
    ck_assert_uint_eq(replay_buffer_count(buffer), 1);
    replay_buffer_destroy(buffer);
}
END_TEST

START_TEST(bytes_are_bounded)
{
    struct replay_options options = {.examples_max = 1000000, .example_bytes = 3000,
                                     .bytes_max = 100000, .classes = 10};
    struct engine_error err = {0};
    struct replay_buffer *buffer = replay_buffer_create(&options, &err);

    ck_assert_ptr_nonnull(buffer);
    ck_assert_uint_le(replay_buffer_bytes(buffer), 100000 + 1000);
    replay_buffer_destroy(buffer);
    options.classes = 34;       /* no room for one of each */
    ck_assert_ptr_null(replay_buffer_create(&options, &err));
    ck_assert_int_eq(err.status, ENGINE_BAD_INPUT);
    options = (struct replay_options){.examples_max = 10};
    ck_assert_ptr_null(replay_buffer_create(&options, NULL));
    options = (struct replay_options){.examples_max = 10, .example_bytes = SIZE_MAX / 8};
    ck_assert_ptr_null(replay_buffer_create(&options, NULL));
    options = (struct replay_options){.examples_max = SIZE_MAX, .example_bytes = 8};
    ck_assert_ptr_null(replay_buffer_create(&options, NULL));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("replay buffer");
    TCase *tc = tcase_create("replay buffer");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_reservoir_is_fair);
    tcase_add_test(tc, the_same_stream_is_the_same_buffer);
    tcase_add_test(tc, balanced_keeps_the_rare);
    tcase_add_test(tc, draws_are_even);
    tcase_add_test(tc, what_is_forgotten_is_gone);
    tcase_add_test(tc, bytes_are_bounded);
    suite_add_tcase(suite, tc);
    return suite;
}
