/* SPDX-License-Identifier: Apache-2.0
 * The matcher of regular expressions: all the places that the program may be at, kept up with the
 * text. */
#include "engine/ops/regex_program.h"

#include "engine/ops/text_case.h"

#include <string.h>

/* The places that the program may be at: a list without repeats. */
struct places {
    int32_t *list, count;
};

struct matcher {
    const struct regex *regex;
    struct places now, next;
    uint32_t *seen, round;         /* seen[i] == round: step i has been added this round */
    int32_t *stack;
    const char *begin, *at, *end;
};

size_t regex_scratch_bytes(const struct regex *regex)
{
    return ((size_t)regex->n_steps * 5 + 2) * sizeof(int32_t);
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool holds(const struct matcher *m, const struct regex_step *step)
{
    const bool before = m->at > m->begin && is_word_byte(m->at[-1]);
    const bool after = m->at < m->end && is_word_byte(*m->at);

    switch (step->kind) {
    case STEP_BEGIN: return m->at == m->begin || (step->lines && m->at[-1] == '\n');
    case STEP_END: return m->at == m->end || (step->lines && *m->at == '\n');
    case STEP_WORD: return before != after;
    default: return before == after;
    }
}

/* Adds a step and all that it leads to without taking a code point. The stack never holds more than
 * two entries a step: each step is expanded once a round. */
static void add_place(struct matcher *m, struct places *places, int32_t place)
{
    int32_t depth = 0;

    m->stack[depth++] = place;
    while (depth > 0) {
        const int32_t i = m->stack[--depth];
        const struct regex_step *step = &m->regex->steps[i];

        if (m->seen[i] == m->round)
            continue;
        m->seen[i] = m->round;
        switch (step->kind) {
        case STEP_RANGES: case STEP_MATCH:
            places->list[places->count++] = i;
            break;
        case STEP_SPLIT:
            m->stack[depth++] = i + step->b;
            m->stack[depth++] = i + step->a;
            break;
        case STEP_JUMP:
            m->stack[depth++] = i + step->a;
            break;
        default:
            if (holds(m, step))
                m->stack[depth++] = i + 1;
            break;
        }
    }
}

static bool in_ranges(const struct matcher *m, const struct regex_step *step, uint32_t point)
{
    for (int32_t r = step->a; r < step->a + step->b; r++)
        if (point >= m->regex->ranges[r].low && point <= m->regex->ranges[r].high)
            return true;
    return false;
}

static bool takes(const struct matcher *m, const struct regex_step *step, uint32_t point)
{
    bool found = in_ranges(m, step, point);

    if (!found && step->fold)
        found = in_ranges(m, step, text_case_point(point, false)) ||
                in_ranges(m, step, text_case_point(point, true));
    return found != step->negated;
}

bool regex_match_whole(const struct regex *regex, struct bytes text, void *scratch)
{
    const int32_t n = regex->n_steps;
    int32_t *memory = scratch;
    struct matcher m = {
        .regex = regex, .now = {memory, 0}, .next = {memory + n, 0},
        .seen = (uint32_t *)(memory + 2 * n), .round = 1, .stack = memory + 3 * n,
        .begin = text.data, .at = text.data, .end = text.data + text.length,
    };

    memset(m.seen, 0, (size_t)n * sizeof(*m.seen));
    add_place(&m, &m.now, 0);
    while (m.at < m.end && m.now.count > 0) {
        const struct places now = m.now;
        uint32_t point;

        m.at += text_decode(m.at, (size_t)(m.end - m.at), &point);
        if (++m.round == 0) {      /* after 2^32 rounds old marks would look new */
            memset(m.seen, 0, (size_t)n * sizeof(*m.seen));
            m.round = 1;
        }
        m.next.count = 0;
        for (int32_t i = 0; i < now.count; i++) {
            const struct regex_step *step = &regex->steps[now.list[i]];

            if (step->kind == STEP_RANGES && takes(&m, step, point))
                add_place(&m, &m.next, now.list[i] + 1);
        }
        m.now = m.next;
        m.next = now;
    }
    for (int32_t i = 0; i < m.now.count; i++)
        if (regex->steps[m.now.list[i]].kind == STEP_MATCH)
            return m.at == m.end;
    return false;
}
