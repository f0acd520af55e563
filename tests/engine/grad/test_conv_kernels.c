/* SPDX-License-Identifier: Apache-2.0
 * The two convolutions that training has, with weights as they stand, against their definition. */
#include "engine/kernels/conv_planes.h"
#include "engine/kernels/conv_weights.h"
#include "tests/support/conv_reference.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 80, THREADS = 3 };

static int64_t size_of(const int64_t *dims)
{
    return dims[0] * dims[1] * dims[2];
}

static void *bytes(size_t size)
{
    void *memory = aligned_alloc(64, (size + 127) / 64 * 64);

    ck_assert_ptr_nonnull(memory);
    memset(memory, 0xff, (size + 127) / 64 * 64);     /* NaN, where something is read unwritten */
    return memory;
}

static float *floats(uint64_t *seed, int64_t count)
{
    float *items = bytes((size_t)count * sizeof(float));

    random_floats(seed, items, count);
    return items;
}

static struct window window_of(const struct conv_case *c)
{
    struct window w;

    memcpy(w.in, c->in, sizeof(w.in));
    memcpy(w.out, c->out, sizeof(w.out));
    memcpy(w.kernel, c->kernel, sizeof(w.kernel));
    memcpy(w.stride, c->stride, sizeof(w.stride));
    memcpy(w.dilation, c->dilation, sizeof(w.dilation));
    memcpy(w.pad_begin, c->pad_begin, sizeof(w.pad_begin));
    memcpy(w.pad_end, c->pad_end, sizeof(w.pad_end));
    return w;
}

static void check(const struct conv_case *c, const char *what, const double *expected, const float *got,
                  int64_t count, double depth)
{
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)got[i] - expected[i]) <= 1e-5 * (4 + sqrt(depth)),
                      "%s of %s: element %lld is %g, expected %g", what, conv_case_text(c), (long long)i,
                      (double)got[i], expected[i]);
}

/* Runs with one thread and with several, which must not change a bit. */
static void run_planes(const struct conv_planes *conv, int64_t count)
{
    struct pool *pool = pool_create(THREADS, 0);
    float *first = bytes((size_t)count * sizeof(float)), *start = bytes((size_t)count * sizeof(float));

    memcpy(start, conv->y, (size_t)count * sizeof(float));
    for (int threads = 1; threads <= THREADS; threads += THREADS - 1) {
        size_t size;
        void *scratch;

        ck_assert(conv_planes_scratch(conv, threads, &size));
        scratch = bytes(size);
        memcpy(conv->y, start, (size_t)count * sizeof(float));
        conv_planes_run(conv, scratch, threads == 1 ? NULL : pool);
        if (threads == 1)
            memcpy(first, conv->y, (size_t)count * sizeof(float));
        free(scratch);
    }
    ck_assert_mem_eq(first, conv->y, (size_t)count * sizeof(float));
    free(first);
    free(start);
    pool_destroy(pool);
}

static void check_planes(const struct conv_case *c, uint64_t *seed, bool accumulate)
{
    int64_t in = size_of(c->in), out = size_of(c->out), taps = size_of(c->kernel);
    int64_t count = c->images * c->outputs * out;
    float *x = floats(seed, c->images * c->channels * in), *bias = floats(seed, c->outputs);
    float *w = floats(seed, c->outputs * c->channels / c->groups * taps), *y = floats(seed, count);
    double *expected = bytes((size_t)count * sizeof(double)), *start = bytes((size_t)count * sizeof(double));
    struct conv_planes conv = {
        .form = {c->groups, c->channels / c->groups, c->outputs / c->groups, taps},
        .window = window_of(c), .images = c->images, .x = x, .w = w, .bias = bias, .y = y,
        .accumulate = accumulate,
    };

    conv_reference(c, x, w, bias, expected);
    for (int64_t i = 0; i < count; i++)
        expected[i] += accumulate ? (double)y[i] : 0;
    run_planes(&conv, count);
    check(c, accumulate ? "accumulated result" : "result", expected, y, count,
          (double)(c->channels / c->groups * taps));
    free(x);
    free(bias);
    free(w);
    free(y);
    free(expected);
    free(start);
}

