/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/tap.h"
#include "tests/support/run_suite.h"

#include <pthread.h>
#include <string.h>

static void count(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* One prediction of three values and one output, whose number it carries. */
static struct tap_sample *sample_of(unsigned uses, float number, int64_t values)
{
    static float data[1 << 20];
    struct tensor input = {.dtype = DTYPE_F32, .shape = {2, {1, values}}, .data = data};
    struct tensor output = {.dtype = DTYPE_F32, .shape = {2, {1, 1}}, .data = &number};
    const struct tap_prediction prediction = {.uses = uses, .generation = 7, .rows = 1,
                                              .id = "a", .inputs = &input, .n_inputs = 1,
                                              .outputs = &output, .n_outputs = 1};

    return tap_sample_create(&prediction, TAP_BYTES_MAX);
}

static float number_of(const struct tap_sample *sample)
{
    return *(const float *)sample->outputs[0].data;
}

START_TEST(a_sample_is_a_copy)
{
    float in[4] = {1, 2, 3, 4}, out[2] = {5, 6};
    int64_t ids[2] = {8, 9};
    char id[] = "request";
    struct tensor inputs[2] = {{.dtype = DTYPE_F32, .shape = {2, {2, 2}}, .data = in},
                               {.dtype = DTYPE_I64, .shape = {1, {2}}, .data = ids}};
    struct tensor output = {.dtype = DTYPE_F32, .shape = {1, {2}}, .data = out};
    struct tensor strings = {.dtype = DTYPE_STRING, .shape = {1, {2}}, .data = ids};
    struct tap_prediction prediction = {.uses = 2, .generation = 3, .rows = 2, .id = id,
                                        .inputs = inputs, .n_inputs = 2, .outputs = &output,
                                        .n_outputs = 1};
    struct tap_sample *sample = tap_sample_create(&prediction, 4096);

    ck_assert_ptr_nonnull(sample);
    in[3] = 0;
    ids[1] = 0;
    out[0] = 0;
    id[0] = 'x';
    inputs[0].dtype = DTYPE_I8;
    ck_assert_str_eq(sample->id, "request");
    ck_assert_int_eq(sample->generation, 3);
    ck_assert_int_eq(sample->rows, 2);
    ck_assert_int_gt(sample->time_ms, 1600000000000);
    ck_assert_int_eq(sample->inputs[0].dtype, DTYPE_F32);
    ck_assert_int_eq(sample->inputs[0].shape.dims[1], 2);
    ck_assert_float_eq(((float *)sample->inputs[0].data)[3], 4);
    ck_assert_int_eq(((int64_t *)sample->inputs[1].data)[1], 9);
    ck_assert_float_eq(((float *)sample->outputs[0].data)[0], 5);
    ck_assert_uint_eq((uintptr_t)sample->inputs[1].data % 64, 0);
    tap_sample_unref(tap_sample_ref(sample));
    ck_assert_float_eq(((float *)sample->outputs[0].data)[1], 6);
    tap_sample_unref(sample);
    tap_sample_unref(NULL);
    /* No id, no inputs; too large; nothing that a copy of bytes would hold. */
    prediction = (struct tap_prediction){.outputs = &output, .n_outputs = 1};
    sample = tap_sample_create(&prediction, 4096);
    ck_assert_ptr_null(sample->id);
    tap_sample_unref(sample);
    ck_assert_ptr_null(tap_sample_create(&prediction, 64));
    prediction.outputs = &strings;
    ck_assert_ptr_null(tap_sample_create(&prediction, 4096));
}
END_TEST

START_TEST(only_an_open_tap_wants_anything)
{
    const struct tap_rate each = {0};
    _Atomic int woken = 0;
    struct tap tap;

    ck_assert(tap_init(&tap));
    tap_open(&tap, TAP_SHADOW, each);    /* nobody is attached */
    ck_assert_uint_eq(tap_wants(&tap), 0);
    tap_offer(&tap, sample_of(1, 0, 3));
    tap_attach(&tap, count, &woken);
    ck_assert_uint_eq(tap_wants(&tap), 0);
    tap_offer(&tap, sample_of(1, 0, 3)); /* closed since it was chosen */
    ck_assert_uint_eq(tap_counts(&tap).dropped, 2);
    tap_open(&tap, TAP_FEATURES, each);
    ck_assert_uint_eq(tap_wants(&tap), 1u << TAP_FEATURES);
    tap_open(&tap, TAP_SHADOW, each);
    ck_assert_uint_eq(tap_wants(&tap), 1u << TAP_FEATURES | 1u << TAP_SHADOW);
    tap_close(&tap, TAP_FEATURES);
    ck_assert_uint_eq(tap_wants(&tap), 1u << TAP_SHADOW);
    ck_assert(!tap_waits(&tap));
    for (int i = 0; i < 3; i++)
        tap_offer(&tap, sample_of(1u << TAP_SHADOW, (float)i, 3));
    ck_assert_int_eq(woken, 3);
    ck_assert(tap_waits(&tap));
    for (int i = 0; i < 2; i++) {        /* the oldest first */
        struct tap_sample *sample = tap_take(&tap);

        ck_assert_float_eq(number_of(sample), (float)i);
        tap_sample_unref(sample);
    }
    tap_detach(&tap);
    ck_assert(!tap_waits(&tap));
    ck_assert_ptr_null(tap_take(&tap));
    ck_assert_uint_eq(tap_wants(&tap), 0);
    tap_attach(&tap, count, &woken);     /* a tap may be used again */
    tap_open(&tap, TAP_SHADOW, each);
    tap_offer(&tap, sample_of(1u << TAP_SHADOW, 0, 3));
    ck_assert_int_eq(woken, 4);
    tap_finish(&tap);
}
END_TEST

START_TEST(rates_are_kept)
{
    static const struct {
        const char *label;
        struct tap_rate rate;
        int asked, least, most;
    } rows[] = {
        {"each", {0, 0}, 1000, 1000, 1000},
        {"one in one", {1, 0}, 1000, 1000, 1000},
        {"one in ten", {10, 0}, 1000, 100, 100},
        {"one a second", {0, 1}, 1000, 1, 2},
        {"one in ten, one a second", {10, 1}, 1000, 1, 2},
        {"a million a second", {0, 1000000}, 100, 1, 100},
    };
    _Atomic int woken = 0;
    struct tap tap;

    ck_assert(tap_init(&tap));
    tap_attach(&tap, count, &woken);
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        int wanted = 0;

        tap_open(&tap, TAP_FEATURES, rows[r].rate);
        for (int i = 0; i < rows[r].asked; i++)
            wanted += tap_wants(&tap) != 0;
        ck_assert_msg(wanted >= rows[r].least && wanted <= rows[r].most, "%s: %d", rows[r].label,
                      wanted);
    }
    tap_finish(&tap);
}
END_TEST

