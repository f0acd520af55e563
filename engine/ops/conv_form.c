/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/conv_form.h"

#include <string.h>

enum engine_status conv_form_init(const struct op_init *init, struct engine_error *err)
{
    struct conv_form *params = init->params;

    params->transposed = strcmp(init->node->op_type, "ConvTranspose") == 0;
    params->groups = node_int(init->node, "group", 1);
    if (params->groups < 1)
        return op_fail(init->node, err, "group is %lld", (long long)params->groups);
    return window_form_read(init->node, &params->form, err);
}

const char *conv_form_sizes(const struct conv_form *params, const struct shape *x,
                            const struct shape *w, const struct shape *bias, struct conv_sizes *ret)
{
    const int64_t *kernel = w->dims + 2, *spatial = x->dims + 2;

    if (x->rank < 3 || w->rank != x->rank)
        return "input and weights must have the same rank, at least 3";
    ret->images = x->dims[0];
    ret->groups = params->groups;
    if (params->transposed) {
        if (x->dims[1] != w->dims[0] || w->dims[0] % params->groups != 0)
            return "channels of input, weights and group do not fit";
        ret->channels = w->dims[0] / params->groups;
        ret->outputs = w->dims[1];
    } else {
        if (w->dims[0] % params->groups != 0 || x->dims[1] % params->groups != 0 ||
            x->dims[1] / params->groups != w->dims[1])
            return "channels of input, weights and group do not fit";
        ret->channels = w->dims[1];
        ret->outputs = w->dims[0] / params->groups;
    }
    if (bias != NULL && (bias->rank != 1 || bias->dims[0] != ret->outputs * ret->groups))
        return "the bias has not one element for each output channel";
    if (params->transposed)
        return window_fit_transposed(&params->form, x->rank - 2, spatial, kernel, &ret->window);
    return window_fit(&params->form, x->rank - 2, spatial, kernel, &ret->window);
}
