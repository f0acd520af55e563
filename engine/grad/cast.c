/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Cast and CastLike from float32 to float32, the only ones through which any flows: from and to
 * integers it is zero, and other floats tape_analyse() refuses. */
#include "engine/grad/families.h"
#include "engine/grad/term.h"

static enum engine_status cast_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    term_grad(call, 0, &term_copy, NULL, NULL, NULL);
    return ENGINE_OK;
}

const struct grad_def grads_cast[] = {
    {.domain = "", .name = "Cast", .flags = GRAD_INPLACE, .inputs = 1, .backward = cast_backward},
    {.domain = "", .name = "CastLike", .flags = GRAD_INPLACE, .inputs = 1, .backward = cast_backward},
    {0},
};
