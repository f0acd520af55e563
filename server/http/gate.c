/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/gate.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((unsigned)(c | 0x20) - 'a' < 26 || (unsigned)c - '0' < 10 || c == '-')
            continue;                    /* almost always */
        if (c == '\0' || strchr("!#$%&'*+.^_`|~", c) == NULL)
            return false;
    }
    return length > 0;
}

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return true;
    return false;
}

static bool is_named(const struct gate_header *header, const char *name)
{
    return strlen(name) == header->name_length &&
           strncasecmp(header->name, name, header->name_length) == 0;
}

/* The value without the blanks at its end, compared without regard to case. */
static bool is_value(const struct gate_header *header, const char *value)
{
    size_t length = header->value_length;

    while (length > 0 && (header->value[length - 1] == ' ' || header->value[length - 1] == '\t'))
        length--;
    return strlen(value) == length && strncasecmp(header->value, value, length) == 0;
}

/* uri-host [":" port], without userinfo, path or blanks; empty is allowed. */
static bool is_authority(const char *text, size_t length)
{
    size_t at = 0;

    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);

        if (end == NULL)
            return false;
        for (at = 1; at < (size_t)(end - text); at++)
            if (!isxdigit((unsigned char)text[at]) && text[at] != ':' && text[at] != '.')
                return false;
        at++;
    } else {
        while (at < length && text[at] != ':' &&
               (isalnum((unsigned char)text[at]) ||
                (text[at] != '\0' && strchr("-._~%!$&'()*+,;=", text[at]) != NULL)))
            at++;
    }
    if (at == length)
        return true;
    if (text[at++] != ':')
        return false;
    while (at < length && isdigit((unsigned char)text[at]))
        at++;
    return at == length;
}

static enum gate_media media_of(const struct gate_header *header)
{
    static const struct {
        const char *type;
        enum gate_media media;
    } types[] = {{"application/json", MEDIA_JSON},
                 {"application/octet-stream", MEDIA_OCTETS},
                 {"application/x-www-form-urlencoded", MEDIA_FORM}};
    size_t length = 0;

    while (length < header->value_length && header->value[length] != ';' &&
           header->value[length] != ' ' && header->value[length] != '\t')
        length++;
    if (length == 0)
        return MEDIA_ABSENT;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strlen(types[i].type) == length && strncasecmp(header->value, types[i].type, length) == 0)
            return types[i].media;
    return length > 5 && strncasecmp(header->value + length - 5, "+json", 5) == 0 ? MEDIA_JSON
                                                                                 : MEDIA_OTHER;
}

/* All digits; false (413) when it does not fit, for then it is over any limit. */
static bool read_length(const struct gate_header *header, uint64_t *ret_length,
                        struct problem *problem)
{
    uint64_t value = 0;

    if (header->value_length == 0)
        return problem_set(problem, 400, "bad_framing", "Content-Length is empty");
    for (size_t i = 0; i < header->value_length; i++) {
        if (!isdigit((unsigned char)header->value[i]))
            return problem_set(problem, 400, "bad_framing",
                               "Content-Length is not one whole number");
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(header->value[i] - '0'), &value))
            return problem_set(problem, 413, "body_too_large", "Content-Length is too large");
    }
    *ret_length = value;
    return true;
}

/* Behind the path libmicrohttpd has put NUL in the place of '?', '&' and '=' already. */
static bool check_uri(const struct gate_request *request, struct problem *problem)
{
    const char *uri = request->uri;
    bool query = false;

    if (request->uri_length > GATE_URI_BYTES_MAX)
        return problem_set(problem, 414, "uri_too_long", "URL is longer than %d bytes",
                           GATE_URI_BYTES_MAX);
    for (size_t i = 0; i < request->uri_length; i++) {
        unsigned char c = (unsigned char)uri[i];

        query = query || c == '\0' || c == '?';
        if (query && c == '\0')
            continue;
        if (c <= ' ' || c >= 0x7f || c == '#' || c == '\\')
            return problem_set(problem, 400, "bad_uri", "URL holds a character that it may not");
        if (c == '%' && (!isxdigit((unsigned char)uri[i + 1]) ||
                         !isxdigit((unsigned char)uri[i + 2]) ||
                         (uri[i + 1] == '0' && uri[i + 2] == '0')))
            return problem_set(problem, 400, "bad_uri", "URL holds a bad percent escape");
    }
    return true;
}

/* origin-form, absolute-form, or "*" for OPTIONS. */
static bool find_path(const struct gate_request *request, const char **ret_path,
                      struct problem *problem)
{
    const char *uri = request->uri, *authority;
    size_t length;

    *ret_path = uri;
    if (uri[0] == '/' || (strcmp(uri, "*") == 0 && strcmp(request->method, "OPTIONS") == 0))
        return true;
    if (strncasecmp(uri, "http://", 7) == 0)
        authority = uri + 7;
    else if (strncasecmp(uri, "https://", 8) == 0)
        authority = uri + 8;
    else
        return problem_set(problem, 400, "bad_uri", "URL must begin with '/'");
    length = strcspn(authority, "/?");
    if (length == 0 || !is_authority(authority, length))
        return problem_set(problem, 400, "bad_uri", "URL names a bad host");
    *ret_path = authority[length] == '/' ? authority + length : "/";
    return true;
}

