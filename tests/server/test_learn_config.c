/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/model_config.h"
#include "tests/support/run_suite.h"

#include <string.h>

static const struct {
    const char *text, *error; /* NULL: good */
} rows[] = {
    {"{}", NULL},
    {"{\"training\":{}}", NULL},
    {"{\"training\":{\"learning_rate\":0.5,\"optimiser\":\"adam\",\"loss\":\"ce\"}}", NULL},
    {"{\"training\":5}", "training must be an object"},
    {"{\"training\":{\"lr\":1}}", "unknown key 'training.lr'"},
    {"{\"training\":{\"learning_rate\":0}}", "training.learning_rate must be a number from"},
    {"{\"training\":{\"learning_rate\":\"x\"}}", "training.learning_rate must be a number from"},
    {"{\"training\":{\"learning_rate\":2}}", "at most training.learning_rate_max"},
    {"{\"training\":{\"examples_max\":1.5}}", "training.examples_max must be an integer from"},
    {"{\"training\":{\"enabled\":1}}", "training.enabled must be true or false"},
    {"{\"training\":{\"optimiser\":\"newton\"}}", "training.optimiser must be one of"},
    {"{\"training\":{\"loss\":\"\\u00e9\"}}", "training.loss must be one of"},
    {"{\"training\":{\"loss\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}",
     "training.loss must be a name"},
    {"{\"training\":{\"drift_reference\":100}}", NULL},
    {"{\"training\":{\"drift_reference\":99}}", "drift_reference must be 0 or at least 100"},
    {"{\"training\":{\"publish_every\":8,\"publish_ms\":100}}", NULL},
    {"{\"training\":{\"publish_every\":0,\"publish_ms\":100}}", NULL},
    {"{\"training\":{\"publish_every\":0}}", "publish_every must be 1 or more where"},
    {"{\"training\":{\"publish_ms\":100}}", "publish_every must be 0 or more than 1 where"},
    {"{\"training\":{\"momentum\":1}}", "training.momentum must be a number from 0 to 0.9999"},
};

START_TEST(test_row)
{
    struct model_config config;
    struct engine_error err = {0};
    bool good = model_config_parse(rows[_i].text, strlen(rows[_i].text), &config, &err);

    ck_assert_msg(good == (rows[_i].error == NULL), "%s: '%s'", rows[_i].text, err.text);
    if (!good)
        ck_assert_msg(strstr(err.text, rows[_i].error) != NULL, "%s: '%s'", rows[_i].text,
                      err.text);
}
END_TEST

START_TEST(test_values)
{
    static const char text[] =
        "{\"training\":{\"learns\":\"fc*\",\"clip_norm\":0,\"seed\":7,\"enabled\":false}}";
    struct model_config config;
    struct engine_error err = {0};

    ck_assert(model_config_parse("{}", 2, &config, &err));
    ck_assert(config.training.enabled);
    ck_assert_double_eq(config.training.learning_rate, 0.01);
    ck_assert_double_eq(config.training.clip_norm, 5);
    ck_assert(model_config_parse(text, strlen(text), &config, &err));
    ck_assert(!config.training.enabled);
    ck_assert_str_eq(config.training.learns, "fc*");
    ck_assert_double_eq(config.training.clip_norm, 0);
    ck_assert_int_eq(config.training.seed, 7);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("learn_config");
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, test_row, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tests, test_values);
    suite_add_tcase(suite, tests);
    return suite;
}
