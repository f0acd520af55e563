/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_trees.c - tree ensembles of ai.onnx.ml: TreeEnsemble, TreeEnsembleClassifier,
 * TreeEnsembleRegressor. Votes are summed in double precision. */
#include "engine/ops/forest.h"
#include "engine/ops/ml_scores.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

enum aggregate { AGGREGATE_AVERAGE, AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct trees_params {
    struct forest forest;
    struct class_labels labels;    /* classifier */
    enum score_transform transform;
    enum aggregate aggregate;
    const double *base;            /* one a target, or NULL */
    size_t n_base;                 /* as many as the model has */
    bool same_type;                /* TreeEnsemble: the output is of the input's type */
    bool pair;                     /* two classes, votes for one of them alone */
    bool probability;              /* `pair` with scores that are probabilities, not margins */
};

/* base_values: one a target; a single one serves the first. */
static enum engine_status read_base(const struct op_init *init, struct trees_params *params,
                                    struct engine_error *err)
{
    const struct attribute *tensor = node_attribute(init->node, "base_values_as_tensor");
    const bool has_tensor = tensor != NULL && tensor->t != NULL && dtype_is_float(tensor->t->dtype);
    size_t count;
    const float *floats = node_floats(init->node, "base_values", &count);
    double *base;

    if (has_tensor)
        count = (size_t)shape_elements(&tensor->t->shape);
    if (count == 0)
        return ENGINE_OK;
    if (count != 1 && (int64_t)count != params->forest.n_targets)
        return op_fail(init->node, err, "%zu base values for %" PRId64 " targets", count,
                       params->forest.n_targets);
    base = arena_calloc(init->arena, (size_t)params->forest.n_targets, sizeof(*base));
    if (base == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for base values");
    for (size_t i = 0; i < count; i++)
        base[i] = has_tensor ? tensor_double_at(tensor->t, (int64_t)i) : floats[i];
    params->base = base;
    params->n_base = count;
    return ENGINE_OK;
}

static enum engine_status regressor_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    struct trees_params *params = init->params;
    const char *name = node_string(init->node, "aggregate_function", "SUM");
    int a = AGGREGATE_AVERAGE;
    enum engine_status status = score_transform_read(init->node, &params->transform, err);

    while (a <= AGGREGATE_MAX && strcmp(name, names[a]) != 0)
        a++;
    if (status == ENGINE_OK && a > AGGREGATE_MAX)
        status = op_unsupported(init->node, err, "aggregate_function '%.32s'", name);
    params->aggregate = (enum aggregate)a;
    params->forest.n_targets = node_int(init->node, "n_targets", 1);
    if (status == ENGINE_OK && (params->forest.n_targets < 1 || params->forest.n_targets > INT32_MAX))
        status = op_fail(init->node, err, "n_targets is %" PRId64, params->forest.n_targets);
    if (status == ENGINE_OK)
        status = forest_read_tuples(init, "target", &params->forest, err);
    return status == ENGINE_OK ? read_base(init, params, err) : status;
}

/* Numbers of the attribute post_transform in TreeEnsemble-5 are those of enum score_transform. */
static enum engine_status ensemble_init(const struct op_init *init, struct engine_error *err)
{
    struct trees_params *params = init->params;
    const int64_t aggregate = node_int(init->node, "aggregate_function", AGGREGATE_SUM);
    const int64_t transform = node_int(init->node, "post_transform", TRANSFORM_NONE);

    params->forest.n_targets = node_int(init->node, "n_targets", 1);
    params->same_type = true;
    if (aggregate < AGGREGATE_AVERAGE || aggregate > AGGREGATE_MAX || transform < TRANSFORM_NONE ||
        transform > TRANSFORM_PROBIT)
        return op_unsupported(init->node, err, "aggregate_function %" PRId64 ", post_transform %" PRId64,
                              aggregate, transform);
    if (params->forest.n_targets < 1 || params->forest.n_targets > INT32_MAX)
        return op_fail(init->node, err, "n_targets is %" PRId64, params->forest.n_targets);
    params->aggregate = (enum aggregate)aggregate;
    params->transform = (enum score_transform)transform;
    return forest_read_leaves(init, &params->forest, err);
}

static enum engine_status classifier_init(const struct op_init *init, struct engine_error *err)
{
    struct trees_params *params = init->params;
    struct forest *forest = &params->forest;
    enum engine_status status =
        class_labels_read(init->node, "classlabels_int64s", &params->labels, err);

    params->aggregate = AGGREGATE_SUM;
    forest->n_targets = params->labels.count;
    if (status == ENGINE_OK)
        status = score_transform_read(init->node, &params->transform, err);
    if (status == ENGINE_OK)
        status = forest_read_tuples(init, "class", forest, err);
    if (status != ENGINE_OK)
        return status;
    params->pair = forest->n_targets == 2;
    params->probability = params->transform == TRANSFORM_NONE;
    for (int64_t v = 0; v < forest->n_votes; v++) {
        params->pair = params->pair && forest->votes[v].target == forest->votes[0].target;
        params->probability = params->probability && forest->votes[v].weight >= 0;
    }
    return read_base(init, params, err);
}

/* The scratch: a row, its scores, and which targets got a vote. */
static enum engine_status trees_infer(struct op_infer *infer, int64_t *ret_rows,
                                      struct engine_error *err)
{
    const struct trees_params *params = infer->params;
    int64_t columns = 0;
    enum engine_status status = rows_and_columns(infer, ret_rows, &columns, err);

