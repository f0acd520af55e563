/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/move.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* A copy of this many bytes is worth a call of memcpy. */
enum { MEMCPY_BYTES_MIN = 64, TILE = 16 };

/* The two innermost dimensions, in elements; the loops over the others are move_run()'s. */
struct plane {
    int64_t rows, row_to, row_from;
    int64_t columns, column_to, column_from;
};

struct u128 {
    uint64_t half[2];
};

void move_push(struct move *move, int64_t dim, int64_t to_stride, int64_t from_stride)
{
    assert(move->rank < MOVE_RANK_MAX);
    move->dims[move->rank] = dim;
    move->to_strides[move->rank] = to_stride;
    move->from_strides[move->rank] = from_stride;
    move->rank++;
}

/* One set of loops for each element size, and one that adds. `transpose` walks tiles so that both
 * sides stay in the first-level cache: `to` is contiguous in columns, `from` in rows. */
#define PLANE_LOOPS(name, T, ASSIGN) \
    static void copy_##name(const struct plane *p, void *to_void, const void *from_void) \
    { \
        T *to = to_void; \
        const T *from = from_void; \
        for (int64_t r = 0; r < p->rows; r++) \
            for (int64_t c = 0; c < p->columns; c++) \
                to[r * p->row_to + c] ASSIGN from[r * p->row_from + c]; \
    } \
    static void repeat_##name(const struct plane *p, void *to_void, const void *from_void) \
    { \
        T *to = to_void; \
        const T *from = from_void; \
        for (int64_t r = 0; r < p->rows; r++) { \
            const T item = from[r * p->row_from]; \
            for (int64_t c = 0; c < p->columns; c++) \
                to[r * p->row_to + c] ASSIGN item; \
        } \
    } \
    static void strided_##name(const struct plane *p, void *to_void, const void *from_void) \
    { \
        T *to = to_void; \
        const T *from = from_void; \
        for (int64_t r = 0; r < p->rows; r++) \
            for (int64_t c = 0; c < p->columns; c++) \
                to[r * p->row_to + c * p->column_to] \
                    ASSIGN from[r * p->row_from + c * p->column_from]; \
    } \
    static void transpose_##name(const struct plane *p, void *to_void, const void *from_void) \
    { \
        T *to = to_void; \
        const T *from = from_void; \
        for (int64_t r0 = 0; r0 < p->rows; r0 += TILE) { \
            const int64_t r1 = r0 + TILE < p->rows ? r0 + TILE : p->rows; \
            for (int64_t c0 = 0; c0 < p->columns; c0 += TILE) { \
                const int64_t c1 = c0 + TILE < p->columns ? c0 + TILE : p->columns; \
                for (int64_t r = r0; r < r1; r++) \
                    for (int64_t c = c0; c < c1; c++) \
                        to[r * p->row_to + c] ASSIGN from[r + c * p->column_from]; \
            } \
        } \
    }

#define FILL_LOOP(T) \
    static void fill_##T(void *to_void, int64_t count, const void *item_void) \
    { \
        T *to = to_void; \
        T item; \
        memcpy(&item, item_void, sizeof(item)); \
        for (int64_t i = 0; i < count; i++) \
            to[i] = item; \
    }

#define COPY_LOOPS(T) \
    PLANE_LOOPS(T, T, =) \
    FILL_LOOP(T)

typedef struct u128 uint128_bits_t;
COPY_LOOPS(uint8_t)
COPY_LOOPS(uint16_t)
COPY_LOOPS(uint32_t)
COPY_LOOPS(uint64_t)
COPY_LOOPS(uint128_bits_t)
PLANE_LOOPS(add, float, +=)

typedef void plane_fn(const struct plane *plane, void *to, const void *from);

struct element_loops {
    plane_fn *copy, *repeat, *strided, *transpose;
    void (*fill)(void *to, int64_t count, const void *item);   /* NULL: they add */
};

#define LOOPS_OF(T) { copy_##T, repeat_##T, strided_##T, transpose_##T, fill_##T }
static const struct element_loops loops_by_log2[] = {
    LOOPS_OF(uint8_t), LOOPS_OF(uint16_t), LOOPS_OF(uint32_t), LOOPS_OF(uint64_t),
    LOOPS_OF(uint128_bits_t),
};

static const struct element_loops adding_loops = {copy_add, repeat_add, strided_add, transpose_add,
                                                   NULL};

static const struct element_loops *find_loops(size_t element_bytes)
{
    int log2 = 0;

    while (((size_t)1 << log2) < element_bytes)
        log2++;
    assert(((size_t)1 << log2) == element_bytes && log2 <= 4);
    return &loops_by_log2[log2];
}

void move_fill(void *to, int64_t count, size_t element_bytes, const void *item)
{
    find_loops(element_bytes)->fill(to, count, item);
}

