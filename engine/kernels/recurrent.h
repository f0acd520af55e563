/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/recurrent.h - one time step of one sequence of a vanilla RNN, a GRU or an LSTM, on
 * plain pointers, after the two matrix products: `x` holds the input's part with all biases that
 * may be added early, `h` the state's part. Gates follow each other as in ONNX: RNN i; GRU z r h;
 * LSTM i o f c. Pure; any thread. Source: the equations of ONNX's RNN-14, GRU-14 and LSTM-14. */
#ifndef ENGINE_KERNELS_RECURRENT_H
#define ENGINE_KERNELS_RECURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate_function {
    /* y = f(x) of n elements; y may be x. */
    void (*apply)(size_t n, float alpha, float beta, const float *x, float *y);
    float alpha, beta;
    /* g *= f'(x) where y = f(x): all of them tell their slope by their value (given the sign of alpha
     * is that of the default). */
    void (*slope)(size_t n, float alpha, float beta, const float *y, float *g);
};

/* By the name that ONNX gives it, in any case; its default alpha and beta are filled in. False for
 * an unknown name. */
bool gate_function_find(const char *name, size_t length, struct gate_function *ret);

struct cell {
    int64_t hidden;
    struct gate_function f, g, h; /* gates; cell; output (LSTM) */
    float clip;                /* 0: none; bounds what activations are applied to */
    bool input_forget;         /* LSTM: forget = 1 - input */
    const float *peepholes;    /* LSTM: i o f, [3 * hidden], or NULL */
    const float *state_bias;   /* GRU, linear before reset: the h gate's recurrent bias, or NULL */
};

/* state[hidden] becomes the next one; `gates` is scratch of [gates * hidden], or has the sum of both
 * parts already when `h` is NULL. */
void cell_rnn(const struct cell *cell, const float *x, const float *h, float *gates, float *state);

/* GRU in two halves, since without linear_before_reset the h gate's product needs r. First:
 * gates[0, 2H) = z, r and reset[H] *= r. `h` holds the z and r parts. */
void cell_gru_gates(const struct cell *cell, const float *x, const float *h, float *gates,
                    float *reset);
/* Then, with h_gate[H] = the recurrent part of h (already times r and with its bias when linear
 * before reset). */
void cell_gru_state(const struct cell *cell, const float *x, const float *h_gate, float *gates,
                    float *state);

/* state and memory (the cell state), [hidden] each, become the next ones; `gates` is scratch of
 * [4 * hidden], or has the sum of both parts when `h` is NULL. */
void cell_lstm(const struct cell *cell, const float *x, const float *h, float *gates, float *state,
               float *memory);

#endif
