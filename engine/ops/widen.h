/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/widen.h - all number types for operators that are written for the four types that
 * compute_dtype() returns (or for float and double only, if they take no integers): operands of
 * narrower types are converted in the call's scratch memory, and results back. Keeps no state; any
 * thread. */
#ifndef ENGINE_OPS_WIDEN_H
#define ENGINE_OPS_WIDEN_H

#include "engine/op.h"

enum { WIDEN_OPERANDS_MAX = 8 };

/* Adds to infer->scratch_bytes what widen_run() needs. Last in infer: types and shapes of the
 * outputs are set, and scratch_bytes has what `run` itself needs. At most WIDEN_OPERANDS_MAX inputs
 * and as many outputs. */
void widen_infer(struct op_infer *infer);

/* Calls `run` with each operand of a narrow type (bool too) in its wide one. call->scratch is then
 * what `run` asked for (its own infer set it before widen_infer()). */
enum engine_status widen_run(const struct op_call *call,
                             enum engine_status (*run)(const struct op_call *call,
                                                       struct engine_error *err),
                             struct engine_error *err);

#endif
