/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/window_form.h - the attributes of convolutions and pools as a struct window_form. */
#ifndef ENGINE_OPS_WINDOW_FORM_H
#define ENGINE_OPS_WINDOW_FORM_H

#include "engine/graph.h"
#include "engine/kernels/window.h"

/* Reads kernel_shape, strides, pads, dilations, auto_pad, ceil_mode, output_padding and
 * output_shape. An error names the attribute. */
enum engine_status window_form_read(const struct node *node, struct window_form *ret,
                                    struct engine_error *err);

#endif
