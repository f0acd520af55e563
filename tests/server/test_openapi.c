/* SPDX-License-Identifier: Apache-2.0
 * The contract and the route table say the same: every route is in openapi.yaml, and nothing else. */
#include "server/http/router.h"
#include "tests/support/run_suite.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { OPERATIONS_MAX = 256 };

static struct operation {
    char path[200], method[8];
} operations[OPERATIONS_MAX];
static int n_operations;

/* Paths stand two columns in, methods four, beneath "paths:". */
static void read_contract(void)
{
    FILE *file = fopen(OPENAPI_PATH, "r");
    char line[1024], path[200] = "";
    bool in_paths = false;

    ck_assert_msg(file != NULL, "%s cannot be read", OPENAPI_PATH);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (isalpha((unsigned char)line[0]))
            in_paths = strcmp(line, "paths:") == 0;
        if (!in_paths)
            continue;
        if (strncmp(line, "  /", 3) == 0 && line[strlen(line) - 1] == ':')
            snprintf(path, sizeof(path), "%.*s", (int)strlen(line) - 3, line + 2);
        else if (strcmp(line, "    get:") == 0 || strcmp(line, "    post:") == 0 ||
                 strcmp(line, "    put:") == 0 || strcmp(line, "    delete:") == 0) {
            ck_assert_int_lt(n_operations, OPERATIONS_MAX);
            snprintf(operations[n_operations].path, sizeof(path), "%s", path);
            snprintf(operations[n_operations].method, sizeof(operations[0].method), "%.*s",
                     (int)strlen(line) - 5, line + 4);
            n_operations++;
        }
    }
    fclose(file);
    ck_assert_int_gt(n_operations, 0);
}

START_TEST(every_route_is_in_the_contract)
{
    const struct route *route;
    int i;

    read_contract();
    for (route = routes; route->method != NULL; route++) {
        for (i = 0; i < n_operations; i++)
            if (strcasecmp(operations[i].method, route->method) == 0 &&
                strcmp(operations[i].path, route->path) == 0)
                break;
        ck_assert_msg(i < n_operations, "%s %s is not in openapi.yaml", route->method, route->path);
    }
}
END_TEST

START_TEST(the_contract_has_no_other_routes)
{
    const struct route *route;
    int i;

    read_contract();
    for (i = 0; i < n_operations; i++) {
        for (route = routes; route->method != NULL; route++)
            if (strcasecmp(operations[i].method, route->method) == 0 &&
                strcmp(operations[i].path, route->path) == 0)
                break;
        ck_assert_msg(route->method != NULL, "%s %s is no route", operations[i].method,
                      operations[i].path);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("openapi");
    TCase *tc = tcase_create("openapi");

    tcase_add_test(tc, every_route_is_in_the_contract);
    tcase_add_test(tc, the_contract_has_no_other_routes);
    suite_add_tcase(suite, tc);
    return suite;
}
