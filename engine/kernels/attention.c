/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/attention.h"

#include "engine/kernels/gemm.h"
#include "engine/kernels/tile_block.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

enum {
    FEW_QUERIES = 3,            /* for which packing keys and values costs more than it saves */
    SCORES = 1 << 15,           /* floats of a block of queries' scores, if that leaves */
    QUERIES_MIN = 16            /* so many queries */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t block_queries(int64_t queries, int64_t keys)
{
    int64_t most = keys > 0 ? SCORES / keys : TILE_BLOCK_ROWS;

    most = most < QUERIES_MIN ? QUERIES_MIN : min64(most, TILE_BLOCK_ROWS);
    return min64(most, queries);
}

static int64_t round_up(int64_t floats)
{
    return (floats + 15) / 16 * 16;
}

int64_t attention_head_scratch(int64_t queries, int64_t keys, int64_t width, int64_t v_width)
{
    const struct tile_kernels *kernels = tile_kernels();

    return round_up(width * tile_width(kernels, keys)) + round_up(keys * tile_width(kernels, v_width)) +
           round_up(block_queries(queries, keys) * keys);
}

/* The mask and a softmax on one row of scores. */
static void finish_row(const struct attention_head *h, int64_t query, float *row)
{
    const float *mask = h->mask != NULL ? h->mask + query * h->mask_step : NULL;
    size_t keys = (size_t)h->keys;
    float most, sum;

    if (mask != NULL && h->mask_element == 1) {
        most = vec_add_max_f32(keys, row, mask, row);
    } else {
        if (mask != NULL)
            vec_scale_f32(keys, 0.0f, 1.0f, *mask, row, row);
        most = vec_max_f32(keys, row);
    }
    sum = vec_exp_sum_f32(keys, most, row, row);
    vec_scale_f32(keys, 0.0f, 1.0f / sum, 0.0f, row, row);
}

static void attend_few(const struct attention_head *h, float *row)
{
    for (int64_t i = 0; i < h->queries; i++) {
        vec_dots_f32((size_t)h->keys, (size_t)h->width, h->q + i * h->q_step, h->k, (size_t)h->k_step,
                     h->scale, row);
        finish_row(h, i, row);
        vec_weighted_rows_f32((size_t)h->keys, (size_t)h->v_width, row, h->v, (size_t)h->v_step,
                              h->y + i * h->y_step);
    }
}

/* c[rows, columns] = a times packed weights of `depth` rows. */
static void multiply(int rows, int64_t depth, int64_t columns, const float *a, int64_t a_step,
                     const float *weights, float *c, int64_t c_step)
{
    const struct tile_kernels *kernels = tile_kernels();
    const float *starts[TILE_BLOCK_ROWS];
    struct tile_block block = {.starts = starts, .rows = rows, .taps = 1, .run = depth,
                               .weights = weights, .columns = columns, .c = c, .c_step = c_step};

    for (int r = 0; r < rows; r++)
        starts[r] = a + r * a_step;
    tile_block_run(kernels, &block, 0, tile_panels(kernels, columns));
}

void attention_head(const struct attention_head *h, float *scratch)
{
    const struct tile_kernels *kernels = tile_kernels();
    float *keys = scratch, *values = keys + round_up(h->width * tile_width(kernels, h->keys));
    float *scores = values + round_up(h->keys * tile_width(kernels, h->v_width));
    int64_t most = block_queries(h->queries, h->keys);

    if (h->queries <= FEW_QUERIES && h->k_element == 1) {
        attend_few(h, scores);
        return;
    }
    tile_pack(kernels, h->width, h->keys, 0, h->width, h->k, h->k_element, h->k_step, h->scale, keys);
    tile_pack(kernels, h->keys, h->v_width, 0, h->keys, h->v, h->v_step, 1, 1, values);
    for (int64_t from = 0; from < h->queries; from += most) {
        int rows = (int)min64(most, h->queries - from);

        multiply(rows, h->width, h->keys, h->q + from * h->q_step, h->q_step, keys, scores, h->keys);
        for (int r = 0; r < rows; r++)
            finish_row(h, from + r, scores + r * h->keys);
        multiply(rows, h->keys, h->v_width, scores, h->keys, values, h->y + from * h->y_step, h->y_step);
    }
}

void attention_scores(int64_t queries, int64_t keys, int64_t width, float scale, const float *q,
                      int64_t q_step, const float *k, float *scores)
{
    struct gemm_form form = {.trans_b = true,
                             .m = queries,
                             .n = keys,
                             .k = width,
                             .lda = q_step,
                             .ldb = width,
                             .ldc = keys};

    gemm_f32(&form, scale, q, k, 0.0f, scores);
}

void attention_softcap(int64_t count, float cap, float *scores)
{
    for (int64_t i = 0; i < count; i++)
        scores[i] /= cap;
    vec_tanh_f32((size_t)count, scores, scores);
    for (int64_t i = 0; i < count; i++)
        scores[i] *= cap;
}

void attention_softmax(int64_t keys, float *row)
{
    float largest = vec_max_f32((size_t)keys, row), factor;

    if (largest == -INFINITY) {
        memset(row, 0, (size_t)keys * sizeof(*row));
        return;
    }
    factor = 1.0f / vec_exp_sum_f32((size_t)keys, largest, row, row);
    for (int64_t i = 0; i < keys; i++)
        row[i] *= factor;
}

void attention_values(int64_t queries, int64_t keys, int64_t width, const float *weights,
                      const float *v, float *y, int64_t y_step)
{
    struct gemm_form form = {
        .m = queries, .n = width, .k = keys, .lda = keys, .ldb = width, .ldc = y_step};

    gemm_f32(&form, 1.0f, weights, v, 0.0f, y);
}
