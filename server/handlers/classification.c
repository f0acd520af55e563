/* SPDX-License-Identifier: Apache-2.0 */
#include "server/handlers/classification.h"

#include "engine/engine.h"
#include "server/tensor_bridge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEM_BYTES_MAX = 48 };            /* "-1.7976931348623157e+308:9223372036854775807" and NUL */

struct score {
    double value;
    int64_t index;
};

/* Higher first; NaN last; equal ones by index. */
static bool goes_before(const struct score *a, const struct score *b)
{
    if (isnan(a->value) || isnan(b->value))
        return !isnan(a->value) || (isnan(b->value) && a->index < b->index);
    return a->value > b->value || (a->value == b->value && a->index < b->index);
}

/* Keeps the `n` best seen so far in order; classes are many, n is small. */
static void keep_best(struct score *best, int n, int64_t *filled, struct score candidate)
{
    int64_t at = *filled;

    if (at == n && !goes_before(&candidate, &best[n - 1]))
        return;
    if (at < n)
        (*filled)++;
    else
        at--;
    for (; at > 0 && goes_before(&candidate, &best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = candidate;
}

static void write_row(const struct tensor *tensor, int64_t first, int64_t classes, int n,
                      struct score *best, struct wire_bytes *items, char *text)
{
    bool narrow = tensor->dtype == DTYPE_F32;
    int64_t filled = 0;

    for (int64_t i = 0; i < classes; i++)
        keep_best(best, n, &filled, (struct score){tensor_double_at(tensor, first + i), i});
    for (int i = 0; i < n; i++) {
        char *place = text + (size_t)i * ITEM_BYTES_MAX;

        items[i].data = place;
        items[i].length = (size_t)snprintf(place, ITEM_BYTES_MAX, narrow ? "%f:%lld" : "%.17g:%lld",
                                           best[i].value, (long long)best[i].index);
        if (items[i].length >= ITEM_BYTES_MAX)   /* %f of a huge value */
            items[i].length = (size_t)snprintf(place, ITEM_BYTES_MAX, "%.9g:%lld", best[i].value,
                                               (long long)best[i].index);
    }
}

bool classification_make(struct classification *classification, const struct wire_tensor *output,
                         int n, bool batched, struct wire_tensor *ret_tensor,
                         struct problem *problem)
{
    struct tensor tensor = {dtype_from_wire_type(output->type), {1, {output->count}}, output->data};
    int64_t rows = batched && output->rank > 1 ? output->dims[0] : 1;
    int64_t classes = rows > 0 ? output->count / rows : 0;
    struct score *best;

    if (output->type == WIRE_BYTES || output->type == WIRE_BOOL || classes == 0)
        return problem_set(problem, 400, "bad_output", "output '%.128s' cannot be classified: it "
                           "holds no numbers", output->name);
    n = n < classes ? n : (int)classes;
    best = calloc((size_t)n, sizeof(*best));
    classification->items = calloc((size_t)rows * (size_t)n, sizeof(*classification->items));
    classification->text = calloc((size_t)rows * (size_t)n, ITEM_BYTES_MAX);
    if (best == NULL || classification->items == NULL || classification->text == NULL) {
        free(best);
        return problem_set(problem, 507, "no_memory", "no memory for the answer");
    }
    for (int64_t row = 0; row < rows; row++)
        write_row(&tensor, row * classes, classes, n, best, classification->items + row * n,
                  classification->text + (size_t)(row * n) * ITEM_BYTES_MAX);
    free(best);
    memset(ret_tensor, 0, sizeof(*ret_tensor));
    ret_tensor->name = output->name;
    ret_tensor->type = WIRE_BYTES;
    if (batched && output->rank > 1)
        ret_tensor->dims[ret_tensor->rank++] = rows;
    ret_tensor->dims[ret_tensor->rank++] = n;
    ret_tensor->count = rows * n;
    ret_tensor->data = classification->items;
    return true;
}

void classification_finish(struct classification *classification)
{
    free(classification->items);
    free(classification->text);
}
