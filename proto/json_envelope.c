/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json_envelope.h"

#include "proto/text.h"

#include <stdlib.h>
#include <string.h>

struct splitter {
    const char *p, *end;
    const char *kept; /* from here on the body is not copied yet */
    const struct json_rule *rules;
    int n_rules;
    const struct json_limits *limits;
    struct text *rest;
    struct json_envelope *envelope;
    struct problem *problem;
    int lifts_capacity;
    char brackets[JSON_DEPTH_MAX]; /* what is open */
    int depth;
    bool key_next;                /* a string here is an object's key */
    const struct json_rule *rule; /* whose key was last seen at depth 1 */
    int index;                    /* of the element of that list */
};

static bool bad(struct splitter *s, const char *text)
{
    return problem_set(s->problem, 400, "bad_json", "body is not valid JSON: %s", text);
}

/* Copies what lies before s->p, under the limit. */
static bool keep(struct splitter *s)
{
    size_t length = (size_t)(s->p - s->kept);

    if (length > s->limits->bytes_max - s->rest->length)
        return problem_set(s->problem, 413, "too_large",
                           "JSON outside tensor data exceeds %zu bytes", s->limits->bytes_max);
    text_append(s->rest, s->kept, length);
    s->kept = s->p;
    if (s->rest->failed)
        return problem_set(s->problem, 507, "no_memory", "out of memory");
    return true;
}

static bool grow_lifts(struct splitter *s)
{
    int capacity = s->lifts_capacity == 0 ? 8 : s->lifts_capacity * 2;
    struct json_lift *lifts;

    if (s->envelope->n_lifts < s->lifts_capacity)
        return true;
    if (s->envelope->n_lifts == s->limits->lifts_max)
        return problem_set(s->problem, 413, "too_large", "more than %d tensors",
                           s->limits->lifts_max);
    lifts = realloc(s->envelope->lifts, (size_t)capacity * sizeof(lifts[0]));
    if (lifts == NULL)
        return problem_set(s->problem, 507, "no_memory", "out of memory");
    s->envelope->lifts = lifts;
    s->lifts_capacity = capacity;
    return true;
}

/* At the value to lift: notes its span and writes 0 instead. */
static bool lift(struct splitter *s, const struct json_rule *rule, int index)
{
    struct json_lift *lifted;

    if (!keep(s) || !grow_lifts(s))
        return false;
    lifted = &s->envelope->lifts[s->envelope->n_lifts];
    lifted->rule = rule;
    lifted->index = index;
    if (!json_span_find(s->p, s->end, &lifted->span)) {
        bad(s, "it ends too early, or a value is missing");
        if (rule->field != NULL)
            problem_prefix(s->problem, "%s[%d].%s", rule->key, index, rule->field);
        else
            problem_prefix(s->problem, "%s", rule->key);
        return false;
    }
    s->envelope->n_lifts++;
    text_append(s->rest, "0", 1);
    s->p = s->kept = lifted->span.end;
    return true;
}

/* The key at depth 1 or 3 has been read, and its colon: is the value lifted? */
static bool after_key(struct splitter *s, const struct json_string *key)
{
    int i;

    if (s->depth == 1) {
        s->rule = NULL;
        for (i = 0; i < s->n_rules && s->rule == NULL; i++)
            if (json_string_equals(key, s->rules[i].key))
                s->rule = &s->rules[i];
        s->index = 0;
        if (s->rule != NULL && s->rule->field == NULL)
            return lift(s, s->rule, 0);
    } else if (s->depth == 3 && s->rule != NULL && s->rule->field != NULL &&
               s->brackets[1] == '[' && s->brackets[2] == '{' &&
               json_string_equals(key, s->rule->field)) {
        return lift(s, s->rule, s->index);
    }
    return true;
}

