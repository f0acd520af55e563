/* SPDX-License-Identifier: Apache-2.0
 * The gate on requests as libmicrohttpd would hand them over. Numbers are rows of the list of hard
 * cases; what goes through libmicrohttpd itself is in tests/http/. */
#include "server/http/gate.h"
#include "server/http/raw_header.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

static const struct gate_limits limits = {1024, 8, 1000, 0};

#define H {"Host", "h"}

/* status 0: accepted. */
static const struct {
    const char *name, *method, *uri, *version;
    const char *headers[12][2];
    int status;
} rows[] = {
    {"plain", "GET", "/", "HTTP/1.1", {H}, 0},
    {"1 CL and TE", "POST", "/", "HTTP/1.1",
     {H, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, 400},
    {"2 TE and CL", "POST", "/", "HTTP/1.1",
     {H, {"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}, 400},
    {"3 equal CLs", "POST", "/", "HTTP/1.1",
     {H, {"Content-Length", "5"}, {"Content-Length", "5"}}, 400},
    {"4 unlike CLs", "POST", "/", "HTTP/1.1",
     {H, {"Content-Length", "5"}, {"content-length", "0"}}, 400},
    {"5 list", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "5, 5"}}, 400},
    {"6 plus", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "+5"}}, 400},
    {"7 minus", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "-5"}}, 400},
    {"8 hex", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "0x5"}}, 400},
    {"9 letter", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "5Z"}}, 400},
    {"10 empty CL", "POST", "/", "HTTP/1.1", {H, {"Content-Length", ""}}, 400},
    {"11 2^64", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "18446744073709551616"}}, 413},
    {"12 2^64-1", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "18446744073709551615"}}, 413},
    {"at the limit", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "1000"}}, 0},
    {"over the limit", "POST", "/", "HTTP/1.1", {H, {"Content-Length", "1001"}}, 413},
    {"13 blank before colon", "POST", "/", "HTTP/1.1", {H, {"Content-Length ", "5"}}, 400},
    {"14 identity", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", "identity"}}, 501},
    {"14 xchunked", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", "xchunked"}}, 501},
    {"15 gzip, chunked", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", "gzip, chunked"}}, 400},
    {"16 TE twice", "POST", "/", "HTTP/1.1",
     {H, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, 400},
    {"17 comma", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", ",chunked"}}, 400},
    {"17 vertical tab", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", "\x0b" "chunked"}}, 400},
    {"chunked", "POST", "/", "HTTP/1.1", {H, {"Transfer-Encoding", "Chunked"}}, 0},
    {"18 TE in 1.0", "POST", "/", "HTTP/1.0", {H, {"Transfer-Encoding", "chunked"}}, 400},
    {"24 no Host", "GET", "/", "HTTP/1.1", {{"Accept", "*/*"}}, 400},
    {"no Host in 1.0", "GET", "/", "HTTP/1.0", {{"Accept", "*/*"}}, 0},
    {"25 two Hosts", "GET", "/", "HTTP/1.1", {H, {"HOST", "h"}}, 400},
    {"26 Host with path and user", "GET", "/", "HTTP/1.1", {{"Host", "a/b@c"}}, 400},
    {"Host with two ports", "GET", "/", "HTTP/1.1", {{"Host", "h:1:2"}}, 400},
    {"Host v6", "GET", "/", "HTTP/1.1", {{"Host", "[::1]:80"}}, 0},
    {"Host v6 open", "GET", "/", "HTTP/1.1", {{"Host", "[::1"}}, 400},
    {"27 CR in value", "GET", "/", "HTTP/1.1", {H, {"A", "b\rc"}}, 400},
    {"27 DEL in value", "GET", "/", "HTTP/1.1", {H, {"A", "b\x7f"}}, 400},
    {"high bit in value", "GET", "/", "HTTP/1.1", {H, {"A", "b\xe9"}}, 0},
    {"28 high bit in name", "GET", "/", "HTTP/1.1", {H, {"A\xe9", "b"}}, 400},
    {"28 blank in name", "GET", "/", "HTTP/1.1", {H, {"A b", "c"}}, 400},
    {"empty name", "GET", "/", "HTTP/1.1", {H, {"", "c"}}, 400},
    {"32 %00", "GET", "/a%00", "HTTP/1.1", {H}, 400},
    {"32 backslash", "GET", "/a\\b", "HTTP/1.1", {H}, 400},
    {"bad escape", "GET", "/a%4", "HTTP/1.1", {H}, 400},
    {"bad escape in query", "GET", "/a?b=%zz", "HTTP/1.1", {H}, 400},
    {"high bit in URL", "GET", "/\xc3\xa9", "HTTP/1.1", {H}, 400},
    {"fragment", "GET", "/a#b", "HTTP/1.1", {H}, 400},
    {"no slash", "GET", "a", "HTTP/1.1", {H}, 400},
    {"empty URL", "GET", "", "HTTP/1.1", {H}, 400},
    {"absolute-form", "GET", "http://h:80/a?b", "HTTP/1.1", {H}, 0},
    {"absolute-form without path", "GET", "http://h", "HTTP/1.1", {H}, 0},
    {"absolute-form without host", "GET", "http:///a", "HTTP/1.1", {H}, 400},
    {"absolute-form with user", "GET", "http://u@h/a", "HTTP/1.1", {H}, 400},
    {"star", "OPTIONS", "*", "HTTP/1.1", {H}, 0},
    {"star with GET", "GET", "*", "HTTP/1.1", {H}, 400},
    {"34 nine fields", "GET", "/", "HTTP/1.1",
     {H, {"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}, {"e", ""}, {"f", ""}, {"g", ""}, {"h", ""}}, 431},
    {"35 lower case", "get", "/", "HTTP/1.1", {H}, 501},
    {"35 unknown", "BREW", "/", "HTTP/1.1", {H}, 501},
    {"35 G=", "G=", "/", "HTTP/1.1", {H}, 501},
    {"36 HTTP/9.9", "GET", "/", "HTTP/9.9", {H}, 505},
    {"36 HTTP/1.1x", "GET", "/", "HTTP/1.1x", {H}, 505},
    {"36 no version", "GET", "/", "", {H}, 505},
    {"two types", "POST", "/", "HTTP/1.1",
     {H, {"Content-Type", "application/json"}, {"Content-Type", "text/plain"}}, 400},
    {"49 TRACE", "TRACE", "/", "HTTP/1.1", {H}, 501},
    {"49 CONNECT", "CONNECT", "h:80", "HTTP/1.1", {H}, 501},
};

static int fill(struct gate_request *request, struct gate_header *headers,
                const char *const (*pairs)[2])
{
    request->n_headers = 0;
    request->headers = headers;
    while (request->n_headers < 12 && pairs[request->n_headers][0] != NULL) {
        const char *const *pair = pairs[request->n_headers];

        headers[request->n_headers++] =
            (struct gate_header){pair[0], pair[1], strlen(pair[0]), strlen(pair[1])};
    }
    return request->n_headers;
}

START_TEST(a_request_is_judged)
{
    struct gate_header headers[12];
    struct gate_request request = {.method = rows[_i].method, .uri = rows[_i].uri,
                                   .version = rows[_i].version,
                                   .uri_length = strlen(rows[_i].uri)};
    struct gate_verdict verdict;
    struct problem problem = {0};
    bool accepted;

    fill(&request, headers, rows[_i].headers);
    accepted = gate_check(&request, &limits, &verdict, &problem);
    ck_assert_msg(problem.status == rows[_i].status, "%s: %d %s", rows[_i].name, problem.status,
                  problem.text);
    ck_assert_msg(accepted == (rows[_i].status == 0), "%s", rows[_i].name);
}
END_TEST

static const struct {
    const char *name;
    const char *headers[12][2];
    enum route_body body;
    int status;
} bodies[] = {
    {"JSON", {H, {"Content-Length", "2"}, {"Content-Type", "application/json"}}, BODY_JSON, 0},
    {"JSON with charset", {H, {"Content-Length", "2"},
                           {"Content-Type", "Application/JSON; charset=utf-8"}}, BODY_JSON, 0},
    {"+json", {H, {"Content-Length", "2"}, {"Content-Type", "application/x+json"}}, BODY_JSON, 0},
    {"no type", {H, {"Content-Length", "2"}}, BODY_JSON, 0},
    {"curl's default", {H, {"Content-Length", "2"},
                        {"Content-Type", "application/x-www-form-urlencoded"}}, BODY_JSON, 0},
    {"48 XML", {H, {"Content-Length", "2"}, {"Content-Type", "text/xml"}}, BODY_JSON, 415},
    {"48 octets for JSON", {H, {"Content-Length", "2"},
                            {"Content-Type", "application/octet-stream"}}, BODY_JSON, 415},
    {"octets", {H, {"Content-Length", "2"}, {"Content-Type", "application/octet-stream"}},
     BODY_TENSOR, 0},
    {"47 gzip", {H, {"Content-Length", "2"}, {"Content-Encoding", "gzip"}}, BODY_JSON, 415},
    {"identity", {H, {"Content-Length", "2"}, {"Content-Encoding", "identity"}}, BODY_JSON, 0},
    {"46 Expect", {H, {"Content-Length", "2"}, {"Expect", "100-Continue"}}, BODY_JSON, 0},
    {"46 unknown Expect", {H, {"Content-Length", "2"}, {"Expect", "tea"}}, BODY_JSON, 417},
    {"46 unknown Expect, no body", {H, {"Expect", "tea"}}, BODY_NONE, 417},
    {"body where none is", {H, {"Content-Length", "2"}}, BODY_NONE, 400},
    {"chunked where none is", {H, {"Transfer-Encoding", "chunked"}}, BODY_NONE, 400},
    {"empty body where none is", {H, {"Content-Length", "0"}}, BODY_NONE, 0},
    {"11 too large for memory", {H, {"Content-Length", "4000"}}, BODY_JSON, 413},
    {"a file of any type", {H, {"Content-Length", "4000"}, {"Content-Type", "text/csv"}}, BODY_FILE, 0},
    {"type without body", {H, {"Content-Type", "text/xml"}}, BODY_JSON, 0},
};

START_TEST(a_body_is_judged)
{
    struct gate_header headers[12];
    struct gate_request request = {.method = "POST", .uri = "/", .version = "HTTP/1.1",
                                   .uri_length = 1};
    const struct gate_limits wide = {1024, 8, 1000, 5000};
    struct gate_verdict verdict;
    struct problem problem = {0};

    fill(&request, headers, bodies[_i].headers);
    ck_assert_msg(gate_check(&request, &wide, &verdict, &problem), "%s: %s", bodies[_i].name,
                  problem.text);
    gate_check_body(&verdict, bodies[_i].body, &wide, &problem);
    ck_assert_msg(problem.status == bodies[_i].status, "%s: %d %s", bodies[_i].name, problem.status,
                  problem.text);
}
END_TEST

START_TEST(the_path_is_cut_out)
{
    static const char *const forms[][2] = {{"/a", "/a"}, {"http://h/a", "/a"},
                                           {"HTTPS://h:1/a", "/a"}, {"http://h", "/"}};
    struct gate_header host = {"Host", "h", 4, 1};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct gate_request request = {"GET", forms[i][0], "HTTP/1.1", strlen(forms[i][0]), &host, 1,
                                       0};
        struct gate_verdict verdict;
        struct problem problem = {0};

        ck_assert_msg(gate_check(&request, &limits, &verdict, &problem), "%s", forms[i][0]);
        ck_assert_str_eq(verdict.path, forms[i][1]);
    }
}
END_TEST

START_TEST(a_long_url_or_header_is_refused)
{
    static char uri[GATE_URI_BYTES_MAX + 2] = "/";
    struct gate_header host = {"Host", "h", 4, 1};
    struct gate_request request = {"GET", uri, "HTTP/1.1", 0, &host, 1, 1025};
    struct gate_verdict verdict;
    struct problem problem = {0};

    memset(uri + 1, 'a', GATE_URI_BYTES_MAX);
    request.uri_length = strlen(uri);
    ck_assert(!gate_check(&request, &limits, &verdict, &problem));
    ck_assert_int_eq(problem.status, 414);
    problem.status = 0;
    request.uri = "/";
    request.uri_length = 1;
    ck_assert(!gate_check(&request, &limits, &verdict, &problem));
    ck_assert_int_eq(problem.status, 431);
}
END_TEST

/* The receive buffer of libmicrohttpd after it has cut a header up: '~' stands for NUL. */
static const struct {
    const char *name, *buffer;
    int uri_at, version_at;
    int headers[3][2];                   /* where names and values begin */
    bool good;
} layouts[] = {
    {"sound", "GET~/~HTTP/1.1~~Host~ h~~A~b~~~~", 4, 6, {{16, 22}, {25, 27}}, true},
    {"empty value", "GET~/~HTTP/1.1~~Host~~~A~b~~~~", 4, 6, {{16, 21}, {23, 25}}, true},
    {"bare LF after the request line", "GET~/~HTTP/1.1~Host~ h~~A~b~~~~", 4, 6,
     {{15, 21}, {24, 26}}, false},
    {"bare LF after a field", "GET~/~HTTP/1.1~~Host~ h~A~b~~~~", 4, 6, {{16, 22}, {24, 26}}, false},
    {"NUL in a value", "GET~/~HTTP/1.1~~Host~ h~x~~A~b~~~~", 4, 6, {{16, 22}, {27, 29}}, false},
    {"NUL in the URL", "GET~/~x~HTTP/1.1~~Host~ h~~A~b~~~~", 4, 8, {{18, 24}, {27, 29}}, false},
    {"two blanks", "GET~ /~HTTP/1.1~~Host~ h~~A~b~~~~", 5, 7, {{17, 23}, {26, 28}}, false},
    {"NUL in the last value", "GET~/~HTTP/1.1~~Host~ h~~A~b~c~~~~", 4, 6, {{16, 22}, {25, 27}}, false},
    {"the last field is hidden", "GET~/~HTTP/1.1~~Host~ h~~A~b~~~x~~~~", 4, 6, {{16, 22}, {25, 27}},
     false},
    {"bare LF after the last field", "GET~/~HTTP/1.1~~Host~ h~~A~b~~~x", 4, 6, {{16, 22}, {25, 27}},
     false},
    {"a field is hidden", "GET~/~HTTP/1.1~~Host~ h~~:x~~A~b~~~~", 4, 6, {{16, 22}, {29, 31}}, false},
};

START_TEST(what_is_hidden_is_seen)
{
    char buffer[128];
    struct gate_header headers[2];
    struct gate_request request = {.method = buffer, .headers = headers, .n_headers = 2};
    struct problem problem = {0};
    size_t bytes = 0;

    snprintf(buffer, sizeof(buffer), "%s", layouts[_i].buffer);
    for (char *at = buffer; (at = strchr(at, '~')) != NULL; at++)
        *at = '\0';
    request.uri = buffer + layouts[_i].uri_at;
    request.uri_length = strlen(request.uri);
    request.version = buffer + layouts[_i].version_at;
    for (int i = 0; i < 2; i++) {
        headers[i].name = buffer + layouts[_i].headers[i][0];
        headers[i].name_length = strlen(headers[i].name);
        headers[i].value = buffer + layouts[_i].headers[i][1];
        headers[i].value_length = strlen(headers[i].value);
    }
    ck_assert_msg(raw_header_check(&request, &bytes, &problem) == layouts[_i].good, "%s",
                  layouts[_i].name);
    if (layouts[_i].good)
        ck_assert_msg(bytes == strlen(layouts[_i].buffer) - 2, "%s: %zu", layouts[_i].name, bytes);
    else
        ck_assert_int_eq(problem.status, 400);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_add_loop_test(tc, a_request_is_judged, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, a_body_is_judged, 0, sizeof(bodies) / sizeof(bodies[0]));
    tcase_add_test(tc, the_path_is_cut_out);
    tcase_add_test(tc, a_long_url_or_header_is_refused);
    tcase_add_loop_test(tc, what_is_hidden_is_seen, 0, sizeof(layouts) / sizeof(layouts[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
