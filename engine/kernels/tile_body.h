/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/tile_body.h - the one source of the tiles. tile.c alone includes it, once for each
 * instruction set, after these are defined; therefore no include guard:
 *   NAME(x)        gives names of their own
 *   VECTOR         floats of a vector
 *   VECTORS        vectors of a full panel's row
 *   ROWS_1 .. _4   rows of the tallest tile for that many vectors
 *   WIDE_1 .. _3   full panels at once for that many rows
 *   JOINED         rows of the tiles that read rows side by side; 0 for none
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
    float lanes[VECTOR];
    int at = 0;

    if (count == VECTOR) {
        *(NAME(vec_memory) *)to = all;
        return;
    }
    *(NAME(vec_memory) *)lanes = all;
    UNROLL for (int size = VECTOR / 2; size > 0; size /= 2) {
        if (count & size) {
            memcpy(to + at, lanes + at, (size_t)size * sizeof(float));
            at += size;
        }
    }
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

/* From sums to memory, with what follows the last piece. Only the last vector may be a part of one; where
 * rows follow each other without a gap, the rest of it lands in the next row, which is stored later. */
INLINE void NAME(store_rows)(const struct tile *tile, const int rows, const int width, int tail,
                             vec sums[][TILE_VECTORS])
{
    const size_t c_step = tile->c_step;
    const bool flows = (int)c_step == (width - 1) * VECTOR + tail && (int)c_step >= VECTOR / 2;
    float *c = tile->c;
    vec bias[TILE_VECTORS];

    UNROLL for (int v = 0; v < width; v++)
        bias[v] = (vec){0};
    if (tile->last && tile->bias != NULL) {
        UNROLL for (int v = 0; v < width; v++)
            bias[v] = NAME(load)(tile->bias + v * VECTOR);
    }
    UNROLL for (int r = 0; r < rows; r++) {
        if (tile->last)
            NAME(finish_row)(tile, width, bias, sums[r]);
        UNROLL for (int v = 0; v < width; v++)
            NAME(store_some)(c + (size_t)r * c_step + v * VECTOR, sums[r][v],
                             v + 1 < width || (flows && r + 1 < rows) ? VECTOR : tail);
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

/* `width` vectors of `rows` rows; the panels have `per_panel` vectors each. Weights that are read for
 * few rows come from beyond the caches at the pace of the products: `fetches` asks for them early. */
INLINE void NAME(tile)(const struct tile *tile, const int rows, const int width, const int per_panel,
                       int tail, const bool fetches)
{
    const size_t panel_step = tile->panel_step;
    const float *weights = tile->weights;
    vec sums[TILE_ROWS_MAX][TILE_VECTORS];

    NAME(start_rows)(tile, rows, width, tail, sums);
    for (size_t t = 0; t < tile->taps; t++) {
        const float *const *starts = tile->rows + t * tile->row_step;
        const size_t run = tile->run;
        const size_t offset = tile->offset + (tile->tap_offsets != NULL ? tile->tap_offsets[t] : 0);
        const float *left[TILE_ROWS_MAX];

        UNROLL for (int r = 0; r < rows; r++)
            left[r] = starts[r] + offset;
        UNROLL_RUN for (size_t k = 0; k < run; k++) {
            vec right[TILE_VECTORS];

            UNROLL for (int v = 0; v < width; v++)
                right[v] = NAME(load)(weights + (size_t)(v / per_panel) * panel_step +
                                      v % per_panel * VECTOR);
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int v = 0; v < width; v++)
                    sums[r][v] += left[r][k] * right[v];
            if (fetches)
                __builtin_prefetch(weights + PREFETCH_FLOATS);
            weights += per_panel * VECTOR;
        }
    }
    NAME(store_rows)(tile, rows, width, tail, sums);
}

#if JOINED
INLINE void NAME(add_joined)(const float *left, const float *weights, const int width, size_t run,
                             vec sums[][TILE_VECTORS])
{
    UNROLL_RUN for (size_t k = 0; k < run; k++) {
        vec right[TILE_VECTORS];

        UNROLL for (int v = 0; v < width; v++)
            right[v] = NAME(load)(weights + v * VECTOR);
        UNROLL for (int r = 0; r < JOINED; r++)
            UNROLL for (int v = 0; v < width; v++)
                sums[r][v] += left[r] * right[v];
        left += JOINED;
        weights += width * VECTOR;
    }
}

INLINE void NAME(joined)(const struct tile *tile, const int width)
{
    const float *left = tile->left, *weights = tile->weights;
    const char *ahead = tile->ahead;
    const int lines = tile->ahead_lines;
    size_t run = tile->run;
    vec sums[TILE_ROWS_MAX][TILE_VECTORS];

    NAME(start_rows)(tile, JOINED, width, tile->tail, sums);
    for (; run >= TILE_AHEAD_RUN; run -= TILE_AHEAD_RUN) {
        for (int i = 0; i < lines; i++, ahead += 64)
            __builtin_prefetch(ahead, 0, 2);
        NAME(add_joined)(left, weights, width, TILE_AHEAD_RUN, sums);
        left += TILE_AHEAD_RUN * JOINED;
        weights += TILE_AHEAD_RUN * width * VECTOR;
    }
    NAME(add_joined)(left, weights, width, run, sums);
    NAME(store_rows)(tile, JOINED, width, tile->tail, sums);
}

static void NAME(joined_1)(const struct tile *tile)
{
    NAME(joined)(tile, 1);
}

static void NAME(joined_2)(const struct tile *tile)
{
    NAME(joined)(tile, 2);
}

static void NAME(joined_3)(const struct tile *tile)
{
    NAME(joined)(tile, 3);
}

/* Four by four at a time. */
static void NAME(join)(const float *const *rows, size_t offset, size_t run, float *to)
{
    typedef float four __attribute__((vector_size(16)));
    typedef float four_memory __attribute__((vector_size(16), aligned(4), may_alias));
    size_t k = 0;

    for (; k + 4 <= run; k += 4, to += 16) {
        four a = *(const four_memory *)(rows[0] + offset + k);
        four b = *(const four_memory *)(rows[1] + offset + k);
        four c = *(const four_memory *)(rows[2] + offset + k);
        four d = *(const four_memory *)(rows[3] + offset + k);
        four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);

        *(four_memory *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
        *(four_memory *)(to + 4) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
        *(four_memory *)(to + 8) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
        *(four_memory *)(to + 12) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
    for (; k < run; k++)
        for (int r = 0; r < JOINED; r++)
            *to++ = rows[r][offset + k];
}
#endif

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
        NAME(tile)(tile, rows, vectors, vectors, tile->tail, false); \
    }
#define WIDE(rows) \
    static void NAME(wide_##rows)(const struct tile *tile) \
    { \
        NAME(tile)(tile, rows, WIDE_##rows * VECTORS, VECTORS, VECTOR, true); \
    }
#define DEPTHWISE_ROWS(vectors) DEPTHWISE(1, vectors) DEPTHWISE(4, vectors)
#define NARROW_4(vectors) NARROW(1, vectors) NARROW(2, vectors) NARROW(3, vectors) NARROW(4, vectors)
#define NARROW_6(vectors) NARROW_4(vectors) NARROW(5, vectors) NARROW(6, vectors)
#define NARROW_8(vectors) NARROW_6(vectors) NARROW(7, vectors) NARROW(8, vectors)

NARROW_8(1)
DEPTHWISE_ROWS(1)
NARROW_6(2)
DEPTHWISE_ROWS(2)
#if VECTORS == 2
#define UP_TO_ALL(x) {NULL, NAME(x##_1), NAME(x##_2)}
#define UP_TO_ROOM UP_TO_ALL
#elif VECTORS == 3
NARROW_4(3)
DEPTHWISE_ROWS(3)
#define UP_TO_ALL(x) {NULL, NAME(x##_1), NAME(x##_2), NAME(x##_3)}
#define UP_TO_ROOM(x) {NULL, NAME(x##_1), NAME(x##_2)}
#else
NARROW_6(3)
NARROW_6(4)
DEPTHWISE_ROWS(3)
DEPTHWISE_ROWS(4)
#define UP_TO_ALL(x) {NULL, NAME(x##_1), NAME(x##_2), NAME(x##_3), NAME(x##_4)}
#define UP_TO_ROOM UP_TO_ALL
#endif
WIDE(1)
WIDE(2)
WIDE(3)

static const struct tile_kernels NAME(table) = {
    .vector = VECTOR,
    .panel = VECTOR * VECTORS,
    .rows = {0, ROWS_1, ROWS_2, ROWS_3, ROWS_4},
    .narrow = {[1] = UP_TO_ALL(narrow_1), UP_TO_ALL(narrow_2), UP_TO_ALL(narrow_3),
               UP_TO_ALL(narrow_4), UP_TO_ROOM(narrow_5), UP_TO_ROOM(narrow_6),
               {NULL, NAME(narrow_7_1)}, {NULL, NAME(narrow_8_1)}},
    .wide_panels = {0, WIDE_1, WIDE_2, WIDE_3},
    .wide = {NULL, NAME(wide_1), NAME(wide_2), NAME(wide_3)},
    .depthwise = {UP_TO_ALL(depthwise_1), UP_TO_ALL(depthwise_4)},
    .depthwise_rows = 4,
#if JOINED
    .joined_rows = JOINED,
    .joined = {NULL, NAME(joined_1), NAME(joined_2), NAME(joined_3)},
    .join = NAME(join),
#endif
};

#undef DEPTHWISE
#undef DEPTHWISE_ROWS
#undef NARROW
#undef NARROW_4
#undef NARROW_6
#undef NARROW_8
#undef UP_TO_ALL
#undef UP_TO_ROOM
#undef WIDE
#undef vec
#undef TILE_VECTORS