/* Drops dimensions of one and joins neighbours that advance together on both sides. */
static void collapse(const struct move *move, struct move *ret)
{
    ret->rank = 0;
    for (int d = 0; d < move->rank; d++) {
        const int last = ret->rank - 1;

        if (move->dims[d] == 1)
            continue;
        if (last >= 0 && ret->to_strides[last] == move->to_strides[d] * move->dims[d] &&
            ret->from_strides[last] == move->from_strides[d] * move->dims[d]) {
            ret->dims[last] *= move->dims[d];
            ret->to_strides[last] = move->to_strides[d];
            ret->from_strides[last] = move->from_strides[d];
        } else {
            move_push(ret, move->dims[d], move->to_strides[d], move->from_strides[d]);
        }
    }
}

/* Takes dimension `d` out of `move` and makes it the last. */
static void make_last(struct move *move, int d)
{
    const int64_t dim = move->dims[d], to = move->to_strides[d], from = move->from_strides[d];

    for (int i = d + 1; i < move->rank; i++) {
        move->dims[i - 1] = move->dims[i];
        move->to_strides[i - 1] = move->to_strides[i];
        move->from_strides[i - 1] = move->from_strides[i];
    }
    move->rank--;
    move_push(move, dim, to, from);
}

/* When the last dimension is contiguous in `to` alone and another one is in `from`, brings the two
 * together: a plain transposition of a matrix. */
static bool pair_for_transpose(struct move *move)
{
    const int last = move->rank - 1;

    if (last < 1 || move->to_strides[last] != 1 || move->from_strides[last] == 1 ||
        move->from_strides[last] == 0)
        return false;
    for (int d = 0; d < last; d++) {
        if (move->from_strides[d] == 1) {
            make_last(move, d);            /* ..., last, d */
            make_last(move, last - 1);     /* ..., d, last */
            return true;
        }
    }
    return false;
}

static void run_plane(const struct plane *plane, const struct element_loops *loops, bool transposed,
                      size_t element_bytes, char *to, const char *from)
{
    const size_t row_bytes = (size_t)plane->columns * element_bytes;

    if (transposed) {
        loops->transpose(plane, to, from);
    } else if (plane->column_to == 1 && plane->column_from == 1) {
        if (row_bytes < MEMCPY_BYTES_MIN || loops->fill == NULL) {
            loops->copy(plane, to, from);
            return;
        }
        for (int64_t r = 0; r < plane->rows; r++)
            memcpy(to + r * plane->row_to * (int64_t)element_bytes,
                   from + r * plane->row_from * (int64_t)element_bytes, row_bytes);
    } else if (plane->column_to == 1 && plane->column_from == 0) {
        loops->repeat(plane, to, from);
    } else {
        loops->strided(plane, to, from);
    }
}

static void run(const struct move *move, const struct element_loops *loops, size_t element_bytes,
                void *to, const void *from)
{
    const int64_t bytes = (int64_t)element_bytes;
    int64_t index[MOVE_RANK_MAX] = {0};
    struct move m;
    struct plane plane;
    char *at_to = to;
    const char *at_from = from;
    bool transposed;
    int d;

    for (d = 0; d < move->rank; d++)
        if (move->dims[d] <= 0)
            return;
    collapse(move, &m);
    transposed = pair_for_transpose(&m);
    while (m.rank < 2) {
        for (d = m.rank; d > 0; d--) {
            m.dims[d] = m.dims[d - 1];
            m.to_strides[d] = m.to_strides[d - 1];
            m.from_strides[d] = m.from_strides[d - 1];
        }
        m.dims[0] = 1;
        m.to_strides[0] = m.from_strides[0] = m.rank == 0;
        m.rank++;
    }
    plane = (struct plane){
        m.dims[m.rank - 2], m.to_strides[m.rank - 2], m.from_strides[m.rank - 2],
        m.dims[m.rank - 1], m.to_strides[m.rank - 1], m.from_strides[m.rank - 1],
    };
    do {
        run_plane(&plane, loops, transposed, element_bytes, at_to, at_from);
        for (d = m.rank - 3; d >= 0; d--) {
            at_to += m.to_strides[d] * bytes;
            at_from += m.from_strides[d] * bytes;
            if (++index[d] < m.dims[d])
                break;
            at_to -= m.dims[d] * m.to_strides[d] * bytes;
            at_from -= m.dims[d] * m.from_strides[d] * bytes;
            index[d] = 0;
        }
    } while (d >= 0);
}

void move_run(const struct move *move, size_t element_bytes, void *to, const void *from)
{
    run(move, find_loops(element_bytes), element_bytes, to, from);
}

void move_add_f32(const struct move *move, float *to, const float *from)
{
    run(move, &adding_loops, sizeof(*to), to, from);
}
