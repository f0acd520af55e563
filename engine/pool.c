/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* A round of work is announced by raising `round`; each helper answers by raising `finished`. Both
 * sides spin for a while first, since the next layer's work mostly comes within microseconds. */
struct pool {
    int threads;
    int64_t spin_ns;
    int tasks;
    void (*fn)(void *arg, int task, int thread);
    void *arg;
    _Atomic uint32_t round;
    _Atomic int finished;
    _Atomic int sleepers;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int started;
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

static void run_share(struct pool *pool, int thread)
{
    for (int task = thread; task < pool->tasks; task += pool->threads)
        pool->fn(pool->arg, task, thread);
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
        run_share(pool, helper->index);
        atomic_fetch_add_explicit(&pool->finished, 1, memory_order_release);
    }
}

static void announce(struct pool *pool)
{
    atomic_fetch_add(&pool->round, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
}

struct pool *pool_create(int threads, int spin_us)
{
    struct pool *pool;

    if (threads < 1)
        threads = 1;
    pool = calloc(1, sizeof(*pool) + (size_t)(threads - 1) * sizeof(pool->helpers[0]));
    if (pool == NULL)
        return NULL;
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
    announce(pool);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->helpers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
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
    pool->tasks = tasks;
    pool->fn = fn;
    pool->arg = arg;
    atomic_store(&pool->finished, 0);
    announce(pool);
    run_share(pool, 0);
    while (atomic_load_explicit(&pool->finished, memory_order_acquire) < pool->threads - 1) {
        relax();
        /* With fewer cores than threads a helper may not be running at all: let it. */
        if (++rounds > 20000) {
            struct timespec nap = {0, 20000};

            nanosleep(&nap, NULL);
        }
    }
}
