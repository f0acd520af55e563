/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/matrix.h - what Det and its gradient share. */
#ifndef ENGINE_OPS_MATRIX_H
#define ENGINE_OPS_MATRIX_H

#include <stdint.h>

/* Of the n x n matrix, which is destroyed. Gaussian elimination with partial pivoting. */
double determinant(int64_t n, double *a);

#endif
