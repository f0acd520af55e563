/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv_last.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/pool_last.h"
#include "engine/kernels/winograd.h"
#include "tests/support/conv_reference.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 60, THREADS = 3 };

/* Everything of one case; planes as in the reference, and channels last as the kernels want them. */
struct data {
    struct conv_case c;
    int64_t in, out, taps;
    float *x, *w, *bias, *residual, *packed;
    float *last_x, *last_y, *last_residual;
    double *expected;
};

static int64_t size_of(const int64_t *dims)
{
    return dims[0] * dims[1] * dims[2];
}

static float *floats(uint64_t *seed, int64_t count)
{
    float *items = malloc(((size_t)count + 1) * sizeof(*items));

    ck_assert_ptr_nonnull(items);
    random_floats(seed, items, count);
    return items;
}

/* [images, channels, places] to [images, places, channels]. */
static float *channels_last(const float *planes, int64_t images, int64_t channels, int64_t places)
{
    float *last = malloc((size_t)(images * channels * places + 1) * sizeof(*last));

    for (int64_t n = 0; n < images; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < places; p++)
                last[(n * places + p) * channels + c] = planes[(n * channels + c) * places + p];
    return last;
}

static void data_init(struct data *d, uint64_t *seed)
{
    const struct conv_case *c = &d->c;

    d->in = size_of(c->in);
    d->out = size_of(c->out);
    d->taps = size_of(c->kernel);
    d->x = floats(seed, c->images * c->channels * d->in);
    d->w = floats(seed, c->outputs * (c->channels / c->groups) * d->taps);
    d->bias = floats(seed, c->outputs);
    d->residual = floats(seed, c->images * c->outputs * d->out);
    d->expected = malloc((size_t)(c->images * c->outputs * d->out + 1) * sizeof(double));
    d->last_x = channels_last(d->x, c->images, c->channels, d->in);
    d->last_residual = channels_last(d->residual, c->images, c->outputs, d->out);
    d->last_y = floats(seed, c->images * c->outputs * d->out);
    d->packed = NULL;
}

