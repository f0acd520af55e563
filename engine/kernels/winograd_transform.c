/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/winograd_transform.h"

#include "engine/kernels/cpu.h"

#include <assert.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 36")

/* The points of F(4x4, 3x3) beside 0 and infinity, +-A1 and +-B1, and their squares. */
#define A1 0.625f
#define A2 0.390625f
#define B1 1.5f
#define B2 2.25f

#define KERNEL_BODY "engine/kernels/winograd_body.h"
#include "engine/kernels/each_isa.h"

const struct winograd_transform *winograd_transform(int tile)
{
    static const struct winograd_transform *const tables[ISA_COUNT] = ISA_TABLE(transforms[0]);

    assert(tile == 2 || tile == 4);
    return tables[cpu_isa()] + tile;
}

/* Row p of G is (1, p, p^2) over the product of p's distances from the other points; infinity's is
 * (0, 0, 1). */
static void find_matrix(int tile, double g[6][3])
{
    static const double points[2][5] = {{0, 1, -1}, {0, 0.625, -0.625, 1.5, -1.5}};
    int n = tile + 1;

    for (int j = 0; j < n; j++) {
        double p = points[tile == 4][j], factor = 1;

        for (int k = 0; k < n; k++)
            if (k != j)
                factor *= p - points[tile == 4][k];
        for (int i = 0; i < 3; i++)
            g[j][i] = (i == 0 ? 1 : i == 1 ? p : p * p) / factor;
    }
    for (int i = 0; i < 3; i++)
        g[n][i] = i == 2;
}

void winograd_kernels(int tile, int64_t count, const float *w, int64_t w_step, float *ret,
                      int64_t ret_step)
{
    static void (*const kernels[ISA_COUNT])(const double g[6][3], int side, int64_t count,
                                            const float *w, int64_t w_step, float *ret,
                                            int64_t ret_step) = ISA_TABLE(kernels);
    double g[6][3];

    find_matrix(tile, g);
    kernels[cpu_isa()](g, tile + 2, count, w, w_step, ret, ret_step);
}
