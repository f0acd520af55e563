/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/batcher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_AFTER_MAX_S = 60 };

void batcher_init(struct batcher *batcher, int64_t queue_rows_max, int workers)
{
    memset(batcher, 0, sizeof(*batcher));
    batcher->queue_rows_max = queue_rows_max;
    batcher->workers = workers;
}

struct model_queue *model_queue_create(int batch_size_max, uint64_t delay_ns)
{
    struct model_queue *queue = calloc(1, sizeof(*queue));

    if (queue == NULL)
        return NULL;
    queue->batch_size_max = batch_size_max;
    queue->delay_ns = delay_ns;
    return queue;
}

void model_queue_destroy(struct model_queue *queue)
{
    free(queue);
}

static void ring_add(struct batcher *batcher, struct model_queue *queue)
{
    struct model_queue *turn = batcher->turn;

    if (turn == NULL) {
        queue->next = queue->previous = queue;
        batcher->turn = queue;
        return;
    }
    queue->next = turn;                  /* last in turn */
    queue->previous = turn->previous;
    turn->previous->next = queue;
    turn->previous = queue;
}

static void ring_remove(struct batcher *batcher, struct model_queue *queue)
{
    if (batcher->turn == queue)
        batcher->turn = queue->next != queue ? queue->next : NULL;
    queue->previous->next = queue->next;
    queue->next->previous = queue->previous;
    queue->next = queue->previous = NULL;
}

/* Dimension 0 of inputs that are joined along it does not count. */
static int first_fixed_dim(const struct infer_job *job)
{
    return job->entry->queue->batch_size_max > 1 ? 1 : 0;
}

static uint64_t shape_key(const struct infer_job *job)
{
    uint64_t key = UINT64_C(1469598103934665603);   /* FNV-1a over words */

    for (int i = 0; i < job->entry->n_inputs; i++) {
        const struct shape *shape = &job->inputs[i].shape;

        key = (key ^ (uint64_t)shape->rank) * UINT64_C(1099511628211);
        for (int d = first_fixed_dim(job); d < shape->rank; d++)
            key = (key ^ (uint64_t)shape->dims[d]) * UINT64_C(1099511628211);
    }
    return key;
}

static bool joinable(const struct infer_job *a, const struct infer_job *b)
{
    if (a->shape_key != b->shape_key)
        return false;
    for (int i = 0; i < a->entry->n_inputs; i++) {
        const struct shape *x = &a->inputs[i].shape, *y = &b->inputs[i].shape;

        if (x->rank != y->rank)
            return false;
        for (int d = 1; d < x->rank; d++) {
            if (x->dims[d] != y->dims[d])
                return false;
        }
    }
    return true;
}

/* Expected ns to work off `rows` rows in batches. */
static double backlog_ns(const struct model_queue *queue, int64_t rows)
{
    int64_t batches = rows / queue->batch_size_max;
    int64_t rest = rows % queue->batch_size_max;

    return (double)batches * cost_model_estimate(&queue->cost, queue->batch_size_max) +
           (rest > 0 ? cost_model_estimate(&queue->cost, rest) : 0);
}

double batcher_wait_estimate(const struct batcher *batcher, const struct model_queue *queue,
                             int64_t rows)
{
    const struct model_queue *other = batcher->turn;
    int64_t turns = (queue->rows + rows + queue->batch_size_max - 1) / queue->batch_size_max;
    double ahead = backlog_ns(queue, queue->rows);
    double running = 0;

    do {                                 /* each other model gets one turn between two of ours */
        if (other != NULL && other != queue) {
            int64_t rows_ahead = turns * other->batch_size_max;

            ahead += backlog_ns(other, other->rows < rows_ahead ? other->rows : rows_ahead);
        }
        other = other != NULL ? other->next : NULL;
    } while (other != batcher->turn);
    if (queue->running > 0)              /* on average half of what runs is still to do */
        running = queue->running * cost_model_estimate(&queue->cost, queue->batch_size_max) / 2;
    return (ahead + running) / batcher->workers + backlog_ns(queue, rows);
}

static int retry_after_s(double wait_ns)
{
    double seconds = ceil(wait_ns / 1e9);

    return seconds < 1 ? 1 : seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)seconds;
}

static bool admit(const struct batcher *batcher, const struct infer_job *job, uint64_t now_ns,
                  struct problem *problem)
{
    const struct model_queue *queue = job->entry->queue;
    double wait_ns;

