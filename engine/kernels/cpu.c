/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/cpu.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static const char *const names[ISA_COUNT] = {"generic", "avx2", "avx512"};

/* -1 until somebody asks; every asker finds the same answer, so a race is harmless. */
static atomic_int chosen = -1;

const char *cpu_isa_name(enum isa isa)
{
    return names[isa];
}

bool cpu_isa_supported(enum isa isa)
{
    switch (isa) {
    case ISA_GENERIC:
        return true;
#if defined(__x86_64__)
    case ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default:
        return false;
    }
}

/* ISA_COUNT when the environment forces none or one that is unknown. */
static enum isa requested(const char **ret_text)
{
    int isa = ISA_COUNT;

    *ret_text = getenv("INFERD_ISA");
    if (*ret_text == NULL || **ret_text == '\0') {
        *ret_text = NULL;
        return ISA_COUNT;
    }
    for (isa = 0; isa < ISA_COUNT && strcmp(*ret_text, names[isa]) != 0; isa++)
        ;
    return (enum isa)isa;
}

bool cpu_isa_request_valid(const char **ret_text)
{
    enum isa isa = requested(ret_text);

    return *ret_text == NULL || (isa != ISA_COUNT && cpu_isa_supported(isa));
}

enum isa cpu_isa(void)
{
    int isa = atomic_load_explicit(&chosen, memory_order_relaxed);
    const char *text;

    if (isa >= 0)
        return (enum isa)isa;
    isa = (int)requested(&text);
    if (isa == ISA_COUNT || !cpu_isa_supported((enum isa)isa)) {
        isa = ISA_COUNT - 1;
        while (!cpu_isa_supported((enum isa)isa))
            isa--;
    }
    atomic_store_explicit(&chosen, isa, memory_order_relaxed);
    return (enum isa)isa;
}

void cpu_isa_force(enum isa isa)
{
    assert(cpu_isa_supported(isa));
    atomic_store_explicit(&chosen, (int)isa, memory_order_relaxed);
}

void cpu_flush_denormals(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | (UINT64_C(1) << 24)));
#endif
}
