/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"
#include "server/options_table.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* argv and environment, and what comes of them. `shown` must be in the message. */
static const struct {
    const char *name;
    const char *argv[6];
    const char *environment[3];
    enum options_action action;
    const char *shown;
} rows[] = {
    {"nothing", {NULL}, {NULL}, OPTIONS_RUN, ""},
    {"a model", {"m.onnx"}, {NULL}, OPTIONS_RUN, ""},
    {"two models", {"a.onnx", "b.onnx"}, {NULL}, OPTIONS_BAD, "a.onnx"},
    {"after --, all are files", {"--", "--help"}, {NULL}, OPTIONS_RUN, ""},
    {"help", {"--help"}, {NULL}, OPTIONS_HELP, ""},
    {"version", {"--version"}, {NULL}, OPTIONS_VERSION, ""},
    {"man", {"--help-man"}, {NULL}, OPTIONS_MAN, ""},
    {"unknown option", {"--no-such"}, {NULL}, OPTIONS_BAD, "--no-such"},
    {"one dash", {"-x"}, {NULL}, OPTIONS_BAD, "-x"},
    {"a prefix is not the option", {"--work", "1"}, {NULL}, OPTIONS_BAD, "--work"},
    {"value missing", {"--workers"}, {NULL}, OPTIONS_BAD, "workers"},
    {"value empty", {"--workers="}, {NULL}, OPTIONS_BAD, "workers"},
    {"not a number", {"--workers", "two"}, {NULL}, OPTIONS_BAD, "0 to 1024"},
    {"trailing letters", {"--workers", "2x"}, {NULL}, OPTIONS_BAD, "'2x'"},
    {"leading blank", {"--workers", " 2"}, {NULL}, OPTIONS_BAD, "workers"},
    {"below the range", {"--network-threads", "-1"}, {NULL}, OPTIONS_BAD, "0 to 64"},
    {"negative", {"--workers", "-1"}, {NULL}, OPTIONS_BAD, "workers"},
    {"above the range", {"--network-threads=65"}, {NULL}, OPTIONS_BAD, "0 to 64"},
    {"does not fit", {"--workers", "99999999999999999999"}, {NULL}, OPTIONS_BAD, "workers"},
    {"bytes with a wrong unit", {"--body-bytes-max", "1T"}, {NULL}, OPTIONS_BAD, "K, M, G"},
    {"bytes overflow", {"--body-bytes-max", "9223372036854775807G"}, {NULL}, OPTIONS_BAD, "body"},
    {"bad choice", {"--log-level", "loud"}, {NULL}, OPTIONS_BAD, "error, warning, info, debug"},
    {"part of a choice", {"--log-level", "warn"}, {NULL}, OPTIONS_BAD, "'warn'"},
    {"empty choice", {"--log-level="}, {NULL}, OPTIONS_BAD, "log-level"},
    {"bad bool", {"--access-log=maybe"}, {NULL}, OPTIONS_BAD, "yes nor no"},
    {"bad mode", {"--socket-mode", "8"}, {NULL}, OPTIONS_BAD, "octal"},
    {"mode too large", {"--socket-mode", "7777"}, {NULL}, OPTIONS_BAD, "octal"},
    {"nine addresses", {"--listen", "a,b,c,d,e,f,g,h,i"}, {NULL}, OPTIONS_BAD, "8 addresses"},
    {"bad environment", {NULL}, {"INFERD_WORKERS=x"}, OPTIONS_BAD, "environment: workers"},
    {"unknown environment is others'", {NULL}, {"INFERD_TEST_SEED=x"}, OPTIONS_RUN, ""},
    {"no such file", {"--config", "/nonexistent/x"}, {NULL}, OPTIONS_UNREADABLE, "/nonexistent/x"},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static enum options_action parse(struct options *options, const char *const *arguments,
                                 const char *const *environment, struct options_error *err)
{
    char *argv[16] = {(char *)"inferd"};
    int argc = 1;

    for (; arguments[argc - 1] != NULL && argc < 15; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    return options_parse(options, argc, argv, (char *const *)environment, err);
}

START_TEST(a_command_line_is_judged)
{
    struct options options;
    struct options_error err = {0};

    ck_assert_msg(parse(&options, rows[_i].argv, rows[_i].environment, &err) == rows[_i].action,
                  "%s: %s", rows[_i].name, err.text);
    ck_assert_msg(strstr(err.text, rows[_i].shown) != NULL, "%s: %s", rows[_i].name, err.text);
    options_finish(&options);
}
END_TEST

/* Writes `text` to a file of its own and returns its name. */
static char *config_file(const char *text)
{
    static char path[] = "/tmp/inferd-test-XXXXXX";
    int fd;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

START_TEST(command_line_beats_environment_beats_file)
{
    const char *path = config_file("# comment\n\n  workers = 1 \nnetwork-threads=2\n"
                                   "body-bytes-max = 3K\nlisten = a, b\nlisten = c\r\n");
    const char *argv[] = {"--config", path, "--body-bytes-max=5M", "--access-log", NULL};
    const char *environment[] = {"INFERD_NETWORK_THREADS=4", "INFERD_BODY_BYTES_MAX=7", NULL};
    struct options options;
    struct options_error err = {0};

    ck_assert_msg(parse(&options, argv, environment, &err) == OPTIONS_RUN, "%s", err.text);
    ck_assert_int_eq(options.workers, 1);
    ck_assert_int_eq(options.network_threads, 4);
    ck_assert_int_eq(options.body_bytes_max, 5 << 20);
    ck_assert(options.access_log);
    ck_assert_int_eq(options.n_listen, 3);
    ck_assert_str_eq(options.listen[2], "c");
    options_finish(&options);
    unlink(path);
}
END_TEST

START_TEST(a_list_is_replaced_as_a_whole)
{
    const char *argv[] = {"--listen", "x", "--listen=unix:/y", NULL};
    const char *environment[] = {"INFERD_LISTEN=a b c", NULL};
    struct options options;
    struct options_error err = {0};

    ck_assert(parse(&options, argv, environment, &err) == OPTIONS_RUN);
    ck_assert_int_eq(options.n_listen, 2);
    ck_assert_str_eq(options.listen[0], "x");
    ck_assert_str_eq(options.listen[1], "unix:/y");
    options_finish(&options);
}
END_TEST

static const struct {
    const char *text, *shown;
} bad_files[] = {
    {"workers 3\n", ":1: 'workers 3'"},
    {"\n\nworkers = x\n", ":3: workers"},
    {"model = x\n", ":1: no setting is named 'model'"},
    {"config = other\n", ":1: no setting is named 'config'"},
    {"=1\n", ":1: no setting is named ''"},
};

START_TEST(a_bad_line_is_named)
{
    const char *path = config_file(bad_files[_i].text);
    const char *argv[] = {"--config", path, NULL}, *none[] = {NULL};
    struct options options;
    struct options_error err = {0};

    ck_assert(parse(&options, argv, none, &err) == OPTIONS_BAD);
    ck_assert_msg(strstr(err.text, bad_files[_i].shown) != NULL, "%s", err.text);
    options_finish(&options);
    unlink(path);
}
END_TEST

START_TEST(every_default_is_valid_and_documented)
{
    const char *none[] = {NULL};
    struct options_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    options_print_help(file);
    options_print_man(file);
    fclose(file);
    for (const struct option_def *def = option_table; def->name != NULL; def++) {
        struct options options;
        char argument[256];
        const char *argv[] = {argument, NULL};

        ck_assert_msg(strlen(def->help) > 10, "%s", def->name);
        ck_assert_msg(strstr(text, def->name) != NULL, "%s is not in the help", def->name);
        for (const struct option_def *other = option_table; other != def; other++)
            ck_assert_msg(strcmp(other->name, def->name) != 0 && other->offset != def->offset,
                          "%s is twice in the table", def->name);
        if (def->initial == NULL)
            continue;
        snprintf(argument, sizeof(argument), "--%s=%s", def->name, def->initial);
        ck_assert_msg(parse(&options, argv, none, &err) == OPTIONS_RUN, "%s: %s", def->name, err.text);
        options_finish(&options);
    }
    free(text);
}
END_TEST

START_TEST(differences_are_found)
{
    const char *one[] = {"--workers=1", "--log-level=debug", "--listen=a", NULL};
    const char *two[] = {"--workers=2", "--listen=a,b", NULL}, *none[] = {NULL};
    struct options a, b;
    struct options_error err = {0};
    size_t index = 0;
    bool live;

    ck_assert(parse(&a, one, none, &err) == OPTIONS_RUN);
    ck_assert(parse(&b, two, none, &err) == OPTIONS_RUN);
    ck_assert_str_eq(options_difference(&a, &b, &index, &live), "listen");
    ck_assert(!live);
    ck_assert_str_eq(options_difference(&a, &b, &index, &live), "log-level");
    ck_assert(live);
    ck_assert_str_eq(options_difference(&a, &b, &index, &live), "workers");
    ck_assert_ptr_null(options_difference(&a, &b, &index, &live));
    options_finish(&a);
    options_finish(&b);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");

    tcase_add_loop_test(tc, a_command_line_is_judged, 0, N_ROWS);
    tcase_add_test(tc, command_line_beats_environment_beats_file);
    tcase_add_test(tc, a_list_is_replaced_as_a_whole);
    tcase_add_loop_test(tc, a_bad_line_is_named, 0, sizeof(bad_files) / sizeof(bad_files[0]));
    tcase_add_test(tc, every_default_is_valid_and_documented);
    tcase_add_test(tc, differences_are_found);
    suite_add_tcase(suite, tc);
    return suite;
}