/* dw[o, i, k] = sum over images and places of dy[o] times the input place that k reads there. */
static void weights_reference(const struct conv_case *c, const float *x, const float *dy, double *dw)
{
    int64_t in = size_of(c->in), out = size_of(c->out), taps = size_of(c->kernel);
    int64_t depth = c->channels / c->groups, width = c->outputs / c->groups;

    for (int64_t at = 0; at < c->outputs * depth * taps; at++) {
        int64_t k = at % taps, i = at / taps % depth, m = at / taps / depth;

        for (int64_t n = 0; n < c->images; n++)
            for (int64_t o = 0; o < out; o++) {
                int64_t from = conv_case_place(c, o, k);

                if (from >= 0)
                    dw[at] += (double)x[(n * c->channels + m / width * depth + i) * in + from] *
                              (double)dy[(n * c->outputs + m) * out + o];
            }
    }
}

static void check_weights(const struct conv_case *c, uint64_t *seed, bool accumulate)
{
    int64_t in = size_of(c->in), out = size_of(c->out), taps = size_of(c->kernel);
    int64_t count = c->outputs * c->channels / c->groups * taps;
    float *x = floats(seed, c->images * c->channels * in), *dy = floats(seed, c->images * c->outputs * out);
    float *start = floats(seed, count), *dw[2];
    double *expected = bytes((size_t)count * sizeof(double));
    struct pool *pool = pool_create(THREADS, 0);
    struct conv_weights conv = {window_of(c), c->images, c->groups, c->channels / c->groups,
                                c->outputs / c->groups, x, dy, NULL, accumulate};

    for (int64_t i = 0; i < count; i++)
        expected[i] = accumulate ? (double)start[i] : 0;
    weights_reference(c, x, dy, expected);
    for (int run = 0; run < 2; run++) {
        size_t size;
        void *scratch;

        ck_assert(conv_weights_scratch(&conv, run == 0 ? 1 : THREADS, &size));
        scratch = bytes(size);
        conv.dw = dw[run] = bytes((size_t)count * sizeof(float));
        memcpy(conv.dw, start, (size_t)count * sizeof(float));
        conv_weights_run(&conv, scratch, run == 0 ? NULL : pool);
        free(scratch);
    }
    check(c, "gradient of weights", expected, dw[0], count, (double)(c->images * out));
    ck_assert_mem_eq(dw[0], dw[1], (size_t)count * sizeof(float));
    free(x);
    free(dy);
    free(start);
    free(dw[0]);
    free(dw[1]);
    free(expected);
    pool_destroy(pool);
}

static void check_all(const struct conv_case *c, uint64_t *seed)
{
    check_planes(c, seed, false);
    check_planes(c, seed, true);
    check_weights(c, seed, false);
    check_weights(c, seed, true);
}

START_TEST(test_random_geometries)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct conv_case c;

        conv_case_random(&c, &seed, 1 + round % 3, round % 5 == 0);
        check_all(&c, &seed);
    }
}
END_TEST

/* What random small ones do not reach: many images in one round and the last one short, Winograd's
 * tiles of both sizes, more kernel places than a block has rows, lines longer than a strip. */
START_TEST(test_large_ones)
{
    static const struct conv_case cases[] = {
        {2, 45, 1, 17, 19, {1, 7, 7}, {1, 7, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
        {2, 3, 1, 33, 16, {1, 30, 28}, {1, 30, 28}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
        {2, 2, 1, 3, 8, {1, 30, 31}, {1, 10, 11}, {1, 11, 11}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
        {1, 2, 2, 6, 10, {1, 1, 1500}, {1, 1, 1500}, {1, 1, 5}, {1, 1, 1}, {1, 1, 1}, {0, 0, 2}, {0, 0, 2}},
        {2, 40, 1, 40, 24, {1, 6, 6}, {1, 6, 6}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
        {2, 300, 1, 5, 7, {1, 3, 3}, {1, 1, 1}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    };
    uint64_t seed = test_seed();

    check_all(&cases[_i], &seed);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("conv_kernels");
    TCase *tcase = tcase_create("kernels");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_random_geometries);
    tcase_add_loop_test(tcase, test_large_ones, 0, 6);
    suite_add_tcase(suite, tcase);
    return suite;
}
