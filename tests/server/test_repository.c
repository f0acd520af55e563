/* SPDX-License-Identifier: Apache-2.0
 * Hard cases 97-105 as far as looking goes: names, links, pipes, versions, modes, leftovers. */
#include "server/serving/repository.h"
#include "tests/support/run_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void make_root(void)
{
    strcpy(root, "/tmp/test_repository.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];

    snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", root, root);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_root(const char *name)
{
    static char path[4][512];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", root, name);
    return path[turn];
}

static void make_dirs(const char *name)
{
    char path[512];

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof(path), "%s/%.*s", root, (int)(slash - name), name);
        mkdir(path, 0755);
    }
    mkdir(in_root(name), 0755);
}

/* A file with its directories. */
static void make_file(const char *name, const char *text)
{
    char directory[256];
    FILE *file;

    snprintf(directory, sizeof(directory), "%s", name);
    *strrchr(directory, '/') = '\0';
    make_dirs(directory);
    file = fopen(in_root(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static struct repository_snapshot scan(void)
{
    struct repository *repository = repository_create(root, NULL);
    struct repository_snapshot snapshot;
    struct engine_error err = {0};

    ck_assert_msg(repository_scan(repository, &snapshot, &err), "%s", err.text);
    repository_destroy(repository);
    return snapshot;
}

static const struct repository_model *find(const struct repository_snapshot *snapshot,
                                           const char *name)
{
    for (int i = 0; i < snapshot->n_models; i++) {
        if (strcmp(snapshot->models[i].name, name) == 0)
            return &snapshot->models[i];
    }
    return NULL;
}

static const struct {
    const char *name;
    bool valid;
} names[] = {
    {"digits", true}, {"a", true}, {"7", true}, {"resnet-18_v1.5", true},
    {"0123456789012345678901234567890123456789012345678901234567890123", true},
    {"01234567890123456789012345678901234567890123456789012345678901234", false},
    {"", false}, {".", false}, {"..", false}, {".hidden", false}, {"-x", false}, {"_x", false},
    {"a/b", false}, {"a b", false}, {"a\n", false}, {"m\xc3\xb6""del", false}, {"a%2f", false},
};

START_TEST(names_are_checked)
{
    ck_assert_msg(model_name_is_valid(names[_i].name) == names[_i].valid, "'%s'", names[_i].name);
}
END_TEST

static const struct {
    const char *text;
    uint64_t number;                     /* 0: not a version */
} versions[] = {
    {"1", 1}, {"42", 42}, {"9223372036854775807", INT64_MAX}, {"9223372036854775808", 0},
    {"99999999999999999999", 0}, {"0", 0}, {"01", 0}, {"1x", 0}, {"x1", 0}, {"-1", 0}, {"+1", 0},
    {"", 0}, {" 1", 0}, {"1.0", 0}, {"latest", 0}, {"0x1", 0},
};

START_TEST(versions_are_checked)
{
    uint64_t number = 0;
    bool valid = version_parse(versions[_i].text, &number);

    ck_assert_msg(valid == (versions[_i].number != 0), "'%s'", versions[_i].text);
    ck_assert_msg(number == versions[_i].number, "'%s' is %llu", versions[_i].text,
                  (unsigned long long)number);
}
END_TEST

START_TEST(scan_finds_models_sorted_and_the_newest_version)
{
    struct repository_snapshot snapshot;

    make_file("zebra/1/model.onnx", "x");
    make_file("ant/2/model.onnx", "x");
    make_file("ant/10/model.onnx", "xyz");
    make_file("ant/9/model.onnx", "x");
    snapshot = scan();
    ck_assert_int_eq(snapshot.n_models, 2);
    ck_assert_str_eq(snapshot.models[0].name, "ant");
    ck_assert_int_eq(snapshot.models[0].n_versions, 1);
    ck_assert_str_eq(snapshot.models[0].versions[0].text, "10");
    ck_assert_uint_eq(snapshot.models[0].versions[0].stamp.size, 3);
    ck_assert_str_eq(snapshot.models[1].name, "zebra");
    ck_assert_ptr_null(snapshot.notes);
    repository_snapshot_finish(&snapshot);
}
END_TEST

/* What stands in the repository beside a good model, and what is said of it. */
static const struct {
    const char *name;
    const char *command;                 /* run in the root */
    const char *model;                   /* whose reason is looked at; NULL: the notes */
    const char *says;                    /* NULL: nothing at all */
} oddities[] = {
    {"hidden directory", "mkdir -p .git/1", NULL, NULL},
    {"file", "touch README.md", NULL, NULL},
    {"model without its directories", "touch lenet.onnx", NULL, "lenet.onnx: a model lies in"},
    {"bad name", "mkdir 'a b'", NULL, "a b: not a model's name"},
    {"name of control bytes", "mkdir \"$(printf 'a\\033[2J')\"", NULL, "a?[2J: not a model's name"},
    {"name of 200 bytes", "mkdir $(printf '%0200d' 7)", NULL, "not a model's name"},
    {"link to a model", "ln -s good alias", NULL, "alias: symbolic links are not followed"},
    {"link out of the root", "ln -s /etc etc", NULL, "etc: symbolic links are not followed"},
    {"pipe", "mkfifo pipe", NULL, NULL},
    {"empty model", "mkdir empty", "empty", "no version"},
    {"leading zero", "mkdir -p m/01 && cp good/1/model.onnx m/01", NULL, "m: a version must be"},
    {"not a number", "mkdir -p m/1x && cp good/1/model.onnx m/1x", NULL, "m: a version must be"},
    {"beyond 2^63", "mkdir -p m/9223372036854775808", NULL, "m: a version must be"},
    {"leftover", "mkdir -p m/.2.tmp m/2.tmp m/1 && cp good/1/model.onnx m/1", NULL, "m: a version"},
    {"version is a link", "mkdir m && ln -s ../good/1 m/1", "m/1", "symbolic link"},
    {"version is a file", "mkdir m && touch m/1", "m/1", "not a directory"},
    {"version is a pipe", "mkdir m && mkfifo m/1", "m/1", "not a directory"},
    {"file missing", "mkdir -p m/1", "m/1", "model.onnx is missing"},
    {"file is a link", "mkdir -p m/1 && ln -s /etc/passwd m/1/model.onnx", "m/1", "symbolic link"},
    {"file is a directory", "mkdir -p m/1/model.onnx", "m/1", "not a regular file"},
    {"file is a pipe", "mkdir -p m/1 && mkfifo m/1/model.onnx", "m/1", "not a regular file"},
    {"file is a device", "mkdir -p m/1 && ln -s /dev/zero m/1/model.onnx", "m/1", "symbolic link"},
    {"config is not JSON", "mkdir -p m/1 && echo '{' > m/config.json", "m", "config.json: line"},
    {"config is a link", "mkdir -p m/1 && ln -s /etc/passwd m/config.json", "m", "symbolic link"},
    {"config is a pipe", "mkdir -p m/1 && mkfifo m/config.json", "m", "not a regular file"},
    {"config is huge", "mkdir -p m/1 && truncate -s 2M m/config.json", "m", "larger than 1 MiB"},
};

START_TEST(oddities_are_named_and_stop_nothing)
{
    struct repository_snapshot snapshot;
    const struct repository_model *model;
    const char *said, *slash = oddities[_i].model != NULL ? strchr(oddities[_i].model, '/') : NULL;
    char command[512];

    make_file("good/1/model.onnx", "x");
    snprintf(command, sizeof(command), "cd %s && %s", root, oddities[_i].command);
    ck_assert_int_eq(system(command), 0);
    snapshot = scan();
    model = find(&snapshot, "good");
    ck_assert_msg(model != NULL && model->n_versions == 1 && model->reason == NULL,
                  "%s: the good model suffers", oddities[_i].name);
    said = snapshot.notes;
    if (oddities[_i].model != NULL) {
        model = find(&snapshot, slash != NULL ? "m" : oddities[_i].model);
        ck_assert_msg(model != NULL, "%s: not listed", oddities[_i].name);
        said = slash != NULL ? model->versions[0].reason : model->reason;
    }
    if (oddities[_i].says == NULL)
        ck_assert_msg(said == NULL, "%s: said '%s'", oddities[_i].name, said);
    else
        ck_assert_msg(said != NULL && strstr(said, oddities[_i].says) != NULL,
                      "%s: said '%s', not '%s'", oddities[_i].name, said, oddities[_i].says);
    if (said != NULL)
        ck_assert_msg(strstr(said, root) == NULL, "%s: shows a path", oddities[_i].name);
    repository_snapshot_finish(&snapshot);
}
END_TEST

START_TEST(modes_forbid)
{
    struct repository_snapshot snapshot;

    if (geteuid() == 0)
        return;                          /* root may read all */
    make_file("m/1/model.onnx", "x");
    make_file("n/1/model.onnx", "x");
    chmod(in_root("m/1/model.onnx"), 0);
    chmod(in_root("n"), 0);
    snapshot = scan();
    ck_assert(strstr(find(&snapshot, "m")->versions[0].reason, "permission denied") != NULL);
    ck_assert(strstr(find(&snapshot, "n")->reason, "permission denied") != NULL);
    repository_snapshot_finish(&snapshot);
}
END_TEST

START_TEST(ten_thousand_versions_cost_one_look)
{
    struct repository_snapshot snapshot;
    char command[256];

    make_dirs("many");
    snprintf(command, sizeof(command), "cd %s/many && seq 1 10000 | xargs mkdir", root);
    ck_assert_int_eq(system(command), 0);
    snapshot = scan();
    ck_assert_int_eq(snapshot.models[0].n_versions, 1);
    ck_assert_uint_eq(snapshot.models[0].versions[0].number, 10000);
    repository_snapshot_finish(&snapshot);
}
END_TEST

static const struct {
    const char *name, *text;
    const char *says;                    /* NULL: accepted */
    int n_wanted;                        /* of versions 1, 2, 3, 10 */
} configs[] = {
    {"empty object", "{}", NULL, 1},
    {"batch size", "{\"max_batch_size\": 32}", NULL, 1},
    {"all versions", "{\"version_policy\": \"all\"}", NULL, 4},
    {"latest two", "{\"version_policy\": {\"latest\": 2}}", NULL, 2},
    {"specific", "{\"version_policy\": {\"specific\": [1, 3, 77]}}", NULL, 2},
    {"labels", "{\"labels\": {\"stable\": 1, \"canary_2\": 2}}", NULL, 1},
    {"unknown key", "{\"max_batch_sice\": 32}", "unknown key 'max_batch_sice'", 0},
    {"batch size is negative", "{\"max_batch_size\": -1}", "'max_batch_size' must be", 0},
    {"batch size is a float", "{\"max_batch_size\": 1.5}", "'max_batch_size' must be", 0},
    {"batch size is huge", "{\"max_batch_size\": 65537}", "'max_batch_size' must be", 0},
    {"delay is a string", "{\"queue_delay_us\": \"1\"}", "'queue_delay_us' must be", 0},
    {"policy unknown", "{\"version_policy\": \"some\"}", "'version_policy' must be", 0},
    {"policy of two kinds", "{\"version_policy\": {\"latest\": 1, \"specific\": [1]}}",
     "'version_policy' must be", 0},
    {"latest zero", "{\"version_policy\": {\"latest\": 0}}", "'version_policy' must be", 0},
    {"specific zero", "{\"version_policy\": {\"specific\": [0]}}", "list of positive", 0},
    {"specific is empty", "{\"version_policy\": {\"specific\": []}}", "list of 1 to 256", 0},
    {"label with a dash", "{\"labels\": {\"a-b\": 1}}", "'a-b' must be a label", 0},
    {"label of no version", "{\"labels\": {\"a\": \"1\"}}", "'a' must be a version", 0},
    {"twice the same key", "{\"max_batch_size\": 1, \"max_batch_size\": 2}", "duplicate", 0},
    {"an array", "[]", "must hold an object", 0},
    {"trailing garbage", "{} x", "config.json: line 1", 0},
    {"deep", "{\"labels\": [[[[[[[[[[[[]]]]]]]]]]]]}", "'labels' must be", 0},
};

START_TEST(config_decides_versions_or_is_refused)
{
    static const char *const files[] = {"m/1/model.onnx", "m/2/model.onnx", "m/3/model.onnx",
                                        "m/10/model.onnx"};
    struct repository_snapshot snapshot;
    const struct repository_model *model;

    for (int i = 0; i < 4; i++)
        make_file(files[i], "x");
    make_file("m/config.json", configs[_i].text);
    snapshot = scan();
    model = &snapshot.models[0];
    if (configs[_i].says == NULL) {
        ck_assert_msg(model->reason == NULL, "%s: %s", configs[_i].name, model->reason);
        ck_assert_msg(model->n_versions == configs[_i].n_wanted, "%s: %d versions",
                      configs[_i].name, model->n_versions);
    } else {
        ck_assert_msg(model->reason != NULL && strstr(model->reason, configs[_i].says) != NULL,
                      "%s: said '%s'", configs[_i].name, model->reason);
    }
    repository_snapshot_finish(&snapshot);
}
END_TEST

START_TEST(a_change_changes_the_stamp)
{
    struct repository_snapshot before, same, after;

    make_file("m/1/model.onnx", "abc");
    before = scan();
    same = scan();
    ck_assert(file_stamp_equal(&before.models[0].versions[0].stamp,
                               &same.models[0].versions[0].stamp));
    make_file("m/1/new.onnx", "abc");    /* as tools replace files: same size, other inode */
    ck_assert_int_eq(rename(in_root("m/1/new.onnx"), in_root("m/1/model.onnx")), 0);
    after = scan();
    ck_assert(!file_stamp_equal(&before.models[0].versions[0].stamp,
                                &after.models[0].versions[0].stamp));
    repository_snapshot_finish(&before);
    repository_snapshot_finish(&same);
    repository_snapshot_finish(&after);
}
END_TEST

START_TEST(one_model_is_looked_at_alone)
{
    struct repository *repository = repository_create(root, NULL);
    struct repository_snapshot snapshot;
    struct engine_error err = {0};
    static const char *const absent[] = {"none", "..", "a/b", "", "link"};

    make_file("m/1/model.onnx", "x");
    make_file("n/1/model.onnx", "x");
    ck_assert_int_eq(symlink("m", in_root("link")), 0);
    ck_assert(repository_scan_model(repository, "n", &snapshot, &err));
    ck_assert_int_eq(snapshot.n_models, 1);
    ck_assert_str_eq(snapshot.models[0].name, "n");
    repository_snapshot_finish(&snapshot);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        ck_assert(repository_scan_model(repository, absent[i], &snapshot, &err));
        ck_assert_msg(snapshot.n_models == 0, "'%s' was found", absent[i]);
        repository_snapshot_finish(&snapshot);
    }
    repository_destroy(repository);
}
END_TEST

START_TEST(a_root_that_is_gone_is_an_error)
{
    struct repository *repository = repository_create("/nonexistent/models", NULL);
    struct repository_snapshot snapshot;
    struct engine_error err = {0};

    ck_assert(!repository_scan(repository, &snapshot, &err));
    ck_assert_int_eq(err.status, ENGINE_IO);
    ck_assert(strstr(err.text, "nonexistent") == NULL);
    repository_destroy(repository);
}
END_TEST

START_TEST(one_file_is_a_repository_of_one_model)
{
    struct repository *repository;
    struct repository_snapshot snapshot;
    struct engine_error err = {0};

    make_file("somewhere/net.onnx", "x");
    repository = repository_create(NULL, in_root("somewhere/net.onnx"));
    ck_assert(repository_scan(repository, &snapshot, &err));
    ck_assert_int_eq(snapshot.n_models, 1);
    ck_assert_str_eq(snapshot.models[0].name, "model");
    ck_assert_str_eq(snapshot.models[0].versions[0].text, "1");
    ck_assert_ptr_null(snapshot.models[0].versions[0].reason);
    repository_snapshot_finish(&snapshot);
    repository_destroy(repository);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

Suite *make_suite(void)
{
    Suite *suite = suite_create("repository");
    TCase *tc = tcase_create("repository");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_root, remove_root);
    tcase_add_loop_test(tc, names_are_checked, 0, COUNT(names));
    tcase_add_loop_test(tc, versions_are_checked, 0, COUNT(versions));
    tcase_add_test(tc, scan_finds_models_sorted_and_the_newest_version);
    tcase_add_loop_test(tc, oddities_are_named_and_stop_nothing, 0, COUNT(oddities));
    tcase_add_test(tc, modes_forbid);
    tcase_add_test(tc, ten_thousand_versions_cost_one_look);
    tcase_add_loop_test(tc, config_decides_versions_or_is_refused, 0, COUNT(configs));
    tcase_add_test(tc, a_change_changes_the_stamp);
    tcase_add_test(tc, one_model_is_looked_at_alone);
    tcase_add_test(tc, a_root_that_is_gone_is_an_error);
    tcase_add_test(tc, one_file_is_a_repository_of_one_model);
    suite_add_tcase(suite, tc);
    return suite;
}
