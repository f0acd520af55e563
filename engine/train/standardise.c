/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/standardise.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Values read at a time. */
enum { READ_VALUES = 8192 };

struct measuring {
    int64_t elements, shared; /* of an example; values of an example that share a pair */
    int64_t *counts;
    double *values; /* of a few examples */
};

static enum engine_status prepare(const struct dataset_field *field, enum standard_scope scope,
                                  struct standard *standard, struct measuring *measuring)
{
    measuring->elements = shape_elements(&field->shape);
    standard->shape = field->shape;
    for (int d = 0; d < field->shape.rank; d++)
        if (scope == STANDARD_ALL || (scope == STANDARD_FIRST && d > 0))
            standard->shape.dims[d] = 1;
    standard->n = shape_elements(&standard->shape);
    measuring->shared = measuring->elements / standard->n;
    standard->mean = calloc((size_t)standard->n, sizeof(double));
    standard->deviation = calloc((size_t)standard->n, sizeof(double));
    measuring->counts = calloc((size_t)standard->n, sizeof(int64_t));
    measuring->values = calloc((size_t)(measuring->elements + READ_VALUES), sizeof(double));
    if (standard->mean == NULL || standard->deviation == NULL || measuring->counts == NULL ||
        measuring->values == NULL)
        return ENGINE_NO_MEMORY;
    return ENGINE_OK;
}

/* One example: its values join the running mean and the sum of squared deviations. */
static bool add_example(struct standard *standard, struct measuring *measuring, const double *values)
{
    for (int64_t i = 0; i < measuring->elements; i++) {
        const int64_t pair = i / measuring->shared;
        const double before = values[i] - standard->mean[pair];

        if (!isfinite(values[i]))
            return false;
        measuring->counts[pair]++;
        standard->mean[pair] += before / (double)measuring->counts[pair];
        standard->deviation[pair] += before * (values[i] - standard->mean[pair]);
    }
    return true;
}

/* Sums of squares become deviations. A spread that rounding alone explains is none. */
static void finish_deviations(struct standard *standard, const struct measuring *measuring)
{
    for (int64_t pair = 0; pair < standard->n; pair++) {
        double count = (double)measuring->counts[pair], mean = standard->mean[pair];
        double variance = count > 0 ? standard->deviation[pair] / count : 0;
        double rounding = count * mean * DBL_EPSILON;

        if (variance <= count * DBL_EPSILON * variance + rounding * rounding)
            standard->deviation[pair] = 1;
        else
            standard->deviation[pair] = sqrt(variance);
    }
}

enum engine_status standard_measure(const struct dataset *dataset, int field,
                                    const uint32_t *examples, int64_t n, enum standard_scope scope,
                                    struct standard *ret, struct engine_error *err)
{
    struct standard standard = {0};
    struct measuring measuring = {0};
    struct tensor tensor = {.dtype = DTYPE_F64};
    enum engine_status status = prepare(dataset_field(dataset, field), scope, &standard, &measuring);
    int64_t step, some = 0;

    if (status != ENGINE_OK)
        engine_error_set(err, status, "out of memory");
    step = 1 + READ_VALUES / measuring.elements;
    tensor.data = measuring.values;
    for (int64_t i = 0; status == ENGINE_OK && i < n; i += some) {
        some = n - i < step ? n - i : step;
        status = examples != NULL
                     ? dataset_gather(dataset, field, examples + i, some, &tensor, err)
                     : dataset_read(dataset, field, i, some, &tensor, err);
        for (int64_t e = 0; status == ENGINE_OK && e < some; e++)
            if (!add_example(&standard, &measuring, measuring.values + e * measuring.elements))
                status = engine_error_set(
                    err, ENGINE_BAD_INPUT, "example %lld: '%s' has a value that is not finite",
                    (long long)(examples != NULL ? examples[i + e] : i + e),
                    dataset_field(dataset, field)->name);
    }
    if (status == ENGINE_OK) {
        finish_deviations(&standard, &measuring);
        *ret = standard;
    } else {
        standard_finish(&standard);
    }
    free(measuring.counts);
    free(measuring.values);
    return status;
}

void standard_finish(struct standard *standard)
{
    free(standard->mean);
    free(standard->deviation);
    *standard = (struct standard){0};
}
