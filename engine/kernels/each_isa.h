/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/each_isa.h - includes the file KERNEL_BODY once for each instruction set, with NAME(x)
 * giving names of their own (generic_x, avx2_x, avx512_x) and LANES the floats of a vector. Without a guard:
 * it is included where the functions are to stand. ISA_TABLE(x) of isa.h picks one of them. */
#include "engine/kernels/isa.h"

#define NAME(x) generic_##x
#define LANES 4
#include KERNEL_BODY
#undef NAME
#undef LANES

#if defined(__x86_64__)
ISA_BEGIN_AVX2
#define NAME(x) avx2_##x
#define LANES 8
#include KERNEL_BODY
#undef NAME
#undef LANES
ISA_END

ISA_BEGIN_AVX512
#define NAME(x) avx512_##x
#define LANES 16
#include KERNEL_BODY
#undef NAME
#undef LANES
ISA_END
#endif
