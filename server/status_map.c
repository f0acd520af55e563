/* SPDX-License-Identifier: Apache-2.0 */
#include "server/status_map.h"

static const struct {
    int status;
    const char *reason;
} map[] = {
    [ENGINE_OK] = {500, "internal"},     /* a failure that set nothing */
    [ENGINE_NO_MEMORY] = {507, "no_memory"},
    [ENGINE_BAD_MODEL] = {422, "bad_model"},
    [ENGINE_UNSUPPORTED] = {422, "unsupported"},
    [ENGINE_BAD_INPUT] = {400, "bad_input"},
    [ENGINE_OVER_BUDGET] = {507, "over_budget"},
    [ENGINE_IO] = {500, "io"},
};

void problem_from_engine(struct problem *problem, const struct engine_error *err)
{
    const char *text = err->text[0] != '\0' ? err->text : engine_status_text(err->status);

    if ((unsigned)err->status < sizeof(map) / sizeof(map[0]))
        problem_set(problem, map[err->status].status, map[err->status].reason, "%s", text);
    else
        problem_set(problem, 500, "internal", "%s", text);
}
