/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shape.h"
#include "tests/support/run_suite.h"

static const struct {
    struct shape shape;
    size_t element;
    bool ok;
    size_t bytes;
} checks[] = {
    {{0, {0}}, 4, true, 4},
    {{2, {2, 3}}, 4, true, 24},
    {{2, {0, 3}}, 4, true, 0},
    {{1, {-1}}, 4, false, 0},
    {{9, {1, 1, 1, 1, 1, 1, 1, 1}}, 4, false, 0},
    {{2, {16, (INT64_C(1) << 60) + 2}}, 4, false, 0},                     /* wraps to 128 */
    {{3, {INT64_C(1) << 32, INT64_C(1) << 32, 0}}, 1, false, 0},          /* empty, but no order fits */
    {{2, {0, INT64_C(1) << 31}}, 8, true, 0},
    {{2, {(INT64_C(1) << 31) + 1, 0}}, 8, false, 0},       /* empty, but long to walk */
    {{1, {INT64_MAX}}, 1, false, 0},
};

START_TEST(check_finds_overflow)
{
    size_t bytes = 999;

    ck_assert_msg(shape_check(&checks[_i].shape, checks[_i].element, &bytes) == checks[_i].ok, "row %d", _i);
    ck_assert_msg(bytes == (checks[_i].ok ? checks[_i].bytes : 999), "row %d: %zu bytes", _i, bytes);
}
END_TEST

static const struct {
    struct shape a, b;
    bool ok;
    struct shape out;
} broadcasts[] = {
    {{2, {2, 3}}, {2, {2, 3}}, true, {2, {2, 3}}},
    {{2, {2, 3}}, {0, {0}}, true, {2, {2, 3}}},
    {{2, {2, 1}}, {1, {3}}, true, {2, {2, 3}}},
    {{3, {1, 1, 4}}, {2, {5, 1}}, true, {3, {1, 5, 4}}},
    {{1, {0}}, {1, {1}}, true, {1, {0}}},
    {{1, {2}}, {1, {3}}, false, {0, {0}}},
    {{1, {0}}, {1, {2}}, false, {0, {0}}},
};

START_TEST(broadcast_follows_numpy)
{
    struct shape out;
    bool ok = shape_broadcast(&broadcasts[_i].a, &broadcasts[_i].b, &out);

    ck_assert_msg(ok == broadcasts[_i].ok, "row %d", _i);
    ck_assert_msg(!ok || shape_equal(&out, &broadcasts[_i].out), "row %d", _i);
}
END_TEST

START_TEST(axes_strides_text)
{
    struct shape shape = {3, {2, 3, 4}};
    int64_t strides[SHAPE_RANK_MAX];
    char text[SHAPE_TEXT_MAX];
    int axis = 9;

    ck_assert(shape_axis(-1, 3, &axis) && axis == 2);
    ck_assert(!shape_axis(3, 3, &axis) && !shape_axis(-4, 3, &axis) && !shape_axis(0, 0, &axis));
    ck_assert(!shape_axis(INT64_MIN, 3, &axis));
    shape_strides(&shape, strides);
    ck_assert(strides[0] == 12 && strides[1] == 4 && strides[2] == 1);
    ck_assert_str_eq(shape_text(&shape, text, sizeof(text)), "[2,3,4]");
    shape.rank = 0;
    ck_assert_str_eq(shape_text(&shape, text, sizeof(text)), "[]");
    shape.rank = 1;
    ck_assert_str_eq(shape_text(&shape, text, 3), "[2");
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("shape");
    TCase *tc = tcase_create("shape");

    tcase_add_loop_test(tc, check_finds_overflow, 0, sizeof(checks) / sizeof(checks[0]));
    tcase_add_loop_test(tc, broadcast_follows_numpy, 0, sizeof(broadcasts) / sizeof(broadcasts[0]));
    tcase_add_test(tc, axes_strides_text);
    suite_add_tcase(suite, tc);
    return suite;
}
