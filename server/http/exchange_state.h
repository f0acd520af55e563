/* SPDX-License-Identifier: Apache-2.0
 * server/http/exchange_state.h - the inside of an exchange, for server/http/ alone.
 *
 * Two may hold an exchange: its network thread, from the request line to the last byte of the reply,
 * and after exchange_defer() whoever will reply. `state` decides who speaks:
 *
 *     RUNNING --reply--> REPLIED                      the handler answered before it returned
 *     RUNNING --handler returned--> PARKED            how the connection waits: parking.c
 *     PARKED  --reply--> REPLIED                      goes to the loop's queue of finished exchanges
 *     PARKED  --deadline--> EXPIRED                   the network thread answers 504 by itself; the
 *                                                     late reply is dropped
 *     PARKED  --connection lost--> GONE               nobody is left to answer; the same
 *
 * The reply fields belong to the replier until it has set REPLIED, to the network thread afterwards. */
#ifndef SERVER_HTTP_EXCHANGE_STATE_H
#define SERVER_HTTP_EXCHANGE_STATE_H

#include "server/http/body.h"
#include "server/http/exchange.h"
#include "server/http/gate.h"
#include "server/http/router.h"
#include "server/http/streaming.h"
#include "server/http/upload.h"
#include "server/observe/access_log.h"

#include <microhttpd.h>

struct http_connection;
struct http_loop;

enum exchange_state {
    EXCHANGE_RUNNING, EXCHANGE_PARKED, EXCHANGE_REPLIED, EXCHANGE_EXPIRED, EXCHANGE_GONE
};

/* How a parked exchange's connection waits: see parking.c. The network thread's alone. */
enum parking {
    PARKING_NONE,
    PARKING_HELD,                /* stays on libmicrohttpd's ready list */
    PARKING_SUSPENDED,
    PARKING_LOST                 /* its connection is gone, its reply is on the way to the loop */
};

/* What the network thread does with the next call of libmicrohttpd's handler. */
enum exchange_stage {
    STAGE_HEADER,                /* the header is complete, nothing of the body has come */
    STAGE_BODY,                  /* collecting */
    STAGE_DISCARD,               /* refused already: reading what is left, to keep the connection */
    STAGE_HANDLED                /* the handler was called: there is a reply, or one will come */
};

enum {
    EXCHANGE_MODEL_BYTES = 128, EXCHANGE_VERSION_BYTES = 32, EXCHANGE_QUERY_BYTES = 256
};

struct exchange {
    _Atomic int state;
    _Atomic int references;
    _Atomic bool abandoned;
    bool deferred;

    struct http_loop *loop;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    struct exchange *next_finished;
    struct exchange *previous_held, *next_held;
    enum parking parking;

    enum exchange_stage stage;
    const char *uri;             /* in libmicrohttpd's buffer, as all strings of the request are */
    size_t uri_length;
    const char *method, *path;
    struct gate_verdict verdict;
    uint64_t start_ns, deadline_ns;
    struct upload upload;        /* instead of body, for BODY_FILE */
    struct streaming streaming;  /* instead of reply */
    /* From here on exchange_create() clears only what must be: most of it is large. */
    struct route_match match;
    struct body body;
    char query[EXCHANGE_QUERY_BYTES];

    struct {
        int status;
        bool close;              /* the connection ends with this reply */
        const char *reason;      /* of a problem: a constant */
        uint64_t queue_us, compute_us;
        int batch_size;
        struct access_update update;
        size_t sent_bytes;       /* of the reply's body */
    } outcome;
    const char *content_type;    /* a constant; "": none */
    struct text reply;
    struct text spare;           /* empty, with memory that an earlier reply had */
    struct text headers;         /* name NUL value NUL ... */

    char model[EXCHANGE_MODEL_BYTES], version[EXCHANGE_VERSION_BYTES];
};

/* One reference, the network thread's. NULL when out of memory. Network thread. */
struct exchange *exchange_create(struct http_loop *loop, struct http_connection *connection,
                                 struct MHD_Connection *mhd);
/* Any thread. The network thread keeps a few for exchange_create(). */
void exchange_unref(struct exchange *exchange);
/* Frees what was kept. */
void exchange_free_kept(struct http_loop *loop);

/* parking.c. Hands a parked exchange, now replied, back to its network thread. Any thread. */
void parking_finished(struct http_loop *loop, struct exchange *exchange);
/* All others: network thread only. The handler has returned without a reply. */
void parking_enter(struct exchange *exchange);
/* The reply is known, or the time is over: request_answer() will be called, now or soon. */
void parking_leave(struct exchange *exchange);
/* The connection is closed. False if the exchange must be kept: then parking_take_finished() lets it go. */
bool parking_lose(struct exchange *exchange);
/* Answers all that are finished. False if there were none. */
bool parking_take_finished(struct http_loop *loop);
/* Suspends what has been held for longer than a moment. */
void parking_suspend_old(struct http_loop *loop);

/* request.c: queues the reply of an exchange that was parked. */
enum MHD_Result request_answer(struct exchange *exchange);

#endif
