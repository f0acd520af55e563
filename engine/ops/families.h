/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/families.h - the families of operators, one a file, that op_table.c lists. Each array
 * is closed by an entry whose name is NULL. Alphabetical. */
#ifndef ENGINE_OPS_FAMILIES_H
#define ENGINE_OPS_FAMILIES_H

#include "engine/op.h"

extern const struct op_def gemm_ops[];
extern const struct op_def matmul_ops[];

#endif
