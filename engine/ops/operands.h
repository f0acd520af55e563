/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/operands.h - reading the small operands that decide shapes: integer lists, axes,
 * scalars. They come from a model's constants or from a client's tensors, so each is checked and
 * each refusal names the operand. */
#ifndef ENGINE_OPS_OPERANDS_H
#define ENGINE_OPS_OPERANDS_H

#include "engine/op.h"

/* True if the optional input is there. */
bool operand_present(const struct op_infer *infer, int input);
/* Likewise when running. */
bool operand_given(const struct op_call *call, int input);

/* The integers of a scalar or rank-1 tensor, at most SHAPE_RANK_MAX of them. */
enum engine_status operand_ints(const struct op_infer *infer, int input, const char *what,
                                int64_t items[SHAPE_RANK_MAX], int *ret_count,
                                struct engine_error *err);
/* As operand_ints, each mapped from [-rank, rank) to [0, rank), none twice. */
enum engine_status operand_axes(const struct op_infer *infer, int input, int rank,
                                int axes[SHAPE_RANK_MAX], int *ret_count,
                                struct engine_error *err);
/* The one integer of a tensor with one element. */
enum engine_status operand_int(const struct op_infer *infer, int input, const char *what,
                               int64_t *ret_item, struct engine_error *err);

/* Maps an axis attribute from [-rank, rank). */
enum engine_status operand_axis(const struct op_infer *infer, int64_t axis, int rank, int *ret_axis,
                                struct engine_error *err);

/* Sets output `index`; the executor checks the shape. */
void infer_output(struct op_infer *infer, int index, enum dtype dtype, const struct shape *shape);

#endif
