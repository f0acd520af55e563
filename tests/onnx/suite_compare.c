/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/onnx/suite_compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_container(enum dtype dtype)
{
    return dtype == DTYPE_SEQUENCE || dtype == DTYPE_OPTIONAL;
}

static const char *type_text(enum dtype dtype)
{
    return dtype == DTYPE_SEQUENCE   ? "sequence"
           : dtype == DTYPE_OPTIONAL ? "optional"
                                     : dtype_name(dtype);
}

static bool compare_strings(const struct tensor *actual, const struct tensor *expected, char *text,
                            size_t size)
{
    const struct bytes *a = actual->data, *b = expected->data;

    for (int64_t i = 0; i < shape_elements(&expected->shape); i++) {
        if (a[i].length == b[i].length && memcmp(a[i].data, b[i].data, a[i].length) == 0)
            continue;
        snprintf(text, size, "element %lld is '%.*s', expected '%.*s'", (long long)i,
                 (int)a[i].length, a[i].data, (int)b[i].length, b[i].data);
        return false;
    }
    return true;
}

static bool is_close(double actual, double expected, const struct tolerance *tolerance)
{
    if (isnan(actual) || isnan(expected))
        return isnan(actual) && isnan(expected);
    if (actual == expected)
        return true;
    if (isinf(actual) || isinf(expected))
        return false;
    return fabs(actual - expected) <= tolerance->atol + tolerance->rtol * fabs(expected);
}

static bool compare_numbers(const struct tensor *actual, const struct tensor *expected,
                            const struct tolerance *tolerance, char *text, size_t size)
{
    int64_t elements = shape_elements(&expected->shape), differ = 0, first = 0;

    for (int64_t i = elements - 1; i >= 0; i--) {
        if (is_close(tensor_double_at(actual, i), tensor_double_at(expected, i), tolerance))
            continue;
        differ++;
        first = i;
    }
    if (differ == 0)
        return true;
    snprintf(text, size, "%lld of %lld elements differ; element %lld is %.9g, expected %.9g",
             (long long)differ, (long long)elements, (long long)first,
             tensor_double_at(actual, first), tensor_double_at(expected, first));
    return false;
}

static bool compare_elements(const struct tensor *actual, const struct tensor *expected,
                             const struct tolerance *tolerance, char *text, size_t size)
{
    const struct tensor *a = actual->data, *b = expected->data;
    char inner[160];

    for (int64_t i = 0; i < expected->shape.dims[0]; i++) {
        if (suite_compare(&a[i], &b[i], tolerance, inner, sizeof(inner)))
            continue;
        snprintf(text, size, "element %lld: %s", (long long)i, inner);
        return false;
    }
    return true;
}

bool suite_compare(const struct tensor *actual, const struct tensor *expected,
                   const struct tolerance *tolerance, char *text, size_t size)
{
    char a[SHAPE_TEXT_MAX], b[SHAPE_TEXT_MAX];

    if (actual->dtype != expected->dtype) {
        snprintf(text, size, "type is %s, expected %s", type_text(actual->dtype),
                 type_text(expected->dtype));
        return false;
    }
    if (!shape_equal(&actual->shape, &expected->shape)) {
        snprintf(text, size, "shape is %s, expected %s", shape_text(&actual->shape, a, sizeof(a)),
                 shape_text(&expected->shape, b, sizeof(b)));
        return false;
    }
    if (is_container(expected->dtype))
        return compare_elements(actual, expected, tolerance, text, size);
    if (expected->dtype == DTYPE_STRING)
        return compare_strings(actual, expected, text, size);
    return compare_numbers(actual, expected, tolerance, text, size);
}