START_TEST(what_waits_is_bounded)
{
    const struct tap_rate each = {0};
    _Atomic int woken = 0;
    struct tap tap;
    size_t bytes = 0;
    int taken = 0;
    struct tap_sample *sample;

    ck_assert(tap_init(&tap));
    tap_attach(&tap, count, &woken);
    tap_open(&tap, TAP_SHADOW, each);
    for (int i = 0; i < 2 * TAP_SAMPLES_MAX; i++)
        if (tap_wants(&tap) != 0)
            tap_offer(&tap, sample_of(1, (float)i, 3));
    ck_assert_uint_eq(tap_counts(&tap).taken, TAP_SAMPLES_MAX);
    ck_assert_uint_eq(tap_counts(&tap).dropped, TAP_SAMPLES_MAX);
    sample = tap_take(&tap);             /* room again; what came first was kept */
    ck_assert_float_eq(number_of(sample), 0);
    tap_sample_unref(sample);
    ck_assert_uint_eq(tap_wants(&tap), 1);
    while ((sample = tap_take(&tap)) != NULL)
        tap_sample_unref(sample);
    for (int i = 0; i < 100; i++)        /* 4 MiB each */
        tap_offer(&tap, sample_of(1, (float)i, 1 << 20));
    while ((sample = tap_take(&tap)) != NULL) {
        bytes += sample->bytes;
        taken++;
        tap_sample_unref(sample);
    }
    ck_assert_int_eq(taken, 3);
    ck_assert_uint_le(bytes, TAP_BYTES_MAX);
    tap_offer(&tap, NULL);               /* no memory for a copy */
    ck_assert_uint_eq(tap_counts(&tap).dropped, TAP_SAMPLES_MAX + 97 + 1);
    tap_finish(&tap);
}
END_TEST

enum { THREADS = 4, OFFERS = 5000 };

static void *offer(void *arg)
{
    struct tap *tap = arg;

    for (int i = 0; i < OFFERS; i++) {
        unsigned uses = tap_wants(tap);

        if (uses != 0)
            tap_offer(tap, sample_of(uses, 1, 3));
    }
    return NULL;
}

START_TEST(many_threads_offer_while_one_takes)
{
    const struct tap_rate each = {0};
    _Atomic int woken = 0;
    pthread_t threads[THREADS];
    struct tap_counts counts;
    struct tap tap;
    uint64_t taken = 0;

    ck_assert(tap_init(&tap));
    tap_attach(&tap, count, &woken);
    tap_open(&tap, TAP_SHADOW, each);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, offer, &tap), 0);
    for (int i = 0; i < 1000; i++) {
        struct tap_sample *sample = tap_take(&tap);

        taken += sample != NULL;
        tap_sample_unref(sample);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (tap_waits(&tap)) {
        tap_sample_unref(tap_take(&tap));
        taken++;
    }
    counts = tap_counts(&tap);
    ck_assert_uint_eq(counts.taken, taken);
    ck_assert_uint_eq(counts.taken + counts.dropped, THREADS * OFFERS);
    ck_assert_int_eq(woken, (int)taken);
    tap_finish(&tap);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("tap");
    TCase *tc = tcase_create("tap");

    tcase_add_test(tc, a_sample_is_a_copy);
    tcase_add_test(tc, only_an_open_tap_wants_anything);
    tcase_add_test(tc, rates_are_kept);
    tcase_add_test(tc, what_waits_is_bounded);
    tcase_add_test(tc, many_threads_offer_while_one_takes);
    suite_add_tcase(suite, tc);
    return suite;
}
