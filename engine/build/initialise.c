/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/build/initialise.h"

#include "engine/kernels/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Takes from `row` its part along each of the `count` rows above it. */
static void take_out(double *rows, int64_t count, int64_t n, double *row)
{
    for (int64_t k = 0; k < count; k++) {
        const double *other = rows + k * n;
        double part = dot(row, other, n);

        for (int64_t i = 0; i < n; i++)
            row[i] -= part * other[i];
    }
}

/* Gram-Schmidt on rows of normal numbers, each done twice (Giraud et al. 2005: twice is enough). The
 * result is uniform over all such matrices. A row that lies in the span of those above, which has
 * probability 0, is drawn again. */
static void make_orthonormal(double *rows, int64_t count, int64_t n, uint64_t seed)
{
    uint64_t index = 0;

    for (int64_t k = 0; k < count; k++) {
        double *row = rows + k * n, before, after;

        do {
            for (int64_t i = 0; i < n; i++)
                row[i] = random_normal(seed, index++);
            before = dot(row, row, n);
            take_out(rows, k, n, row);
            take_out(rows, k, n, row);
            after = dot(row, row, n);
        } while (!(after > 1e-16 * before));
        for (int64_t i = 0; i < n; i++)
            row[i] /= sqrt(after);
    }
}

static enum engine_status fill_orthogonal(const struct weight_matrix *matrix, double scale,
                                          uint64_t seed, float *data, struct engine_error *err)
{
    bool is_tall = matrix->rows > matrix->columns;
    int64_t count = is_tall ? matrix->columns : matrix->rows;
    int64_t n = is_tall ? matrix->rows : matrix->columns;
    double *rows = calloc((size_t)(count * n), sizeof(*rows));

    if (rows == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for an orthogonal matrix");
    make_orthonormal(rows, count, n, seed);
    for (int64_t k = 0; k < count; k++)
        for (int64_t i = 0; i < n; i++)
            data[is_tall ? i * count + k : k * n + i] = (float)(scale * rows[k * n + i]);
    free(rows);
    return ENGINE_OK;
}

/* Two of each pair of uniform numbers (Box and Muller 1958). */
static void fill_normal(double spread, uint64_t seed, uint64_t count, float *data)
{
    for (uint64_t i = 0; i < count; i += 2) {
        double radius = spread * sqrt(-2 * log(1 - random_uniform(seed, i)));
        double angle = 2 * M_PI * random_uniform(seed, i + 1);

        data[i] = (float)(radius * cos(angle));
        if (i + 1 < count)
            data[i + 1] = (float)(radius * sin(angle));
    }
}

/* Standard deviation of a distribution for its fans; of CONSTANT and ZEROS unused. */
static double deviation(const struct weight_matrix *matrix, const struct layer_init *init)
{
    double in = (double)matrix->fan_in, out = (double)matrix->fan_out;

    switch (init->choice) {
    case INIT_HE_NORMAL:
    case INIT_HE_UNIFORM:
        return init->scale * sqrt(2 / in);
    case INIT_GLOROT_NORMAL:
    case INIT_GLOROT_UNIFORM:
        return init->scale * sqrt(2 / (in + out));
    case INIT_LECUN_NORMAL:
    case INIT_LECUN_UNIFORM:
        return init->scale * sqrt(1 / in);
    default:
        return init->scale;
    }
}

enum engine_status initialise(const struct weight_matrix *matrix, const struct layer_init *init,
                              uint64_t seed, float *data, struct engine_error *err)
{
    uint64_t count = (uint64_t)matrix->rows * (uint64_t)matrix->columns;
    double spread = deviation(matrix, init);

    assert(init->choice != INIT_AUTO);
    switch (init->choice) {
    case INIT_ORTHOGONAL:
        return fill_orthogonal(matrix, init->scale, seed, data, err);
    case INIT_HE_NORMAL:
    case INIT_GLOROT_NORMAL:
    case INIT_LECUN_NORMAL:
    case INIT_NORMAL:
        fill_normal(spread, seed, count, data);
        return ENGINE_OK;
    case INIT_HE_UNIFORM:
    case INIT_GLOROT_UNIFORM:
    case INIT_LECUN_UNIFORM: /* the variance of (-a, a) is a * a / 3 */
        for (uint64_t i = 0; i < count; i++)
            data[i] = (float)(spread * sqrt(3) * (2 * random_uniform(seed, i) - 1));
        return ENGINE_OK;
    default:
        for (uint64_t i = 0; i < count; i++)
            data[i] = init->choice == INIT_CONSTANT ? (float)init->scale : 0.0f;
        return ENGINE_OK;
    }
}
