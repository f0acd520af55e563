/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/unpool_form.h"

int64_t unpool_block_count(const struct unpool_params *p, int spatial, int d, int64_t image,
                           int64_t block)
{
    const int64_t room = image + p->pads[d] + p->pads[spatial + d] -
                         (p->dilations[d] * (block - 1) + 1);

    return room < 0 ? 0 : room / p->strides[d] + 1;
}

int64_t unpool_image_offset(const struct unpool_params *p, const struct tensor *to,
                            const struct tensor *block, int64_t place, int64_t number)
{
    const int spatial = to->shape.rank - 2;
    int64_t offset = 0, stride = 1;

    for (int d = spatial - 1; d >= 0; d--) {
        const int64_t dim = to->shape.dims[2 + d], side = tensor_int_at(block, d);
        const int64_t blocks = unpool_block_count(p, spatial, d, dim, side);
        const int64_t at = number % blocks * p->strides[d] + place % side * p->dilations[d] -
                           p->pads[d];

        if (at < 0 || at >= dim)
            return -1;
        offset += at * stride;
        stride *= dim;
        number /= blocks;
        place /= side;
    }
    return offset;
}
