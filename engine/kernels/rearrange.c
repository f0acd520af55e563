/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/rearrange.h"

#include "engine/kernels/cpu.h"
#include "engine/kernels/isa.h"

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

static void part_generic(const struct matrices *m, int64_t row, int rows, int64_t column, int columns)
{
    corner(m, row, row + rows, column, column + columns);
}

#if defined(__x86_64__)
ISA_BEGIN_AVX2

typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef float vf_memory __attribute__((vector_size(32), aligned(4), may_alias));

/* Which lanes of two vectors of eight a shuffle takes. */
#define LOW 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define FIRST 0, 1, 8, 9, 4, 5, 12, 13
#define SECOND 2, 3, 10, 11, 6, 7, 14, 15
#define LEFT 0, 1, 2, 3, 8, 9, 10, 11
#define RIGHT 4, 5, 6, 7, 12, 13, 14, 15

/* Pairs, then pairs of pairs, then halves change places. */
static inline __attribute__((always_inline)) void transpose_eight(vf r[BLOCK])
{
    vf a[BLOCK], b[BLOCK];

#pragma GCC unroll 4
    for (int i = 0; i < BLOCK; i += 2) {
        a[i] = __builtin_shufflevector(r[i], r[i + 1], LOW);
        a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], HIGH);
    }
#pragma GCC unroll 2
    for (int i = 0; i < BLOCK; i += 4) {
        b[i] = __builtin_shufflevector(a[i], a[i + 2], FIRST);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 2], SECOND);
        b[i + 2] = __builtin_shufflevector(a[i + 1], a[i + 3], FIRST);
        b[i + 3] = __builtin_shufflevector(a[i + 1], a[i + 3], SECOND);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = __builtin_shufflevector(b[i], b[i + 4], LEFT);
        r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], RIGHT);
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

/* The first `rows` rows and `columns` columns of a block, by masked moves. */
static void part_avx2(const struct matrices *m, int64_t row, int rows, int64_t column, int columns)
{
    const float *from = m->from + row * m->from_step + column;
    float *to = m->to + column * m->to_step + row;
    const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7}, in = lanes < columns, out = lanes < rows;
    vf r[BLOCK];

#pragma GCC unroll 8
    for (int i = 0; i < BLOCK; i++)
        r[i] = i < rows ? __builtin_ia32_maskloadps256((const vf *)(from + i * m->from_step), in)
                        : (vf){0};
    transpose_eight(r);
#pragma GCC unroll 8
    for (int i = 0; i < BLOCK; i++) {
        vf *line = (vf *)(to + i * m->to_step);

        if (i >= columns)
            break;
        if (m->add)
            r[i] += __builtin_ia32_maskloadps256(line, out);
        __builtin_ia32_maskstoreps256(line, out, r[i]);
    }
}

ISA_END
#else
#define block_avx2 block_generic
#define part_avx2 part_generic
#endif

void rearrange_f32(int64_t rows, int64_t columns, const float *from, int64_t from_step, bool add,
                   float *to, int64_t to_step)
{
    const struct matrices m = {from, from_step, to, to_step, add};
    bool avx2 = cpu_isa() >= ISA_AVX2;
    void (*block)(const struct matrices *, int64_t, int64_t) = avx2 ? block_avx2 : block_generic;
    void (*part)(const struct matrices *, int64_t, int, int64_t, int) = avx2 ? part_avx2 : part_generic;

    for (int64_t i = 0; i < rows; i += BLOCK) {
        int height = rows - i < BLOCK ? (int)(rows - i) : BLOCK;

        for (int64_t j = 0; j < columns; j += BLOCK) {
            int width = columns - j < BLOCK ? (int)(columns - j) : BLOCK;

            if (height == BLOCK && width == BLOCK)
                block(&m, i, j);
            else
                part(&m, i, height, j, width);
        }
    }
}