static bool check_line(const struct gate_request *request, struct problem *problem)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

    if (strcmp(request->version, "HTTP/1.1") != 0 && strcmp(request->version, "HTTP/1.0") != 0)
        return problem_set(problem, 505, "bad_version", "HTTP version must be 1.0 or 1.1");
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(request->method, methods[i]) == 0)
            return true;
    return problem_set(problem, 501, "unknown_method", "method '%.32s' is not known here",
                       request->method);
}

/* How often each field came whose number matters. */
struct counts {
    int host, length, coding, type;
};

static bool check_field(const struct gate_header *header, struct gate_verdict *verdict,
                        struct counts *counts, struct problem *problem)
{
    if (!is_token(header->name, header->name_length))
        return problem_set(problem, 400, "bad_header", "a header name holds a bad character");
    if (has_control(header->value, header->value_length))
        return problem_set(problem, 400, "bad_header", "a header value holds a control character");
    if (is_named(header, "Host")) {
        if (counts->host++ > 0 || !is_authority(header->value, header->value_length))
            return problem_set(problem, 400, "bad_header", "Host is not one host name");
    } else if (is_named(header, "Content-Length")) {
        if (counts->length++ > 0)
            return problem_set(problem, 400, "bad_framing", "more than one Content-Length");
        verdict->has_length = true;
        return read_length(header, &verdict->content_length, problem);
    } else if (is_named(header, "Transfer-Encoding")) {
        if (counts->coding++ > 0)
            return problem_set(problem, 400, "bad_framing", "more than one Transfer-Encoding");
        verdict->chunked = is_value(header, "chunked");
        if (!verdict->chunked)
            return problem_set(problem, is_token(header->value, header->value_length) ? 501 : 400,
                               "bad_framing", "Transfer-Encoding can only be chunked");
    } else if (is_named(header, "Content-Type")) {
        if (counts->type++ > 0)
            return problem_set(problem, 400, "bad_header", "more than one Content-Type");
        verdict->media = media_of(header);
    } else if (is_named(header, "Content-Encoding")) {
        verdict->encoded |= !is_value(header, "identity") && header->value_length > 0;
    } else if (is_named(header, "Expect")) {
        verdict->expects_continue = is_value(header, "100-continue");
        verdict->expectation_unknown |= !verdict->expects_continue;
    }
    return true;
}

static bool check_length(const struct gate_verdict *verdict, uint64_t bytes_max,
                         struct problem *problem)
{
    if (verdict->content_length <= bytes_max)
        return true;
    return problem_set(problem, 413, "body_too_large",
                       "body of %llu bytes is larger than the limit of %llu",
                       (unsigned long long)verdict->content_length, (unsigned long long)bytes_max);
}

bool gate_check(const struct gate_request *request, const struct gate_limits *limits,
                struct gate_verdict *ret_verdict, struct problem *problem)
{
    struct counts counts = {0};
    struct gate_verdict verdict = {.path = request->uri};

    if (!check_uri(request, problem))
        return false;
    if (request->n_headers > limits->header_count_max)
        return problem_set(problem, 431, "header_too_large", "more than %d header fields",
                           limits->header_count_max);
    if (request->header_bytes > limits->header_bytes_max)
        return problem_set(problem, 431, "header_too_large", "header is longer than %zu bytes",
                           limits->header_bytes_max);
    for (int i = 0; i < request->n_headers; i++)
        if (!check_field(&request->headers[i], &verdict, &counts, problem))
            return false;
    if (!check_line(request, problem) || !find_path(request, &verdict.path, problem))
        return false;
    if (verdict.chunked && verdict.has_length)
        return problem_set(problem, 400, "bad_framing",
                           "Content-Length and Transfer-Encoding exclude each other");
    if (verdict.chunked && strcmp(request->version, "HTTP/1.0") == 0)
        return problem_set(problem, 400, "bad_framing", "HTTP/1.0 has no Transfer-Encoding");
    if (counts.host == 0 && strcmp(request->version, "HTTP/1.1") == 0)
        return problem_set(problem, 400, "bad_header", "Host is missing");
    if (!check_length(&verdict,
                      limits->file_bytes_max > limits->body_bytes_max ? limits->file_bytes_max
                                                                      : limits->body_bytes_max,
                      problem))
        return false;
    *ret_verdict = verdict;
    return true;
}

bool gate_check_body(const struct gate_verdict *verdict, enum route_body body,
                     const struct gate_limits *limits, struct problem *problem)
{
    static const char *const expected[] = {
        [BODY_NONE] = "", [BODY_JSON] = "application/json",
        [BODY_TENSOR] = "application/json or application/octet-stream"};
    bool has_body = verdict->chunked || verdict->content_length > 0;

    if (verdict->expectation_unknown)
        return problem_set(problem, 417, "bad_header", "Expect can only be 100-continue");
    if (!has_body)
        return true;
    if (!check_length(verdict, body == BODY_FILE ? limits->file_bytes_max : limits->body_bytes_max,
                      problem))
        return false;
    if (body == BODY_NONE)
        return problem_set(problem, 400, "unexpected_body", "this route takes no body");
    if (verdict->encoded)
        return problem_set(problem, 415, "bad_media_type",
                           "Content-Encoding is not supported: send the body as it is");
    if (body == BODY_FILE)
        return true;
    if (verdict->media == MEDIA_OTHER || (verdict->media == MEDIA_OCTETS && body != BODY_TENSOR))
        return problem_set(problem, 415, "bad_media_type", "Content-Type must be %s",
                           expected[body]);
    return true;
}
