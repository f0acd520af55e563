/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/moves.h - operators that put elements elsewhere and change none, as a strided move each:
 * their forward pass makes it one way, their gradient (engine/grad/move.c) the other way. */
#ifndef ENGINE_OPS_MOVES_H
#define ENGINE_OPS_MOVES_H

#include "engine/kernels/move.h"
#include "engine/op.h"

/* `from` and `to` are the offsets, in elements, of index 0. */
struct placed_move {
    struct move move;
    int64_t from, to;
};

/* Neither tensor is empty, unless the move is. Elements of any one size. */
void placed_move_run(const struct placed_move *placed, const struct tensor *from,
                     const struct tensor *to);
/* From where it went to where it came from; its dimensions in another order. */
struct placed_move placed_move_reverse(const struct placed_move *placed);

/* One operator's. `params` are its own; inputs and outputs have shapes, and data where the operator takes
 * host inputs. */
typedef struct placed_move placed_move_fn(const void *params, int n_inputs,
                                          const struct tensor *const *inputs,
                                          const struct tensor *output);

placed_move_fn transpose_move, depth_to_space_move, space_to_depth_move, slice_move, expand_move,
    tile_move, center_move;

/* Concat and Split: between `whole` and its `part` that begins at `offset` along `axis`. */
struct placed_move part_move(const struct shape *whole, const struct shape *part, int axis,
                             int64_t offset, bool into_whole);

/* Pad: the kept box of the input and its place. In every mode but constant the margins follow from it:
 * dimension after dimension, the last one first, each line outside takes the elements of pad_source(). */
enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP };

/* One dimension: elements [from, from + kept) of the input land at `before` of the output. */
struct margin {
    int64_t from, kept, before, out;
};

enum pad_mode pad_mode(const void *params);
void pad_layout(int n_inputs, const struct tensor *const *inputs,
                struct margin margins[SHAPE_RANK_MAX]);
struct placed_move pad_move(const struct shape *from, const struct shape *to,
                            const struct margin margins[SHAPE_RANK_MAX]);
/* The kept line that line `out` of the dimension copies; -1 if it is kept itself. */
int64_t pad_source(enum pad_mode mode, const struct margin *margin, int64_t out);
/* Between the kept lines of dimension d and those of its margins, for one line each: dimensions before
 * `d` are walked over their kept part only. Offsets are those of line 0 of dimension d. */
struct placed_move pad_line_move(const struct shape *to, const struct margin margins[SHAPE_RANK_MAX],
                                 int d);

#endif
