/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/router.h"
#include "tests/support/run_suite.h"

#include <string.h>

static void nothing(struct exchange *exchange, struct services *services)
{
    (void)exchange;
    (void)services;
}

static const struct route table[] = {
    {"GET", "/", SCOPE_OPEN, BODY_NONE, nothing, ""},
    {"GET", "/v2/models/{model}", SCOPE_OPEN, BODY_NONE, nothing, ""},
    {"POST", "/v2/models/{model}/infer", SCOPE_PREDICT, BODY_TENSOR, nothing, ""},
    {"POST", "/v2/models/{model}/versions/{version}/infer", SCOPE_PREDICT, BODY_TENSOR, nothing, ""},
    {"GET", "/v1/models/{model}", SCOPE_OPEN, BODY_NONE, nothing, ""},
    {"PUT", "/v1/models/{model}", SCOPE_ADMIN, BODY_JSON, nothing, ""},
    {"POST", "/v1/models/{model}:predict", SCOPE_PREDICT, BODY_JSON, nothing, ""},
    {"POST", "/v1/models/{model}/versions/{version}:predict", SCOPE_PREDICT, BODY_JSON, nothing, ""},
    {0},
};

/* `found` is the template for 200, the Allow list for 405. */
static const struct {
    const char *method, *path;
    int status;
    const char *found, *model, *version;
} rows[] = {
    {"GET", "/", 200, "/", NULL, NULL},
    {"HEAD", "/", 200, "/", NULL, NULL},
    {"POST", "/", 405, "GET, HEAD", NULL, NULL},
    {"GET", "", 404, NULL, NULL, NULL},
    {"GET", "//", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a", 200, "/v2/models/{model}", "a", NULL},
    {"GET", "/v2/models/a/", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/", 404, NULL, NULL, NULL},
    {"GET", "/v2//models/a", 404, NULL, NULL, NULL},
    {"GET", "/V2/models/a", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/%61%2Db", 200, "/v2/models/{model}", "a-b", NULL},
    {"GET", "/v2/models/%2561", 200, "/v2/models/{model}", "%61", NULL},
    {"GET", "/v2/models/a%2fb", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/%2e%2e%2f", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%00b", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%0ab", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%7f", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%4", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/a%4g", 404, NULL, NULL, NULL},
    {"GET", "/v2/models/%c0%af", 200, "/v2/models/{model}", "\xc0\xaf", NULL},
    {"POST", "/v2/models/m/infer", 200, "/v2/models/{model}/infer", "m", NULL},
    {"GET", "/v2/models/m/infer", 405, "POST", NULL, NULL},
    {"post", "/v2/models/m/infer", 405, "POST", NULL, NULL},
    {"POST", "/v2/models/m/inferx", 404, NULL, NULL, NULL},
    {"POST", "/v2/models/m/versions/7/infer", 200, "/v2/models/{model}/versions/{version}/infer",
     "m", "7"},
    {"POST", "/v1/models/m:predict", 200, "/v1/models/{model}:predict", "m", NULL},
    {"POST", "/v1/models/m:other", 404, NULL, NULL, NULL},
    {"POST", "/v1/models/m%3apredict:predict", 200, "/v1/models/{model}:predict", "m:predict", NULL},
    {"GET", "/v1/models/m:predict", 405, "POST", NULL, NULL},
    {"DELETE", "/v1/models/m", 405, "GET, HEAD, PUT", NULL, NULL},
    {"OPTIONS", "/v1/models/m", 405, "GET, HEAD, PUT", NULL, NULL},
    {"POST", "/v1/models/m/versions/3:predict", 200,
     "/v1/models/{model}/versions/{version}:predict", "m", "3"},
};

static const char *param(const struct route_match *match, const char *name)
{
    for (int i = 0; i < match->n_params; i++)
        if (match->params[i].name_length == strlen(name) &&
            memcmp(match->params[i].name, name, strlen(name)) == 0)
            return match->params[i].text;
    return NULL;
}

START_TEST(a_path_finds_its_route)
{
    struct route_match match;
    int status = router_match(table, rows[_i].method, rows[_i].path, &match);

    ck_assert_msg(status == rows[_i].status, "%s %s: %d", rows[_i].method, rows[_i].path, status);
    if (status == 405)
        ck_assert_str_eq(match.allow, rows[_i].found);
    if (status != 200)
        return;
    ck_assert_str_eq(match.route->path, rows[_i].found);
    ck_assert_pstr_eq(param(&match, "model"), rows[_i].model);
    ck_assert_pstr_eq(param(&match, "version"), rows[_i].version);
}
END_TEST

START_TEST(a_long_parameter_is_refused)
{
    char path[ROUTE_PARAM_BYTES_MAX + 32] = "/v2/models/";
    size_t start = strlen(path);
    struct route_match match;

    memset(path + start, 'a', ROUTE_PARAM_BYTES_MAX - 1);
    ck_assert_int_eq(router_match(table, "GET", path, &match), 200);
    ck_assert_str_eq(match.params[0].text, path + start);
    path[start + ROUTE_PARAM_BYTES_MAX - 1] = 'a';
    ck_assert_int_eq(router_match(table, "GET", path, &match), 404);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("router");
    TCase *tc = tcase_create("router");

    tcase_add_loop_test(tc, a_path_finds_its_route, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tc, a_long_parameter_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
