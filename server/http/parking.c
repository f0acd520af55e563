/* SPDX-License-Identifier: Apache-2.0
 * How a connection waits for a reply that comes later. At first it is held: it stays on
 * libmicrohttpd's ready list, whose every run then asks request_handle() for the reply again. That
 * costs less than anything else while the wait is short. What takes longer than a moment is
 * suspended: libmicrohttpd forgets the connection until it is resumed, at the price of two
 * epoll_ctl() and one vain recv(). Network thread, but for parking_finished(). */
#include "config.h"

#include "server/http/exchange_state.h"

#include "server/http/http_loop.h"

#include <stdatomic.h>

#define HOLD_NS (8000 * UINT64_C(1000))

enum { HELD_MAX = 256 };          /* each run asks all of them */

static void unhold(struct exchange *exchange)
{
    struct http_loop *loop = exchange->loop;

    if (exchange->next_held != NULL)
        exchange->next_held->previous_held = exchange->previous_held;
    if (exchange->previous_held != NULL)
        exchange->previous_held->next_held = exchange->next_held;
    else
        loop->held = exchange->next_held;
    loop->n_held--;
    exchange->parking = PARKING_NONE;
}

void parking_enter(struct exchange *exchange)
{
    struct http_loop *loop = exchange->loop;

    if (loop->n_held == HELD_MAX) {
        exchange->parking = PARKING_SUSPENDED;
        MHD_suspend_connection(exchange->mhd);
        return;
    }
    exchange->parking = PARKING_HELD;
    exchange->previous_held = NULL;
    exchange->next_held = loop->held;
    if (loop->held != NULL)
        loop->held->previous_held = exchange;
    loop->held = exchange;
    loop->n_held++;
}

void parking_suspend_old(struct http_loop *loop)
{
    struct exchange *exchange = loop->held, *next;

    for (; exchange != NULL; exchange = next) {
        next = exchange->next_held;
        if (loop->now_ns < exchange->connection->state_ns + HOLD_NS)
            continue;
        unhold(exchange);
        exchange->parking = PARKING_SUSPENDED;
        MHD_suspend_connection(exchange->mhd);
    }
}

void parking_leave(struct exchange *exchange)
{
    enum parking parking = exchange->parking;

    if (parking == PARKING_HELD)
        unhold(exchange);
    exchange->parking = PARKING_NONE;
    if (parking == PARKING_SUSPENDED)
        MHD_resume_connection(exchange->mhd);        /* request_handle() will be called */
    else
        request_answer(exchange);        /* if this fails, request_handle() tries again, then closes */
}

bool parking_lose(struct exchange *exchange)
{
    int parked = EXCHANGE_PARKED;

    if (exchange->parking != PARKING_HELD)
        return true;
    unhold(exchange);
    if (atomic_compare_exchange_strong(&exchange->state, &parked, EXCHANGE_GONE)) {
        atomic_store_explicit(&exchange->abandoned, true, memory_order_relaxed);
        return true;
    }
    exchange->parking = PARKING_LOST;
    return false;
}

void parking_finished(struct http_loop *loop, struct exchange *exchange)
{
    struct exchange *head;

    if (http_loop_is_mine(loop)) {
        exchange->next_finished = loop->answered;
        loop->answered = exchange;
        return;
    }
    head = atomic_load(&loop->finished);
    do
        exchange->next_finished = head;
    while (!atomic_compare_exchange_weak(&loop->finished, &head, exchange));
    http_loop_wake(loop);
}

static bool take(struct exchange *exchange)
{
    bool any = exchange != NULL;

    while (exchange != NULL) {
        struct exchange *next = exchange->next_finished;

        if (exchange->parking == PARKING_LOST)
            exchange_unref(exchange);
        else
            parking_leave(exchange);
        exchange = next;
    }
    return any;
}

bool parking_take_finished(struct http_loop *loop)
{
    struct exchange *answered = loop->answered;
    bool any;

    loop->answered = NULL;
    any = take(answered);
    return take(atomic_exchange(&loop->finished, NULL)) || any;
}
