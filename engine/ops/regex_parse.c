/* SPDX-License-Identifier: Apache-2.0
 * The compiler of regular expressions: one pass, pieces of program moved and copied as operators
 * turn up. */
#include "engine/ops/regex_program.h"

#include "engine/ops/text_case.h"

#include <string.h>

enum { STEPS_MAX = 20000, DEPTH_MAX = 200, REPEAT_MAX = 1000 };
#define POINT_MAX UINT32_C(0x7fffffff)

/* An open group: where its current branch begins, and the jumps that leave its earlier ones. */
struct group {
    int32_t start, branch, jumps;
    bool fold, dot_all, lines;     /* flags to return to */
};

struct parser {
    struct regex *regex;
    const char *at, *end;
    int32_t steps_max, ranges_max;
    int32_t atom;                  /* where the last atom begins, -1 if nothing can be repeated */
    bool fold, dot_all, lines;
    int depth;
    struct group groups[DEPTH_MAX];
};

static const char too_large[] = "it is too large";

static const char *add_step(struct parser *p, enum step_kind kind, int32_t a, int32_t b)
{
    if (p->regex->n_steps >= p->steps_max)
        return too_large;
    p->regex->steps[p->regex->n_steps++] =
        (struct regex_step){.kind = kind, .lines = p->lines, .a = a, .b = b};
    return NULL;
}

static const char *insert_step(struct parser *p, int32_t place, enum step_kind kind, int32_t a,
                               int32_t b)
{
    struct regex_step *steps = p->regex->steps;

    if (p->regex->n_steps >= p->steps_max)
        return too_large;
    memmove(&steps[place + 1], &steps[place],
            (size_t)(p->regex->n_steps - place) * sizeof(*steps));
    steps[place] = (struct regex_step){.kind = kind, .a = a, .b = b};
    p->regex->n_steps++;
    return NULL;
}

static const char *add_range(struct parser *p, uint32_t low, uint32_t high)
{
    if (p->regex->n_ranges >= p->ranges_max)
        return too_large;
    p->regex->ranges[p->regex->n_ranges++] = (struct regex_range){low, high};
    return NULL;
}

/* The atom of the ranges from `first` on. */
static const char *add_set(struct parser *p, int32_t first, bool negated)
{
    const char *problem;

    p->atom = p->regex->n_steps;
    problem = add_step(p, STEP_RANGES, first, p->regex->n_ranges - first);
    if (problem == NULL) {
        p->regex->steps[p->atom].negated = negated;
        p->regex->steps[p->atom].fold = p->fold;
    }
    return problem;
}

static const char *add_point(struct parser *p, uint32_t point)
{
    const int32_t first = p->regex->n_ranges;
    const char *problem = add_range(p, point, point);

    return problem != NULL ? problem : add_set(p, first, false);
}

static const struct { const char *name; const char *pairs; } named_sets[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", "\001\177"}, {"blank", "\t\t  "},
    {"cntrl", "\001\037\177\177"}, {"digit", "09"}, {"graph", "!~"}, {"lower", "az"},
    {"print", " ~"}, {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},
    {"word", "09AZ__az"}, {"xdigit", "09AFaf"}, {"s", "\t\n\f\r  "},
};

