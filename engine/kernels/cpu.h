/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/cpu.h - which vector instructions the kernels use. Picked once for the process;
 * any thread may ask. INFERD_ISA=generic|avx2|avx512 in the environment forces one. */
#ifndef ENGINE_KERNELS_CPU_H
#define ENGINE_KERNELS_CPU_H

#include <stdbool.h>

enum isa { ISA_GENERIC, ISA_AVX2, ISA_AVX512, ISA_COUNT };

/* The forced one if this CPU has it, else the best that it has. */
enum isa cpu_isa(void);
/* "generic", "avx2", "avx512". */
const char *cpu_isa_name(enum isa isa);
/* True when this CPU and this build have it. */
bool cpu_isa_supported(enum isa isa);
/* False when INFERD_ISA names something unknown or unsupported here; `ret_text` gets its value. */
bool cpu_isa_request_valid(const char **ret_text);
/* For tests: from now on cpu_isa() says `isa`, which must be supported. Not while kernels run, and
 * what one ISA has packed must not be given to another. */
void cpu_isa_force(enum isa isa);
/* Denormal numbers count as zero on the calling thread; every thread that computes calls it. */
void cpu_flush_denormals(void);

#endif
