/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t test_seed(void)
{
    const char *text = getenv("INFERD_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

    printf("INFERD_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int test_scale(void)
{
    const char *text = getenv("INFERD_TEST_SCALE");
    int scale = text != NULL ? atoi(text) : 1;

    return scale < 1 ? 1 : scale;
}

int main(void)
{
    SRunner *runner = srunner_create(make_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
