/* SPDX-License-Identifier: Apache-2.0
 * engine/runner.h - one thread's means to run plans: an arena that fits the largest one, and the
 * pointers of recent plans already bound. */
#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include "engine/plan.h"
#include "engine/pool.h"

struct runner;

/* `pool` is borrowed and may be NULL. NULL when out of memory. Sets flush-to-zero on the calling
 * thread at each run, so any thread may use it, one at a time. */
struct runner *runner_create(struct pool *pool);
void runner_destroy(struct runner *runner);

/* Runs `plan` with `weights`. `inputs` (one for each model input; dtype and shape must be the
 * plan's) are read in place. `outputs` are filled with views that stay valid until the next call
 * or the runner's end. After the first run of a static plan no memory is taken. On failure `err`
 * says why and `outputs` are undefined. */
enum engine_status runner_run(struct runner *runner, struct plan *plan, struct weights *weights,
                              const struct tensor *inputs, struct tensor *outputs,
                              struct engine_error *err);

#endif
