/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/body.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 4096, KEEP_BYTES_MAX = 64 * 1024 };

/* Charges in doubling steps, so that a body is charged for at most twice what has arrived. */
static bool charge(struct body *body, size_t needed)
{
    int64_t want = (int64_t)needed, more;

    if (want <= body->charged)
        return true;
    if (want < 2 * body->charged)
        want = 2 * body->charged;
    if (want > (int64_t)body->limit)
        want = (int64_t)body->limit;
    more = want - body->charged;
    if (atomic_fetch_add(&body->budget->used, more) + more > body->budget->max) {
        atomic_fetch_sub(&body->budget->used, more);
        return false;
    }
    body->charged = want;
    if (body->budget->changed != NULL)
        body->budget->changed(body->budget->arg, more);
    return true;
}

static bool grow(struct body *body, size_t needed)
{
    size_t capacity = body->capacity == 0 ? FIRST_CAPACITY : body->capacity;
    char *data;

    if (needed <= body->capacity)
        return true;
    while (capacity < needed)
        capacity *= 2;                  /* needed <= limit, far from overflow */
    if (capacity > body->limit)
        capacity = body->limit;
    data = realloc(body->data, capacity + 1);
    if (data == NULL)
        return false;
    body->data = data;
    body->capacity = capacity;
    return true;
}

enum body_status body_init(struct body *body, struct body_budget *budget, size_t announced,
                           size_t limit)
{
    body->budget = budget;
    body->limit = announced > 0 ? announced : limit;
    if (announced > limit)
        return BODY_STATUS_TOO_LARGE;
    if (body->capacity > 0)
        body->data[0] = '\0';
    if (announced <= body->capacity)
        return BODY_STATUS_OK;
    free(body->data);
    body->capacity = 0;
    body->data = malloc(announced + 1);
    if (body->data == NULL)
        return BODY_STATUS_NO_MEMORY;
    body->capacity = announced;
    return BODY_STATUS_OK;
}

enum body_status body_add(struct body *body, const void *data, size_t length)
{
    if (length > body->limit - body->length)
        return BODY_STATUS_TOO_LARGE;
    if (length < BODY_PIECE_SMALL && ++body->small_pieces > BODY_SMALL_PIECES_MAX)
        return BODY_STATUS_TOO_MANY_PIECES;
    if (!charge(body, body->length + length))
        return BODY_STATUS_OVER_BUDGET;
    if (!grow(body, body->length + length))
        return BODY_STATUS_NO_MEMORY;
    memcpy(body->data + body->length, data, length);
    body->length += length;
    body->data[body->length] = '\0';
    return BODY_STATUS_OK;
}

static void give_back(struct body *body)
{
    if (body->charged == 0)
        return;
    atomic_fetch_sub(&body->budget->used, body->charged);
    if (body->budget->changed != NULL)
        body->budget->changed(body->budget->arg, -body->charged);
}

void body_finish(struct body *body)
{
    give_back(body);
    free(body->data);
    memset(body, 0, sizeof(*body));
}

void body_recycle(struct body *body)
{
    struct body kept = {.data = body->data, .capacity = body->capacity};

    if (body->capacity > KEEP_BYTES_MAX) {
        body_finish(body);
        return;
    }
    give_back(body);
    *body = kept;
}
