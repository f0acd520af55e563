/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/number_scan.h"

#include <string.h>

/* What stands at p, for a message. */
static const char *kind_at(const char *p, const char *end)
{
    if (p >= end)
        return "missing";
    switch (*p) {
    case '"':
        return "a string";
    case '[':
        return "an array";
    case '{':
        return "an object";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    case ',':
    case ']':
    case '}':
        return "missing";
    default:
        return "no JSON value";
    }
}

bool number_fault_explain(enum number_fault fault, enum wire_type type, const char *p,
                          const char *end, int64_t element, struct problem *problem)
{
    const char *name = wire_type_name(type);
    const char *stop = p;
    int length;

    while (stop < end && stop - p < 40 && *stop > ' ' && *stop < 0x7f &&
           strchr(",]}", *stop) == NULL)
        stop++;
    length = (int)(stop - p);
    switch (fault) {
    case NUMBER_OK:
        break;
    case NUMBER_KIND:
        return problem_set(problem, 400, "bad_tensor", "element %lld is %s, expected %s (%s)",
                           (long long)element, kind_at(p, end),
                           type == WIRE_BOOL ? "true or false" : "a number", name);
    case NUMBER_SYNTAX:
        return problem_set(problem, 400, "bad_json", "element %lld: '%.*s' is not a JSON number",
                           (long long)element, length, p);
    case NUMBER_RANGE:
        return problem_set(problem, 400, "bad_tensor", "element %lld: %.*s does not fit %s",
                           (long long)element, length, p, name);
    case NUMBER_FRACTION:
        return problem_set(problem, 400, "bad_tensor",
                           "element %lld: %.*s is not written as an integer, expected %s",
                           (long long)element, length, p, name);
    case NUMBER_TOO_MANY:
        return problem_set(problem, 400, "bad_tensor", "more than %lld elements",
                           (long long)element);
    }
    return false;
}
