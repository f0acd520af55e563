/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/router.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes one parameter from *path up to '/', ':' or the end, and moves *path there. */
static bool take_param(const char **path, char *text)
{
    size_t used = 0;
    const char *at = *path;

    while (*at != '\0' && *at != '/' && *at != ':') {
        int byte = (unsigned char)*at;

        if (*at == '%') {
            int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);

            if (low < 0)
                return false;
            byte = high * 16 + low;
            at += 2;
        }
        if (byte < 0x20 || byte == 0x7f || byte == '/' || used + 1 == ROUTE_PARAM_BYTES_MAX)
            return false;
        text[used++] = (char)byte;
        at++;
    }
    text[used] = '\0';
    *path = at;
    return used > 0;
}

static bool match_path(const char *template, const char *path, struct route_match *match)
{
    match->n_params = 0;
    while (*template != '\0') {
        const char *end;

        if (*template != '{') {
            if (*template++ != *path++)
                return false;
            continue;
        }
        end = strchr(template, '}');
        if (end == NULL || match->n_params == ROUTE_PARAMS_MAX ||
            !take_param(&path, match->params[match->n_params].text))
            return false;
        match->params[match->n_params].name = template + 1;
        match->params[match->n_params].name_length = (size_t)(end - template - 1);
        match->n_params++;
        template = end + 1;
    }
    return *path == '\0';
}

static bool is_method(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void add_allowed(struct route_match *match, const char *method)
{
    size_t used = strlen(match->allow), length = strlen(method);

    if (strstr(match->allow, method) != NULL || used + length + 3 > sizeof(match->allow))
        return;
    if (used > 0) {
        memcpy(match->allow + used, ", ", 2);
        used += 2;
    }
    memcpy(match->allow + used, method, length + 1);
}

int router_match(const struct route *table, const char *method, const char *path,
                 struct route_match *match)
{
    match->route = NULL;
    match->n_params = 0;
    match->allow[0] = '\0';
    for (const struct route *route = table; route->method != NULL; route++) {
        if (is_method(route, method) && match_path(route->path, path, match)) {
            match->route = route;
            return 200;
        }
    }
    for (const struct route *route = table; route->method != NULL; route++) {
        if (!match_path(route->path, path, match))
            continue;
        add_allowed(match, route->method);
        if (strcmp(route->method, "GET") == 0)
            add_allowed(match, "HEAD");
    }
    match->n_params = 0;
    return match->allow[0] != '\0' ? 405 : 404;
}
