/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/update.h"

#include "engine/kernels/cpu.h"
#include "engine/kernels/isa.h"

#include <assert.h>
#include <math.h>

#define NAME(x) generic_##x
#define LANES 4
#define SQRT(x) ((VF){sqrtf((x)[0]), sqrtf((x)[1]), sqrtf((x)[2]), sqrtf((x)[3])})
#include "engine/kernels/update_body.h"
#undef NAME
#undef LANES
#undef SQRT

#if defined(__x86_64__)
ISA_BEGIN_AVX2
#define NAME(x) avx2_##x
#define LANES 8
#define SQRT(x) ((VF)__builtin_ia32_sqrtps256(x))
#include "engine/kernels/update_body.h"
#undef NAME
#undef LANES
#undef SQRT
ISA_END
#else
#define avx2_update generic_update
#endif

/* The pass waits for memory, not for lanes: AVX-512 would gain nothing. */
static struct update_found (*const updates[ISA_COUNT])(const struct update *u, int64_t n,
                                                       const struct update_arrays *a) = {
    [ISA_GENERIC] = generic_update,
    [ISA_AVX2] = avx2_update,
    [ISA_AVX512] = avx2_update,
};

struct update_found update_f32(const struct update *update, int64_t n,
                               const struct update_arrays *arrays)
{
    assert(n % UPDATE_ALIGNMENT == 0);
    return updates[cpu_isa()](update, n, arrays);
}
