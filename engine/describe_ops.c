/* SPDX-License-Identifier: Apache-2.0
 * The table of operators, from the table that runs them. */
#include "engine/describe.h"
#include "engine/grad/grad.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const struct op_def *x = *(const struct op_def *const *)a;
    const struct op_def *y = *(const struct op_def *const *)b;
    int order = strcmp(x->domain, y->domain);

    return order != 0 ? order : strcmp(x->name, y->name);
}

/* "2", "1-3", "1-" */
static const char *range_text(int min, int max, char *text, size_t size)
{
    if (max == OP_VARIADIC)
        snprintf(text, size, "%d-", min);
    else if (min == max)
        snprintf(text, size, "%d", min);
    else
        snprintf(text, size, "%d-%d", min, max);
    return text;
}

/* "float double int64", or "any" where the operator decides itself. */
static const char *types_text(uint64_t dtypes, char *text, size_t size)
{
#define X(name, number, bytes, spelled) DTYPE_##name,
    static const enum dtype all[] = {DTYPE_MAP(X)};
#undef X
    size_t used = 0;

    snprintf(text, size, "any");
    for (size_t k = 0; k < sizeof(all) / sizeof(all[0]) && dtypes != 0; k++)
        if ((dtypes & DTYPE_BIT(all[k])) != 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "",
                                     dtype_name(all[k]));
    return text;
}

/* "yes", "zero" where it stops without harm, or "no". */
static const char *gradient_text(const struct op_def *op)
{
    const struct grad_def *grad = grad_find(op);

    if ((op->flags & OP_VIEW) != 0 || (grad != NULL && grad->backward != NULL))
        return "yes";
    return grad != NULL && (grad->flags & GRAD_STOPS) != 0 ? "zero" : "no";
}

static void put_op(FILE *out, const struct op_def *op, bool markdown)
{
    const char *domain = op->domain[0] != '\0' ? op->domain : "ai.onnx";
    char inputs[16], outputs[16], types[200];

    range_text(op->inputs_min, op->inputs_max, inputs, sizeof(inputs));
    range_text(op->outputs_min, op->outputs_max, outputs, sizeof(outputs));
    types_text(op->dtypes, types, sizeof(types));
    fprintf(out,
            markdown ? "| %s | %s | %d | %s | %s | %s | %s |\n" : "%-24s %-28s %4d  %-5s %-5s %-5s %s\n",
            domain, op->name, op->since, inputs, outputs, gradient_text(op), types);
}

void describe_ops(FILE *out, bool markdown)
{
    const struct op_def **ops;
    size_t count = 0;

    for (const struct op_def *op = op_next(NULL); op != NULL; op = op_next(op))
        count++;
    ops = calloc(count + 1, sizeof(*ops));
    if (ops == NULL)
        return;
    count = 0;
    for (const struct op_def *op = op_next(NULL); op != NULL; op = op_next(op))
        if (strcmp(op->domain, "inferd") != 0) /* what the optimiser makes is its own affair */
            ops[count++] = op;
    qsort(ops, count, sizeof(*ops), by_name);
    if (markdown)
        fputs("| domain | operator | since opset | inputs | outputs | gradient | types of input 0 |\n"
              "| --- | --- | --- | --- | --- | --- | --- |\n",
              out);
    else
        fprintf(out, "%-24s %-28s %4s  %-5s %-5s %-5s %s\n", "DOMAIN", "OPERATOR", "FROM", "IN", "OUT",
                "GRAD", "TYPES");
    for (size_t k = 0; k < count; k++)
        put_op(out, ops[k], markdown);
    free(ops);
}
