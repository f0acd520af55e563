/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/pool_form.h"

#include <string.h>

enum engine_status pool_form_init(const struct op_init *init, struct engine_error *err)
{
    static const struct {
        const char *name;
        enum pool_kind kind;
        bool global, last;
    } kinds[] = {
        {"MaxPool", POOL_MAX, false, false},
        {"AveragePool", POOL_AVERAGE, false, false},
        {"LpPool", POOL_NORM, false, false},
        {"GlobalMaxPool", POOL_MAX, true, false},
        {"GlobalAveragePool", POOL_AVERAGE, true, false},
        {"GlobalLpPool", POOL_NORM, true, false},
        {"MaxPoolLast", POOL_MAX, false, true},
        {"AveragePoolLast", POOL_AVERAGE, false, true},
        {"GlobalMaxPoolLast", POOL_MAX, true, true},
        {"GlobalAveragePoolLast", POOL_AVERAGE, true, true},
    };
    struct pool_params *params = init->params;
    const struct node *node = init->node;
    enum engine_status status = window_form_read(node, &params->form, err);

    if (status != ENGINE_OK)
        return status;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(node->op_type, kinds[i].name) == 0) {
            params->kind = kinds[i].kind;
            params->global = kinds[i].global;
            params->last = kinds[i].last;
        }
    }
    if (!params->global && !params->form.has_kernel)
        return op_fail(node, err, "kernel_shape is missing");
    params->column_major = node_int(node, "storage_order", 0) != 0;
    params->mean = node_int(node, "count_include_pad", 0) != 0 ? WINDOW_MEAN_WITH_PADDING : WINDOW_MEAN;
    params->p = node_int(node, "p", 2);
    if (params->p < 1)
        return op_fail(node, err, "p is %lld", (long long)params->p);
    return ENGINE_OK;
}

const char *pool_form_window(const struct pool_params *params, const struct shape *x,
                             struct window *ret)
{
    int rank = x->rank - 2, first = params->last ? 1 : 2;

    if (rank < 1)
        return "input must have a batch, channels and at least one spatial dimension";
    if (!params->global)
        return window_fit(&params->form, rank,
                          x->dims + first, params->form.kernel + WINDOW_DIMS - params->form.rank, ret);
    *ret = (struct window){.in = {1, 1, 1}, .out = {1, 1, 1}, .kernel = {1, 1, 1},
                           .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    ret->in[2] = ret->kernel[2] = shape_product(x, first, first + rank);
    return NULL;
}
