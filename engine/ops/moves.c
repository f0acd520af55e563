/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/moves.h"

void placed_move_run(const struct placed_move *placed, const struct tensor *from,
                     const struct tensor *to)
{
    const size_t size = dtype_size(to->dtype);

    for (int d = 0; d < placed->move.rank; d++)
        if (placed->move.dims[d] == 0)
            return;
    move_run(&placed->move, size, (char *)to->data + (size_t)placed->to * size,
             (const char *)from->data + (size_t)placed->from * size);
}

/* A dimension's place in the order of what is written: from front to back, sums outermost. */
static int64_t reach(const struct move *move, int d)
{
    int64_t stride = move->from_strides[d];

    return stride == 0 ? INT64_MAX : stride < 0 ? -stride : stride;
}

struct placed_move placed_move_reverse(const struct placed_move *placed)
{
    struct placed_move back = {.from = placed->to, .to = placed->from};
    const struct move *move = &placed->move;
    int order[MOVE_RANK_MAX];

    for (int d = 0; d < move->rank; d++) {
        int at = d;

        for (; at > 0 && reach(move, order[at - 1]) < reach(move, d); at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
    for (int i = 0; i < move->rank; i++)
        move_push(&back.move, move->dims[order[i]], move->from_strides[order[i]],
                  move->to_strides[order[i]]);
    return back;
}
