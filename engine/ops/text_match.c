/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/text_match.c - RegexFullMatch. */
#include "engine/ops/operands.h"
#include "engine/ops/regex.h"

struct match_params {
    struct regex regex;
};

static enum engine_status match_init(const struct op_init *init, struct engine_error *err)
{
    struct match_params *params = init->params;
    const struct attribute *pattern = node_attribute(init->node, "pattern");
    const char *problem;

    if (pattern == NULL || pattern->type != ATTRIBUTE_STRING)
        return op_fail(init->node, err, "there is no pattern");
    problem = regex_compile(&params->regex, init->arena, pattern->s);
    if (problem != NULL)
        return op_unsupported(init->node, err, "pattern '%.100s': %s", pattern->s.data, problem);
    return ENGINE_OK;
}

static enum engine_status match_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct match_params *params = infer->params;

    if (infer->inputs[0].dtype != DTYPE_STRING)
        return op_fail(infer->node, err, "input is of type %s, expected string",
                       dtype_name(infer->inputs[0].dtype));
    infer->scratch_bytes = regex_scratch_bytes(&params->regex);
    infer_output(infer, 0, DTYPE_BOOL, &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status match_run(const struct op_call *call, struct engine_error *err)
{
    const struct match_params *params = call->params;
    const struct bytes *from = call->inputs[0]->data;
    const int64_t count = shape_elements(&call->inputs[0]->shape);
    uint8_t *to = call->outputs[0]->data;

    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const struct bytes text = {from[i].length > 0 ? from[i].data : "", from[i].length};

        to[i] = regex_match_whole(&params->regex, text, call->scratch);
    }
    return ENGINE_OK;
}

const struct op_def ops_text_match[] = {
    {.name = "RegexFullMatch", .domain = "", .since = 20, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct match_params),
     .init = match_init, .infer = match_infer, .run = match_run},
    {.name = NULL},
};
