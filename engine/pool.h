/* SPDX-License-Identifier: Apache-2.0
 * engine/pool.h - a few threads that split one large piece of work. Task i belongs to thread
 * i % threads, so each core keeps its share of the weights in its own cache; another thread takes it
 * only when that one is late (it may not be running at all on a busy machine). Which thread ran a task
 * must make no difference to its result. */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

struct pool;

/* `threads` counts the caller: 1 starts none. They spin `spin_us` after work, then sleep.
 * NULL when threads cannot be started. */
struct pool *pool_create(int threads, int spin_us);
void pool_destroy(struct pool *pool);
/* 1 for NULL. */
int pool_threads(const struct pool *pool);
/* Runs fn(arg, task, thread) for task 0 .. tasks - 1 and returns when all are done. The calling
 * thread is thread 0. A NULL pool runs all on the caller. `thread` is below
 * pool_threads() and its own while a task runs. Not reentrant: one caller at a time. */
void pool_run(struct pool *pool, int tasks, void (*fn)(void *arg, int task, int thread), void *arg);

#endif
