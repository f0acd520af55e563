/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/regex.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

static const struct op_case cases[] = {
    {"normalizer", "StringNormalizer", "case_change_action=s:UPPER; stopwords=S:Monday",
     IN("str[3] monday Tuesday wednesday"), OUT("str[2] TUESDAY WEDNESDAY")},
    {"normalizer by case", "StringNormalizer",
     "case_change_action=s:LOWER; is_case_sensitive=i:1; stopwords=S:Monday",
     IN("str[1,3] monday Monday TUESDAY"), OUT("str[1,2] monday tuesday")},
    {"normalizer leaves none", "StringNormalizer", "stopwords=S:a", IN("str[2] a A"), OUT("str[1] ''")},
    {"normalizer beyond ascii", "StringNormalizer", "case_change_action=s:UPPER",
     IN("str[2] \xc3\xa9t\xc3\xa9 \xd0\xb6"), OUT("str[2] \xc3\x89T\xc3\x89 \xd0\x96")},
    {"normalizer keeps bad bytes", "StringNormalizer", "case_change_action=s:UPPER",
     IN("str[1] a\xff\xc3"), OUT("str[1] A\xff\xc3")},
    {"normalizer shape", "StringNormalizer", NULL, IN("str[2,1] a b"), SAYS("[2,1]")},
    {"normalizer action", "StringNormalizer", "case_change_action=s:TITLE", IN("str[1] a"),
     SAYS("'TITLE'")},
    {"concat", "StringConcat", NULL, IN("str[2,1] a b", "str[2] x ''"), OUT("str[2,2] ax a bx b")},
    {"concat misfit", "StringConcat", NULL, IN("str[2] a b", "str[3] a b c"), SAYS("broadcast")},
    {"concat numbers", "StringConcat", NULL, IN("str[1] a", "i64[1] 1"), SAYS("input 1 is of type")},
    {"split by comma", "StringSplit", "delimiter=s:,", IN("str[3] a,b ,c ''"),
     OUT("str[3,2] a b '' c '' ''", "i64[3] 2 2 0")},
    {"split at most", "StringSplit", "delimiter=s:--; maxsplit=i:1", IN("str[1] a--b--c"),
     OUT("str[1,2] a b--c", "i64[1] 2")},
    {"split of nothing", "StringSplit", "delimiter=s:,", IN("str[0]"), OUT("str[0,0]", "i64[0]")},
    {"tf", "TfIdfVectorizer",
     "mode=s:TF; min_gram_length=i:2; max_gram_length=i:2; max_skip_count=i:0; ngram_counts=I:0,4; "
     "ngram_indexes=I:0,1,2,3,4,5,6; pool_int64s=I:2,3,5,4,5,6,7,8,6,7",
     IN("i32[2,6] 1 1 3 3 3 7 8 6 7 5 6 8"), OUT("f32[2,7] 0 0 0 0 0 0 0 0 0 0 0 1 0 1")},
    {"tf with skips", "TfIdfVectorizer",
     "mode=s:TF; min_gram_length=i:1; max_gram_length=i:2; max_skip_count=i:1; ngram_counts=I:0,2; "
     "ngram_indexes=I:2,0,1; pool_strings=S:a,b,a,b",
     IN("str[4] a x b a"), OUT("f32[3] 1 1 2")},
    {"idf weights", "TfIdfVectorizer",
     "mode=s:IDF; min_gram_length=i:1; max_gram_length=i:1; max_skip_count=i:0; ngram_counts=I:0; "
     "ngram_indexes=I:0,1; pool_strings=S:a,b; weights=F:0.5,2", IN("str[3] a a c"),
     OUT("f32[2] 0.5 0")},
    {"tfidf", "TfIdfVectorizer",
     "mode=s:TFIDF; min_gram_length=i:1; max_gram_length=i:1; max_skip_count=i:0; ngram_counts=I:0; "
     "ngram_indexes=I:1,0; pool_int64s=I:5,6; weights=F:0.5,2", IN("i64[3] 5 5 6"),
     OUT("f32[2] 0.5 4")},
    {"tf type", "TfIdfVectorizer",
     "mode=s:TF; ngram_counts=I:0; ngram_indexes=I:0; pool_int64s=I:5", IN("str[1] a"),
     SAYS("the pool of int64")},
    {"tf counts", "TfIdfVectorizer",
     "mode=s:TF; max_gram_length=i:2; ngram_counts=I:0,2; ngram_indexes=I:0,1,2; pool_int64s=I:5,6,7",
     IN("i64[1] 1"), SAYS("does not divide")},
    {"match", "RegexFullMatch", "pattern=s:a+b", IN("str[3] aab ab b"), OUT("bool[3] 1 1 0")},
    {"match refused", "RegexFullMatch", "pattern=s:a(b", IN("str[1] a"), SAYS("a group is open")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

static const struct { const char *pattern, *text; bool matches; } matches[] = {
    {"", "", true}, {"", "a", false}, {"abc", "abc", true}, {"abc", "abcd", false},
    {"abc", "ab", false}, {"a*", "", true}, {"a*", "aaaa", true}, {"a*", "aab", false},
    {"a+", "", false}, {"a?b", "b", true}, {"a?b", "aab", false}, {"a*?b", "aab", true},
    {"a|b", "b", true}, {"a|b", "ab", false}, {"a|b|c|d", "d", true}, {"ab|cd", "abd", false},
    {"(ab|cd)*", "abcdab", true}, {"(ab|cd)*", "abc", false}, {"(?:a|)b", "b", true},
    {"a(b|c(d|e)f)g", "acefg", true}, {"a(b|c(d|e)f)g", "acdg", false},
    {"a{3}", "aaa", true}, {"a{3}", "aa", false}, {"a{3}", "aaaa", false},
    {"a{2,}", "aaaaa", true}, {"a{2,}", "a", false}, {"a{1,3}", "aaa", true},
    {"a{1,3}", "aaaa", false}, {"a{1,3}", "", false}, {"a{0,2}", "", true}, {"a{0,2}", "aa", true},
    {"a{0,2}", "aaa", false}, {"a{0}b", "b", true}, {"a{0}b", "ab", false}, {"(ab){2}", "abab", true},
    {"(a|bc){2,3}", "bcabc", true}, {"(a|bc){2,3}", "bc", false}, {"a{,3}", "a{,3}", true},
    {"x{2}y{2}", "xxyy", true}, {"(x{2}y){2}", "xxyxxy", true},
    {".", "a", true}, {".", "\n", false}, {"(?s).", "\n", true}, {".", "\xc3\xa9", true},
    {".", "\xff", true}, {"[abc]", "b", true}, {"[^abc]", "b", false}, {"[a-c]+", "abcd", false},
    {"[]a]+", "]a", true}, {"[^]]", "]", false}, {"[a-]+", "a-", true}, {"[\\w-]+", "a-1", true},
    {"[\\]]", "]", true}, {"[[:digit:]x]+", "12x", true}, {"[[:^digit:]]", "1", false},
    {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true}, {"\\d{2}-\\d{2}", "12-34", true},
    {"\\D+", "ab", true}, {"\\D+", "a1", false}, {"\\w+\\s\\w+", "ab cd", true},
    {"[^\\W]+", "a_1", true}, {"[^\\W]+", "a b", false}, {"\\.\\*", ".*", true}, {"\\x41\\x{42}", "AB", true},
    {"\\Qa.b*\\Ec", "a.b*c", true}, {"\\t", "\t", true}, {"^abc$", "abc", true},
    {"a^b", "ab", false}, {"(?m)a$\n^b", "a\nb", true}, {"\\Aab\\z", "ab", true},
    {"\\bab\\b", "ab", true}, {"a\\Bb", "ab", true}, {"a\\bb", "ab", false},
    {"(?i)abc", "aBC", true}, {"(?i:a)b", "Ab", true}, {"(?i:a)b", "AB", false},
    {"(?i)[a-c]\xc3\xa9", "B\xc3\x89", true}, {"(?P<name>a)b", "ab", true}, {"(a*)*", "aaa", true},
    {"(a|a)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true},
    {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
    {"(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false},
    {"(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)", "ab.c@gmail.com", true},
    {"(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)", "ab.c@gmailxcom", false},
};

START_TEST(regex_rows)
{
    struct arena *arena = arena_create((size_t)4 << 20);
    const struct bytes pattern = {matches[_i].pattern, strlen(matches[_i].pattern)};
    const struct bytes text = {matches[_i].text, strlen(matches[_i].text)};
    struct regex regex;
    const char *problem = regex_compile(&regex, arena, pattern);

    ck_assert_msg(problem == NULL, "'%s': %s", matches[_i].pattern, problem);
    ck_assert_msg(regex_match_whole(&regex, text, arena_alloc(arena, regex_scratch_bytes(&regex))) ==
                      matches[_i].matches,
                  "'%s' %s '%s'", matches[_i].pattern,
                  matches[_i].matches ? "does not match" : "matches", matches[_i].text);
    arena_destroy(arena);
}
END_TEST

static const struct { const char *pattern, *problem; } refusals[] = {
    {"(", "a group is open"}, {")", "was not open"}, {"a)", "was not open"}, {"[a", "bracket is open"},
    {"[", "bracket is open"}, {"[b-a]", "backwards"}, {"*", "nothing to repeat"},
    {"a**", "nothing to repeat"}, {"(*a)", "nothing to repeat"}, {"a|*", "nothing to repeat"},
    {"a{3,2}", "out of range"}, {"a{1001}", "out of range"}, {"a{99999999999}", "out of range"},
    {"\\", "backslash"}, {"\\1", "escape"}, {"\\pL", "escape"}, {"\\x4", "digits"}, {"\\x{}", "digits"},
    {"(?=a)", "kind of group"}, {"(?P<a", "name is open"}, {"[[:odd:]]", "class"},
    {"((a{100}){100}){100}", "too large"}, {"(?i", "a group is open"},
};

START_TEST(regex_refusals)
{
    struct arena *arena = arena_create((size_t)4 << 20);
    const struct bytes pattern = {refusals[_i].pattern, strlen(refusals[_i].pattern)};
    struct regex regex;
    const char *problem = regex_compile(&regex, arena, pattern);

    ck_assert_msg(problem != NULL, "'%s' was taken", refusals[_i].pattern);
    ck_assert_msg(strstr(problem, refusals[_i].problem) != NULL, "'%s': '%s', expected '%s'",
                  refusals[_i].pattern, problem, refusals[_i].problem);
    arena_destroy(arena);
}
END_TEST

START_TEST(deep_patterns_need_no_stack)
{
    struct arena *arena = arena_create((size_t)4 << 20);
    char pattern[4001];
    struct regex regex;

    memset(pattern, '(', 4000);
    ck_assert_ptr_nonnull(regex_compile(&regex, arena, (struct bytes){pattern, 4000}));
    arena_destroy(arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, regex_rows, 0, sizeof(matches) / sizeof(matches[0]));
    tcase_add_loop_test(tc, regex_refusals, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tc, deep_patterns_need_no_stack);
    suite_add_tcase(suite, tc);
    return suite;
}
