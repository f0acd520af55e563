/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/tfidf.c - TfIdfVectorizer: counts the n-grams of a pool in rows of integers or strings.
 * The pool is a trie whose edges are in one table, built when the model is loaded. */
#include "engine/ops/key_table.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

enum tfidf_mode { MODE_TF, MODE_IDF, MODE_TFIDF };

struct tfidf_params {
    enum tfidf_mode mode;
    int64_t least, most, skips;    /* n-gram lengths, skipped items */
    bool strings;
    const int64_t *columns;        /* of each n-gram */
    int64_t width;                 /* of the output */
    const float *weights;          /* of each column, or NULL */
    struct key_table edges;        /* space: a node; key: an item; value: the node it leads to */
    uint32_t n_nodes;              /* node 0 is the root */
    int64_t *grams;                /* of each node: index of the n-gram that ends there + 1, or 0 */
};

static void add_gram(struct tfidf_params *params, const struct bytes *items, int64_t length,
                     int64_t gram)
{
    uint32_t node = 0;

    for (int64_t i = 0; i < length; i++) {
        uint32_t *next = key_table_add(&params->edges, node, items[i]);

        if (*next == 0)
            *next = params->n_nodes++;
        node = *next;
    }
    params->grams[node] = gram + 1;
}

/* The pool as items, whichever type it has. */
static enum engine_status read_pool(const struct op_init *init, struct tfidf_params *params,
                                    const struct bytes **ret_items, size_t *ret_count,
                                    struct engine_error *err)
{
    size_t count;
    const int64_t *integers = node_ints(init->node, "pool_int64s", &count);
    struct bytes *items;

    *ret_items = node_strings(init->node, "pool_strings", ret_count);
    params->strings = *ret_items != NULL;
    if (params->strings == (integers != NULL))
        return op_fail(init->node, err, "one of pool_strings and pool_int64s has to be given");
    if (params->strings)
        return ENGINE_OK;
    items = arena_calloc(init->arena, count, sizeof(*items));
    if (items == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for the pool");
    for (size_t i = 0; i < count; i++)
        items[i] = (struct bytes){(const char *)&integers[i], sizeof(integers[i])};
    *ret_items = items;
    *ret_count = count;
    return ENGINE_OK;
}

/* Fills the trie; n-grams of n items lie from ngram_counts[n - 1] on. */
static enum engine_status build(const struct op_init *init, struct tfidf_params *params,
                                size_t n_columns, struct engine_error *err)
{
    const struct bytes *items;
    size_t count, sizes;
    const int64_t *starts = node_ints(init->node, "ngram_counts", &sizes);
    enum engine_status status = read_pool(init, params, &items, &count, err);
    int64_t gram = 0;

    if (status != ENGINE_OK)
        return status;
    params->n_nodes = 1;
    params->grams = arena_calloc(init->arena, count + 1, sizeof(*params->grams));
    if (params->grams == NULL || !key_table_init(&params->edges, init->arena, count))
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for the pool");
    for (size_t n = 1; n <= sizes; n++) {
        const int64_t start = starts[n - 1];
        const int64_t end = n < sizes ? starts[n] : (int64_t)count;

        if (start < 0 || end < start || end > (int64_t)count || (end - start) % (int64_t)n != 0)
            return op_fail(init->node, err, "ngram_counts does not divide the pool");
        for (int64_t at = start; at < end; at += (int64_t)n, gram++) {
            if (gram >= (int64_t)n_columns)
                return op_fail(init->node, err, "ngram_indexes has %zu elements, too few", n_columns);
            if ((int64_t)n >= params->least && (int64_t)n <= params->most)
                add_gram(params, items + at, (int64_t)n, gram);
        }
    }
    return ENGINE_OK;
}

static enum engine_status tfidf_init(const struct op_init *init, struct engine_error *err)
{
    struct tfidf_params *params = init->params;
    const char *mode = node_string(init->node, "mode", "");
    size_t n_columns, n_weights;