static bool read_string(struct splitter *s)
{
    struct json_string string;
    const char *wrong = json_string_read(s->p, s->end, &string);

    if (wrong != NULL)
        return bad(s, wrong);
    s->p = string.next;
    if ((size_t)(s->p - s->kept) > s->limits->bytes_max)
        return keep(s);
    if (!s->key_next)
        return true;
    s->key_next = false;
    s->p = json_skip_space(s->p, s->end);
    if (s->p == s->end || *s->p != ':')
        return bad(s, "':' expected after a key");
    s->p = json_skip_space(s->p + 1, s->end);
    return after_key(s, &string);
}

static bool open_bracket(struct splitter *s)
{
    if (s->depth == s->limits->depth_max)
        return problem_set(s->problem, 400, "bad_json", "JSON nested deeper than %d",
                           s->limits->depth_max);
    s->key_next = *s->p == '{';
    s->brackets[s->depth++] = *s->p++;
    return true;
}

static bool close_bracket(struct splitter *s)
{
    if (s->depth == 0 || s->brackets[s->depth - 1] != (*s->p == '}' ? '{' : '['))
        return bad(s, "brackets do not match");
    s->depth--;
    s->key_next = false;
    s->p++;
    return true;
}

static bool split(struct splitter *s)
{
    bool good = true;

    while (good && s->p < s->end) {
        if ((size_t)(s->p - s->kept) > s->limits->bytes_max)
            return keep(s);
        switch (*s->p) {
        case '"':
            good = read_string(s);
            break;
        case '{':
        case '[':
            good = open_bracket(s);
            break;
        case '}':
        case ']':
            good = close_bracket(s);
            break;
        case ',':
            s->key_next = s->depth > 0 && s->brackets[s->depth - 1] == '{';
            s->index += s->depth == 2 && s->index < INT32_MAX;
            s->p++;
            break;
        default:
            s->p++;
            break;
        }
    }
    return good && keep(s);
}

static bool check_start(const char *body, size_t body_bytes, struct problem *problem)
{
    const char *end = body + body_bytes;
    const char *p = json_skip_space(body, end);

    if (p == end)
        return problem_set(problem, 400, "bad_json", "body is empty, expected a JSON object");
    if (body_bytes >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0)
        return problem_set(problem, 400, "bad_json", "body starts with a byte order mark");
    if (*p != '{')
        return problem_set(problem, 400, "bad_json", "body is not a JSON object");
    return true;
}

bool json_envelope_split(const char *body, size_t body_bytes, const struct json_rule *rules,
                         int n_rules, const struct json_limits *limits,
                         struct json_envelope *ret_envelope, struct problem *problem)
{
    struct json_envelope envelope = {0};
    struct text rest;
    struct splitter splitter = {
        .p = body,
        .end = body + body_bytes,
        .kept = body,
        .rules = rules,
        .n_rules = n_rules,
        .limits = limits,
        .rest = &rest,
        .envelope = &envelope,
        .problem = problem,
    };
    json_error_t error;

    if (!check_start(body, body_bytes, problem))
        return false;
    text_init(&rest);
    if (split(&splitter)) {
        envelope.root = json_loadb(rest.data, rest.length, JSON_REJECT_DUPLICATES, &error);
        if (envelope.root == NULL)
            bad(&splitter, error.text);
    }
    text_free(&rest);
    if (envelope.root == NULL) {
        json_envelope_finish(&envelope);
        return false;
    }
    *ret_envelope = envelope;
    return true;
}

void json_envelope_finish(struct json_envelope *envelope)
{
    json_decref(envelope->root);
    free(envelope->lifts);
    *envelope = (struct json_envelope){0};
}

const struct json_span *json_envelope_span(const struct json_envelope *envelope,
                                           const struct json_rule *rule, int index)
{
    int i;

    for (i = 0; i < envelope->n_lifts; i++)
        if (envelope->lifts[i].rule == rule && envelope->lifts[i].index == index)
            return &envelope->lifts[i].span;
    return NULL;
}
