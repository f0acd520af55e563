/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/pool_form.h - the attributes and the window of the pools, for the operators and their
 * gradients. */
#ifndef ENGINE_OPS_POOL_FORM_H
#define ENGINE_OPS_POOL_FORM_H

#include "engine/kernels/window_pool.h"
#include "engine/op.h"
#include "engine/ops/window_form.h"

enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_NORM };

struct pool_params {
    struct window_form form;
    enum pool_kind kind;
    bool global;
    bool last;                  /* channels are the last dimension */
    bool column_major;          /* of MaxPool's indices */
    enum window_mean mean;
    int64_t p;
};

/* The op's init. */
enum engine_status pool_form_init(const struct op_init *init, struct engine_error *err);

/* A global pool's one window is as large as the input. NULL, or what does not fit. */
const char *pool_form_window(const struct pool_params *params, const struct shape *x,
                             struct window *ret);

#endif