static void data_finish(struct data *d)
{
    free(d->x);
    free(d->w);
    free(d->bias);
    free(d->residual);
    free(d->packed);
    free(d->last_x);
    free(d->last_y);
    free(d->last_residual);
    free(d->expected);
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

/* Runs the direct sum, or Winograd's form for `tile` > 0. */
static void run(struct data *d, int tile, struct pool *pool, int which)
{
    const struct conv_case *c = &d->c;
    struct conv_last conv = {.form = {c->groups, c->channels / c->groups, c->outputs / c->groups, d->taps},
                             .window = window_of(c), .images = c->images, .x = d->last_x,
                             .y = d->last_y};
    int threads = pool_threads(pool);
    size_t bytes;
    void *scratch;
    int64_t size;

    ck_assert(tile > 0 ? winograd_packed_size(&conv.form, tile, &size)
                       : conv_last_packed_size(&conv.form, &size));
    d->packed = realloc(d->packed, (size_t)(size + 1) * sizeof(float));
    if (tile > 0)
        winograd_pack(&conv.form, tile, d->w, d->packed);
    else
        conv_last_pack(&conv.form, d->w, d->packed);
    conv.weights = d->packed;
    conv.epilogue.bias = which & 1 ? d->bias : NULL;
    conv.epilogue.residual = which & 2 ? d->last_residual : NULL;
    if (which & 4)
        conv.epilogue.activation = (struct activation){ACTIVATION_CLIP, 0, INFINITY};
    if (which & 8)
        conv.epilogue.activation = (struct activation){ACTIVATION_LEAKY_RELU, 0.1f, 0};
    bytes = tile > 0 ? winograd_scratch(&conv.form, tile, &conv.window, c->images, threads)
                     : conv_last_scratch(&conv.form, &conv.window, c->images, threads);
    scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    memset(scratch, 0xff, (bytes + 64) / 64 * 64);
    memset(d->last_y, 0xff, (size_t)(c->images * c->outputs * d->out) * sizeof(float));
    if (tile > 0)
        winograd_run(&conv, tile, scratch, pool);
    else
        conv_last_run(&conv, scratch, pool);
    free(scratch);
}

static void check(const struct data *d, const char *what, int which)
{
    const struct conv_case *c = &d->c;
    double scale = sqrt((double)(d->taps * c->channels / c->groups));

    for (int64_t at = 0; at < c->images * c->outputs * d->out; at++) {
        int64_t p = at % d->out, m = at / d->out % c->outputs, n = at / d->out / c->outputs;
        double actual = (double)d->last_y[(n * d->out + p) * c->outputs + m];
        double expected = d->expected[at] + (which & 2 ? (double)d->residual[at] : 0);

        if (expected < 0)
            expected *= which & 8 ? 0.1 : which & 4 ? 0 : 1;
        if (!(fabs(actual - expected) <= 4e-6 * (1 + scale)))
            ck_abort_msg("%s, %s: element %lld is %.9g, expected %.9g (%s)", what,
                         cpu_isa_name(cpu_isa()), (long long)at, actual, expected, conv_case_text(c));
    }
}

/* Tests loop over instruction sets; one that this CPU lacks has nothing to run. */
static bool use_isa(int isa)
{
    if (!cpu_isa_supported((enum isa)isa))
        return false;
    cpu_isa_force((enum isa)isa);
    return true;
}

START_TEST(any_geometry)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);

    for (int round = 0; use_isa(_i) && round < ROUNDS * test_scale(); round++) {
        struct data d;

        conv_case_random(&d.c, &seed, 1 + round % 3, round % 4 == 0);
        data_init(&d, &seed);
        conv_reference(&d.c, d.x, d.w, round & 1 ? d.bias : NULL, d.expected);
        run(&d, 0, round % 3 ? pool : NULL, round);
        check(&d, "direct", round);
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

static void random_3x3(struct conv_case *c, uint64_t *seed, int64_t largest)
{
    memset(c, 0, sizeof(*c));
    c->rank = 2;
    c->groups = 1;
    c->images = 1 + (int64_t)(test_random(seed) % 4);
    c->channels = 1 + (int64_t)(test_random(seed) % 24);
    c->outputs = 1 + (int64_t)(test_random(seed) % 90);
    for (int d = 0; d < 3; d++) {
        c->in[d] = d == 0 ? 1 : 1 + (int64_t)(test_random(seed) % (uint64_t)largest);
        c->kernel[d] = d == 0 ? 1 : 3;
        c->stride[d] = c->dilation[d] = 1;
        c->pad_begin[d] = d == 0 ? 0 : (int64_t)(test_random(seed) % 3);
        c->pad_end[d] = d == 0 ? 0 : (int64_t)(test_random(seed) % 3);
        if (c->in[d] + c->pad_begin[d] + c->pad_end[d] < c->kernel[d])
            c->in[d] = 3;
        c->out[d] = c->in[d] + c->pad_begin[d] + c->pad_end[d] - c->kernel[d] + 1;
    }
}

START_TEST(winograd_equals_the_direct_sum)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);

    for (int round = 0; use_isa(_i) && round < 12 * test_scale(); round++) {
        struct data d;

        random_3x3(&d.c, &seed, round % 8 == 7 ? 50 : 14);
        data_init(&d, &seed);
        conv_reference(&d.c, d.x, d.w, round & 1 ? d.bias : NULL, d.expected);
        for (int tile = 2; tile <= 4; tile += 2) {
            run(&d, tile, round % 3 ? pool : NULL, round);
            check(&d, tile == 2 ? "F(2x2)" : "F(4x4)", round);
        }
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

/* The same bits for an image whatever its batch and the number of threads. */
START_TEST(an_image_does_not_depend_on_the_others)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);

    for (int tile = 0; use_isa(_i) && tile <= 4; tile += 2) {
        struct data d;
        int64_t image;
        float *together, *x;

        random_3x3(&d.c, &seed, 20);
        d.c.images = 5;
        data_init(&d, &seed);
        run(&d, tile, pool, 5);
        image = d.c.outputs * d.out;
        together = malloc((size_t)image * sizeof(float));
        memcpy(together, d.last_y + 3 * image, (size_t)image * sizeof(float));
        x = d.last_x;
        d.last_x += 3 * d.c.channels * d.in;
        d.c.images = 1;
        run(&d, tile, NULL, 5);
        d.last_x = x;
        ck_assert_msg(memcmp(together, d.last_y, (size_t)image * sizeof(float)) == 0,
                      "tile %d: other bits in a batch (%s)", tile, conv_case_text(&d.c));
        free(together);
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

static const struct {
    enum pool_last_kind kind;
    enum window_mean mean;
    enum pool_reference reference;
} pools[] = {
    {POOL_LAST_MAX, WINDOW_MEAN, REFERENCE_MAX},
    {POOL_LAST_MEAN, WINDOW_MEAN, REFERENCE_MEAN},
    {POOL_LAST_MEAN, WINDOW_MEAN_WITH_PADDING, REFERENCE_MEAN_PADDED},
};

START_TEST(pools_of_any_geometry)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);

    for (int round = 0; use_isa(_i) && round < ROUNDS * test_scale(); round++) {
        struct data d;
        struct pool_last p = {.kind = pools[round % 3].kind, .mean = pools[round % 3].mean};
        void *scratch = aligned_alloc(64, (pool_last_scratch(THREADS) + 63) / 64 * 64);

        conv_case_random(&d.c, &seed, 1 + round / 3 % 3, true);
        d.c.outputs = d.c.channels;
        data_init(&d, &seed);
        pool_reference(&d.c, pools[round % 3].reference, d.x, d.expected, NULL);
        p.window = window_of(&d.c);
        p.images = d.c.images;
        p.channels = d.c.channels;
        p.x = d.last_x;
        p.y = d.last_y;
        pool_last_run(&p, scratch, round % 2 ? pool : NULL);
        for (int64_t at = 0; at < d.c.images * d.c.channels * d.out; at++) {
            int64_t n = at / d.out / d.c.channels, m = at / d.out % d.c.channels;
            double actual = (double)d.last_y[(n * d.out + at % d.out) * d.c.channels + m];

            if (!(actual == d.expected[at] || fabs(actual - d.expected[at]) < 1e-6))
                ck_abort_msg("pool %d: element %lld is %.9g, expected %.9g (%s)", round % 3,
                             (long long)at, actual, d.expected[at], conv_case_text(&d.c));
        }
        free(scratch);
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("conv_last");
    TCase *tc = tcase_create("conv_last");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, any_geometry, 0, ISA_COUNT);
    tcase_add_loop_test(tc, winograd_equals_the_direct_sum, 0, ISA_COUNT);
    tcase_add_loop_test(tc, an_image_does_not_depend_on_the_others, 0, ISA_COUNT);
    tcase_add_loop_test(tc, pools_of_any_geometry, 0, ISA_COUNT);
    suite_add_tcase(suite, tc);
    return suite;
}
