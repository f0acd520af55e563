/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_svm.c - support vector machines of ai.onnx.ml: SVMClassifier, SVMRegressor. As in
 * LIBSVM (C. Chang, C. Lin, 2011), which made these models: one decision for each pair of classes,
 * votes for the label, and pairwise coupling for probabilities. Sums are in double precision. */
#include "engine/ops/ml_scores.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum svm_kernel { KERNEL_LINEAR, KERNEL_POLY, KERNEL_RBF, KERNEL_SIGMOID };
enum { CLASSES_MAX = 1024 };

struct svm_params {
    struct class_labels labels;    /* classifier */
    enum score_transform transform;
    enum svm_kernel kernel;
    double gamma, offset, degree;
    bool one_class;
    int64_t n_vectors;             /* 0: linear, the coefficients are weights of the features */
    int64_t n_features;
    const int64_t *per_class;      /* vectors of each class */
    const float *vectors, *coefficients, *rho;
    const float *prob_a, *prob_b;  /* NULL: no probabilities */
};

static enum engine_status read_kernel(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    struct svm_params *params = init->params;
    const char *name = node_string(init->node, "kernel_type", names[0]);
    size_t count;
    const float *numbers = node_floats(init->node, "kernel_params", &count);
    int k = KERNEL_LINEAR;

    while (k <= KERNEL_SIGMOID && strcmp(name, names[k]) != 0)
        k++;
    if (k > KERNEL_SIGMOID)
        return op_unsupported(init->node, err, "kernel_type '%.32s'", name);
    if (count != 0 && count != 3)
        return op_fail(init->node, err, "kernel_params has %zu elements, expected 3", count);
    params->kernel = (enum svm_kernel)k;
    params->gamma = count == 3 ? numbers[0] : 0;
    params->offset = count == 3 ? numbers[1] : 0;
    params->degree = count == 3 ? numbers[2] : 0;
    return score_transform_read(init->node, &params->transform, err);
}

/* Support vectors, `rows` rows of coefficients and at least `n_rho` offsets. */
static enum engine_status read_vectors(const struct op_init *init, uint64_t rows, size_t n_rho,
                                       struct engine_error *err)
{
    struct svm_params *params = init->params;
    size_t vectors, coefficients, rho;

    params->vectors = node_floats(init->node, "support_vectors", &vectors);
    params->coefficients = node_floats(init->node, "coefficients", &coefficients);
    params->rho = node_floats(init->node, "rho", &rho);
    if (params->n_vectors > 0) {
        params->n_features = (int64_t)vectors / params->n_vectors;
        if (vectors % (uint64_t)params->n_vectors != 0 ||
            coefficients / (uint64_t)params->n_vectors < rows)
            params->n_features = 0;
    } else {
        params->n_features = (int64_t)(coefficients / rows);
        params->kernel = KERNEL_LINEAR;
    }
    if (params->n_features < 1 || rho < n_rho)
        return op_fail(init->node, err, "%zu numbers for %" PRId64 " support vectors, %zu coefficients, "
                       "%zu rho", vectors, params->n_vectors, coefficients, rho);
    return ENGINE_OK;
}

static enum engine_status regressor_init(const struct op_init *init, struct engine_error *err)
{
    struct svm_params *params = init->params;
    enum engine_status status = read_kernel(init, err);

    params->n_vectors = node_int(init->node, "n_supports", 0);
    params->one_class = node_int(init->node, "one_class", 0) != 0;
    if (status == ENGINE_OK && params->n_vectors < 0)
        status = op_fail(init->node, err, "n_supports is %" PRId64, params->n_vectors);
    return status == ENGINE_OK ? read_vectors(init, 1, 1, err) : status;
}

static enum engine_status classifier_init(const struct op_init *init, struct engine_error *err)
{
    struct svm_params *params = init->params;
    size_t n_per_class, n_a, n_b, pairs;
    enum engine_status status =
        class_labels_read(init->node, "classlabels_ints", &params->labels, err);

    if (status == ENGINE_OK)
        status = read_kernel(init, err);
    if (status != ENGINE_OK)
        return status;
    params->per_class = node_ints(init->node, "vectors_per_class", &n_per_class);
    params->prob_a = node_floats(init->node, "prob_a", &n_a);
    params->prob_b = node_floats(init->node, "prob_b", &n_b);
    pairs = (size_t)(params->labels.count * (params->labels.count - 1) / 2);
    if (params->labels.count > CLASSES_MAX)
        return op_unsupported(init->node, err, "%" PRId64 " classes", params->labels.count);
    for (size_t i = 0; i < n_per_class; i++) {
        if (params->per_class[i] < 0 || params->per_class[i] > INT32_MAX)
            return op_fail(init->node, err, "vectors_per_class has %" PRId64, params->per_class[i]);
        params->n_vectors += params->per_class[i];
    }
    if (params->n_vectors == 0) {
        params->prob_a = NULL;
        return read_vectors(init, (uint64_t)params->labels.count, 1, err);
    }
    if (n_per_class != (size_t)params->labels.count || params->labels.count < 2 || n_a != n_b ||
        (n_a != 0 && n_a < pairs))
        return op_fail(init->node, err, "vectors of %zu classes, %zu and %zu probability coefficients "
                       "for %" PRId64 " labels", n_per_class, n_a, n_b, params->labels.count);
    if (n_a == 0)
        params->prob_a = NULL;
    return read_vectors(init, (uint64_t)params->labels.count - 1, pairs, err);
}

