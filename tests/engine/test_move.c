/* SPDX-License-Identifier: Apache-2.0
 * Operators that move data, on random shapes, against index arithmetic written as plainly as can be. */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 400 };

static const enum dtype dtypes[] = {DTYPE_U8, DTYPE_I16, DTYPE_F32, DTYPE_I64, DTYPE_STRING};

static int64_t pick(uint64_t *seed, int64_t low, int64_t high)
{
    return low + (int64_t)(test_random(seed) % (uint64_t)(high - low + 1));
}

/* Elements with distinct bytes (as far as a byte goes), whatever their size. */
static struct tensor random_tensor(struct arena *arena, uint64_t *seed, int rank_min, int rank_max)
{
    struct tensor tensor = {.dtype = dtypes[pick(seed, 0, 4)]};
    size_t bytes;

    tensor.shape.rank = (int)pick(seed, rank_min, rank_max);
    for (int d = 0; d < tensor.shape.rank; d++)
        tensor.shape.dims[d] = pick(seed, 0, 40) == 0 ? 0 : pick(seed, 1, tensor.shape.rank > 3 ? 6 : 21);
    bytes = tensor_bytes(&tensor);
    tensor.data = arena_alloc(arena, bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)tensor.data)[i] = (uint8_t)test_random(seed);
    return tensor;
}

static struct tensor int_list(struct arena *arena, const int64_t *items, int count)
{
    struct tensor tensor = {DTYPE_I64, {1, {count}}, arena_alloc(arena, (size_t)count * 8 + 1)};

    memcpy(tensor.data, items, (size_t)count * sizeof(*items));
    return tensor;
}

/* Position `i` of a shape as coordinates, and back. */
static void coordinates(const struct shape *shape, int64_t i, int64_t at[SHAPE_RANK_MAX])
{
    for (int d = shape->rank - 1; d >= 0; d--) {
        at[d] = i % shape->dims[d];
        i /= shape->dims[d];
    }
}

static int64_t position(const struct shape *shape, const int64_t at[SHAPE_RANK_MAX])
{
    int64_t i = 0;

    for (int d = 0; d < shape->rank; d++)
        i = i * shape->dims[d] + at[d];
    return i;
}

static void check_element(const char *op, int round, const struct tensor *to, int64_t i,
                          const struct tensor *from, int64_t j)
{
    const size_t size = dtype_size(to->dtype);

    ck_assert_msg(memcmp((char *)to->data + (size_t)i * size, (char *)from->data + (size_t)j * size,
                         size) == 0,
                  "%s, round %d: element %lld is not input element %lld", op, round, (long long)i,
                  (long long)j);
}

static struct tensor run(struct arena *arena, const char *op, const char *attributes, int n_inputs,
                         const struct tensor *inputs)
{
    struct engine_error err = {0};
    struct tensor output;

    ck_assert_msg(op_case_run(arena, op, attributes, n_inputs, inputs, 1, &output, &err) == ENGINE_OK,
                  "%s: %s", op, err.text);
    return output;
}

static void check_shape(const char *op, int round, const struct tensor *to, const struct shape *expected)
{
    char a[SHAPE_TEXT_MAX], e[SHAPE_TEXT_MAX];

    ck_assert_msg(shape_equal(&to->shape, expected), "%s, round %d: shape %s, expected %s", op, round,
                  shape_text(&to->shape, a, sizeof(a)), shape_text(expected, e, sizeof(e)));
}

START_TEST(transpose)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create((size_t)64 << 20);
        struct tensor from = random_tensor(arena, &seed, 1, 5), to;
        const int rank = from.shape.rank;
        struct shape expected = {.rank = rank};
        int perm[SHAPE_RANK_MAX];
        char attributes[64] = "perm=I:";

        for (int d = 0; d < rank; d++)
            perm[d] = d;
        for (int d = rank - 1; d > 0; d--) {
            const int other = (int)pick(&seed, 0, d), kept = perm[d];

            perm[d] = perm[other];
            perm[other] = kept;
        }
        for (int d = 0; d < rank; d++) {
            expected.dims[d] = from.shape.dims[perm[d]];
            sprintf(attributes + strlen(attributes), "%d%s", perm[d], d + 1 < rank ? "," : "");
        }
        to = run(arena, "Transpose", attributes, 1, &from);
        check_shape("Transpose", round, &to, &expected);
        for (int64_t i = 0; i < shape_elements(&expected); i++) {
            int64_t at[SHAPE_RANK_MAX], source[SHAPE_RANK_MAX] = {0};

            coordinates(&expected, i, at);
            for (int d = 0; d < rank; d++)
                source[perm[d]] = at[d];
            check_element("Transpose", round, &to, i, &from, position(&from.shape, source));
        }
        arena_destroy(arena);
    }
}
END_TEST

/* The elements of one dimension that a slice takes, walked one by one. */
static int64_t walk(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *ret_first)
{
    int64_t count = 0;

    *ret_first = 0;
    if (dim == 0)
        return 0;
    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    if (step > 0) {
        start = start < 0 ? 0 : start;
        for (int64_t i = start; i < end && i < dim; i += step)
            count++;
    } else {
        start = start < 0 ? 0 : start >= dim ? dim - 1 : start;
        for (int64_t i = start; i > end && i >= 0; i += step)
            count++;
    }
    *ret_first = start;
    return count;
}

