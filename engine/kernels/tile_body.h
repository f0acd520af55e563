/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/tile_body.h - the one source of the tiles. tile.c alone includes it, once for each
 * instruction set, after these are defined; therefore no include guard:
 *   NAME(x)        gives names of their own
 *   VECTOR         floats of a vector
 *   VECTORS        vectors of a full panel's row
 *   WIDE_1 .. _3   full panels at once for that many rows
 * Vectors are GCC's, so the same lines become SSE, AVX2, AVX-512 or NEON. The loops over rows and
 * vectors have constant bounds after inlining and are unrolled, so that every sum is a register. */

typedef float NAME(vec) __attribute__((vector_size(4 * VECTOR)));
typedef int32_t NAME(mask) __attribute__((vector_size(4 * VECTOR)));
typedef float NAME(vec_memory) __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

#define vec NAME(vec)
#define TILE_VECTORS (4 * VECTORS)

/* yes where mask is set, else no. */
INLINE vec NAME(select)(NAME(mask) mask, vec yes, vec no)
{
    return (vec)((mask & (NAME(mask))yes) | (~mask & (NAME(mask))no));
}

INLINE vec NAME(load)(const float *from)
{
    return *(const NAME(vec_memory) *)from;
}

/* The first `count` floats; a whole vector in the usual case. */
INLINE vec NAME(load_some)(const float *from, int count)
{
    vec all = {0};

    if (count == VECTOR)
        return NAME(load)(from);
    for (int i = 0; i < count; i++)
        all[i] = from[i];
    return all;
}

INLINE void NAME(store_some)(float *to, vec all, int count)
{
    if (count == VECTOR) {
        *(NAME(vec_memory) *)to = all;
        return;
    }
    for (int i = 0; i < count; i++)
        to[i] = all[i];
}

/* Bias and the simple activations, on `width` vectors of one row. */
INLINE void NAME(finish_row)(const struct tile *tile, const int width, const vec *bias, vec *sums)
{
    UNROLL for (int v = 0; v < width; v++)
        sums[v] += bias[v];
    if (tile->finish == TILE_CLIP) {
        const vec low = tile->low - (vec){0}, high = tile->high - (vec){0};

        UNROLL for (int v = 0; v < width; v++) {
            sums[v] = NAME(select)(sums[v] < low, low, sums[v]);
            sums[v] = NAME(select)(sums[v] > high, high, sums[v]);
        }
    } else if (tile->finish == TILE_LEAKY) {
        UNROLL for (int v = 0; v < width; v++)
            sums[v] = NAME(select)(sums[v] < (vec){0}, tile->low * sums[v], sums[v]);
    }
}

/* From sums to memory, with what follows the last piece. Only the last vector may be a part of one. */
INLINE void NAME(store_rows)(const struct tile *tile, const int rows, const int width, int tail,
                             vec sums[][TILE_VECTORS])
{
    const size_t c_step = tile->c_step;
    float *c = tile->c;
    vec bias[TILE_VECTORS];

    UNROLL for (int v = 0; v < width; v++)
        bias[v] = (vec){0};
    if (tile->last && tile->bias != NULL) {
        UNROLL for (int v = 0; v < width; v++)
            bias[v] = NAME(load_some)(tile->bias + v * VECTOR, v + 1 < width ? VECTOR : tail);
    }
    UNROLL for (int r = 0; r < rows; r++) {
        if (tile->last)
            NAME(finish_row)(tile, width, bias, sums[r]);
        UNROLL for (int v = 0; v < width; v++)
            NAME(store_some)(c + (size_t)r * c_step + v * VECTOR, sums[r][v],
                             v + 1 < width ? VECTOR : tail);
    }
}

INLINE void NAME(start_rows)(const struct tile *tile, const int rows, const int width, int tail,
                             vec sums[][TILE_VECTORS])
{
    const size_t c_step = tile->c_step;
    const float *start = tile->start;

    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < width; v++)
            sums[r][v] = (vec){0};
    if (start != NULL) {
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < width; v++)
                sums[r][v] = NAME(load_some)(start + (size_t)r * c_step + v * VECTOR,
                                             v + 1 < width ? VECTOR : tail);
    }
}

/* `width` vectors of `rows` rows; the panels have `per_panel` vectors each. */
INLINE void NAME(tile)(const struct tile *tile, const int rows, const int width, const int per_panel,
                       int tail)
{
    const size_t panel_step = tile->panel_step;
    const float *weights = tile->weights;
    vec sums[TILE_ROWS_MAX][TILE_VECTORS];

    NAME(start_rows)(tile, rows, width, tail, sums);
    for (size_t t = 0; t < tile->taps; t++) {
        const float *const *starts = tile->rows + t * tile->row_step;
        const size_t run = tile->run;
        const float *left[TILE_ROWS_MAX];

        UNROLL for (int r = 0; r < rows; r++)
            left[r] = starts[r] + tile->offset;
        for (size_t k = 0; k < run; k++) {
            vec right[TILE_VECTORS];

            UNROLL for (int v = 0; v < width; v++)
                right[v] = NAME(load)(weights + (size_t)(v / per_panel) * panel_step +
                                      v % per_panel * VECTOR);
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int v = 0; v < width; v++)
                    sums[r][v] += left[r][k] * right[v];
            /* Weights larger than the caches come in at the pace of the products. */
            __builtin_prefetch(weights + PREFETCH_FLOATS);
            weights += per_panel * VECTOR;
        }
    }
    NAME(store_rows)(tile, rows, width, tail, sums);
}

