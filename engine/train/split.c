/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/split.h"

#include "engine/train/shuffle.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { READ_EXAMPLES = 4096 };

/* Examples with their class, while they are dealt out. */
struct dealt {
    int64_t class_id;
    uint32_t example;
};

static int by_class(const void *left, const void *right)
{
    const struct dealt *a = left, *b = right;

    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    return (a->example > b->example) - (a->example < b->example);
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
}

/* All examples, grouped by the class that `field` says (-1: all in one). */
static enum engine_status read_classes(const struct dataset *dataset, int field,
                                       struct dealt *dealt, struct engine_error *err)
{
    const int64_t n = dataset_n_examples(dataset);
    int64_t ids[READ_EXAMPLES], some;
    struct tensor tensor = {.dtype = DTYPE_I64, .data = ids};

    for (int64_t i = 0; i < n; i += some) {
        some = n - i < READ_EXAMPLES ? n - i : READ_EXAMPLES;
        memset(ids, 0, sizeof(ids));
        if (field >= 0 && dataset_read(dataset, field, i, some, &tensor, err) != ENGINE_OK)
            return ENGINE_IO;
        for (int64_t j = 0; j < some; j++)
            dealt[i + j] = (struct dealt){ids[j], (uint32_t)(i + j)};
    }
    qsort(dealt, (size_t)n, sizeof(dealt[0]), by_class);
    return ENGINE_OK;
}

/* Deals `n` examples of one class: sizes[p] = how many of them each part gets, all of them together.
 * `owed` carries what rounding took from each part over to the next class, so that totals come out
 * right, too. */
static void share(int64_t n, const double *fractions, int n_parts, double *owed, int64_t *sizes)
{
    int64_t left = n;

    for (int p = 0; p < n_parts; p++) {
        double due = fractions[p] * (double)n;

        sizes[p] = (int64_t)floor(due + 1e-9);
        if (sizes[p] > left)
            sizes[p] = left;
        owed[p] += due - (double)sizes[p];
        left -= sizes[p];
    }
    /* Each part takes one more at most, the one that is owed most first. */
    for (; left > 0; left--) {
        int best = -1;

        for (int p = 0; p < n_parts; p++)
            if (fractions[p] > 0 && sizes[p] < (int64_t)floor(fractions[p] * (double)n + 1e-9) + 1 &&
                (best < 0 || owed[p] > owed[best] + 1e-9))
                best = p;
        assert(best >= 0);
        sizes[best]++;
        owed[best] -= 1;
    }
}

/* The part of each dealt example into `part_of`; the sum of each part into `totals`. */
static void deal(const struct dealt *dealt, int64_t n, const double *fractions, int n_parts,
                 uint64_t seed, double *owed, int64_t *sizes, int16_t *part_of, int64_t *totals)
{
    struct permutation permutation;
    int64_t first, end, at;

    for (first = 0; first < n; first = end) {
        for (end = first; end < n && dealt[end].class_id == dealt[first].class_id;)
            end++;
        share(end - first, fractions, n_parts, owed, sizes);
        permutation_init(&permutation, (uint32_t)(end - first), seed,
                         (uint64_t)dealt[first].class_id);
        at = 0;
        for (int p = 0; p < n_parts; p++) {
            for (int64_t i = 0; i < sizes[p]; i++, at++)
                part_of[first + permutation_at(&permutation, (uint32_t)at)] = (int16_t)p;
            totals[p] += sizes[p];
        }
    }
}

static enum engine_status collect(const struct dealt *dealt, int64_t n, const int16_t *part_of,
                                  const int64_t *totals, int n_parts, struct split *ret,
                                  struct engine_error *err)
{
    struct split split = {.n_parts = n_parts};
    int64_t *next = calloc((size_t)n_parts, sizeof(int64_t));

    split.starts = calloc((size_t)n_parts + 1, sizeof(int64_t));
    split.examples = malloc((size_t)n * sizeof(uint32_t) + 1);
    if (split.starts == NULL || split.examples == NULL || next == NULL) {
        split_finish(&split);
        free(next);
        return no_memory(err);
    }
    for (int p = 0; p < n_parts; p++) {
        next[p] = split.starts[p];
        split.starts[p + 1] = split.starts[p] + totals[p];
    }
    for (int64_t i = 0; i < n; i++)
        if (part_of[i] < n_parts)
            split.examples[next[part_of[i]]++] = dealt[i].example;
    for (int p = 0; p < n_parts; p++)
        qsort(split.examples + split.starts[p], (size_t)totals[p], sizeof(uint32_t), by_number);
    free(next);
    *ret = split;
    return ENGINE_OK;
}

