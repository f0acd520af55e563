/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/epilogue.h - what "inferd" products and convolutions do after their sums: add a bias
 * and a residual, apply an activation. Their inputs are x, packed weights, bias, residual; their
 * attributes "activation", "alpha" and "beta". */
#ifndef ENGINE_OPS_EPILOGUE_H
#define ENGINE_OPS_EPILOGUE_H

#include "engine/kernels/activation.h"
#include "engine/op.h"

enum { EPILOGUE_BIAS = 2, EPILOGUE_RESIDUAL = 3 };

enum engine_status epilogue_init(const struct op_init *init, struct activation *ret,
                                 struct engine_error *err);

/* Checks bias and residual against the product's shape, and makes the output's: they broadcast when
 * the residual is of another shape, at the cost of scratch for the product, which is added. */
enum engine_status epilogue_infer(struct op_infer *infer, const struct shape *product,
                                  struct engine_error *err);

/* What the kernel is to do for this call and where to: usually all of it, into the output. */
struct epilogue_call {
    struct epilogue epilogue;
    float *product;
    bool broadcast;             /* epilogue_finish() has work */
};

/* `scratch` is the part that epilogue_infer() asked for. */
struct epilogue_call epilogue_start(const struct op_call *call, const struct activation *activation,
                                    const struct shape *product, float *scratch);
void epilogue_finish(const struct op_call *call, const struct activation *activation,
                     const struct shape *product, const struct epilogue_call *epilogue);

#endif
