/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/rnn_form.h - the attributes and sizes of RNN, GRU and LSTM, for the operators and their
 * gradients. */
#ifndef ENGINE_OPS_RNN_FORM_H
#define ENGINE_OPS_RNN_FORM_H

#include "engine/kernels/recurrent.h"
#include "engine/op.h"

enum rnn_kind { RNN_PLAIN = 1, RNN_GRU = 3, RNN_LSTM = 4 }; /* value: gates */
enum {
    RNN_X, RNN_W, RNN_R, RNN_B, RNN_LENGTHS, RNN_INITIAL_H, RNN_INITIAL_C, RNN_PEEPHOLES, RNN_INPUTS
};

struct rnn_form {
    enum rnn_kind kind;
    int directions;
    bool reverse[2];
    bool batch_first;
    bool linear_before_reset;
    bool packed;
    int64_t hidden; /* 0: not stated */
    struct cell cells[2];
};

/* Reads the attributes into init->params, a struct rnn_form. */
enum engine_status rnn_form_init(const struct op_init *init, enum rnn_kind kind,
                                 struct engine_error *err);

/* The sizes of one call. */
struct rnn_extent {
    int64_t time, batch, input, hidden, gates;
};

/* `x` and `r` are the inputs' shapes. */
struct rnn_extent rnn_form_extent(const struct rnn_form *form, const struct shape *x,
                                  const struct shape *r);

/* Refuses a length that is not in [0, time]; `lengths` may be NULL. */
enum engine_status rnn_form_lengths(const struct node *node, const struct rnn_extent *e,
                                    const int32_t *lengths, struct engine_error *err);

#endif
