/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/rows.h - writes row functions (engine/ops/broadcast.h) from an expression, in which
 * `a` and `b` are the elements of the first and the second input. `result` is the type of the
 * output's elements. ivdep: the output is one of the inputs or apart from all. */
#ifndef ENGINE_OPS_ROWS_H
#define ENGINE_OPS_ROWS_H

#include "engine/ops/broadcast.h"

#define UNARY_ROW(name, type, result, expression) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const type *x = inputs[0]; \
        result *out = output; \
        (void)steps; \
        (void)arg; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            const type a = x[i]; \
            out[i] = (result)(expression); \
        } \
    }

/* One loop for each way in which the inputs step. */
#define BINARY_ROW(name, type, result, expression) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const type *x = inputs[0], *y = inputs[1]; \
        result *out = output; \
        (void)arg; \
        if (steps[0] != 0 && steps[1] != 0) { \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type a = x[i], b = y[i]; \
                out[i] = (result)(expression); \
            } \
        } else if (steps[0] != 0) { \
            const type b = y[0]; \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type a = x[i]; \
                out[i] = (result)(expression); \
            } \
        } else if (steps[1] != 0) { \
            const type a = x[0]; \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type b = y[i]; \
                out[i] = (result)(expression); \
            } \
        } else { /* of the first two of several inputs, when a later one is wider */ \
            const type a = x[0], b = y[0]; \
            const result value = (result)(expression); \
            for (int64_t i = 0; i < n; i++) \
                out[i] = value; \
        } \
    }

#endif
