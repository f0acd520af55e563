/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/publish_policy.h"
#include "tests/support/run_suite.h"

/* Updates at those times (in ns, closed by 0): each is seen at once ('+') or waits ('.'). */
static const struct {
    int64_t every;
    uint64_t after_ns, times[8];
    const char *seen;
    uint64_t due_ns;
} rows[] = {
    {1, 0, {10, 11, 12}, "+++", UINT64_MAX},
    {3, 0, {10, 11, 12, 13, 14}, "..+..", UINT64_MAX},
    {0, 5, {10, 12, 14, 15, 16}, "...+.", 21},
    {3, 5, {10, 11, 12, 13, 18, 19}, "..+.+.", 24},
    {1000, 100, {10, 20, 109}, "...", 110},
    {2, UINT64_MAX, {10, 20, 30}, ".+.", UINT64_MAX},
};

START_TEST(row)
{
    struct publish_policy policy;

    publish_policy_init(&policy, rows[_i].every, rows[_i].after_ns);
    ck_assert_uint_eq(publish_policy_due_ns(&policy), UINT64_MAX);
    for (int k = 0; rows[_i].times[k] != 0; k++) {
        bool seen = publish_policy_add(&policy, rows[_i].times[k]);

        ck_assert_msg(seen == (rows[_i].seen[k] == '+'), "row %d, update %d", _i, k);
        if (seen)
            publish_policy_shown(&policy);
    }
    ck_assert_uint_eq(publish_policy_due_ns(&policy), rows[_i].due_ns);
    publish_policy_shown(&policy);
    ck_assert_uint_eq(publish_policy_due_ns(&policy), UINT64_MAX);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("publish_policy");
    TCase *tcase = tcase_create("rows");

    tcase_add_loop_test(tcase, row, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