static enum engine_status check(const struct dataset *dataset, int field, const double *fractions,
                                int n_parts, struct engine_error *err)
{
    const struct dataset_field *by = field >= 0 ? dataset_field(dataset, field) : NULL;
    double sum = 0;

    if (n_parts < 1 || n_parts > SPLIT_PARTS_MAX)
        return engine_error_set(err, ENGINE_BAD_INPUT, "a split has 1 to %d parts, not %d",
                                SPLIT_PARTS_MAX, n_parts);
    for (int p = 0; p < n_parts; p++) {
        if (!(fractions[p] >= 0 && fractions[p] <= 1))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "part %d of the split is %g; 0 to 1 is expected", p,
                                    fractions[p]);
        sum += fractions[p];
    }
    if (sum > 1 + 1e-9)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "the parts of the split make %g together; at most 1 is expected",
                                sum);
    if (by != NULL && ((!dtype_is_integer(by->dtype) && by->dtype != DTYPE_BOOL) ||
                       shape_elements(&by->shape) != 1))
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "a split is stratified by class ids; '%s' has none", by->name);
    return ENGINE_OK;
}

/* What split_fractions() works with; the part behind the last is for examples that are in none. */
struct dealing {
    struct dealt *dealt;
    int16_t *part_of;
    double *fractions, *owed;
    int64_t *sizes, *totals;
};

static bool dealing_init(struct dealing *dealing, int64_t n, const double *fractions, int n_parts)
{
    double rest = 1;

    dealing->dealt = malloc((size_t)n * sizeof(dealing->dealt[0]) + 1);
    dealing->part_of = malloc((size_t)n * sizeof(dealing->part_of[0]) + 1);
    dealing->fractions = calloc((size_t)n_parts + 1, sizeof(double));
    dealing->owed = calloc((size_t)n_parts + 1, sizeof(double));
    dealing->sizes = calloc((size_t)n_parts + 1, sizeof(int64_t));
    dealing->totals = calloc((size_t)n_parts + 1, sizeof(int64_t));
    if (dealing->dealt == NULL || dealing->part_of == NULL || dealing->fractions == NULL ||
        dealing->owed == NULL || dealing->sizes == NULL || dealing->totals == NULL)
        return false;
    for (int p = 0; p < n_parts; p++) {
        dealing->fractions[p] = fractions[p];
        rest -= fractions[p];
    }
    dealing->fractions[n_parts] = rest > 1e-9 ? rest : 0;
    return true;
}

static void dealing_finish(struct dealing *dealing)
{
    free(dealing->dealt);
    free(dealing->part_of);
    free(dealing->fractions);
    free(dealing->owed);
    free(dealing->sizes);
    free(dealing->totals);
}

enum engine_status split_fractions(const struct dataset *dataset, int field,
                                   const double *fractions, int n_parts, uint64_t seed,
                                   struct split *ret, struct engine_error *err)
{
    const int64_t n = dataset_n_examples(dataset);
    enum engine_status status = check(dataset, field, fractions, n_parts, err);
    struct dealing dealing = {0};

    if (status != ENGINE_OK)
        return status;
    if (!dealing_init(&dealing, n, fractions, n_parts))
        status = no_memory(err);
    if (status == ENGINE_OK)
        status = read_classes(dataset, field, dealing.dealt, err);
    if (status == ENGINE_OK)
        deal(dealing.dealt, n, dealing.fractions, n_parts + 1, seed, dealing.owed, dealing.sizes,
             dealing.part_of, dealing.totals);
    for (int p = 0; status == ENGINE_OK && p < n_parts; p++)
        if (fractions[p] > 0 && dealing.totals[p] == 0)
            status = engine_error_set(err, ENGINE_BAD_INPUT,
                                      "part %d of the split would have none of the %lld examples",
                                      p, (long long)n);
    if (status == ENGINE_OK)
        status = collect(dealing.dealt, n, dealing.part_of, dealing.totals, n_parts, ret, err);
    dealing_finish(&dealing);
    return status;
}

enum engine_status split_folds(const struct dataset *dataset, int field, int k, uint64_t seed,
                               struct split *ret, struct engine_error *err)
{
    double fractions[SPLIT_PARTS_MAX];

    if (k < 2 || k > SPLIT_PARTS_MAX)
        return engine_error_set(err, ENGINE_BAD_INPUT, "there are 2 to %d folds, not %d",
                                SPLIT_PARTS_MAX, k);
    for (int p = 0; p < k; p++)
        fractions[p] = 1.0 / k;
    return split_fractions(dataset, field, fractions, k, seed, ret, err);
}

void split_finish(struct split *split)
{
    free(split->examples);
    free(split->starts);
    *split = (struct split){0};
}

const uint32_t *split_part(const struct split *split, int part, int64_t *ret_n)
{
    *ret_n = split->starts[part + 1] - split->starts[part];
    return split->examples + split->starts[part];
}

int64_t split_others(const struct split *split, int part, uint32_t *ret_examples)
{
    int64_t n = 0;

    for (int p = 0; p < split->n_parts; p++) {
        if (p == part)
            continue;
        memcpy(ret_examples + n, split->examples + split->starts[p],
               (size_t)(split->starts[p + 1] - split->starts[p]) * sizeof(uint32_t));
        n += split->starts[p + 1] - split->starts[p];
    }
    qsort(ret_examples, (size_t)n, sizeof(uint32_t), by_number);
    return n;
}