    if (job->rows > batcher->queue_rows_max)
        return problem_set(problem, 400, "batch_too_large",
                           "the request has %lld rows; at most %lld are taken in one",
                           (long long)job->rows, (long long)batcher->queue_rows_max);
    if (job->deadline_ns <= now_ns)
        return problem_set(problem, 504, "deadline", "the deadline passed before the model ran");
    wait_ns = batcher_wait_estimate(batcher, queue, job->rows);
    if (queue->rows + job->rows > batcher->queue_rows_max) {
        problem->retry_after_s = retry_after_s(wait_ns);
        return problem_set(problem, 503, "queue_full",
                           "model '%s' is overloaded: %lld rows wait, at most %lld may",
                           job->entry->name, (long long)queue->rows,
                           (long long)batcher->queue_rows_max);
    }
    /* An idle model is never refused by forecast: a forecast made wrong heals only by running. */
    if (batcher->turn != NULL && (double)(job->deadline_ns - now_ns) < wait_ns) {
        problem->retry_after_s = retry_after_s(wait_ns);
        return problem_set(problem, 503, "overloaded",
                           "model '%s' is overloaded: an answer would take about %.0f ms, the "
                           "deadline is in %.0f ms",
                           job->entry->name, wait_ns / 1e6,
                           (double)(job->deadline_ns - now_ns) / 1e6);
    }
    return true;
}

/* Behind all of its own and of higher priority: almost always at the end. */
static void queue_insert(struct model_queue *queue, struct infer_job *job)
{
    struct infer_job **link = &queue->first;

    if (queue->last != NULL && queue->last->priority <= job->priority)
        link = &queue->last->next;
    while (*link != NULL && (*link)->priority <= job->priority)
        link = &(*link)->next;
    job->next = *link;
    *link = job;
    if (job->next == NULL)
        queue->last = job;
    queue->rows += job->rows;
}

bool batcher_push(struct batcher *batcher, struct infer_job *job, uint64_t now_ns,
                  struct problem *problem)
{
    struct model_queue *queue = job->entry->queue;

    if (!admit(batcher, job, now_ns, problem))
        return false;
    job->queued_ns = now_ns;
    job->shape_key = shape_key(job);
    if (queue->first == NULL)
        ring_add(batcher, queue);
    queue_insert(queue, job);
    batcher->jobs++;
    return true;
}

static bool is_stale(const struct infer_job *job, uint64_t now_ns)
{
    return job->deadline_ns <= now_ns || (job->is_abandoned != NULL && job->is_abandoned(job));
}

/* Unlinks *link; `previous` is the job before it, or NULL. */
static struct infer_job *queue_unlink(struct batcher *batcher, struct model_queue *queue,
                                      struct infer_job **link, struct infer_job *previous)
{
    struct infer_job *job = *link;

    *link = job->next;
    if (queue->last == job)
        queue->last = previous;
    job->next = NULL;
    queue->rows -= job->rows;
    batcher->jobs--;
    return job;
}

static void chain_prepend(struct infer_job **chain, struct infer_job *job)
{
    job->next = *chain;
    *chain = job;
}

/* Drops what is stale from the front; returns the oldest job that is left, or NULL. */
static struct infer_job *queue_front(struct batcher *batcher, struct model_queue *queue,
                                     uint64_t now_ns, struct infer_job **dropped)
{
    while (queue->first != NULL && is_stale(queue->first, now_ns))
        chain_prepend(dropped, queue_unlink(batcher, queue, &queue->first, NULL));
    return queue->first;
}

/* Moves the front job and what joins it into the turn; stops at the first that would not fit, so
 * that a large job is not overtaken for ever. */
static void queue_gather(struct batcher *batcher, struct model_queue *queue, uint64_t now_ns,
                         struct batcher_turn *turn)
{
    struct infer_job **link = &queue->first, *previous = NULL;
    struct infer_job **tail = &turn->jobs;

    while (*link != NULL && (turn->n_jobs == 0 || turn->rows < queue->batch_size_max)) {
        struct infer_job *job = *link;

        if (is_stale(job, now_ns)) {
            chain_prepend(&turn->dropped, queue_unlink(batcher, queue, link, previous));
            continue;
        }
        if (turn->jobs != NULL && !joinable(turn->jobs, job)) {
            previous = job;
            link = &job->next;
            continue;
        }
        if (turn->jobs != NULL && turn->rows + job->rows > queue->batch_size_max)
            break;
        *tail = queue_unlink(batcher, queue, link, previous);
        tail = &job->next;
        turn->n_jobs++;
        turn->rows += job->rows;
        job->started_ns = now_ns;
    }
}

