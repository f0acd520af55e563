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

struct placed_move placed_move_reverse(const struct placed_move *placed)
{
    struct placed_move back = {.from = placed->to, .to = placed->from};

    for (int d = 0; d < placed->move.rank; d++)
        move_push(&back.move, placed->move.dims[d], placed->move.from_strides[d],
                  placed->move.to_strides[d]);
    return back;
}
