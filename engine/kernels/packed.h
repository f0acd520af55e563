/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/packed.h - products with weights that were rearranged once: at load, and again for
 * each new generation of weights. As fast for one row as memory allows, and for 2 to 64 rows several
 * times faster than a library that rearranges on every call. A row's result does not depend on the
 * other rows, on the number of threads or on anything but its own elements. */
#ifndef ENGINE_KERNELS_PACKED_H
#define ENGINE_KERNELS_PACKED_H

#include "engine/kernels/activation.h"
#include "engine/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* Floats that weights of `depth` rows and `columns` columns take when packed by cpu_isa(). False
 * when that does not fit. */
bool packed_size(int64_t depth, int64_t columns, int64_t *ret_floats);
/* Packs alpha * w, w's element (k, j) being at w[k * row_step + j * column_step]. */
void packed_fill(int64_t depth, int64_t columns, const float *w, int64_t row_step, int64_t column_step,
                 float alpha, float *ret_packed);

/* c[rows, columns] = a[rows, depth] * weights, then the epilogue. `a_step` and `c_step` are floats
 * from row to row; a residual steps like c. Splits columns (or, where those are few, rows) over the
 * pool, the same way for the same shape each time. */
struct packed_product {
    int64_t rows, columns, depth;
    const float *a;
    int64_t a_step;
    const float *weights;
    float *c;
    int64_t c_step;
    struct epilogue epilogue;
};

void packed_run(const struct packed_product *product, struct pool *pool);

#endif
