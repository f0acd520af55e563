/* SPDX-License-Identifier: Apache-2.0
 * Any bytes to the reader alone: a graph, its oldest forms rewritten, its operators looked up, within a small
 * budget. Much faster than fuzz_onnx.c, which goes on to plan and run. */
#include "engine/engine.h"
#include "engine/onnx/legalise.h"
#include "engine/onnx/onnx_model.h"

#include <stdlib.h>
#include <string.h>

enum { BUDGET_BYTES = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What is refused is refused with words, and within the budget. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(BUDGET_BYTES);
    struct engine_error err = {0};
    struct onnx_info info;
    struct graph *graph;
    enum engine_status status;

    require(arena != NULL);
    status = onnx_read(data, size, -1, arena, &graph, &info, &err);
    if (status == ENGINE_OK)
        status = onnx_legalise(graph, &err);
    if (status == ENGINE_OK)
        status = graph_resolve(graph, &err);
    require((status == ENGINE_OK) == (err.text[0] == '\0'));
    require(arena_bytes(arena) <= BUDGET_BYTES);
    arena_destroy(arena);
    return 0;
}
