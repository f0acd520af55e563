/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/adwin.h"

#include <math.h>
#include <string.h>

struct adwin_options adwin_defaults(void)
{
    return (struct adwin_options){0.002, 32, 5, 10};
}

void adwin_init(struct adwin *window, const struct adwin_options *options)
{
    memset(window, 0, sizeof(*window));
    window->options = *options;
    window->rows = 1;
    if (window->options.every == 0)
        window->options.every = 1;
    if (window->options.part_min == 0)
        window->options.part_min = 1;
}

/* Sum of squared deviations of two sets together (Chan, Golub and LeVeque 1979), less their own. */
static double between(double n0, double sum0, double n1, double sum1)
{
    double gap = sum0 / n0 - sum1 / n1;

    return n0 * n1 / (n0 + n1) * gap * gap;
}

static void drop_first(struct adwin *window, int row, int n)
{
    window->used[row] -= n;
    memmove(window->buckets[row], window->buckets[row] + n,
            (size_t)window->used[row] * sizeof(window->buckets[row][0]));
}

/* Rows that overflow give their two oldest buckets, joined, to the next. */
static void compress(struct adwin *window)
{
    for (int row = 0; window->used[row] > ADWIN_BUCKETS && row + 1 < ADWIN_ROWS; row++) {
        const struct adwin_bucket *old = window->buckets[row];
        double n = ldexp(1.0, row);
        struct adwin_bucket joined = {
            .sum = old[0].sum + old[1].sum,
            .variance = old[0].variance + old[1].variance + between(n, old[0].sum, n, old[1].sum),
        };

        drop_first(window, row, 2);
        window->buckets[row + 1][window->used[row + 1]++] = joined;
        if (row + 2 > window->rows)
            window->rows = row + 2;
    }
}

static void insert(struct adwin *window, double value)
{
    if (window->width > 0)
        window->variance += between((double)window->width, window->sum, 1.0, value);
    window->width++;
    window->sum += value;
    window->buckets[0][window->used[0]++] = (struct adwin_bucket){.sum = value};
    compress(window);
}

static void drop_oldest(struct adwin *window)
{
    int row = window->rows - 1;
    struct adwin_bucket old = window->buckets[row][0];
    uint64_t n = UINT64_C(1) << row;

    window->width -= n;
    window->sum -= old.sum;
    if (window->width > 0)
        window->variance -= old.variance + between((double)n, old.sum, (double)window->width,
                                                   window->sum);
    if (window->variance < 0.0 || window->width == 0)
        window->variance = 0.0;
    drop_first(window, row, 1);
    while (window->rows > 1 && window->used[window->rows - 1] == 0)
        window->rows--;
}

/* The paper's epsilon for parts of n0 and n1 values (the bound for large windows, with the variance).
 * As in its authors' program, each part counts for part_min - 1 fewer: a short one must
 * differ by more. */
static double bound(const struct adwin *window, double n0, double n1)
{
    double n = (double)window->width, less = window->options.part_min - 1.0;
    double inverse = 1.0 / (n0 - less) + 1.0 / (n1 - less);
    double chance = log(2.0 * log(n) / window->options.confidence);

    return sqrt(2.0 * inverse * window->variance / n * chance) + 2.0 / 3.0 * inverse * chance;
}

/* True if there is a cut between two buckets whose sides differ; oldest first. */
static bool differs(const struct adwin *window)
{
    double n0 = 0.0, sum0 = 0.0, n = (double)window->width;

    for (int row = window->rows - 1; row >= 0; row--) {
        for (int i = 0; i < window->used[row]; i++) {
            double n1, gap;

            n0 += ldexp(1.0, row);
            sum0 += window->buckets[row][i].sum;
            n1 = n - n0;
            if (n1 < window->options.part_min)
                return false;
            if (n0 < window->options.part_min)
                continue;
            gap = fabs(sum0 / n0 - (window->sum - sum0) / n1);
            if (gap > bound(window, n0, n1))
                return true;
        }
    }
    return false;
}

bool adwin_add(struct adwin *window, double value)
{
    bool cut = false;

    if (!isfinite(value))
        return false;
    insert(window, value);
    window->seen++;
    if (window->seen % window->options.every != 0 || window->width <= window->options.minimum)
        return false;
    while (window->width > 2 * (uint64_t)window->options.part_min && differs(window)) {
        drop_oldest(window);
        cut = true;
    }
    window->alarms += cut;
    return cut;
}

double adwin_mean(const struct adwin *window)
{
    return window->width == 0 ? 0.0 : window->sum / (double)window->width;
}
