/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/isa.h - functions for one instruction set inside a file compiled for the plain CPU: what
 * stands between ISA_BEGIN_AVX2 (or _AVX512) and ISA_END may use it, for GCC and clang alike, and is called
 * only when cpu_isa() says so. Where there is none of them (not x86-64) they are not to be used. */
#ifndef ENGINE_KERNELS_ISA_H
#define ENGINE_KERNELS_ISA_H

#if defined(__clang__)
#define ISA_PRAGMA(text) _Pragma(#text)
#define ISA_TARGET(isa) ISA_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define ISA_BEGIN_AVX2 ISA_TARGET("avx2,fma")
#define ISA_BEGIN_AVX512 ISA_TARGET("avx512f,avx512bw,avx512dq,avx512vl,fma")
#define ISA_END _Pragma("clang attribute pop")
#else
#define ISA_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma\")")
#define ISA_BEGIN_AVX512 \
    _Pragma("GCC push_options") \
    _Pragma("GCC target(\"avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512\")")
#define ISA_END _Pragma("GCC pop_options")
#endif

/* A table by enum isa of pointers to what each_isa.h has made. */
#if defined(__x86_64__)
#define ISA_TABLE(x) {&generic_##x, &avx2_##x, &avx512_##x}
#else
#define ISA_TABLE(x) {&generic_##x, &generic_##x, &generic_##x}
#endif

#endif
