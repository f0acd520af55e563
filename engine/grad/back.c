/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grad/back.h"

#include <string.h>

void clear(const struct tensor *to)
{
    if (shape_elements(&to->shape) > 0)
        memset(to->data, 0, tensor_bytes(to));
}

void move_back(const struct placed_move *placed, const struct tensor *from, const struct tensor *to,
               bool accumulate)
{
    const struct placed_move back = placed_move_reverse(placed);
    int64_t moved = 1;
    bool repeats = false;

    for (int d = 0; d < back.move.rank; d++) {
        moved *= back.move.dims[d];
        repeats = repeats || (back.move.dims[d] > 1 && back.move.to_strides[d] == 0);
    }
    if (!accumulate && (repeats || moved < shape_elements(&to->shape)))
        clear(to);
    if (moved == 0)
        return;
    if (accumulate || repeats)
        move_add_f32(&back.move, (float *)to->data + back.to, (const float *)from->data + back.from);
    else
        placed_move_run(&back, from, to);
}
