/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/recurrent_grad.h - back through one time step of one sequence of an RNN, a GRU or an
 * LSTM: from the gradient of the state after the step to those of the gates before their functions (the
 * matrix products are the caller's) and, as far as they do not go through those products, to those of
 * the state before it. `gates` are as recurrent.h leaves them. Where clip held a gate at its bound, its
 * gradient is 0. Pure; any thread. */
#ifndef ENGINE_KERNELS_RECURRENT_GRAD_H
#define ENGINE_KERNELS_RECURRENT_GRAD_H

#include "engine/kernels/recurrent.h"

/* dgates[H] from dstate[H]; dstate becomes 0. */
void cell_rnn_back(const struct cell *cell, const float *gates, float *dstate, float *dgates);

/* dgates[4 H] from dstate[H], which becomes 0, and dmemory[H], which becomes that of memory_before[H].
 * `scratch` has 2 H floats. */
void cell_lstm_back(const struct cell *cell, const float *gates, const float *memory_before,
                    float *dstate, float *dmemory, float *scratch, float *dgates);
/* dpeepholes[3 H] += what one step adds to them. `scratch` has H floats. */
void cell_lstm_peepholes_back(const struct cell *cell, const float *gates, const float *memory_before,
                              const float *dgates, float *scratch, float *dpeepholes);

/* Linear before reset: dgates[3 H] and dproduct[H], the gradient of the h gate's recurrent part, of which
 * `product` is the value with its bias; dstate[H] becomes dstate z. */
void cell_gru_back(const struct cell *cell, const float *gates, const float *product,
                   const float *before, float *dstate, float *dgates, float *dproduct);
/* Otherwise in two halves: dgates but for r; then, with dreset[H] the gradient of r state, that of r, and
 * dstate += dreset r. */
void cell_gru_state_back(const struct cell *cell, const float *gates, const float *before, float *dstate,
                         float *dgates);
void cell_gru_reset_back(const struct cell *cell, const float *gates, const float *before,
                         const float *dreset, float *dstate, float *dgates);

#endif