/* Columns of the scores: one a class, or one a pair when there are no probabilities. */
static int64_t score_columns(const struct svm_params *params)
{
    const int64_t classes = params->labels.count;

    return params->n_vectors == 0 || params->prob_a != NULL || classes == 2
               ? classes : classes * (classes - 1) / 2;
}

static enum engine_status check_columns(const struct op_infer *infer, int64_t *ret_rows,
                                        struct engine_error *err)
{
    const struct svm_params *params = infer->params;
    int64_t columns;
    enum engine_status status = rows_and_columns(infer, ret_rows, &columns, err);

    if (status == ENGINE_OK && columns != params->n_features)
        status = op_fail(infer->node, err, "input has %" PRId64 " columns, expected %" PRId64, columns,
                         params->n_features);
    return status;
}

static enum engine_status regressor_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct svm_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = check_columns(infer, &rows, err);
    const struct shape shape = {2, {rows, 1}};

    infer->scratch_bytes = (size_t)params->n_features * sizeof(double);
    infer_output(infer, 0, DTYPE_F32, &shape);
    return status;
}

/* The classifier's scratch, in doubles. */
struct work {
    double *row, *kernels, *pairs, *votes, *chances, *matrix, *products;
};

static size_t work_doubles(const struct svm_params *params)
{
    const size_t classes = (size_t)params->labels.count;

    return (size_t)params->n_features + (size_t)params->n_vectors + 3 * classes * classes +
           2 * classes + 2;
}

static void place_work(const struct svm_params *params, double *memory, struct work *ret)
{
    const size_t classes = (size_t)params->labels.count;

    ret->row = memory;
    ret->kernels = ret->row + params->n_features;
    ret->pairs = ret->kernels + params->n_vectors;
    ret->votes = ret->pairs + classes * classes + 2;
    ret->chances = ret->votes + classes;
    ret->matrix = ret->chances + classes * classes;
    ret->products = ret->matrix + classes * classes;
}

static enum engine_status classifier_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct svm_params *params = infer->params;
    int64_t rows = 0;
    enum engine_status status = check_columns(infer, &rows, err);
    const struct shape labels = {1, {rows}}, scores = {2, {rows, score_columns(params)}};

    infer->scratch_bytes = work_doubles(params) * sizeof(double);
    infer_output(infer, 0, class_labels_dtype(&params->labels), &labels);
    infer_output(infer, 1, DTYPE_F32, &scores);
    return status;
}

static double kernel(const struct svm_params *params, const double *row, const float *vector)
{
    double sum = 0;

    for (int64_t i = 0; i < params->n_features; i++) {
        const double difference = row[i] - vector[i];

        sum += params->kernel == KERNEL_RBF ? difference * difference : row[i] * vector[i];
    }
    switch (params->kernel) {
    case KERNEL_POLY: return pow(params->gamma * sum + params->offset, params->degree);
    case KERNEL_RBF: return exp(-params->gamma * sum);
    case KERNEL_SIGMOID: return tanh(params->gamma * sum + params->offset);
    default: return sum;
    }
}

static enum engine_status regressor_run(const struct op_call *call, struct engine_error *err)
{
    const struct svm_params *params = call->params;
    const int64_t rows = call->outputs[0]->shape.dims[0];
    double *row = call->scratch;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        double sum = params->rho[0];

        load_row(call, r, params->n_features, row);
        if (params->n_vectors == 0)
            sum += kernel(params, row, params->coefficients);
        for (int64_t v = 0; v < params->n_vectors; v++)
            sum += params->coefficients[v] * kernel(params, row, params->vectors + v * params->n_features);
        if (params->one_class)
            sum = sum > 0 ? 1 : -1;
        else
            score_transform_row(params->transform, &sum, 1);
        scores_store(&sum, 1, call->outputs[0], r);
    }
    return ENGINE_OK;
}