/* Adds a named set or, negated, the gaps between its pairs, which are in order. */
static const char *add_named(struct parser *p, const char *name, size_t length, bool negated)
{
    uint32_t next = 0;

    for (size_t i = 0; i < sizeof(named_sets) / sizeof(named_sets[0]); i++) {
        const char *pair = named_sets[i].pairs;
        const char *problem = NULL;

        if (strlen(named_sets[i].name) != length || memcmp(named_sets[i].name, name, length) != 0)
            continue;
        for (; *pair != '\0' && problem == NULL; pair += 2) {
            if (!negated)
                problem = add_range(p, (unsigned char)pair[0], (unsigned char)pair[1]);
            else if ((unsigned char)pair[0] > next)
                problem = add_range(p, next, (unsigned char)pair[0] - 1u);
            next = (unsigned char)pair[1] + 1u;
        }
        if (problem == NULL && negated)
            problem = add_range(p, next, POINT_MAX);
        return problem;
    }
    return "it names a class that is not known";
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \xHH or \x{H...}, after the x. */
static const char *read_hex(struct parser *p, uint32_t *ret)
{
    const bool braces = p->at < p->end && *p->at == '{';
    int digits = 0;

    *ret = 0;
    p->at += braces;
    for (; p->at < p->end && hex_digit(*p->at) >= 0 && digits < (braces ? 6 : 2); digits++)
        *ret = *ret * 16 + (uint32_t)hex_digit(*p->at++);
    if (digits == 0 || (!braces && digits < 2) || (braces && (p->at == p->end || *p->at++ != '}')))
        return "\\x needs two digits, or more in braces";
    return NULL;
}

/* A character after a backslash that stands for one code point. */
static const char *read_escape(struct parser *p, uint32_t *ret)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    const char *letter;
    const char c = *p->at;

    if (c == 'x') {
        p->at++;
        return read_hex(p, ret);
    }
    letter = memchr(letters, c, sizeof(letters) - 1);
    if (letter != NULL) {
        p->at++;
        *ret = (unsigned char)meanings[letter - letters];
        return NULL;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return "it has an escape that is not known";
    p->at += text_decode(p->at, (size_t)(p->end - p->at), ret);
    return NULL;
}

/* \d \D \s \S \w \W: true when `p->at` (after the backslash) is one; its ranges are added. */
static bool read_class_escape(struct parser *p, const char **ret_problem)
{
    static const struct { char letter; const char *name; } classes[] = {
        {'d', "digit"}, {'s', "s"}, {'w', "word"},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        const bool negated = *p->at == classes[i].letter - 'a' + 'A';

        if (*p->at != classes[i].letter && !negated)
            continue;
        p->at++;
        *ret_problem = add_named(p, classes[i].name, strlen(classes[i].name), negated);
        return true;
    }
    return false;
}

/* One end of a range in brackets. */
static const char *read_end(struct parser *p, uint32_t *ret)
{
    if (p->at == p->end)
        return "a bracket is open";
    if (*p->at == '\\' && p->at + 1 < p->end) {
        p->at++;
        return read_escape(p, ret);
    }
    p->at += text_decode(p->at, (size_t)(p->end - p->at), ret);
    return NULL;
}

/* [:name:] or [:^name:], after the first bracket; false if it is none. */
static bool read_posix(struct parser *p, const char **ret_problem)
{
    const char *name = p->at + 2, *close = name;
    bool negated;

    if (p->end - p->at < 4 || p->at[0] != '[' || p->at[1] != ':')
        return false;
    negated = *name == '^';
    while (close + 1 < p->end && !(close[0] == ':' && close[1] == ']'))
        close++;
    if (close + 1 >= p->end)
        return false;
    name += negated;
    *ret_problem = add_named(p, name, (size_t)(close - name), negated);
    p->at = close + 2;
    return true;
}

static const char *read_brackets(struct parser *p)
{
    const int32_t first = p->regex->n_ranges;
    const char *problem = NULL;
    const char *begin;
    const bool negated = p->at < p->end && *p->at == '^';

    p->at += negated;
    for (begin = p->at; problem == NULL; ) {
        uint32_t low, high;

        if (p->at == p->end)
            return "a bracket is open";
        if (*p->at == ']' && p->at > begin) {
            p->at++;
            return add_set(p, first, negated);
        }
        if (read_posix(p, &problem))
            continue;
        if (*p->at == '\\' && p->at + 1 < p->end) {
            p->at++;
            if (read_class_escape(p, &problem))
                continue;
            p->at--;
        }
        problem = read_end(p, &low);
        if (problem != NULL)
            break;
        high = low;
        if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
            p->at++;
            problem = read_end(p, &high);
        }
        if (problem == NULL && high < low)
            problem = "a range runs backwards";
        if (problem == NULL)
            problem = add_range(p, low, high);
    }
    return problem;
}

/* Flags after "(?": up to ':' opens a group with them, up to ')' sets them in this one. */
static const char *read_flags(struct parser *p, bool *ret_opens)
{
    bool on = true;

    for (; p->at < p->end; p->at++) {
        switch (*p->at) {
        case 'i': p->fold = on; break;
        case 's': p->dot_all = on; break;
        case 'm': p->lines = on; break;
        case 'U': break;           /* who takes more first does not matter to a whole match */
        case '-': on = false; break;
        case ':': case ')':
            *ret_opens = *p->at++ == ':';
            return NULL;
        default: return "it has a kind of group that is not known";
        }
    }
    return "a group is open";
}