START_TEST(slice)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create((size_t)64 << 20);
        struct tensor inputs[5] = {random_tensor(arena, &seed, 1, 4)}, to;
        const struct shape *from = &inputs[0].shape;
        const int rank = from->rank, first_axis = (int)pick(&seed, 0, rank - 1);
        struct shape expected = *from;
        int64_t lists[4][SHAPE_RANK_MAX], first[SHAPE_RANK_MAX] = {0}, step[SHAPE_RANK_MAX];
        int n = 0;

        for (int d = 0; d < rank; d++)
            step[d] = 1;
        for (int d = first_axis; d < rank; d++, n++) {
            lists[0][n] = pick(&seed, -25, 25);
            lists[1][n] = pick(&seed, 0, 9) == 0 ? INT64_MIN : pick(&seed, -25, 25);
            lists[2][n] = pick(&seed, 0, 1) ? d : d - rank;
            lists[3][n] = pick(&seed, 0, 1) ? pick(&seed, 1, 4) : -pick(&seed, 1, 4);
            step[d] = lists[3][n];
            expected.dims[d] = walk(from->dims[d], lists[0][n], lists[1][n], step[d], &first[d]);
        }
        for (int i = 0; i < 4; i++)
            inputs[i + 1] = int_list(arena, lists[i], n);
        to = run(arena, "Slice", NULL, 5, inputs);
        check_shape("Slice", round, &to, &expected);
        for (int64_t i = 0; i < shape_elements(&expected); i++) {
            int64_t at[SHAPE_RANK_MAX];

            coordinates(&expected, i, at);
            for (int d = 0; d < rank; d++)
                at[d] = first[d] + at[d] * step[d];
            check_element("Slice", round, &to, i, &inputs[0], position(from, at));
        }
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(gather)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create((size_t)64 << 20);
        struct tensor inputs[2] = {random_tensor(arena, &seed, 1, 4)}, to;
        const struct shape *from = &inputs[0].shape;
        const int axis = (int)pick(&seed, 0, from->rank - 1);
        struct shape expected = *from;
        int64_t indices[30];
        int n = (int)pick(&seed, 0, 30);
        char attributes[32];

        if (from->dims[axis] == 0)
            n = 0;
        for (int i = 0; i < n; i++)
            indices[i] = pick(&seed, -from->dims[axis], from->dims[axis] - 1);
        inputs[1] = int_list(arena, indices, n);
        expected.dims[axis] = n;
        sprintf(attributes, "axis=i:%d", axis);
        to = run(arena, "Gather", attributes, 2, inputs);
        check_shape("Gather", round, &to, &expected);
        for (int64_t i = 0; i < shape_elements(&expected); i++) {
            int64_t at[SHAPE_RANK_MAX];

            coordinates(&expected, i, at);
            at[axis] = indices[at[axis]] + (indices[at[axis]] < 0 ? from->dims[axis] : 0);
            check_element("Gather", round, &to, i, &inputs[0], position(from, at));
        }
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(tile)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale() / 4; round++) {
        struct arena *arena = arena_create((size_t)64 << 20);
        struct tensor inputs[2] = {random_tensor(arena, &seed, 1, 4)}, to;
        const struct shape *from = &inputs[0].shape;
        struct shape expected = *from;
        int64_t repeats[SHAPE_RANK_MAX];

        for (int d = 0; d < from->rank; d++) {
            repeats[d] = pick(&seed, 0, 3);
            expected.dims[d] *= repeats[d];
        }
        inputs[1] = int_list(arena, repeats, from->rank);
        to = run(arena, "Tile", NULL, 2, inputs);
        check_shape("Tile", round, &to, &expected);
        for (int64_t i = 0; i < shape_elements(&expected); i++) {
            int64_t at[SHAPE_RANK_MAX];

            coordinates(&expected, i, at);
            for (int d = 0; d < from->rank; d++)
                at[d] %= from->dims[d];
            check_element("Tile", round, &to, i, &inputs[0], position(from, at));
        }
        arena_destroy(arena);
    }
}
END_TEST

/* Splitting at random places and joining the parts gives the whole back. */
START_TEST(split_and_concat)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create((size_t)64 << 20);
        struct tensor inputs[2] = {random_tensor(arena, &seed, 1, 4)}, parts[3], to;
        const int axis = (int)pick(&seed, 0, inputs[0].shape.rank - 1);
        const int64_t dim = inputs[0].shape.dims[axis], cut = pick(&seed, 0, dim);
        const int64_t sizes[3] = {cut / 2, cut - cut / 2, dim - cut};
        struct engine_error err = {0};
        char attributes[32];

        inputs[1] = int_list(arena, sizes, 3);
        sprintf(attributes, "axis=i:%d", axis);
        ck_assert_msg(op_case_run(arena, "Split", attributes, 2, inputs, 3, parts, &err) == ENGINE_OK,
                      "round %d: %s", round, err.text);
        to = run(arena, "Concat", attributes, 3, parts);
        check_shape("Concat", round, &to, &inputs[0].shape);
        ck_assert_msg(memcmp(to.data, inputs[0].data, tensor_bytes(&to)) == 0,
                      "round %d: the parts do not make the whole", round);
        arena_destroy(arena);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("move");
    TCase *tc = tcase_create("against index arithmetic");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, transpose);
    tcase_add_test(tc, slice);
    tcase_add_test(tc, gather);
    tcase_add_test(tc, tile);
    tcase_add_test(tc, split_and_concat);
    suite_add_tcase(suite, tc);
    return suite;
}
