/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/page_hinkley.h - has the mean of a stream gone up? The Page-Hinkley test (Page 1954,
 * Hinkley 1971) with forgetting, for prequential loss: O(1) a value. Plain values, no memory. */
#ifndef ENGINE_LEARN_PAGE_HINKLEY_H
#define ENGINE_LEARN_PAGE_HINKLEY_H

#include <stdbool.h>
#include <stdint.h>

struct page_hinkley_options {
    double tolerance;       /* delta: rises of the mean below this are none; >= 0 */
    double threshold;       /* lambda: of the accumulated rise; > 0 */
    double forgetting;      /* alpha in (0, 1]: 1 forgets nothing */
    uint64_t minimum;       /* values before the first alarm */
};

struct page_hinkley {
    struct page_hinkley_options options;
    uint64_t n;             /* since the start or the last alarm */
    double mean, rise, lowest;
    uint64_t alarms;
};

/* {0.005, 50, 0.9999, 30} */
struct page_hinkley_options page_hinkley_defaults(void);
void page_hinkley_init(struct page_hinkley *test, const struct page_hinkley_options *options);
/* True if this value raises the alarm, which starts the test anew with the next one. A value that is
 * not finite is passed over. */
bool page_hinkley_add(struct page_hinkley *test, double value);
/* The accumulated rise above its lowest, to be seen against the threshold. */
double page_hinkley_rise(const struct page_hinkley *test);

#endif