    params->mode = strcmp(mode, "IDF") == 0 ? MODE_IDF : strcmp(mode, "TFIDF") == 0 ? MODE_TFIDF
                                                                                   : MODE_TF;
    if (params->mode == MODE_TF && strcmp(mode, "TF") != 0)
        return op_unsupported(init->node, err, "mode '%.32s'", mode);
    params->least = node_int(init->node, "min_gram_length", 1);
    params->most = node_int(init->node, "max_gram_length", 1);
    params->skips = node_int(init->node, "max_skip_count", 0);
    if (params->least < 1 || params->most < params->least || params->skips < 0)
        return op_fail(init->node, err, "n-grams of %" PRId64 " to %" PRId64 " items, %" PRId64
                       " skipped", params->least, params->most, params->skips);
    params->columns = node_ints(init->node, "ngram_indexes", &n_columns);
    params->weights = node_floats(init->node, "weights", &n_weights);
    for (size_t i = 0; i < n_columns; i++) {
        if (params->columns[i] < 0 || params->columns[i] > INT32_MAX)
            return op_fail(init->node, err, "ngram_indexes has %" PRId64, params->columns[i]);
        if (params->columns[i] >= params->width)
            params->width = params->columns[i] + 1;
    }
    if (params->weights != NULL && (int64_t)n_weights < params->width)
        return op_fail(init->node, err, "%zu weights for %" PRId64 " columns", n_weights,
                       params->width);
    return build(init, params, n_columns, err);
}

static enum engine_status tfidf_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tfidf_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = {.rank = 1, .dims = {params->width}};

    if (params->strings ? from->dtype != DTYPE_STRING
                        : from->dtype != DTYPE_I64 && from->dtype != DTYPE_I32)
        return op_fail(infer->node, err, "input is of type %s, the pool of %s",
                       dtype_name(from->dtype), params->strings ? "string" : "int64");
    if (from->shape.rank > 2)
        return op_fail(infer->node, err, "input has rank %d, expected 1 or 2", from->shape.rank);
    if (from->shape.rank == 2) {
        shape.rank = 2;
        shape.dims[0] = from->shape.dims[0];
        shape.dims[1] = params->width;
    }
    infer_output(infer, 0, DTYPE_F32, &shape);
    return ENGINE_OK;
}

/* Counts the n-grams that begin at element `start` and take each `distance`th one after it. */
static void count_from(const struct tfidf_params *params, const struct tensor *from, int64_t start,
                       int64_t end, int64_t distance, int64_t least, float *row)
{
    uint32_t node = 0;

    for (int64_t length = 1, at = start; length <= params->most && at < end; length++) {
        uint64_t room;

        node = key_table_find(&params->edges, node, key_of(from, at, &room));
        if (node == 0)
            return;
        if (length >= least && params->grams[node] != 0)
            row[params->columns[params->grams[node] - 1]] += 1;
        if (distance >= end - at)
            return;
        at += distance;
    }
}

static void weigh(const struct tfidf_params *params, float *row)
{
    for (int64_t c = 0; c < params->width && params->mode != MODE_TF; c++) {
        if (params->mode == MODE_IDF)
            row[c] = row[c] > 0 ? 1.0f : 0.0f;
        if (params->weights != NULL)
            row[c] *= params->weights[c];
    }
}

static enum engine_status tfidf_run(const struct op_call *call, struct engine_error *err)
{
    const struct tfidf_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const bool rows_given = from->shape.rank == 2;
    const int64_t rows = rows_given ? from->shape.dims[0] : 1;
    const int64_t length = rows_given ? from->shape.dims[1] : shape_elements(&from->shape);
    float *row = call->outputs[0]->data;

    (void)err;
    for (int64_t r = 0; r < rows; r++, row += params->width) {
        const int64_t end = (r + 1) * length;
        int64_t least = params->least;

        for (int64_t c = 0; c < params->width; c++)
            row[c] = 0;
        /* Skipping further than a row is long finds nothing but single items again. */
        for (int64_t skip = 0; skip <= params->skips && skip < length; skip++) {
            for (int64_t start = r * length; start < end; start++)
                count_from(params, from, start, end, skip + 1, least, row);
            if (least == 1)        /* single items know no distance: counted once */
                least = 2;
            if (least > params->most)
                break;
        }
        weigh(params, row);
    }
    return ENGINE_OK;
}

const struct op_def ops_tfidf[] = {
    {.name = "TfIdfVectorizer", .domain = "", .since = 9, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct tfidf_params),
     .init = tfidf_init, .infer = tfidf_infer, .run = tfidf_run},
    {.name = NULL},
};
