/* SPDX-License-Identifier: Apache-2.0
 * tests/support/run_suite.h - main() of every Check binary: runs the suite that the test file
 * defines and exits non-zero on any failure. INFERD_TEST_SCALE stretches loops (1 by default). */
#ifndef TESTS_SUPPORT_RUN_SUITE_H
#define TESTS_SUPPORT_RUN_SUITE_H

#include <check.h>
#include <stdint.h>

/* Each test file defines this. */
Suite *make_suite(void);

/* The seed of random tests: INFERD_TEST_SEED or the clock; printed once. */
uint64_t test_seed(void);
/* splitmix64: the next random number from `state`. */
uint64_t test_random(uint64_t *state);
/* INFERD_TEST_SCALE, at least 1. */
int test_scale(void);

#endif
