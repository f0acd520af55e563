/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/term.h - the one loop nest of gradients that are made element by element: a term for each
 * element of a grid, from the elements of up to three sources that broadcast to the grid, written
 * to a tensor that broadcasts to it too: where that one repeats, its terms are summed. So an operand
 * that was broadcast gets the sum of its gradients, and a reduced one its gradient spread out.
 *
 * Sums are kept in double above runs of at most 64 rows or 256 elements of float; their order follows from
 * the shapes alone. Keeps no state; any thread. */
#ifndef ENGINE_GRAD_TERM_H
#define ENGINE_GRAD_TERM_H

#include "engine/grad/grad.h"
#include "engine/ops/broadcast.h"

/* Row functions (engine/ops/broadcast.h) that write float, compiled twice. */
struct term {
    row_fn *plain, *wide;          /* wide: for AVX2 and FMA; NULL: plain serves */
    bool heavy;                    /* tens of instructions an element: worth threads earlier */
};

/* The output's gradient as it is. */
extern const struct term term_copy;

/* Every source and `to` broadcast to `grid`. `to` may be the bytes of a source that repeats nowhere, if
 * it does not repeat itself. With `accumulate` the result is added to what is there. */
void term_run(struct pool *pool, const struct term *term, const struct shape *grid, int n_sources,
              const struct tensor *const *sources, const struct tensor *to, bool accumulate,
              const void *arg);

/* Input `input` of a node whose output 0 has the grid's shape: from its gradient and at most two
 * more sources (NULL: no more). Does nothing when that gradient is not wanted. */
void term_grad(const struct grad_call *call, int input, const struct term *term,
               const struct tensor *a, const struct tensor *b, const void *arg);

/* in_grads[input], or NULL for one that the node has not got. */
struct tensor *grad_wanted(const struct grad_call *call, int input);

/* Of two inputs the one whose gradient is to be written first (turn 0) or last (turn 1): input 0 last
 * if its gradient takes the place of the output's. */
int grad_turn(const struct grad_call *call, int turn);

#endif
