/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* A thread's tasks: a round's number above, how many of them are left below. Whoever takes one
 * lowers the count. Both are in one word, so that a thread that is late for its round finds nothing
 * left of it, or another number, whatever the caller prepares meanwhile. On a cache line of its
 * own. */
struct share {
    _Alignas(64) _Atomic uint64_t left;
};

/* A round of work is announced by raising `round`. Everybody first takes the tasks of his own
 * share, then what is left of the others'. All spin for a while before they sleep, since the next
 * layer's work mostly comes within microseconds. */
struct pool {
    int threads;
    int64_t spin_ns;
    void (*_Atomic fn)(void *arg, int task, int thread);
    void *_Atomic arg;
    _Atomic uint32_t round;
    _Atomic int finished; /* tasks of this round */
    _Atomic int sleepers;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int started;
    struct share *shares; /* one for each thread */
    struct helper {
        struct pool *pool;
        int index;
        pthread_t thread;
    } helpers[];
};

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The next task of `owner` in that round, or -1. After success the round cannot end before the task
 * is finished, so what the pool says of it stands still. */
static int take_task(struct pool *pool, uint32_t round, int owner)
{
    _Atomic uint64_t *left = &pool->shares[owner].left;
    uint64_t seen = atomic_load_explicit(left, memory_order_acquire);

    while (seen >> 32 == round && (uint32_t)seen > 0)
        if (atomic_compare_exchange_weak_explicit(left, &seen, seen - 1, memory_order_acquire,
                                                  memory_order_acquire))
            return owner + (int)((uint32_t)seen - 1) * pool->threads;
    return -1;
}

static void run_round(struct pool *pool, uint32_t round, int thread)
{
    for (int i = 0; i < pool->threads; i++) {
        int owner = (thread + i) % pool->threads, task;

        while ((task = take_task(pool, round, owner)) >= 0) {
            void (*fn)(void *arg, int task, int thread) =
                atomic_load_explicit(&pool->fn, memory_order_relaxed);

            fn(atomic_load_explicit(&pool->arg, memory_order_relaxed), task, thread);
            atomic_fetch_add_explicit(&pool->finished, 1, memory_order_release);
        }
    }
}

/* Waits until `round` differs from `seen`; returns it. */
static uint32_t wait_round(struct pool *pool, uint32_t seen)
{
    int64_t until = now_ns() + pool->spin_ns;
    uint32_t round;

    do {
        for (int i = 0; i < 64; i++) {
            round = atomic_load_explicit(&pool->round, memory_order_acquire);
            if (round != seen)
                return round;
            relax();
        }
    } while (now_ns() < until);

    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while ((round = atomic_load(&pool->round)) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
    return round;
}

static void *helper_main(void *arg)
{
    struct helper *helper = arg;
    struct pool *pool = helper->pool;
    uint32_t seen = 0;

    for (;;) {
        seen = wait_round(pool, seen);
        if (atomic_load(&pool->stopping))
            return NULL;
#if defined(__x86_64__)
        /* Flush-to-zero and denormals-are-zero, as in every compute thread. */
        __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040u);
#endif
        run_round(pool, seen, helper->index);
    }
}

/* The shares are stored after the work: who sees them sees the work too. */
static uint32_t announce(struct pool *pool, int tasks)
{
    uint32_t round = atomic_load_explicit(&pool->round, memory_order_relaxed) + 1;

    for (int i = 0; i < pool->threads; i++) {
        int count = tasks > i ? (tasks - i + pool->threads - 1) / pool->threads : 0;

        atomic_store_explicit(&pool->shares[i].left, (uint64_t)round << 32 | (uint32_t)count,
                              memory_order_release);
    }
    atomic_store(&pool->round, round);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    return round;
}

struct pool *pool_create(int threads, int spin_us)
{
    struct pool *pool;

    if (threads < 1)
        threads = 1;
    pool = calloc(1, sizeof(*pool) + (size_t)(threads - 1) * sizeof(pool->helpers[0]));
    if (pool == NULL)
        return NULL;
    pool->shares = aligned_alloc(64, (size_t)threads * sizeof(*pool->shares));
    if (pool->shares == NULL) {
        free(pool);
        return NULL;
    }
    for (int i = 0; i < threads; i++)
        atomic_init(&pool->shares[i].left, 0);
    pool->threads = threads;
    pool->spin_ns = (int64_t)spin_us * 1000;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 0; i < threads - 1; i++) {
        pool->helpers[i].pool = pool;
        pool->helpers[i].index = i + 1;
        if (pthread_create(&pool->helpers[i].thread, NULL, helper_main, &pool->helpers[i]) != 0) {
            pool_destroy(pool);
            return NULL;
        }
        pool->started++;
    }
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL)
        return;
    atomic_store(&pool->stopping, true);
    announce(pool, 0);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->shares);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool != NULL ? pool->threads : 1;
}

void pool_run(struct pool *pool, int tasks, void (*fn)(void *arg, int task, int thread), void *arg)
{
    int rounds = 0;

    if (pool == NULL || pool->threads == 1 || tasks <= 1) {
        for (int task = 0; task < tasks; task++)
            fn(arg, task, 0);
        return;
    }
    /* Nobody can take a task before announce(), and the last round's have all been finished. */
    atomic_store_explicit(&pool->finished, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&pool->arg, arg, memory_order_relaxed);
    run_round(pool, announce(pool, tasks), 0);
    while (atomic_load_explicit(&pool->finished, memory_order_acquire) < tasks) {
        relax();
        /* A helper that has taken a task may have lost its core meanwhile: offer ours. */
        if (++rounds > 2000)
            sched_yield();
    }
}
