/* SPDX-License-Identifier: Apache-2.0
 * The loop nest of terms against plain loops, over random grids: any dimension may repeat in any operand,
 * and the result is the same whatever the pool. */
#include "engine/grad/term_rows.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 3, RANK = 5, POOLS = 3 };

#define LIST(isa) SPREAD_TERM_3(isa, product, float, d * a * b)
TERMS(LIST)

static const struct term product_term = TERM(product);

static int64_t below(unsigned *seed, int64_t limit)
{
    return rand_r(seed) % limit;
}

/* The grid's shape, with ones where the tensor repeats; leading ones may be left off. */
static struct shape repeated(unsigned *seed, const struct shape *grid, int one_in)
{
    struct shape shape = *grid;
    int lead = 0;

    for (int d = 0; d < shape.rank; d++)
        if (below(seed, one_in) == 0)
            shape.dims[d] = 1;
    while (lead < shape.rank && shape.dims[lead] == 1 && below(seed, 2) == 0)
        lead++;
    for (int d = lead; d < shape.rank; d++)
        shape.dims[d - lead] = shape.dims[d];
    shape.rank -= lead;
    return shape;
}

static struct tensor filled(unsigned *seed, const struct shape *shape)
{
    struct tensor tensor = {.dtype = DTYPE_F32, .shape = *shape};
    int64_t count = shape_elements(shape);
    float *items = malloc((size_t)(count + 1) * sizeof(*items));

    ck_assert_ptr_nonnull(items);
    for (int64_t i = 0; i < count; i++)
        items[i] = (float)below(seed, 2001) / 1000.0f - 1.0f;
    tensor.data = items;
    return tensor;
}

/* Where element `at` of the grid falls in a tensor that broadcasts to it. */
static int64_t place(const struct shape *grid, const struct shape *shape, int64_t at)
{
    int64_t strides[SHAPE_RANK_MAX], offset = 0;

    shape_strides(shape, strides);
    for (int d = grid->rank - 1; d >= 0; d--) {
        int own = d - (grid->rank - shape->rank);

        if (own >= 0 && shape->dims[own] != 1)
            offset += at % grid->dims[d] * strides[own];
        at /= grid->dims[d];
    }
    return offset;
}

static void check_against_loops(const struct shape *grid, const struct tensor *sources,
                                const struct tensor *before, const struct tensor *after, bool add)
{
    int64_t count = shape_elements(&after->shape);
    double *sums = calloc((size_t)count + 1, sizeof(*sums));
    double *sizes = calloc((size_t)count + 1, sizeof(*sizes));

    ck_assert(sums != NULL && sizes != NULL);
    for (int64_t i = 0; i < shape_elements(grid); i++) {
        int64_t to = place(grid, &after->shape, i);
        double term = 1;

        for (int k = 0; k < SOURCES; k++)
            term *= (double)((float *)sources[k].data)[place(grid, &sources[k].shape, i)];
        sums[to] += term;
        sizes[to] += fabs(term);
    }
    for (int64_t i = 0; i < count; i++) {
        double expected = sums[i] + (add ? (double)((float *)before->data)[i] : 0);
        double actual = (double)((float *)after->data)[i];

        ck_assert_msg(fabs(actual - expected) <= 1e-6 * (sizes[i] + 1), "element %d is %g, expected %g",
                      (int)i, actual, expected);
    }
    free(sums);
    free(sizes);
}

/* Every fifth grid has a dimension long enough to be cut. */
static struct shape random_grid(unsigned *seed)
{
    struct shape grid = {.rank = (int)below(seed, RANK) + 1};

    for (int d = 0; d < grid.rank; d++)
        grid.dims[d] = below(seed, 6) + 1;
    if (below(seed, 5) == 0)
        grid.dims[below(seed, grid.rank)] = below(seed, 3000) + 1;
    else if (below(seed, 9) == 0)
        grid.dims[below(seed, grid.rank)] = 0;
    return grid;
}

static void check_round(unsigned *seed, struct pool *const pools[POOLS])
{
    struct shape grid = random_grid(seed), to_shape = repeated(seed, &grid, 3);
    struct tensor sources[SOURCES], before, results[POOLS];
    const struct tensor *pointers[SOURCES];
    bool add = below(seed, 2) == 0;

    for (int k = 0; k < SOURCES; k++) {
        struct shape shape = repeated(seed, &grid, 4);

        sources[k] = filled(seed, &shape);
        pointers[k] = &sources[k];
    }
    before = filled(seed, &to_shape);
    for (int p = 0; p < POOLS; p++) {
        size_t bytes = tensor_bytes(&before);

        results[p] = filled(seed, &to_shape);
        memcpy(results[p].data, before.data, bytes);
        term_run(pools[p], &product_term, &grid, SOURCES, pointers, &results[p], add, NULL);
        ck_assert_msg(memcmp(results[p].data, results[0].data, bytes) == 0, "pool %d changes a bit", p);
    }
    check_against_loops(&grid, sources, &before, &results[0], add);
    for (int k = 0; k < SOURCES; k++)
        free(sources[k].data);
    for (int p = 0; p < POOLS; p++)
        free(results[p].data);
    free(before.data);
}

START_TEST(agrees_with_loops)
{
    unsigned seed = (unsigned)test_seed();
    struct pool *pools[POOLS] = {NULL, pool_create(2, 0), pool_create(3, 0)};

    for (int round = 0; round < 300; round++)
        check_round(&seed, pools);
    for (int p = 0; p < POOLS; p++)
        pool_destroy(pools[p]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("terms");
    TCase *tc = tcase_create("random grids");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, agrees_with_loops);
    suite_add_tcase(suite, tc);
    return suite;
}
