/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/regex_program.h - what a regular expression is compiled to; for regex_parse.c and
 * regex_match.c alone. */
#ifndef ENGINE_OPS_REGEX_PROGRAM_H
#define ENGINE_OPS_REGEX_PROGRAM_H

#include "engine/ops/regex.h"

enum step_kind {
    STEP_RANGES,                   /* take a code point in (or, negated, not in) some ranges */
    STEP_SPLIT,                    /* go on at +a and at +b */
    STEP_JUMP,                     /* go on at +a */
    STEP_BEGIN, STEP_END,          /* of the text; with `lines`, of a line */
    STEP_WORD, STEP_NO_WORD,       /* at an edge of a word, or not */
    STEP_MATCH
};

/* Jumps are relative, so that a piece of program may be moved and copied. */
struct regex_step {
    uint8_t kind;
    bool negated, fold, lines;
    int32_t a, b;                  /* STEP_RANGES: the first range and their number */
};

struct regex_range {
    uint32_t low, high;
};

#endif
