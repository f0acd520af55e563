/* SPDX-License-Identifier: Apache-2.0
 * engine/engine.h - the engine's public face: all that server/ may include. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/describe.h"
#include "engine/dtype.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/model_export.h"
#include "engine/op.h"
#include "engine/plan.h"
#include "engine/pool.h"
#include "engine/runner.h"
#include "engine/shape.h"
#include "engine/tensor.h"

/* Once, before any thread: OpenBLAS to one thread for each call, checked to be a build that is safe
 * to call from several threads; kernels picked for this CPU. INFERD_ISA=generic|avx2|avx512 in the
 * environment forces one (UNSUPPORTED if the CPU lacks it). */
enum engine_status engine_start(struct engine_error *err);
/* "avx2", and "OpenBLAS 0.3.21 Haswell pthread": for the log and metrics. */
const char *engine_isa(void);
const char *engine_blas(void);

#endif