    if (status == ENGINE_OK && columns < params->forest.n_features)
        status = op_fail(infer->node, err, "input has %" PRId64 " columns, the trees ask for %" PRId64,
                         columns, params->forest.n_features);
    infer->scratch_bytes =
        ((size_t)columns + 2 * (size_t)params->forest.n_targets) * sizeof(double);
    return status;
}

static enum engine_status classifier_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct trees_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = trees_infer(infer, &rows, err);
    const struct shape labels = {1, {rows}}, scores = {2, {rows, params->labels.count}};

    infer_output(infer, 0, class_labels_dtype(&params->labels), &labels);
    infer_output(infer, 1, DTYPE_F32, &scores);
    return status;
}

static enum engine_status regressor_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct trees_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = trees_infer(infer, &rows, err);
    const struct shape shape = {2, {rows, params->forest.n_targets}};

    if (status == ENGINE_OK && params->same_type && !dtype_is_float(infer->inputs[0].dtype))
        status = op_fail(infer->node, err, "input is of type %s, expected a float type",
                         dtype_name(infer->inputs[0].dtype));
    infer_output(infer, 0, params->same_type ? infer->inputs[0].dtype : DTYPE_F32, &shape);
    return status;
}

/* The votes of all trees for one row. `voted` says which scores anyone gave. */
static void gather_votes(const struct trees_params *params, const double *row, double *scores,
                         double *voted)
{
    const struct forest *forest = &params->forest;

    for (int64_t t = 0; t < forest->n_targets; t++)
        scores[t] = voted[t] = 0;
    for (int32_t tree = 0; tree < forest->n_trees; tree++) {
        const struct forest_node *leaf = forest_walk(forest, forest->roots[tree], row);

        for (int32_t v = leaf->yes; v < leaf->yes + leaf->no; v++) {
            const struct forest_vote *vote = &forest->votes[v];
            double *score = &scores[vote->target];

            if (params->aggregate <= AGGREGATE_SUM)
                *score += vote->weight;
            else if (voted[vote->target] == 0 ||
                     (vote->weight < *score) == (params->aggregate == AGGREGATE_MIN))
                *score = vote->weight;
            voted[vote->target] = 1;
        }
    }
    for (int64_t t = 0; t < forest->n_targets; t++) {
        if (params->aggregate == AGGREGATE_AVERAGE && forest->n_trees > 0)
            scores[t] /= forest->n_trees;
        if (params->base != NULL && !params->pair)
            scores[t] += params->base[t];
    }
}

static enum engine_status regressor_run(const struct op_call *call, struct engine_error *err)
{
    const struct trees_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const int64_t columns = from->dims[from->rank - 1], targets = params->forest.n_targets;
    const int64_t rows = from->rank == 2 ? from->dims[0] : 1;
    double *row = call->scratch, *scores = row + columns;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        load_row(call, r, columns, row);
        gather_votes(params, row, scores, scores + targets);
        score_transform_row(params->transform, scores, targets);
        scores_store(scores, targets, call->outputs[0], r * targets);
    }
    return ENGINE_OK;
}

/* Two classes and one score, as exporters of boosted trees and forests write: without a transform and
 * with no negative weight it is a probability, cut at a half, else a margin, cut at zero. Returns
 * the class. */
static int64_t finish_pair(const struct trees_params *params, double scores[2])
{
    const int32_t voted = params->forest.n_votes > 0 ? params->forest.votes[0].target : 0;
    double score = scores[voted];
    int64_t best;

    if (params->base != NULL)
        score += params->base[params->n_base == 2 ? 1 : 0];
    best = score > (params->probability ? 0.5 : 0);
    if (params->probability) {
        scores[1] = score;
        scores[0] = 1 - score;
    } else if (params->transform == TRANSFORM_NONE) {
        scores[1] = score;
        scores[0] = -score;
    } else {
        score_transform_pair(params->transform, score, scores);
    }
    return best;
}

static enum engine_status classifier_run(const struct op_call *call, struct engine_error *err)
{
    const struct trees_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const int64_t columns = from->dims[from->rank - 1], classes = params->labels.count;
    const int64_t rows = from->rank == 2 ? from->dims[0] : 1;
    double *row = call->scratch, *scores = row + columns;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        int64_t best;

        load_row(call, r, columns, row);
        gather_votes(params, row, scores, scores + classes);
        if (params->pair) {
            best = finish_pair(params, scores);
        } else {
            best = scores_best(scores, classes);
            score_transform_row(params->transform, scores, classes);
        }
        class_labels_store(&params->labels, best, call->outputs[0], r);
        if (call->n_outputs > 1)
            scores_store(scores, classes, call->outputs[1], r * classes);
    }
    return ENGINE_OK;
}

const struct op_def ops_ml_trees[] = {
    {.name = "TreeEnsemble", .domain = "ai.onnx.ml", .since = 5, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct trees_params),
     .init = ensemble_init, .infer = regressor_infer, .run = regressor_run},
    {.name = "TreeEnsembleClassifier", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 2,
     .params_size = sizeof(struct trees_params), .init = classifier_init,
     .infer = classifier_infer, .run = classifier_run},
    {.name = "TreeEnsembleRegressor", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 1,
     .params_size = sizeof(struct trees_params), .init = regressor_init,
     .infer = regressor_infer, .run = regressor_run},
    {.name = NULL},
};
