/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include "engine/kernels/cpu.h"
#include "engine/kernels/gemm.h"

enum engine_status engine_start(struct engine_error *err)
{
    const char *requested;

    if (!cpu_isa_request_valid(&requested))
        return engine_error_set(
            err, ENGINE_UNSUPPORTED,
            "INFERD_ISA=%.32s: unknown, or not supported by this CPU (best is %s)", requested,
            cpu_isa_name(cpu_isa()));
    return gemm_start(err);
}

const char *engine_isa(void)
{
    return cpu_isa_name(cpu_isa());
}

const char *engine_blas(void)
{
    return gemm_library();
}