static const char *open_group(struct parser *p)
{
    struct group group = {p->regex->n_steps, p->regex->n_steps, -1, p->fold, p->dot_all, p->lines};
    bool opens = true;
    const char *problem = NULL;

    if (p->end - p->at >= 3 && memcmp(p->at, "?P<", 3) == 0) {
        const char *close = memchr(p->at, '>', (size_t)(p->end - p->at));

        if (close == NULL)
            return "a group's name is open";
        p->at = close + 1;
    } else if (p->at < p->end && *p->at == '?') {
        p->at++;
        problem = read_flags(p, &opens);
    }
    p->atom = -1;
    if (problem != NULL || !opens)
        return problem;
    if (p->depth + 1 >= DEPTH_MAX)
        return "its groups are too deep";
    p->groups[++p->depth] = group;
    return NULL;
}

/* Ends a branch: what was one piece becomes one of two. */
static const char *next_branch(struct parser *p)
{
    struct group *group = &p->groups[p->depth];
    const int32_t length = p->regex->n_steps - group->branch;
    const char *problem = insert_step(p, group->branch, STEP_SPLIT, 1, length + 2);

    if (problem == NULL)
        problem = add_step(p, STEP_JUMP, group->jumps, 0);     /* a list until the group's end */
    group->jumps = p->regex->n_steps - 1;
    group->branch = p->regex->n_steps;
    p->atom = -1;
    return problem;
}

static void close_branches(struct parser *p)
{
    struct group *group = &p->groups[p->depth];

    for (int32_t jump = group->jumps; jump >= 0; ) {
        const int32_t earlier = p->regex->steps[jump].a;

        p->regex->steps[jump].a = p->regex->n_steps - jump;
        jump = earlier;
    }
}

static const char *close_group(struct parser *p)
{
    const struct group *group = &p->groups[p->depth];

    if (p->depth == 0)
        return "a group is closed that was not open";
    close_branches(p);
    p->fold = group->fold;
    p->dot_all = group->dot_all;
    p->lines = group->lines;
    p->atom = group->start;
    p->depth--;
    return NULL;
}

/* {n}, {n,} or {n,m} at `p->at`, after the brace; false if it is plain text. */
static bool read_counts(struct parser *p, int *ret_least, int *ret_most)
{
    const char *at = p->at;
    int numbers[2] = {-1, -1};
    int n = 0;

    for (; at < p->end && *at != '}'; at++) {
        if (*at == ',' && n == 0 && numbers[0] >= 0)
            n = 1;
        else if (*at >= '0' && *at <= '9')
            numbers[n] = (numbers[n] < 0 ? 0 : numbers[n]) * 10 + (*at - '0');
        else
            return false;
        if (numbers[n] > REPEAT_MAX)
            numbers[n] = REPEAT_MAX + 1;
    }
    if (at == p->end || numbers[0] < 0)
        return false;
    p->at = at + 1;
    *ret_least = numbers[0];
    *ret_most = n == 0 ? numbers[0] : numbers[1];      /* -1: no end */
    return true;
}

static const char *copy_atom(struct parser *p, int32_t length)
{
    struct regex_step *steps = p->regex->steps;

    if (length > p->steps_max - p->regex->n_steps)
        return too_large;
    memcpy(&steps[p->regex->n_steps], &steps[p->atom], (size_t)length * sizeof(*steps));
    p->regex->n_steps += length;
    return NULL;
}

/* Repeats the last atom from `least` to `most` times (-1: any number). */
static const char *repeat_atom(struct parser *p, int least, int most)
{
    const int32_t atom = p->atom, length = p->regex->n_steps - atom;
    const char *problem = NULL;

    if (atom < 0)
        return "there is nothing to repeat";
    if (least > REPEAT_MAX || most > REPEAT_MAX || (most >= 0 && most < least))
        return "a number of repetitions is out of range";
    /* The required copies and, if there is an end, as many that may be left out. */
    for (int i = 1; i < least && problem == NULL; i++)
        problem = copy_atom(p, length);
    for (int i = least > 0 ? least : 1; i < most && problem == NULL; i++) {
        problem = copy_atom(p, length);
        if (problem == NULL)
            problem = insert_step(p, p->regex->n_steps - length, STEP_SPLIT, 1, length + 1);
    }
    if (problem == NULL && most < 0 && least > 0)
        problem = add_step(p, STEP_SPLIT, -length, 1);
    if (problem == NULL && most < 0 && least == 0) {
        problem = insert_step(p, atom, STEP_SPLIT, 1, length + 2);
        if (problem == NULL)
            problem = add_step(p, STEP_JUMP, -length - 1, 0);
    }
    if (problem == NULL && most >= 0 && least == 0)
        problem = insert_step(p, atom, STEP_SPLIT, 1, p->regex->n_steps - atom + 1);
    if (problem == NULL && most == 0)                  /* {0}: never taken */
        p->regex->steps[atom].a = p->regex->steps[atom].b;
    if (p->at < p->end && *p->at == '?')               /* lazy: the same whole matches */
        p->at++;
    p->atom = -1;
    return problem;
}

