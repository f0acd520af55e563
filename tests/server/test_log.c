/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/log.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What comes after the time stamp. */
static void check_line(enum log_format format, struct text *line, const char *expected)
{
    const char *at;

    text_append(line, "", 1);
    at = format == LOG_FORMAT_TEXT ? strchr(line->data, ' ') + 1 : strstr(line->data, "\",") + 2;
    ck_assert_str_eq(at, expected);
    text_free(line);
}

START_TEST(text_quotes_what_needs_it)
{
    struct log *log = log_create(-1, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    struct text line;

    text_init(&line);
    log_append(log, &line, LOG_LEVEL_INFO, "hello", "a=%s b=%s c=%s d=%d e=%s", "x", "y z", "q\"\n",
               -3, "");
    check_line(LOG_FORMAT_TEXT, &line, "info hello a=x b=\"y z\" c=\"q\\\"\\n\" d=-3 e=\"\"\n");
    log_append(log, &line, LOG_LEVEL_WARNING, "m", "a=%.*s b=%llu c=%zu d=%.1f e=%s:%d f=%c g=%%", 2,
               "abc", 18446744073709551615ULL, (size_t)7, 2.25, "h", 80, 'z');
    check_line(LOG_FORMAT_TEXT, &line,
               "warning m a=ab b=18446744073709551615 c=7 d=2.2 e=h:80 f=z g=%\n");
    log_append(log, &line, LOG_LEVEL_INFO, "none", NULL);
    check_line(LOG_FORMAT_TEXT, &line, "info none\n");
    log_destroy(log);
}
END_TEST

START_TEST(json_keeps_numbers_bare)
{
    struct log *log = log_create(-1, LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    struct text line;

    text_init(&line);
    log_append(log, &line, LOG_LEVEL_ERROR, "a \"b\"", "n=%d x=%.2f s=%s bad=%f mix=%d/%d nan=%s", 5,
               0.5, "1", NAN, 1, 2, "nan");
    check_line(LOG_FORMAT_JSON, &line,
               "\"level\":\"error\",\"message\":\"a \\\"b\\\"\",\"n\":5,\"x\":0.50,\"s\":\"1\","
               "\"bad\":\"nan\",\"mix\":\"1/2\",\"nan\":\"nan\"}\n");
    log_destroy(log);
}
END_TEST

START_TEST(levels_filter)
{
    struct log *log = log_create(-1, LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    struct text line;
    enum log_level level;

    text_init(&line);
    log_append(log, &line, LOG_LEVEL_INFO, "m", NULL);
    ck_assert_uint_eq(line.length, 0);
    ck_assert(log_level_parse("debug", &level));
    ck_assert(!log_level_parse("loud", &level));
    log_set_level(log, level);
    log_append(log, &line, LOG_LEVEL_DEBUG, "m", NULL);
    ck_assert_uint_gt(line.length, 0);
    text_free(&line);
    log_destroy(log);
    log_write(NULL, LOG_LEVEL_ERROR, "nobody hears", NULL);
}
END_TEST

START_TEST(a_line_is_written_and_long_values_are_cut)
{
    static char value[100000];
    char read_back[8192];
    struct log *log;
    ssize_t got;
    int ends[2];

    memset(value, 'x', sizeof(value) - 1);
    ck_assert_int_eq(pipe(ends), 0);
    log = log_create(ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_write(log, LOG_LEVEL_INFO, "long", "value=%s", value);
    got = read(ends[0], read_back, sizeof(read_back));
    ck_assert_int_gt(got, 2000);
    ck_assert_int_lt(got, 3000);
    ck_assert_int_eq(read_back[got - 1], '\n');
    log_destroy(log);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(the_journal_is_recognised)
{
    struct stat status;
    char stream[64];

    ck_assert_int_eq(fstat(1, &status), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    ck_assert(log_is_journal(1, stream));
    ck_assert(!log_is_journal(1, "1:1"));
    ck_assert(!log_is_journal(1, "x"));
    ck_assert(!log_is_journal(1, NULL));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");

    tcase_add_test(tc, text_quotes_what_needs_it);
    tcase_add_test(tc, json_keeps_numbers_bare);
    tcase_add_test(tc, levels_filter);
    tcase_add_test(tc, a_line_is_written_and_long_values_are_cut);
    tcase_add_test(tc, the_journal_is_recognised);
    suite_add_tcase(suite, tc);
    return suite;
}
