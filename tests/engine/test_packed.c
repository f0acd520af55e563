/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/cpu.h"
#include "engine/kernels/packed.h"
#include "tests/support/conv_reference.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 70, THREADS = 3 };

static const struct { int64_t depth, columns; } sizes[] = {
    {0, 5}, {1, 1}, {3, 7}, {17, 16}, {64, 33}, {255, 10}, {256, 64}, {257, 65}, {300, 130},
    {600, 31}, {784, 100}, {1030, 200},
};

static const struct activation activations[] = {
    {ACTIVATION_NONE, 0, 0}, {ACTIVATION_CLIP, 0, INFINITY}, {ACTIVATION_LEAKY_RELU, 0.1f, 0},
    {ACTIVATION_CLIP, -0.5f, 0.5f}, {ACTIVATION_TANH, 0, 0},
};

struct data {
    int64_t rows, depth, columns;
    float *a, *w, *bias, *residual, *packed, *c;
    double *expected;
};

static float *floats(uint64_t *seed, int64_t count)
{
    float *items = malloc(((size_t)count + 1) * sizeof(*items));

    ck_assert_ptr_nonnull(items);
    random_floats(seed, items, count);
    return items;
}

static void data_init(struct data *d, uint64_t *seed, int64_t rows, int64_t depth, int64_t columns)
{
    int64_t packed;

    *d = (struct data){.rows = rows, .depth = depth, .columns = columns};
    d->a = floats(seed, rows * depth);
    d->w = floats(seed, depth * columns);
    d->bias = floats(seed, columns);
    d->residual = floats(seed, rows * columns);
    d->c = floats(seed, rows * columns);
    ck_assert(packed_size(depth, columns, &packed));
    d->packed = floats(seed, packed);
    packed_fill(depth, columns, d->w, columns, 1, 1, d->packed);
    d->expected = malloc(sizeof(double) * (size_t)(rows * columns + 1));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0;

            for (int64_t k = 0; k < depth; k++)
                sum += (double)d->a[i * depth + k] * (double)d->w[k * columns + j];
            d->expected[i * columns + j] = sum;
        }
    }
}

static void data_finish(struct data *d)
{
    free(d->a);
    free(d->w);
    free(d->bias);
    free(d->residual);
    free(d->packed);
    free(d->c);
    free(d->expected);
}

static double apply(const struct activation *a, double x)
{
    switch (a->kind) {
    case ACTIVATION_CLIP:
        return fmin(fmax(x, (double)a->alpha), (double)a->beta);
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? (double)a->alpha * x : x;
    case ACTIVATION_TANH:
        return tanh(x);
    default:
        return x;
    }
}

