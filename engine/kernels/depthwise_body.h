/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/depthwise_body.h - the innermost loops of depthwise.c, which alone includes this, once
 * for each instruction set, with NAME(x) giving names of their own and LANES the floats of a vector;
 * therefore no include guard. Four output places in a row share what their windows have in common. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(mask) __attribute__((vector_size(4 * LANES)));
typedef float NAME(memory) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define vec NAME(vec)

INLINE vec NAME(load)(const float *from)
{
    return *(const NAME(memory) *)from;
}

INLINE vec NAME(finish)(const struct strip *s, vec sum)
{
    if (s->finish == TILE_CLIP) {
        const vec low = s->low - (vec){0}, high = s->high - (vec){0};
        NAME(mask) less = sum < low, more;

        sum = (vec)((less & (NAME(mask))low) | (~less & (NAME(mask))sum));
        more = sum > high;
        sum = (vec)((more & (NAME(mask))high) | (~more & (NAME(mask))sum));
    } else if (s->finish == TILE_LEAKY) {
        NAME(mask) less = sum < (vec){0};

        sum = (vec)((less & (NAME(mask))(s->low * sum)) | (~less & (NAME(mask))sum));
    }
    return sum;
}

/* `vectors` vectors of channels from c; `weights` are those of the first tap. */
INLINE void NAME(strip)(const struct strip *s, const int kernel, const int stride, const int vectors,
                        size_t c, const float *weights, size_t width)
{
    const int span = (STRIP - 1) * stride + kernel;
    vec sums[2][STRIP];

    UNROLL for (int v = 0; v < vectors; v++)
        UNROLL for (int o = 0; o < STRIP; o++)
            sums[v][o] = (vec){0};
    for (int o = 0; o < s->count && s->residual != NULL; o++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[v][o] = NAME(load)(s->residual + (size_t)o * s->y_step + c + v * LANES);
    for (int a = 0; a < s->kernel_rows; a++) {
        const float *const *places = s->places + a * span;

        UNROLL for (int v = 0; v < vectors; v++) {
            vec in[SPAN_MAX] = {{0}};

            UNROLL for (int b = 0; b < span; b++)
                in[b] = NAME(load)(places[b] + c + v * LANES);
            UNROLL for (int t = 0; t < kernel; t++) {
                const vec weight = NAME(load)(weights + (size_t)(a * kernel + t) * width + v * LANES);

                UNROLL for (int o = 0; o < STRIP; o++)
                    sums[v][o] += in[o * stride + t] * weight;
            }
        }
    }
    UNROLL for (int v = 0; v < vectors; v++) {
        const vec bias = s->bias != NULL ? NAME(load)(s->bias + c + v * LANES) : (vec){0};

        UNROLL for (int o = 0; o < STRIP; o++)
            if (o < s->count)
                *(NAME(memory) *)(s->y + (size_t)o * s->y_step + c + v * LANES) =
                    NAME(finish)(s, sums[v][o] + bias);
    }
}

/* Channels [from, end) of a panel, whole vectors of them. */
#define STRIPS(kernel, stride, vectors) \
    static void NAME(strip_##kernel##_##stride)(const struct strip *s, size_t from, size_t end, \
                                                const float *weights, size_t width) \
    { \
        size_t c = from; \
        for (; c + vectors * LANES <= end; c += vectors * LANES) \
            NAME(strip)(s, kernel, stride, vectors, c, weights + (c - from), width); \
        for (; c + LANES <= end; c += LANES) \
            NAME(strip)(s, kernel, stride, 1, c, weights + (c - from), width); \
    }

STRIPS(3, 1, 2)
STRIPS(3, 2, 1)
STRIPS(5, 1, 1)
STRIPS(5, 2, 1)

static strip_fn *const NAME(strips)[2][2] = {
    {NAME(strip_3_1), NAME(strip_3_2)},
    {NAME(strip_5_1), NAME(strip_5_2)},
};

#undef STRIPS
#undef vec
