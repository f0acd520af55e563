/* SPDX-License-Identifier: Apache-2.0
 * Comparisons, logic and bits: no output is a real number. */
#include "engine/grad/families.h"

#define STOPS(op_name) \
    {.name = op_name, .domain = "", .flags = GRAD_STOPS, .why_not = "its output is no real number"}

const struct grad_def grads_compare[] = {
    STOPS("Equal"), STOPS("Less"), STOPS("LessOrEqual"), STOPS("Greater"),
    STOPS("GreaterOrEqual"), STOPS("And"), STOPS("Or"), STOPS("Xor"), STOPS("BitwiseAnd"),
    STOPS("BitwiseOr"), STOPS("BitwiseXor"), STOPS("BitShift"), {0},
};