static void check(const struct data *d, int64_t rows, struct pool *pool, int which)
{
    const struct activation *activation = &activations[which % 5];
    struct packed_product product = {.rows = rows, .columns = d->columns, .depth = d->depth, .a = d->a,
                                     .a_step = d->depth, .weights = d->packed, .c = d->c,
                                     .c_step = d->columns,
                                     .epilogue = {.bias = which & 1 ? d->bias : NULL,
                                                  .residual = which & 2 ? d->residual : NULL,
                                                  .activation = *activation}};

    memset(d->c, 0xff, sizeof(float) * (size_t)(d->rows * d->columns));
    packed_run(&product, pool);
    for (int64_t i = 0; i < d->rows * d->columns; i++) {
        double expected = d->expected[i];

        if (i >= rows * d->columns) {
            if (!isnan(d->c[i]))
                ck_abort_msg("wrote past row %lld", (long long)rows);
            continue;
        }
        expected += which & 1 ? (double)d->bias[i % d->columns] : 0;
        expected += which & 2 ? (double)d->residual[i] : 0;
        expected = apply(activation, expected);
        if (!(fabs((double)d->c[i] - expected) <= 4e-5 * (1 + fabs(expected))))
            ck_abort_msg("%s, [%lld,%lld]x[%lld]: element %lld is %.9g, expected %.9g",
                         cpu_isa_name(cpu_isa()), (long long)rows, (long long)d->depth,
                         (long long)d->columns, (long long)i, (double)d->c[i], expected);
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

START_TEST(every_size_equals_a_double_product)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);

    for (size_t i = 0; use_isa(_i) && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct data d;

        data_init(&d, &seed, ROWS_MAX, sizes[i].depth, sizes[i].columns);
        for (int64_t rows = 1; rows <= ROWS_MAX; rows++)
            check(&d, rows, rows % 2 ? pool : NULL, (int)rows + (int)i);
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(blocks_of_many_rows)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);
    struct data d;

    if (use_isa(_i)) {
        data_init(&d, &seed, 500, 520, 24);
        check(&d, 500, NULL, 3);
        check(&d, 499, pool, 2);
        check(&d, 97, pool, 4);
        check(&d, 0, pool, 4);
        data_finish(&d);
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(a_row_does_not_depend_on_the_others)
{
    uint64_t seed = test_seed();
    struct pool *pool = pool_create(THREADS, 10);
    struct data d;

    if (!use_isa(_i)) {
        pool_destroy(pool);
        return;
    }
    data_init(&d, &seed, ROWS_MAX, 700, 150);
    for (int64_t rows = 1; rows <= ROWS_MAX; rows++) {
        struct packed_product product = {.rows = rows, .columns = d.columns, .depth = d.depth,
                                         .a = d.a, .a_step = d.depth, .weights = d.packed, .c = d.c,
                                         .c_step = d.columns};
        float alone[150];

        product.epilogue.activation.kind = ACTIVATION_GELU;
        product.epilogue.bias = d.bias;
        packed_run(&product, pool);
        product.rows = 1;
        product.c = alone;
        product.a += (rows - 1) * d.depth;
        packed_run(&product, NULL);
        ck_assert_msg(memcmp(alone, d.c + (rows - 1) * d.columns, sizeof(alone)) == 0,
                      "row %lld of as many is not what it is alone", (long long)rows);
    }
    data_finish(&d);
    pool_destroy(pool);
}
END_TEST

START_TEST(residual_may_be_the_result)
{
    uint64_t seed = test_seed();
    struct data d;

    if (!use_isa(_i))
        return;
    data_init(&d, &seed, 20, 900, 40);
    memcpy(d.c, d.residual, sizeof(float) * 20 * 40);
    packed_run(&(struct packed_product){.rows = 20, .columns = 40, .depth = 900, .a = d.a,
                                        .a_step = 900, .weights = d.packed, .c = d.c, .c_step = 40,
                                        .epilogue = {.residual = d.c}}, NULL);
    for (int i = 0; i < 20 * 40; i++)
        ck_assert(fabs((double)d.c[i] - d.expected[i] - (double)d.residual[i]) < 1e-3);
    data_finish(&d);
}
END_TEST

START_TEST(transposed_and_scaled_weights_pack_alike)
{
    uint64_t seed = test_seed();
    float *w = floats(&seed, 30 * 50), transposed[30 * 50], *one, *other;
    int64_t packed;

    if (use_isa(_i)) {
        for (int k = 0; k < 30; k++)
            for (int j = 0; j < 50; j++)
                transposed[j * 30 + k] = w[k * 50 + j] / 2;
        ck_assert(packed_size(30, 50, &packed));
        one = floats(&seed, packed);
        other = floats(&seed, packed);
        packed_fill(30, 50, w, 50, 1, 1, one);
        packed_fill(30, 50, transposed, 1, 30, 2, other);
        ck_assert_mem_eq(one, other, sizeof(float) * (size_t)packed);
        free(one);
        free(other);
    }
    free(w);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    int64_t packed;

    ck_assert(!packed_size(INT64_MAX / 2, 100, &packed));
    ck_assert(!packed_size(1, INT64_MAX, &packed));
    ck_assert(!packed_size(-1, 1, &packed));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("packed");
    TCase *tc = tcase_create("packed");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_size_equals_a_double_product, 0, ISA_COUNT);
    tcase_add_loop_test(tc, blocks_of_many_rows, 0, ISA_COUNT);
    tcase_add_loop_test(tc, a_row_does_not_depend_on_the_others, 0, ISA_COUNT);
    tcase_add_loop_test(tc, residual_may_be_the_result, 0, ISA_COUNT);
    tcase_add_loop_test(tc, transposed_and_scaled_weights_pack_alike, 0, ISA_COUNT);
    tcase_add_test(tc, impossible_sizes_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
