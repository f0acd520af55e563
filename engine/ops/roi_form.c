/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/roi_form.h"

#include <math.h>

bool roi_span_set(const struct roi_params *params, double low, double high, int64_t bins, int64_t dim,
                  struct roi_span *ret)
{
    const double offset = params->half_pixel ? 0.5 : 0;
    double length = (high - low) * params->scale, samples;

    if (!params->half_pixel && !(length > 1))
        length = 1;
    ret->start = low * params->scale - offset;
    ret->bin = length / (double)bins;
    ret->dim = dim;
    samples = params->ratio > 0 ? (double)params->ratio : ceil(ret->bin);
    if (!(samples <= 4.0 * (double)dim + 4096) || !isfinite(ret->start))
        return false;
    ret->samples = samples > 0 ? (int64_t)samples : 0;
    return true;
}

bool roi_pair_set(const struct roi_span *span, int64_t bin, int64_t sample, struct roi_pair *ret)
{
    double at = span->start + (double)bin * span->bin +
                ((double)sample + 0.5) * span->bin / (double)span->samples;

    if (!(at >= -1 && at <= (double)span->dim))
        return false;
    at = at > 0 ? at : 0;
    ret->low = (int64_t)at;
    if (ret->low >= span->dim - 1) {
        *ret = (struct roi_pair){span->dim - 1, span->dim - 1, 0};
        return true;
    }
    ret->high = ret->low + 1;
    ret->weight = at - (double)ret->low;
    return true;
}

void roi_bin_range(const struct roi_params *params, double low, double high, int64_t bin, int64_t bins,
                   int64_t dim, int64_t *ret_from, int64_t *ret_to)
{
    const double start = round(low * params->scale);
    const double length = fmax(round(high * params->scale) - start + 1, 1);
    const double from = floor((double)bin * length / (double)bins) + start;
    const double to = ceil((double)(bin + 1) * length / (double)bins) + start;

    *ret_from = from > 0 ? (from < (double)dim ? (int64_t)from : dim) : 0;
    *ret_to = to > 0 ? (to < (double)dim ? (int64_t)to : dim) : 0;
}
