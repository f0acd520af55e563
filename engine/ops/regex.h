/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/regex.h - regular expressions in RE2's syntax, matched against whole strings in time
 * linear in their length, whatever the pattern: K. Thompson, "Regular expression search algorithm",
 * 1968; the virtual machine of R. Pike as R. Cox describes it (2009). Compiled once; any thread may
 * match. */
#ifndef ENGINE_OPS_REGEX_H
#define ENGINE_OPS_REGEX_H

#include "engine/arena.h"
#include "engine/dtype.h"

struct regex_step;
struct regex_range;

struct regex {
    struct regex_step *steps;
    struct regex_range *ranges;
    int32_t n_steps, n_ranges;
};

/* NULL when `pattern` is compiled, into memory of `arena`; else what is wrong with it. No
 * backreferences, look-around or Unicode classes by name, as there are none or few in models. */
const char *regex_compile(struct regex *regex, struct arena *arena, struct bytes pattern);

/* Bytes of memory that a match needs, aligned to 8. */
size_t regex_scratch_bytes(const struct regex *regex);
bool regex_match_whole(const struct regex *regex, struct bytes text, void *scratch);

#endif