static const char *add_assertion(struct parser *p, enum step_kind kind, bool lines)
{
    const char *problem = add_step(p, kind, 0, 0);

    if (problem == NULL)
        p->regex->steps[p->regex->n_steps - 1].lines = lines;
    p->atom = -1;
    return problem;
}

static const char *read_backslash(struct parser *p)
{
    const int32_t first = p->regex->n_ranges;
    const char *problem = NULL;
    uint32_t point;

    if (p->at == p->end)
        return "it ends in a backslash";
    switch (*p->at) {
    case 'A': p->at++; return add_assertion(p, STEP_BEGIN, false);
    case 'z': p->at++; return add_assertion(p, STEP_END, false);
    case 'b': p->at++; return add_assertion(p, STEP_WORD, false);
    case 'B': p->at++; return add_assertion(p, STEP_NO_WORD, false);
    case 'Q':
        for (p->at++; p->at < p->end && problem == NULL; ) {
            if (p->end - p->at >= 2 && memcmp(p->at, "\\E", 2) == 0) {
                p->at += 2;
                break;
            }
            p->at += text_decode(p->at, (size_t)(p->end - p->at), &point);
            problem = add_point(p, point);
        }
        return problem;
    default:
        break;
    }
    if (read_class_escape(p, &problem))
        return problem != NULL ? problem : add_set(p, first, false);
    problem = read_escape(p, &point);
    return problem != NULL ? problem : add_point(p, point);
}

static const char *add_dot(struct parser *p)
{
    const int32_t first = p->regex->n_ranges;
    const char *problem = p->dot_all ? add_range(p, 0, POINT_MAX) : add_range(p, '\n', '\n');

    return problem != NULL ? problem : add_set(p, first, !p->dot_all);
}

static const char *parse_one(struct parser *p)
{
    int least, most;
    uint32_t point;
    const char c = *p->at;

    if (c == '{') {
        p->at++;
        if (read_counts(p, &least, &most))
            return repeat_atom(p, least, most);
        return add_point(p, '{');
    }
    if (memchr("\\[(|)*+?.^$", c, 11) == NULL) {
        p->at += text_decode(p->at, (size_t)(p->end - p->at), &point);
        return add_point(p, point);
    }
    p->at++;
    switch (c) {
    case '\\': return read_backslash(p);
    case '[': return read_brackets(p);
    case '(': return open_group(p);
    case '|': return next_branch(p);
    case ')': return close_group(p);
    case '*': return repeat_atom(p, 0, -1);
    case '+': return repeat_atom(p, 1, -1);
    case '?': return repeat_atom(p, 0, 1);
    case '.': return add_dot(p);
    case '^': return add_assertion(p, STEP_BEGIN, p->lines);
    default: return add_assertion(p, STEP_END, p->lines);
    }
}

const char *regex_compile(struct regex *regex, struct arena *arena, struct bytes pattern)
{
    struct parser p = {.regex = regex, .at = pattern.data, .end = pattern.data + pattern.length,
                       .atom = -1};
    const bool counted = pattern.length > 0 && memchr(pattern.data, '{', pattern.length) != NULL;
    const char *problem = NULL;

    if (pattern.length > STEPS_MAX / 4)
        return too_large;
    p.steps_max = counted ? STEPS_MAX : (int32_t)pattern.length * 3 + 4;
    p.ranges_max = (int32_t)pattern.length * 4 + 4;
    *regex = (struct regex){0};
    regex->steps = arena_calloc(arena, (size_t)p.steps_max, sizeof(*regex->steps));
    regex->ranges = arena_calloc(arena, (size_t)p.ranges_max, sizeof(*regex->ranges));
    if (regex->steps == NULL || regex->ranges == NULL)
        return "there is no memory for it";
    p.groups[0] = (struct group){.jumps = -1};
    while (p.at < p.end && problem == NULL)
        problem = parse_one(&p);
    if (problem != NULL)
        return problem;
    if (p.depth > 0)
        return "a group is open";
    close_branches(&p);
    return add_step(&p, STEP_MATCH, 0, 0);
}
