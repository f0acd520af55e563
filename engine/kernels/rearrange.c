/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/rearrange.h"

#include "engine/kernels/cpu.h"

enum { BLOCK = 8 };

/* The matrices and what is done with them. */
struct matrices {
    const float *from;
    int64_t from_step;
    float *to;
    int64_t to_step;
    bool add;
};

/* Any rows [row, row_end) and columns [column, column_end), element by element. */
static void corner(const struct matrices *m, int64_t row, int64_t row_end, int64_t column,
                   int64_t column_end)
{
    for (int64_t j = column; j < column_end; j++) {
        float *to = m->to + j * m->to_step;

        for (int64_t i = row; i < row_end; i++) {
            float item = m->from[i * m->from_step + j];

            to[i] = m->add ? to[i] + item : item;
        }
    }
}

static void block_generic(const struct matrices *m, int64_t row, int64_t column)
{
    corner(m, row, row + BLOCK, column, column + BLOCK);
}

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2")

typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef float vf_memory __attribute__((vector_size(32), aligned(4), may_alias));

/* Pairs, then pairs of pairs, then halves change places. */
static inline __attribute__((always_inline)) void transpose_eight(vf r[BLOCK])
{
    const vi low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
    const vi first = {0, 1, 8, 9, 4, 5, 12, 13}, second = {2, 3, 10, 11, 6, 7, 14, 15};
    const vi left = {0, 1, 2, 3, 8, 9, 10, 11}, right = {4, 5, 6, 7, 12, 13, 14, 15};
    vf a[BLOCK], b[BLOCK];

#pragma GCC unroll 4
    for (int i = 0; i < BLOCK; i += 2) {
        a[i] = __builtin_shuffle(r[i], r[i + 1], low);
        a[i + 1] = __builtin_shuffle(r[i], r[i + 1], high);
    }
#pragma GCC unroll 2
    for (int i = 0; i < BLOCK; i += 4) {
        b[i] = __builtin_shuffle(a[i], a[i + 2], first);
        b[i + 1] = __builtin_shuffle(a[i], a[i + 2], second);
        b[i + 2] = __builtin_shuffle(a[i + 1], a[i + 3], first);
        b[i + 3] = __builtin_shuffle(a[i + 1], a[i + 3], second);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = __builtin_shuffle(b[i], b[i + 4], left);
        r[i + 4] = __builtin_shuffle(b[i], b[i + 4], right);
    }
}

static void block_avx2(const struct matrices *m, int64_t row, int64_t column)
{
    const float *from = m->from + row * m->from_step + column;
    float *to = m->to + column * m->to_step + row;
    vf r[BLOCK];

#pragma GCC unroll 8
    for (int i = 0; i < BLOCK; i++)
        r[i] = *(const vf_memory *)(from + i * m->from_step);
    transpose_eight(r);
    if (m->add) {
#pragma GCC unroll 8
        for (int i = 0; i < BLOCK; i++)
            r[i] += *(const vf_memory *)(to + i * m->to_step);
    }
#pragma GCC unroll 8
    for (int i = 0; i < BLOCK; i++)
        *(vf_memory *)(to + i * m->to_step) = r[i];
}

#pragma GCC pop_options
#else
#define block_avx2 block_generic
#endif

void rearrange_f32(int64_t rows, int64_t columns, const float *from, int64_t from_step, bool add,
                   float *to, int64_t to_step)
{
    const struct matrices m = {from, from_step, to, to_step, add};
    void (*block)(const struct matrices *, int64_t, int64_t) =
        cpu_isa() >= ISA_AVX2 ? block_avx2 : block_generic;
    int64_t row_end = rows / BLOCK * BLOCK, column_end = columns / BLOCK * BLOCK;

    for (int64_t i = 0; i < row_end; i += BLOCK)
        for (int64_t j = 0; j < column_end; j += BLOCK)
            block(&m, i, j);
    corner(&m, row_end, rows, 0, columns);
    corner(&m, 0, row_end, column_end, columns);
}