/* One decision for each pair of classes: above zero is a vote for the first. */
static void decide_pairs(const struct svm_params *params, struct work *work)
{
    const int64_t classes = params->labels.count;
    int64_t pair = 0, start_i = 0;

    for (int64_t v = 0; v < params->n_vectors; v++)
        work->kernels[v] = kernel(params, work->row, params->vectors + v * params->n_features);
    memset(work->votes, 0, (size_t)classes * sizeof(*work->votes));
    for (int64_t i = 0; i < classes; start_i += params->per_class[i], i++) {
        int64_t start_j = start_i + params->per_class[i];

        for (int64_t j = i + 1; j < classes; start_j += params->per_class[j], j++, pair++) {
            double sum = params->rho[pair];

            for (int64_t v = start_i; v < start_i + params->per_class[i]; v++)
                sum += params->coefficients[(j - 1) * params->n_vectors + v] * work->kernels[v];
            for (int64_t v = start_j; v < start_j + params->per_class[j]; v++)
                sum += params->coefficients[i * params->n_vectors + v] * work->kernels[v];
            work->pairs[pair] = sum;
            work->votes[sum > 0 ? i : j]++;
        }
    }
}

/* From the chances of pairs to those of classes: T. Wu, C. Lin, R. Weng, "Probability estimates for
 * multi-class classification by pairwise coupling", 2004, second method. */
static void couple(int64_t k, const double *chances, double *q, double *qp, double *p)
{
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1.0 / (double)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < k; j++) {
            if (j == t)
                continue;
            q[t * k + t] += chances[j * k + t] * chances[j * k + t];
            q[t * k + j] = -chances[j * k + t] * chances[t * k + j];
        }
    }
    for (int64_t round = 0; round < (k > 100 ? k : 100); round++) {
        double pqp = 0, worst = 0;

        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++)
                qp[t] += q[t * k + j] * p[j];
            pqp += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++)
            worst = fmax(worst, fabs(qp[t] - pqp));
        if (worst < 0.005 / (double)k)
            return;
        for (int64_t t = 0; t < k; t++) {
            const double step = (pqp - qp[t]) / q[t * k + t];

            p[t] += step;
            pqp = (pqp + step * (step * q[t * k + t] + 2 * qp[t])) / (1 + step) / (1 + step);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1 + step);
                p[j] /= 1 + step;
            }
        }
    }
}

/* Replaces the decisions in work->pairs by one probability a class. */
static void find_probabilities(const struct svm_params *params, struct work *work)
{
    const int64_t classes = params->labels.count;
    int64_t pair = 0;

    for (int64_t i = 0; i < classes; i++) {
        for (int64_t j = i + 1; j < classes; j++, pair++) {
            const double x = work->pairs[pair] * params->prob_a[pair] + params->prob_b[pair];
            const double chance = fmin(fmax(1 / (1 + exp(x)), 1e-7), 1 - 1e-7);

            work->chances[i * classes + j] = chance;
            work->chances[j * classes + i] = 1 - chance;
        }
    }
    couple(classes, work->chances, work->matrix, work->products, work->pairs);
}

/* Scores of one row in work->pairs; returns the class. */
static int64_t classify(const struct svm_params *params, struct work *work)
{
    const int64_t classes = params->labels.count;
    int64_t best;

    if (params->n_vectors == 0) {
        for (int64_t c = 0; c < classes; c++)
            work->pairs[c] = params->rho[0] + kernel(params, work->row,
                                                     params->coefficients + c * params->n_features);
        best = scores_best(work->pairs, classes);
    } else {
        decide_pairs(params, work);
        best = scores_best(work->votes, classes);
        if (params->prob_a != NULL) {
            find_probabilities(params, work);
        } else if (classes == 2) {         /* the one decision, as a score of each class */
            work->pairs[1] = work->pairs[0];
            work->pairs[0] = -work->pairs[1];
        }
    }
    score_transform_row(params->transform, work->pairs, score_columns(params));
    return best;
}

static enum engine_status classifier_run(const struct op_call *call, struct engine_error *err)
{
    const struct svm_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const int64_t rows = from->rank == 2 ? from->dims[0] : 1, columns = score_columns(params);
    struct work work;

    (void)err;
    place_work(params, call->scratch, &work);
    for (int64_t r = 0; r < rows; r++) {
        load_row(call, r, params->n_features, work.row);
        class_labels_store(&params->labels, classify(params, &work), call->outputs[0], r);
        if (call->n_outputs > 1)
            scores_store(work.pairs, columns, call->outputs[1], r * columns);
    }
    return ENGINE_OK;
}

const struct op_def ops_ml_svm[] = {
    {.name = "SVMClassifier", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 2, .params_size = sizeof(struct svm_params),
     .init = classifier_init, .infer = classifier_infer, .run = classifier_run},
    {.name = "SVMRegressor", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct svm_params),
     .init = regressor_init, .infer = regressor_infer, .run = regressor_run},
    {.name = NULL},
};
