/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/tile.h"

#include "engine/kernels/isa.h"

#include <string.h>

enum { PREFETCH_FLOATS = 512 };

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_RUN _Pragma("GCC unroll 4")

/* 6 x 8 sums: 12 of the 16 registers of plain x86-64. */
#define NAME(x) generic_##x
#define VECTOR 4
#define VECTORS 2
#define ROWS_1 8
#define ROWS_2 6
#define ROWS_3 0
#define ROWS_4 0
#define WIDE_1 4
#define WIDE_2 2
#define WIDE_3 2
#define JOINED 0
#include "engine/kernels/tile_body.h"
#undef NAME
#undef VECTOR
#undef VECTORS
#undef ROWS_3
#undef WIDE_3
#undef JOINED

#if defined(__x86_64__)
/* 4 x 24 sums: 12 of 16 registers, and the fewest loads for so many. */
ISA_BEGIN_AVX2
#define NAME(x) avx2_##x
#define VECTOR 8
#define VECTORS 3
#define ROWS_3 4
#define WIDE_3 1
#define JOINED 4
#include "engine/kernels/tile_body.h"
#undef NAME
#undef VECTOR
#undef VECTORS
#undef ROWS_3
#undef ROWS_4
#undef WIDE_2
#undef WIDE_3
#undef JOINED
ISA_END

/* 6 x 64 sums: 24 of the 32 registers. */
ISA_BEGIN_AVX512
#define NAME(x) avx512_##x
#define VECTOR 16
#define VECTORS 4
#define ROWS_3 6
#define ROWS_4 6
#define WIDE_2 3
#define WIDE_3 2
#define JOINED 0
#include "engine/kernels/tile_body.h"
ISA_END
#else
#define avx2_table generic_table
#define avx512_table generic_table
#endif

const struct tile_kernels *tile_kernels(void)
{
    static const struct tile_kernels *const tables[ISA_COUNT] = {
        [ISA_GENERIC] = &generic_table,
        [ISA_AVX2] = &avx2_table,
        [ISA_AVX512] = &avx512_table,
    };

    return tables[cpu_isa()];
}
