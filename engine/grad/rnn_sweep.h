/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/rnn_sweep.h - what the two passes of a recurrent operator share. Rows are those of X, one
 * for each time and sequence: so the products by X are single ones over all rows.
 *
 * On the tape, for each direction: gates [rows, gates * hidden], after their functions; the state before
 * each row's step [rows, hidden]; LSTM: the memory before it; GRU, linear before reset: the h gate's
 * recurrent part. What lies behind a sequence's end is 0. */
#ifndef ENGINE_GRAD_RNN_SWEEP_H
#define ENGINE_GRAD_RNN_SWEEP_H

#include "engine/grad/grad.h"
#include "engine/kernels/recurrent_grad.h"
#include "engine/ops/rnn_form.h"

/* One direction of one call. */
struct rnn_sweep {
    const struct rnn_form *form;
    struct rnn_extent e;
    struct pool *pool;
    struct cell cell;
    int direction;
    bool reverse;
    const int32_t *lengths;        /* or NULL: all are e.time */
    int64_t rows, gh;              /* rows of X; gates * hidden */
    float *gates, *before, *memory, *product;   /* on the tape; `memory` and `product` where there are */
    int64_t y_time, y_batch;       /* of Y and its gradient: from one time, one sequence, to the next */
    int64_t y_at;                  /* where this direction begins in it */
    int64_t step;                  /* that the cells are at */
};

/* Floats of one direction on the tape. */
int64_t rnn_tape_floats(const struct rnn_form *form, const struct rnn_extent *e);
/* Everything but data that only one of the passes has. */
void rnn_sweep_init(struct rnn_sweep *sweep, const struct rnn_form *form, const struct rnn_extent *e,
                    int direction, void *tape, const int32_t *lengths, struct pool *pool);
/* The row of sequence n at its own step, -1 when it has ended. `ret_time` may be NULL. */
int64_t rnn_row_at(const struct rnn_sweep *sweep, int64_t step, int64_t n, int64_t *ret_time);
/* Without lengths the rows of a step are evenly apart: the first one, and by how many. */
int64_t rnn_first_row(const struct rnn_sweep *sweep, int64_t step, int64_t *ret_apart);
/* Where [hidden] of sequence n is in a state tensor. */
int64_t rnn_state_at(const struct rnn_sweep *sweep, int64_t n);
/* Runs fn for all sequences of sweep->step, by several threads where they are worth it. `arg` begins
 * with a struct rnn_sweep. */
void rnn_each_sequence(struct rnn_sweep *sweep, void (*fn)(void *arg, int sequence, int thread));

/* GRU that resets first: its recurrent products are two. */
bool rnn_resets_first(const struct rnn_form *form);
/* Rounds up to whole cache lines. */
int64_t rnn_pad(int64_t floats);

int64_t rnn_forward_floats(const struct rnn_form *form, const struct rnn_extent *e);
enum engine_status rnn_forward(const struct grad_forward *forward, struct engine_error *err);
int64_t rnn_backward_floats(const struct rnn_form *form, const struct rnn_extent *e);
enum engine_status rnn_backward(const struct grad_call *call, struct engine_error *err);

#endif
