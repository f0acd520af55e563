/* SPDX-License-Identifier: Apache-2.0
 * tests/support/grad_case.h - gradients against finite differences. A row is a graph in graph_case.h's
 * words; its float constants are the trainable tensors, but those whose name begins with '_'. The loss is
 * the sum of all float outputs, each element times a random number.
 *
 *   {"bias", "const a f32[2,3] ~; const b f32[3] ~; y = Add(a,b); out y"}
 *
 * Data may be '~': seeded random numbers in [-1, 1); '~+': in [0.5, 1.5); '~d': distinct, no two closer
 * than a finite difference reaches (for maxima); '~p' distinct and positive.
 *
 * Differences are central and taken of the same graph in float64, run by the ordinary executor: f32
 * becomes f64 in the text. Where the operator has no float64 or does otherwise while training, they are
 * taken of the tape's own forward pass (`by_tape`), with a coarser step and tolerance.
 *
 * Each row is also run with two threads (same bits) and with accumulate (twice the gradient). */
#ifndef TESTS_SUPPORT_GRAD_CASE_H
#define TESTS_SUPPORT_GRAD_CASE_H

#include <stdbool.h>
#include <stddef.h>

enum { GRAD_CASE_GRADIENTS_MAX = 4 };

struct grad_case {
    const char *name;
    const char *graph;
    bool by_tape;
    bool frozen_norm;
    double tolerance;              /* relative to the largest element; 0: 2e-5, by_tape 2e-2 */
    const char *error;             /* expected refusal: a part of its text */
    /* Expected gradients of the trainable constants, in order, as tensors (op_case.h), from elsewhere:
     * instead of differences, to 1e-5 of each element. */
    const char *gradients[GRAD_CASE_GRADIENTS_MAX];
};

/* A row with nothing special about it. */
#define GRAD_ROW(title, text) {.name = title, .graph = text}

/* Fails the running Check test with the row's name. */
void grad_case_check(const struct grad_case *c);
void grad_case_check_all(const struct grad_case *cases, size_t count);

#endif