/* Each column has its own left element: sums[r][v] += left[r][v] * right[v]. The weights of a tap are
 * panel_step floats. */
INLINE void NAME(depthwise)(const struct tile *tile, const int rows, const int width)
{
    const float *weights = tile->weights;
    vec sums[TILE_ROWS_MAX][TILE_VECTORS];

    NAME(start_rows)(tile, rows, width, VECTOR, sums);
    for (size_t t = 0; t < tile->taps; t++) {
        const float *const *starts = tile->rows + t * tile->row_step;

        UNROLL for (int r = 0; r < rows; r++) {
            const float *left = starts[r] + tile->offset;

            UNROLL for (int v = 0; v < width; v++)
                sums[r][v] += NAME(load)(left + v * VECTOR) * NAME(load)(weights + v * VECTOR);
        }
        weights += tile->panel_step;
    }
    NAME(store_rows)(tile, rows, width, VECTOR, sums);
}

#define DEPTHWISE(rows, vectors) \
    static void NAME(depthwise_##rows##_##vectors)(const struct tile *tile) \
    { \
        NAME(depthwise)(tile, rows, vectors); \
    }
#define NARROW(rows, vectors) \
    static void NAME(narrow_##rows##_##vectors)(const struct tile *tile) \
    { \
        NAME(tile)(tile, rows, vectors, vectors, tile->tail); \
    }
#define WIDE(rows) \
    static void NAME(wide_##rows)(const struct tile *tile) \
    { \
        NAME(tile)(tile, rows, WIDE_##rows * VECTORS, VECTORS, VECTOR); \
    }
#if VECTORS == 4
#define NARROW_ROWS(rows) NARROW(rows, 1) NARROW(rows, 2) NARROW(rows, 3) NARROW(rows, 4)
#define DEPTHWISE_ROWS(rows) \
    DEPTHWISE(rows, 1) DEPTHWISE(rows, 2) DEPTHWISE(rows, 3) DEPTHWISE(rows, 4)
#define DEPTHWISE_ENTRY(rows) \
    {NULL, NAME(depthwise_##rows##_1), NAME(depthwise_##rows##_2), NAME(depthwise_##rows##_3), \
     NAME(depthwise_##rows##_4)}
#define NARROW_ENTRY(rows) \
    [rows] = {NULL, NAME(narrow_##rows##_1), NAME(narrow_##rows##_2), NAME(narrow_##rows##_3), \
              NAME(narrow_##rows##_4)}
#else
#define NARROW_ROWS(rows) NARROW(rows, 1) NARROW(rows, 2)
#define DEPTHWISE_ROWS(rows) DEPTHWISE(rows, 1) DEPTHWISE(rows, 2)
#define DEPTHWISE_ENTRY(rows) {NULL, NAME(depthwise_##rows##_1), NAME(depthwise_##rows##_2)}
#define NARROW_ENTRY(rows) [rows] = {NULL, NAME(narrow_##rows##_1), NAME(narrow_##rows##_2)}
#endif

NARROW_ROWS(1)
NARROW_ROWS(2)
NARROW_ROWS(3)
NARROW_ROWS(4)
NARROW_ROWS(5)
NARROW_ROWS(6)
WIDE(1)
WIDE(2)
WIDE(3)
DEPTHWISE_ROWS(1)
DEPTHWISE_ROWS(6)

static const struct tile_kernels NAME(table) = {
    .vector = VECTOR,
    .panel = VECTOR * VECTORS,
    .narrow = {NARROW_ENTRY(1), NARROW_ENTRY(2), NARROW_ENTRY(3), NARROW_ENTRY(4), NARROW_ENTRY(5),
               NARROW_ENTRY(6)},
    .wide_panels = {0, WIDE_1, WIDE_2, WIDE_3},
    .wide = {NULL, NAME(wide_1), NAME(wide_2), NAME(wide_3)},
    .depthwise = {DEPTHWISE_ENTRY(1), DEPTHWISE_ENTRY(6)},
};

#undef DEPTHWISE
#undef DEPTHWISE_ROWS
#undef DEPTHWISE_ENTRY
#undef NARROW
#undef NARROW_ROWS
#undef NARROW_ENTRY
#undef WIDE
#undef vec
#undef TILE_VECTORS
