/* SPDX-License-Identifier: Apache-2.0
 * server/http/body.h - collects one request body under two budgets: its own limit, and what all
 * bodies of the daemon may hold together.
 *
 * A body whose length is announced gets its memory at once (the kernel commits pages as they are
 * written), but is charged to the common budget as it arrives, so that announcing much and sending
 * little costs nobody anything. Network thread; the budget is shared by all. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunked body may come in at most so many pieces smaller than BODY_PIECE_SMALL bytes. */
enum { BODY_SMALL_PIECES_MAX = 65536, BODY_PIECE_SMALL = 64 };

struct body_budget {
    _Atomic int64_t used;
    int64_t max;
    void (*changed)(void *arg, int64_t amount);   /* NULL: nobody counts along */
    void *arg;
};

struct body {
    struct body_budget *budget;
    char *data;                   /* always room for the NUL after it */
    size_t length, capacity, limit;
    int64_t charged;
    int small_pieces;
};

enum body_status {
    BODY_STATUS_OK,
    BODY_STATUS_TOO_LARGE,        /* over its own limit */
    BODY_STATUS_TOO_MANY_PIECES,
    BODY_STATUS_OVER_BUDGET,      /* over the common budget */
    BODY_STATUS_NO_MEMORY
};

/* `announced` is the Content-Length, or 0 when it is not known. The body is zeroed, or was released by
 * body_recycle(). */
enum body_status body_init(struct body *body, struct body_budget *budget, size_t announced,
                           size_t limit);
/* After a failure nothing more may be added; what was charged stays so until body_finish(). */
enum body_status body_add(struct body *body, const void *data, size_t length);
/* Frees and gives the charge back. Any thread; fine on a zeroed body. */
void body_finish(struct body *body);
/* The same, but keeps memory of a usual size for the next body_init(). */
void body_recycle(struct body *body);

#endif