/* True if the model's delay lets the front job wait for company still. */
static bool may_wait(const struct batcher *batcher, const struct model_queue *queue,
                     uint64_t now_ns, uint64_t *look_again_ns)
{
    uint64_t due_ns = queue->first->queued_ns + queue->delay_ns;

    if (batcher->hurry || queue->delay_ns == 0 || queue->rows >= queue->batch_size_max)
        return false;
    if (due_ns > queue->first->deadline_ns)
        due_ns = queue->first->deadline_ns;
    if (due_ns <= now_ns)
        return false;
    if (due_ns < *look_again_ns)
        *look_again_ns = due_ns;
    return true;
}

/* True if the next turn of the queue is known to cost less. */
static bool is_cheap(const struct model_queue *queue, double cost_ns_max)
{
    int64_t rows = queue->rows < queue->batch_size_max ? queue->rows : queue->batch_size_max;
    double cost_ns = cost_model_upper(&queue->cost, rows);

    return cost_ns > 0 && cost_ns < cost_ns_max && queue->first->rows <= queue->batch_size_max;
}

void batcher_take_cheap(struct batcher *batcher, uint64_t now_ns, double cost_ns_max,
                        struct batcher_turn *ret_turn)
{
    struct batcher_turn turn = {.look_again_ns = UINT64_MAX};
    struct model_queue *queue = batcher->turn;
    struct model_queue *last = queue != NULL ? queue->previous : NULL;
    bool more = queue != NULL;

    while (more && turn.jobs == NULL) {
        struct model_queue *next = queue->next;

        more = queue != last;
        if (queue_front(batcher, queue, now_ns, &turn.dropped) != NULL &&
            (isinf(cost_ns_max) || is_cheap(queue, cost_ns_max)) &&
            !may_wait(batcher, queue, now_ns, &turn.look_again_ns)) {
            queue_gather(batcher, queue, now_ns, &turn);
            queue->running += turn.jobs != NULL;
            batcher->turn = next;
        }
        if (queue->first == NULL)
            ring_remove(batcher, queue);
        queue = next;
    }
    *ret_turn = turn;
}

void batcher_take(struct batcher *batcher, uint64_t now_ns, struct batcher_turn *ret_turn)
{
    batcher_take_cheap(batcher, now_ns, INFINITY, ret_turn);
}

void batcher_ran(struct model_queue *queue, int64_t rows, uint64_t ns)
{
    queue->running--;
    if (ns > 0)
        cost_model_learn(&queue->cost, rows, ns);
}

uint64_t batcher_expire(struct batcher *batcher, uint64_t now_ns, struct infer_job **ret_dropped)
{
    struct model_queue *queue = batcher->turn;
    struct model_queue *last = queue != NULL ? queue->previous : NULL;
    uint64_t earliest_ns = UINT64_MAX;
    bool more = queue != NULL;

    *ret_dropped = NULL;
    while (more) {
        struct model_queue *next = queue->next;
        struct infer_job **link = &queue->first, *previous = NULL;

        more = queue != last;
        while (*link != NULL) {
            if (is_stale(*link, now_ns)) {
                chain_prepend(ret_dropped, queue_unlink(batcher, queue, link, previous));
                continue;
            }
            if ((*link)->deadline_ns < earliest_ns)
                earliest_ns = (*link)->deadline_ns;
            previous = *link;
            link = &previous->next;
        }
        if (queue->first == NULL)
            ring_remove(batcher, queue);
        queue = next;
    }
    return earliest_ns;
}

bool batcher_begin_inline(const struct infer_job *job, uint64_t now_ns, uint64_t inline_ns)
{
    struct model_queue *queue = job->entry->queue;
    double cost_ns = cost_model_upper(&queue->cost, job->rows);

    if (queue->first != NULL || queue->running > 0 || queue->delay_ns > 0 ||
        job->rows > queue->batch_size_max || job->deadline_ns <= now_ns || cost_ns <= 0 ||
        cost_ns > (double)inline_ns)
        return false;
    queue->running++;
    return true;
}

double batcher_backlog_ns(const struct batcher *batcher)
{
    const struct model_queue *queue = batcher->turn;
    double ns = 0;

    if (queue == NULL)
        return 0;
    do {
        double cost_ns = cost_model_estimate(&queue->cost, queue->rows);

        ns += cost_ns > 0 ? cost_ns : INFINITY;
        queue = queue->next;
    } while (queue != batcher->turn);
    return ns;
}
