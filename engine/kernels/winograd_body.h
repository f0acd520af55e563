/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/winograd_body.h - the transforms of winograd_transform.c, which alone includes this,
 * once for each instruction set, with NAME(x) giving names of their own and LANES the floats of a
 * vector; therefore no include guard. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(mask) __attribute__((vector_size(4 * LANES)));
typedef float NAME(memory) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define vec NAME(vec)

INLINE vec NAME(load)(const float *from, int count)
{
    vec all = {0};

    if (count >= LANES)
        return *(const NAME(memory) *)from;
    for (int i = 0; i < count; i++)
        all[i] = from[i];
    return all;
}

INLINE void NAME(store)(float *to, vec all, int count)
{
    if (count >= LANES) {
        *(NAME(memory) *)to = all;
        return;
    }
    for (int i = 0; i < count; i++)
        to[i] = all[i];
}

/* B^T d for one column or row of an input tile. */
INLINE void NAME(input_4)(const vec *d, int step, vec *out)
{
    const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const vec d5 = d[5 * step];
    const vec even_a = d4 - d2 * B2, odd_a = (d3 - d1 * B2) * A1;
    const vec even_b = d4 - d2 * A2, odd_b = (d3 - d1 * A2) * B1;

    out[0] = d0 * (A2 * B2) - d2 * (A2 + B2) + d4;
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = d1 * (A2 * B2) - d3 * (A2 + B2) + d5;
}

INLINE void NAME(input_2)(const vec *d, int step, vec *out)
{
    const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];

    out[0] = d2 - d0;
    out[1] = d2 + d1;
    out[2] = d2 - d1;
    out[3] = d3 - d1;
}

/* A^T m for one column or row of products. */
INLINE void NAME(output_4)(const vec *m, int step, vec *out)
{
    const vec sum_a = m[step] + m[2 * step], difference_a = m[step] - m[2 * step];
    const vec sum_b = m[3 * step] + m[4 * step], difference_b = m[3 * step] - m[4 * step];

    out[0] = m[0] + sum_a + sum_b;
    out[1] = difference_a * A1 + difference_b * B1;
    out[2] = sum_a * A2 + sum_b * B2;
    out[3] = difference_a * (A1 * A2) + difference_b * (B1 * B2) + m[5 * step];
}

INLINE void NAME(output_2)(const vec *m, int step, vec *out)
{
    out[0] = m[0] + m[step] + m[2 * step];
    out[1] = m[step] - m[2 * step] + m[3 * step];
}

/* places[i * side + j] is where pixel (i, j) of the tile has its `channels` floats; transformed element
 * (i, j) of them goes to v + (i * side + j) * step. */
