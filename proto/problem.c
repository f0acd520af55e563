/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool problem_set(struct problem *problem, int status, const char *reason, const char *format, ...)
{
    va_list args;

    if (problem == NULL || problem->status != 0)
        return false;
    problem->status = status;
    problem->reason = reason;
    va_start(args, format);
    vsnprintf(problem->text, sizeof(problem->text), format, args);
    va_end(args);
    return false;
}

void problem_prefix(struct problem *problem, const char *format, ...)
{
    char joined[sizeof(problem->text)];
    va_list args;
    int length;

    if (problem == NULL)
        return;
    va_start(args, format);
    length = vsnprintf(joined, sizeof(joined), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(joined))
        return;
    snprintf(joined + length, sizeof(joined) - (size_t)length, ": %s", problem->text);
    memcpy(problem->text, joined, sizeof(joined));
}
