/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/conv_form.h - the attributes and sizes of Conv and ConvTranspose, for the operators and
 * their gradients. */
#ifndef ENGINE_OPS_CONV_FORM_H
#define ENGINE_OPS_CONV_FORM_H

#include "engine/op.h"
#include "engine/ops/window_form.h"

struct conv_form {
    struct window_form form;
    int64_t groups;
    bool transposed;
};

/* The op's init. */
enum engine_status conv_form_init(const struct op_init *init, struct engine_error *err);

/* One call's sizes; channels and outputs are those of one group. Of a transposed one, window.out are
 * the input's places and window.in the output's. */
struct conv_sizes {
    struct window window;
    int64_t images, groups, channels, outputs;
};

/* `bias` may be NULL. Returns NULL, or what does not fit: a constant text. */
const char *conv_form_sizes(const struct conv_form *params, const struct shape *x,
                            const struct shape *w, const struct shape *bias, struct conv_sizes *ret);

#endif
