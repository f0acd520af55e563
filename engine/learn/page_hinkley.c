/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/page_hinkley.h"

#include <math.h>
#include <string.h>

struct page_hinkley_options page_hinkley_defaults(void)
{
    return (struct page_hinkley_options){0.005, 50.0, 0.9999, 30};
}

static void start(struct page_hinkley *test)
{
    test->n = 0;
    test->mean = test->rise = 0.0;
    test->lowest = INFINITY;
}

void page_hinkley_init(struct page_hinkley *test, const struct page_hinkley_options *options)
{
    memset(test, 0, sizeof(*test));
    test->options = *options;
    start(test);
}

bool page_hinkley_add(struct page_hinkley *test, double value)
{
    const struct page_hinkley_options *options = &test->options;

    if (!isfinite(value))
        return false;
    test->n++;
    test->mean += (value - test->mean) / (double)test->n;
    test->rise = options->forgetting * test->rise + (value - test->mean - options->tolerance);
    if (test->rise < test->lowest)
        test->lowest = test->rise;
    if (test->n < options->minimum || page_hinkley_rise(test) <= options->threshold)
        return false;
    test->alarms++;
    start(test);
    return true;
}

double page_hinkley_rise(const struct page_hinkley *test)
{
    return test->n == 0 ? 0.0 : test->rise - test->lowest;
}
