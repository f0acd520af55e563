/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/term_rows.h - writes the row functions of struct term from an expression. `d` is the
 * element of source 0, the output's gradient, `a` and `b` those of the others. FLAT: no source
 * repeats. SPREAD: each may; there is a loop for each way.
 *
 * Each takes `isa`, plain or wide, and appends it to the name: TERMS(list) writes a list of them for both
 * vector widths, a list being a macro whose argument is `isa`. */
#ifndef ENGINE_GRAD_TERM_ROWS_H
#define ENGINE_GRAD_TERM_ROWS_H

#include "engine/grad/term.h"

#include <stddef.h>

#define TARGET_plain
#if defined(__x86_64__)
#define TARGET_wide __attribute__((target("avx2,fma")))
#else
#define TARGET_wide
#endif

#define TERM_HEAD(isa, name) \
    TARGET_##isa static void name##_##isa(int64_t n, const void *const *inputs, const int64_t *steps, \
                                          void *output, const void *arg)

#define FLAT_TERM(isa, name, expression) \
    TERM_HEAD(isa, name) \
    { \
        const float *gradient = inputs[0], *first = inputs[1]; \
        float *out = output; \
        (void)steps; \
        (void)arg; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            const float d = gradient[i], a = first[i]; \
            out[i] = (expression); \
        } \
    }

/* The loop with its steps still open; inlined where they are known. */
#define SPREAD_LOOP(isa, name, type, expression) \
    TARGET_##isa static inline __attribute__((always_inline)) void name##_loop_##isa( \
        int64_t n, const void *const *inputs, ptrdiff_t s, ptrdiff_t t, ptrdiff_t u, float *out, \
        const void *arg) \
    { \
        const float *gradient = inputs[0]; \
        const type *first = inputs[1]; \
        (void)arg; \
        (void)u; \
        _Pragma("GCC ivdep") for (ptrdiff_t i = 0; i < n; i++) \
        { \
            const float d = gradient[i * s]; \
            const type a = first[i * t]; \
            expression \
        } \
    }

/* Source 0 alone. */
#define SPREAD_TERM_1(isa, name, expression) \
    TERM_HEAD(isa, name) \
    { \
        const float *gradient = inputs[0]; \
        float *out = output; \
        (void)arg; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            const float d = gradient[steps[0] != 0 ? i : 0]; \
            out[i] = (expression); \
        } \
    }

/* Two sources, the other one of any type. */
#define SPREAD_TERM(isa, name, type, expression) \
    SPREAD_LOOP(isa, name, type, out[i] = (expression);) \
    TERM_HEAD(isa, name) \
    { \
        if (steps[0] != 0 && steps[1] != 0) \
            name##_loop_##isa(n, inputs, 1, 1, 0, output, arg); \
        else if (steps[0] != 0) \
            name##_loop_##isa(n, inputs, 1, 0, 0, output, arg); \
        else if (steps[1] != 0) \
            name##_loop_##isa(n, inputs, 0, 1, 0, output, arg); \
        else \
            name##_loop_##isa(n, inputs, 0, 0, 0, output, arg); \
    }

/* Three sources, the others of one type. */
#define SPREAD_TERM_3(isa, name, type, expression) \
    SPREAD_LOOP(isa, name, type, const type b = ((const type *)inputs[2])[i * u]; out[i] = (expression);) \
    TERM_HEAD(isa, name) \
    { \
        switch ((steps[0] != 0) << 2 | (steps[1] != 0) << 1 | (steps[2] != 0)) { \
        case 0: name##_loop_##isa(n, inputs, 0, 0, 0, output, arg); break; \
        case 1: name##_loop_##isa(n, inputs, 0, 0, 1, output, arg); break; \
        case 2: name##_loop_##isa(n, inputs, 0, 1, 0, output, arg); break; \
        case 3: name##_loop_##isa(n, inputs, 0, 1, 1, output, arg); break; \
        case 4: name##_loop_##isa(n, inputs, 1, 0, 0, output, arg); break; \
        case 5: name##_loop_##isa(n, inputs, 1, 0, 1, output, arg); break; \
        case 6: name##_loop_##isa(n, inputs, 1, 1, 0, output, arg); break; \
        default: name##_loop_##isa(n, inputs, 1, 1, 1, output, arg); break; \
        } \
    }

#define TERMS(list) list(plain) list(wide)

/* The struct term of what TERMS wrote as op_plain and op_wide. */
#define TERM(op) {.plain = op##_plain, .wide = op##_wide}
#define HEAVY_TERM(op) {.plain = op##_plain, .wide = op##_wide, .heavy = true}

#endif
