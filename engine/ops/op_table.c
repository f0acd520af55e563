/* SPDX-License-Identifier: Apache-2.0
 * The list of operator families. */
#include "engine/ops/families.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define X(name) ops_##name,
const struct op_def *const op_families[] = {OP_FAMILY_MAP(X) NULL};
#undef X

const struct op_def *op_next(const struct op_def *op)
{
    const struct op_def *const *family = op_families;

    if (op == NULL)
        return *family;
    if (op[1].name != NULL)
        return op + 1;
    while (*family != NULL) {
        const struct op_def *last = *family;

        while (last[1].name != NULL)
            last++;
        family++;
        if (last == op)
            return *family;
    }
    return NULL;
}

const struct op_def *op_find(const char *domain, const char *name)
{
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (const struct op_def *const *family = op_families; *family != NULL; family++)
        for (const struct op_def *op = *family; op->name != NULL; op++)
            if (strcmp(op->name, name) == 0 && strcmp(op->domain, domain) == 0)
                return op;
    return NULL;
}

static enum engine_status fail(enum engine_status status, const struct node *node,
                               struct engine_error *err, const char *format, va_list args)
{
    char text[400];

    vsnprintf(text, sizeof(text), format, args);
    return engine_error_set(err, status, "%.64s (node '%.64s'): %s", node->op_type, node->name, text);
}

enum engine_status op_fail(const struct node *node, struct engine_error *err, const char *format, ...)
{
    enum engine_status status;
    va_list args;

    va_start(args, format);
    status = fail(ENGINE_BAD_INPUT, node, err, format, args);
    va_end(args);
    return status;
}

enum engine_status op_unsupported(const struct node *node, struct engine_error *err,
                                  const char *format, ...)
{
    enum engine_status status;
    va_list args;

    va_start(args, format);
    status = fail(ENGINE_UNSUPPORTED, node, err, format, args);
    va_end(args);
    return status;
}

enum engine_status infer_same_as_first(struct op_infer *infer, struct engine_error *err)
{
    (void)err;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return ENGINE_OK;
}

enum engine_status infer_broadcast(struct op_infer *infer, struct engine_error *err)
{
    struct shape shape = infer->inputs[0].shape;
    char a[SHAPE_TEXT_MAX], b[SHAPE_TEXT_MAX];

    for (int i = 1; i < infer->n_inputs; i++) {
        if (infer->inputs[i].dtype == DTYPE_NONE)
            continue;
        if (!shape_broadcast(&shape, &infer->inputs[i].shape, &shape))
            return op_fail(infer->node, err, "shapes %s and %s do not broadcast",
                           shape_text(&shape, a, sizeof(a)),
                           shape_text(&infer->inputs[i].shape, b, sizeof(b)));
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = shape;
    return ENGINE_OK;
}

int64_t op_flops(int64_t a, int64_t b, int64_t c)
{
    int64_t flops;

    if (__builtin_mul_overflow(a, b, &flops) || __builtin_mul_overflow(flops, c, &flops) ||
        __builtin_mul_overflow(flops, 2, &flops))
        return 0;
    return flops;
}
