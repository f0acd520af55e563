/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/raw_header.h"

#include <string.h>

bool raw_header_is_known(const char *mhd_version)
{
    static const char *const known[] = {"0.9.75", "0.9.76", "0.9.77"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(mhd_version, known[i]) == 0)
            return true;
    return false;
}

bool raw_header_check(const struct gate_request *request, size_t *ret_bytes,
                      struct problem *problem)
{
    const char *end = request->method + strlen(request->method);

    if (request->uri != end + 1 || request->version != request->uri + request->uri_length + 1)
        return problem_set(problem, 400, "bad_request_line", "request line is malformed");
    end = request->version + strlen(request->version);
    for (int i = 0; i < request->n_headers; i++) {
        if (request->headers[i].name != end + 2)
            return problem_set(problem, 400, "bad_header",
                               "header lines must end with CR LF and hold neither NUL nor folds");
        end = request->headers[i].value + request->headers[i].value_length;
    }
    /* After the last line's end comes the empty line's, and all four bytes are NUL by now. */
    if (memcmp(end, "\0\0\0", 4) != 0)
        return problem_set(problem, 400, "bad_header",
                           "header lines must end with CR LF and hold neither NUL nor folds");
    *ret_bytes = (size_t)(end - request->method) + 2;
    return true;
}
