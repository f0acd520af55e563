/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wire_tensor.h"

bool wire_count(const int64_t *dims, int rank, size_t element_bytes, int64_t *ret_count)
{
    int64_t count = 1, bytes;
    bool overflow = false;
    bool empty = false;
    int i;

    for (i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        empty |= dims[i] == 0;
    }
    if (empty) {
        *ret_count = 0;
        return true;
    }
    for (i = 0; i < rank; i++)
        overflow |= __builtin_mul_overflow(count, dims[i], &count);
    overflow |= __builtin_mul_overflow(count, element_bytes, &bytes);
    if (overflow)
        return false;
    *ret_count = count;
    return true;
}