#define INPUT(tile, side) \
    static void NAME(input_tile_##tile)(const float *const *places, int64_t channels, float *v, \
                                        int64_t step) \
    { \
        for (int64_t c = 0; c < channels; c += LANES) { \
            int count = channels - c < LANES ? (int)(channels - c) : LANES; \
            vec d[side * side], t[side * side], row[side]; \
            UNROLL for (int i = 0; i < side * side; i++) \
                d[i] = NAME(load)(places[i] + c, count); \
            UNROLL for (int j = 0; j < side; j++) { \
                NAME(input_##tile)(d + j, side, row); \
                UNROLL for (int i = 0; i < side; i++) \
                    t[i * side + j] = row[i]; \
            } \
            UNROLL for (int i = 0; i < side; i++) { \
                NAME(input_##tile)(t + i * side, 1, row); \
                UNROLL for (int j = 0; j < side; j++) \
                    NAME(store)(v + (i * side + j) * step + c, row[j], count); \
            } \
        } \
    }

INLINE vec NAME(finish)(const struct winograd_output *o, vec sum)
{
    if (o->clips) {
        const vec low = o->low - (vec){0}, high = o->high - (vec){0};
        NAME(mask) less = sum < low, more;

        sum = (vec)((less & (NAME(mask))low) | (~less & (NAME(mask))sum));
        more = sum > high;
        sum = (vec)((more & (NAME(mask))high) | (~more & (NAME(mask))sum));
    }
    return sum;
}

/* The way back: products at m + (i * side + j) * step; the output place (i, j) of those inside is at
 * y + i * row + j * channels. */
#define OUTPUT(tile, side) \
    static void NAME(output_tile_##tile)(const struct winograd_output *o, const float *m, int64_t step) \
    { \
        for (int64_t c = 0; c < o->channels; c += LANES) { \
            int count = o->channels - c < LANES ? (int)(o->channels - c) : LANES; \
            vec d[side * side], t[tile * side], row[tile], bias = {0}; \
            UNROLL for (int i = 0; i < side * side; i++) \
                d[i] = *(const NAME(memory) *)(m + i * step + c); \
            if (o->bias != NULL) \
                bias = NAME(load)(o->bias + c, count); \
            UNROLL for (int j = 0; j < side; j++) { \
                NAME(output_##tile)(d + j, side, row); \
                UNROLL for (int i = 0; i < tile; i++) \
                    t[i * side + j] = row[i]; \
            } \
            UNROLL for (int i = 0; i < tile; i++) { \
                if (i >= o->height) \
                    break; \
                NAME(output_##tile)(t + i * side, 1, row); \
                UNROLL for (int j = 0; j < tile; j++) { \
                    int64_t at = i * o->row + j * o->channels + c; \
                    vec sum = row[j] + bias; \
                    if (j >= o->width) \
                        break; \
                    if (o->residual != NULL) \
                        sum += NAME(load)(o->residual + at, count); \
                    NAME(store)(o->y + at, NAME(finish)(o, sum), count); \
                } \
            } \
        } \
    }

/* Four kernels at once, in double: G k G^T. */
INLINE void NAME(four_kernels)(const double g[6][3], const int side, const float *w, int64_t w_step,
                                int lanes, float *ret, int64_t ret_step)
{
    typedef double wide __attribute__((vector_size(32)));
    typedef float narrow __attribute__((vector_size(16)));
    typedef float narrow_memory __attribute__((vector_size(16), aligned(4), may_alias));
    float items[9][4] = {{0}};
    wide k[9], half[6][3];

    for (int j = 0; j < lanes; j++)
        UNROLL for (int i = 0; i < 9; i++)
            items[i][j] = w[j * w_step + i];
    UNROLL for (int i = 0; i < 9; i++)
        k[i] = __builtin_convertvector((narrow) * (const narrow_memory *)items[i], wide);
    for (int i = 0; i < side; i++)
        UNROLL for (int j = 0; j < 3; j++)
            half[i][j] = g[i][0] * k[j] + g[i][1] * k[3 + j] + g[i][2] * k[6 + j];
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++, ret += ret_step) {
            narrow sum = __builtin_convertvector(
                half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2], narrow);

            if (lanes == 4)
                *(narrow_memory *)ret = sum;
            for (int lane = 0; lane < lanes && lanes < 4; lane++)
                ret[lane] = sum[lane];
        }
}

static void NAME(kernels)(const double g[6][3], int side, int64_t count, const float *w, int64_t w_step,
                          float *ret, int64_t ret_step)
{
    for (int64_t j = 0; j < count; j += 4, w += 4 * w_step, ret += 4)
        if (count - j >= 4)
            NAME(four_kernels)(g, side, w, w_step, 4, ret, ret_step);
        else
            NAME(four_kernels)(g, side, w, w_step, (int)(count - j), ret, ret_step);
}

INPUT(4, 6)
INPUT(2, 4)
OUTPUT(4, 6)
OUTPUT(2, 4)

/* By the side of an output tile. */
static const struct winograd_transform NAME(transforms)[5] = {
    [2] = {NAME(input_tile_2), NAME(output_tile_2)},
    [4] = {NAME(input_tile_4), NAME(output_tile_4)},
};

#undef INPUT
#undef OUTPUT
#undef vec
