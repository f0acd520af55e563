/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/rearrange.h - the transpose of a matrix of floats, in blocks of eight by eight that
 * stay in registers: between planes channel by channel and channels last, and into panels of packed
 * weights. Pure; any thread. (Arrangements of any rank and type: engine/kernels/move.h.) */
#ifndef ENGINE_KERNELS_REARRANGE_H
#define ENGINE_KERNELS_REARRANGE_H

#include <stdbool.h>
#include <stdint.h>

/* to[j * to_step + i] = from[i * from_step + j] for i < rows, j < columns; with `add`, added to what
 * is there. The two must not overlap. */
void rearrange_f32(int64_t rows, int64_t columns, const float *from, int64_t from_step, bool add,
                   float *to, int64_t to_step);

#endif
