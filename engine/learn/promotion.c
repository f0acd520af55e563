/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/promotion.h"

#include <math.h>
#include <string.h>

struct promotion_options promotion_defaults(void)
{
    return (struct promotion_options){100, 0.0, 0.05};
}

void promotion_init(struct promotion *gate, const struct promotion_options *options)
{
    memset(gate, 0, sizeof(*gate));
    gate->options = *options;
    if (gate->options.minimum < 2)
        gate->options.minimum = 2;
}

void promotion_add(struct promotion *gate, double serving_loss, double candidate_loss)
{
    double difference = candidate_loss - serving_loss, step;

    if (!isfinite(candidate_loss)) {
        gate->not_finite++;
        return;
    }
    if (!isfinite(serving_loss))
        return;
    gate->n++;
    step = difference - gate->mean;
    gate->mean += step / (double)gate->n;
    gate->squares += step * (difference - gate->mean);
}

/* The continued fraction of the incomplete beta function, by Lentz's method (Abramowitz and Stegun
 * 26.5.8). */
static double beta_fraction(double x, double a, double b)
{
    enum { TERMS_MAX = 1000 };
    double tiny = 1e-300, c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), value;

    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    value = d;
    for (int m = 1; m < TERMS_MAX; m++) {
        double before = value;

        for (int odd = 0; odd < 2; odd++) {
            double k = m, term = odd == 0 ? k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
                                          : -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));

            d = 1.0 + term * d;
            c = 1.0 + term / c;
            d = 1.0 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            value *= c * d;
        }
        if (fabs(value - before) < 1e-15 * fabs(value))
            break;
    }
    return value;
}

/* Regularised incomplete beta function I_x(a, b). */
static double incomplete_beta(double x, double a, double b)
{
    double front;

    if (x <= 0.0 || x >= 1.0)
        return x <= 0.0 ? 0.0 : 1.0;
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * beta_fraction(x, a, b) / a;
    return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

double student_t_tail(double t, double freedom)
{
    double tail = 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5);

    return t >= 0.0 ? tail : 1.0 - tail;
}

double promotion_p_value(const struct promotion *gate)
{
    double n = (double)gate->n, excess = gate->mean - gate->options.margin, error;

    if (gate->n < gate->options.minimum)
        return 1.0;
    error = sqrt(gate->squares / (n - 1.0) / n);
    if (error == 0.0)
        return excess > 0.0 ? 0.0 : 1.0;
    return student_t_tail(excess / error, n - 1.0);
}

enum promotion_verdict promotion_decide(const struct promotion *gate)
{
    if (gate->not_finite > 0)
        return PROMOTION_HOLD;
    if (gate->n < gate->options.minimum)
        return PROMOTION_WAIT;
    return promotion_p_value(gate) < gate->options.level ? PROMOTION_HOLD : PROMOTION_PROMOTE;
}
