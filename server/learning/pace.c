/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/pace.h"

#include "server/serving/scheduler.h"
#include "server/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    NS_MAX_SLEEP = 50 * 1000 * 1000,     /* between two looks at whether to stop */
    NS_LOOK = 200 * 1000,                /* between two looks at the predictions */
    NS_PATIENCE_MAX = 100 * 1000 * 1000,
    PATIENCE = 10                        /* mini-batches' worth of waiting for predictions */
};

static const double BURST_S = 0.05;

struct pace {
    struct pace_world world;
    struct scheduler *scheduler;
    atomic_bool hurry;
    pthread_mutex_t lock;
    struct train_budget budget;          /* of all runners; under the lock */
};

/* --- the world as it is --- */

static uint64_t real_now(void *arg)
{
    (void)arg;
    return clock_now_ns();
}

static uint64_t real_cpu(void *arg)
{
    struct timespec used;

    (void)arg;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void real_sleep(void *arg, uint64_t ns)
{
    const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    (void)arg;
    nanosleep(&time, NULL);
}

static uint64_t real_slack(void *arg)
{
    return scheduler_slack_ns(arg);
}

struct pace *pace_create(int64_t percent, struct scheduler *scheduler)
{
    const struct pace_world world = {scheduler, real_now, real_cpu, real_sleep, real_slack};

    return pace_create_in(percent, &world);
}

struct pace *pace_create_in(int64_t percent, const struct pace_world *world)
{
    struct pace *pace = calloc(1, sizeof(*pace));

    if (pace == NULL)
        return NULL;
    pace->world = *world;
    pthread_mutex_init(&pace->lock, NULL);
    train_budget_init(&pace->budget, (double)percent / 100.0, BURST_S, world->now_ns(world->arg));
    return pace;
}

void pace_destroy(struct pace *pace)
{
    if (pace == NULL)
        return;
    pthread_mutex_destroy(&pace->lock);
    free(pace);
}

void pace_hurry(struct pace *pace)
{
    atomic_store(&pace->hurry, true);
}

void pace_begin(struct pace_runner *runner, struct pace *pace)
{
    runner->pace = pace;
    if (pace != NULL)
        runner->cpu_ns = pace->world.cpu_ns(pace->world.arg);
}

static uint64_t patience_of(const struct pace_runner *runner)
{
    double ns = runner->own.cost_s * 1e9 * PATIENCE;

    return ns < NS_PATIENCE_MAX ? (uint64_t)ns : NS_PATIENCE_MAX;
}

/* How long the next mini-batch has to wait for the budget; and how long in all it gives way to predictions
 * (0: none waits): for one that it would cost its deadline as long as for any. */
static uint64_t look(struct pace_runner *runner, uint64_t *ret_patience_ns)
{
    struct pace *pace = runner->pace;
    const struct pace_world *world = &pace->world;
    uint64_t slack_ns = world->slack_ns(world->arg), now_ns = world->now_ns(world->arg), wait_ns;

    if (slack_ns == UINT64_MAX)
        *ret_patience_ns = 0;
    else if (train_budget_wait_ns(&runner->own, now_ns, slack_ns) > 0)
        *ret_patience_ns = NS_PATIENCE_MAX;
    else
        *ret_patience_ns = patience_of(runner);
    pthread_mutex_lock(&pace->lock);
    wait_ns = train_budget_wait_ns(&pace->budget, now_ns, UINT64_MAX);
    pthread_mutex_unlock(&pace->lock);
    return wait_ns;
}

uint64_t pace_book(struct pace_runner *runner)
{
    struct pace *pace = runner->pace;
    uint64_t cpu_ns, wait_ns, patience_ns;

    if (pace == NULL)
        return 0;
    cpu_ns = pace->world.cpu_ns(pace->world.arg);
    train_budget_spend(&runner->own, cpu_ns - runner->cpu_ns);
    pthread_mutex_lock(&pace->lock);
    train_budget_spend(&pace->budget, cpu_ns - runner->cpu_ns);
    pthread_mutex_unlock(&pace->lock);
    runner->cpu_ns = cpu_ns;
    if (atomic_load(&pace->hurry))
        return 0;
    wait_ns = look(runner, &patience_ns);
    return patience_ns > 0 && wait_ns < NS_LOOK ? NS_LOOK : wait_ns;
}

void pace_wait(struct pace_runner *runner, const atomic_bool *stop)
{
    struct pace *pace = runner->pace;
    const struct pace_world *world;
    uint64_t begun_ns;

    if (pace == NULL)
        return;
    world = &pace->world;
    begun_ns = world->now_ns(world->arg);
    while (!atomic_load(&pace->hurry) && (stop == NULL || !atomic_load(stop))) {
        uint64_t patience_ns, wait_ns = look(runner, &patience_ns);
        bool yield = world->now_ns(world->arg) - begun_ns < patience_ns;

        if (wait_ns == 0 && !yield)
            break;
        if (wait_ns > NS_MAX_SLEEP)
            wait_ns = NS_MAX_SLEEP;
        if (yield && (wait_ns == 0 || wait_ns > NS_LOOK))
            wait_ns = NS_LOOK;
        world->sleep_ns(world->arg, wait_ns);
    }
    runner->cpu_ns = world->cpu_ns(world->arg);
}

void pace_point(struct pace_runner *runner, const atomic_bool *stop)
{
    if (pace_book(runner) > 0)
        pace_wait(runner, stop);
}
