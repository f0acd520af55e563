/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/pool_last_body.h - the innermost loops of pool_last.c, which alone includes this, once
 * for each instruction set, with NAME(x) giving names of their own and LANES the floats of a vector;
 * therefore no include guard. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t NAME(mask) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* y[channel] = factor * (join of y (or of nothing) and starts[t][channel] over all t). `loose`: as many
 * floats more as a vector has may be read after each start and written after y. */
#define POOL(name, JOIN, SCALAR_JOIN) \
    static void NAME(name)(const float *const *starts, size_t taps, size_t channels, float first, \
                           bool more, bool loose, float factor, float *y) \
    { \
        size_t c = 0; \
        for (; c + 2 * LANES <= channels; c += 2 * LANES) { \
            NAME(vec) a = (NAME(vec)){0} + first, b = a; \
            if (more) { \
                a = *(const NAME(vec) *)(y + c); \
                b = *(const NAME(vec) *)(y + c + LANES); \
            } \
            for (size_t t = 0; t < taps; t++) { \
                const NAME(vec) *x = (const NAME(vec) *)(starts[t] + c); \
                JOIN(a, x[0]) \
                JOIN(b, x[1]) \
            } \
            *(NAME(vec) *)(y + c) = a * factor; \
            *(NAME(vec) *)(y + c + LANES) = b * factor; \
        } \
        for (; c + LANES <= channels || (loose && c < channels); c += LANES) { \
            NAME(vec) a = (NAME(vec)){0} + first; \
            if (more) \
                a = *(const NAME(vec) *)(y + c); \
            for (size_t t = 0; t < taps; t++) \
                JOIN(a, *(const NAME(vec) *)(starts[t] + c)) \
            *(NAME(vec) *)(y + c) = a * factor; \
        } \
        for (; c < channels; c++) { \
            float a = more ? y[c] : first; \
            for (size_t t = 0; t < taps; t++) { \
                float x = starts[t][c]; \
                SCALAR_JOIN(a, x) \
            } \
            y[c] = a * factor; \
        } \
    }

/* A NaN, once there, stays. */
#define LARGER(a, x) \
    { \
        NAME(vec) item = (x); \
        NAME(mask) take = (NAME(mask))(item > a) | (NAME(mask))(item != item); \
        a = (NAME(vec))((take & (NAME(mask))item) | (~take & (NAME(mask))a)); \
    }
#define SCALAR_LARGER(a, x) a = x > a || x != x ? x : a;
#define PLUS(a, x) a += (x);

POOL(max, LARGER, SCALAR_LARGER)
POOL(sum, PLUS, PLUS)

#undef POOL
#undef LARGER
#undef SCALAR_LARGER
#undef PLUS
