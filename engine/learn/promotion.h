/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/promotion.h - may a candidate take the place of the model that serves? Both are scored
 * on the same held-out examples; the decision is Student's paired t-test of their losses, one-sided
 * for harm: promoted unless the candidate is worse by more than a margin beyond doubt's share. A
 * plain value; running sums by Welford's method (1962). */
#ifndef ENGINE_LEARN_PROMOTION_H
#define ENGINE_LEARN_PROMOTION_H

#include <stdint.h>

struct promotion_options {
    uint64_t minimum;       /* examples before any decision; at least 2 */
    double margin;          /* mean loss that the candidate may be worse by; >= 0 */
    double level;           /* of the test, in (0, 0.5]: chance of holding back one that is no worse */
};

enum promotion_verdict { PROMOTION_WAIT, PROMOTION_PROMOTE, PROMOTION_HOLD };

struct promotion {
    struct promotion_options options;
    uint64_t n, not_finite;
    double mean, squares;   /* of candidate loss - serving loss */
};

/* {100, 0, 0.05} */
struct promotion_options promotion_defaults(void);
void promotion_init(struct promotion *gate, const struct promotion_options *options);
/* The losses of both on one example. A candidate's loss that is not finite holds it back for good; a
 * serving loss that is not finite is passed over. */
void promotion_add(struct promotion *gate, double serving_loss, double candidate_loss);
enum promotion_verdict promotion_decide(const struct promotion *gate);
/* The chance of seeing a harm as large if there were none beyond the margin; 1 before the minimum. */
double promotion_p_value(const struct promotion *gate);
/* Upper tail of Student's t with `freedom` degrees (> 0): P(T > t). Exact to about 1e-12. */
double student_t_tail(double t, double freedom);

#endif
