/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation.h"

#include "engine/kernels/convert.h"
#include "engine/train/evaluation_classes.h"
#include "engine/train/evaluation_labels.h"
#include "engine/train/evaluation_ranking.h"
#include "engine/train/evaluation_sums.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_BINS = 15, BINS_MAX = 10000 };

struct evaluation {
    struct evaluation_options options;
    int classes; /* 2 for a binary task; 0 for labels and values */
    int64_t rows;
    double top_k_hits;
    struct class_counts counts;
    struct probability_sums probabilities;
    struct label_sums labels;
    struct value_sums values;
    struct ranking ranking;
    double *row, *targets; /* one row in double: as many as there are classes or values */
};

static const struct {
    const char *name;
    bool larger_is_better;
} metrics[] = {
#define X(name, text, larger) {text, larger},
    EVALUATION_METRIC_MAP(X)
#undef X
};

static bool allocate(struct evaluation *evaluation)
{
    const struct evaluation_options *options = &evaluation->options;
    const size_t width = (size_t)(evaluation->classes > 0 ? evaluation->classes : options->outputs);

    evaluation->row = calloc(width, sizeof(double));
    evaluation->targets = calloc(width, sizeof(double));
    if (evaluation->row == NULL || evaluation->targets == NULL)
        return false;
    if (options->task == EVALUATION_VALUES)
        return value_sums_init(&evaluation->values, options->outputs);
    if (options->task == EVALUATION_LABELS)
        return label_sums_init(&evaluation->labels, options->outputs);
    return class_counts_init(&evaluation->counts, evaluation->classes,
                             evaluation->classes <= EVALUATION_CONFUSION_MAX) &&
           probability_sums_init(&evaluation->probabilities, options->calibration_bins);
}

struct evaluation *evaluation_create(const struct evaluation_options *options,
                                     struct engine_error *err)
{
    const int least = options->task == EVALUATION_CLASSES ? 2 : 1;
    const int most = options->task == EVALUATION_BINARY ? 1 : EVALUATION_OUTPUTS_MAX;
    struct evaluation *evaluation;

    if (options->outputs < least || options->outputs > most) {
        engine_error_set(err, ENGINE_BAD_INPUT,
                         "an evaluation of this task has %d to %d outputs, not %d", least, most,
                         options->outputs);
        return NULL;
    }
    if (options->ignores && options->task == EVALUATION_LABELS) {
        engine_error_set(err, ENGINE_BAD_INPUT, "an evaluation of labels ignores no targets");
        return NULL;
    }
    if (options->top_k < 0 || options->calibration_bins < 0 ||
        options->calibration_bins > BINS_MAX) {
        engine_error_set(err, ENGINE_BAD_INPUT,
                         "top_k is at least 0 and calibration bins are 0 to %d", BINS_MAX);
        return NULL;
    }
    evaluation = calloc(1, sizeof(*evaluation));
    if (evaluation != NULL) {
        evaluation->options = *options;
        if (options->calibration_bins == 0)
            evaluation->options.calibration_bins = DEFAULT_BINS;
        if (options->task == EVALUATION_BINARY || options->task == EVALUATION_CLASSES)
            evaluation->classes = options->task == EVALUATION_BINARY ? 2 : options->outputs;
        evaluation->ranking.width = evaluation->classes == 2 ? 1 : options->outputs;
        evaluation->ranking.bytes_max = options->ranking_bytes_max;
    }
    if (evaluation == NULL || !allocate(evaluation)) {
        evaluation_destroy(evaluation);
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
        return NULL;
    }
    return evaluation;
}

void evaluation_destroy(struct evaluation *evaluation)
{
    if (evaluation == NULL)
        return;
    class_counts_finish(&evaluation->counts);
    probability_sums_finish(&evaluation->probabilities);
    label_sums_finish(&evaluation->labels);
    value_sums_finish(&evaluation->values);
    ranking_finish(&evaluation->ranking);
    free(evaluation->row);
    free(evaluation->targets);
    free(evaluation);
}

/* Row `row` of `tensor`, `width` numbers, as double. */
static void load_row(const struct tensor *tensor, int64_t row, int width, double *ret)
{
    const size_t bytes = (size_t)width * dtype_size(tensor->dtype);

    load_f64(tensor->dtype, width, (const char *)tensor->data + (size_t)row * bytes, ret);
}

static double target_at(const struct tensor *targets, int64_t row)
{
    double value;

    load_row(targets, row, 1, &value);
    return value;
}

static bool is_ignored(const struct evaluation *evaluation, double target)
{
    return evaluation->options.ignores && target == (double)evaluation->options.ignored;
}

/* Everything that can be refused, before anything is added. */
static enum engine_status check(const struct evaluation *evaluation, const struct tensor *scores,
                                const struct tensor *targets, const double *weights, int64_t n,
                                struct engine_error *err)
{
    const struct evaluation_options *options = &evaluation->options;
    const bool probabilities = options->task != EVALUATION_VALUES && !options->logits;
    const bool labels = options->task == EVALUATION_LABELS;
    double target;

    for (int64_t i = 0; i < n; i++) {
        if (weights != NULL && !(weights[i] >= 0 && isfinite(weights[i])))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "row %lld: weight %g; a finite number of at least 0 is expected",
                                    (long long)i, weights[i]);
        load_row(scores, i, options->outputs, evaluation->row);
        for (int c = 0; c < options->outputs; c++) {
            double score = evaluation->row[c];

            if (!isfinite(score))
                return engine_error_set(err, ENGINE_BAD_INPUT,
                                        "row %lld: output %d is %g; a finite number is expected",
                                        (long long)i, c, score);
            if (probabilities && !(score >= -1e-6 && score <= 1 + 1e-6))
                return engine_error_set(err, ENGINE_BAD_INPUT,
                                        "row %lld: output %d is %g; a probability is expected",
                                        (long long)i, c, score);
        }
        if (evaluation->classes > 0) {
            target = target_at(targets, i);
            if (!is_ignored(evaluation, target) &&
                !(target >= 0 && target < evaluation->classes && target == floor(target)))
                return engine_error_set(err, ENGINE_BAD_INPUT,
                                        "row %lld: target %g; a class from 0 to %d is expected",
                                        (long long)i, target, evaluation->classes - 1);
            continue;
        }
        load_row(targets, i, options->outputs, evaluation->row);
        for (int c = 0; c < options->outputs; c++) {
            target = evaluation->row[c];
            if (labels ? target != 0 && target != 1 : !isfinite(target))
                return engine_error_set(err, ENGINE_BAD_INPUT, "row %lld: target %g; %s is expected",
                                        (long long)i, target, labels ? "0 or 1" : "a finite number");
        }
    }
    return ENGINE_OK;
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* Scores of a row become probabilities of all classes. */
static void to_probabilities(const struct evaluation *evaluation, double *row)
{
    double largest = row[0], sum = 0;

    if (evaluation->options.task == EVALUATION_BINARY) {
        row[1] = evaluation->options.logits ? sigmoid(row[0]) : row[0];
        row[0] = 1 - row[1];
        return;
    }
    if (!evaluation->options.logits)
        return;
    for (int c = 1; c < evaluation->classes; c++)
        largest = row[c] > largest ? row[c] : largest;
    for (int c = 0; c < evaluation->classes; c++) {
        row[c] = exp(row[c] - largest);
        sum += row[c];
    }
    for (int c = 0; c < evaluation->classes; c++)
        row[c] /= sum;
}

/* As NumPy's argmax: the first of the largest. */
static int largest_of(const double *row, int n)
{
    int best = 0;

    for (int c = 1; c < n; c++)
        if (row[c] > row[best])
            best = c;
    return best;
}

/* Of equal scores the later class comes first, as in top_k_accuracy_score. */
static bool within_top(const double *row, int n, int target, int k)
{
    int before = 0;

    for (int c = 0; c < n; c++)
        before += row[c] > row[target] || (row[c] == row[target] && c > target);
    return before < k;
}

static void add_class_row(struct evaluation *evaluation, int target, double weight)
{
    double *row = evaluation->row, *kept;
    const int classes = evaluation->classes, top_k = evaluation->options.top_k;
    const int width = evaluation->ranking.width;
    unsigned char *positive;
    int answer;

    to_probabilities(evaluation, row);
    answer = largest_of(row, classes);
    class_counts_add(&evaluation->counts, target, answer, weight);
    if (top_k > 0 && within_top(row, classes, target, top_k))
        evaluation->top_k_hits += weight;
    probability_sums_add(&evaluation->probabilities, row, classes, target, answer, weight);
    kept = ranking_row(&evaluation->ranking, weight, &positive);
    for (int c = 0; c < width && kept != NULL; c++) {
        kept[c] = row[width == 1 ? 1 : c];
        positive[c] = target == (width == 1 ? 1 : c);
    }
}

static void add_label_row(struct evaluation *evaluation, double weight)
{
    double *row = evaluation->row, *kept;
    unsigned char *positive;

    for (int c = 0; c < evaluation->options.outputs && evaluation->options.logits; c++)
        row[c] = sigmoid(row[c]);
    label_sums_add(&evaluation->labels, row, evaluation->targets, weight);
    kept = ranking_row(&evaluation->ranking, weight, &positive);
    for (int c = 0; c < evaluation->options.outputs && kept != NULL; c++) {
        kept[c] = row[c];
        positive[c] = evaluation->targets[c] > 0.5;
    }
}

enum engine_status evaluation_add(struct evaluation *evaluation, const struct tensor *scores,
                                  const struct tensor *targets, const double *weights, int64_t n,
                                  struct engine_error *err)
{
    const struct evaluation_options *options = &evaluation->options;
    enum engine_status status = check(evaluation, scores, targets, weights, n, err);

    if (status != ENGINE_OK)
        return status;
    if (options->task != EVALUATION_VALUES && !ranking_room(&evaluation->ranking, n))
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        double weight = weights != NULL ? weights[i] : 1;

        load_row(scores, i, options->outputs, evaluation->row);
        if (evaluation->classes > 0) {
            double target = target_at(targets, i);

            if (is_ignored(evaluation, target))
                continue;
            add_class_row(evaluation, (int)target, weight);
        } else {
            load_row(targets, i, options->outputs, evaluation->targets);
            if (options->task == EVALUATION_LABELS)
                add_label_row(evaluation, weight);
            else
                value_sums_add(&evaluation->values, evaluation->row, evaluation->targets, weight);
        }
        evaluation->rows++;
    }
    return ENGINE_OK;
}

enum engine_status evaluation_measure(const struct evaluation *evaluation,
                                      struct evaluation_result *ret, struct engine_error *err)
{
    struct evaluation_result result = {.rows = evaluation->rows};

    for (int m = 0; m < METRIC_COUNT; m++)
        result.values[m] = NAN;
    if (evaluation->classes > 0) {
        class_counts_measure(&evaluation->counts, &result);
        probability_sums_measure(&evaluation->probabilities, &result);
        if (evaluation->options.top_k > 0 && evaluation->counts.total > 0)
            result.values[METRIC_TOP_K_ACCURACY] =
                evaluation->top_k_hits / evaluation->counts.total;
    } else if (evaluation->options.task == EVALUATION_LABELS) {
        label_sums_measure(&evaluation->labels, &result);
    } else {
        value_sums_measure(&evaluation->values, &result);
    }
    if (evaluation->options.task != EVALUATION_VALUES &&
        !ranking_means(&evaluation->ranking, &result.values[METRIC_ROC_AUC],
                       &result.values[METRIC_AVERAGE_PRECISION]))
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
    *ret = result;
    return ENGINE_OK;
}

const double *evaluation_confusion(const struct evaluation *evaluation, int *ret_classes)
{
    *ret_classes = evaluation->classes;
    return evaluation->counts.confusion;
}

void evaluation_class_scores(const struct evaluation *evaluation, int class_id,
                             double *ret_precision, double *ret_recall, double *ret_f1,
                             double *ret_support)
{
    assert(class_id >= 0 && class_id < evaluation->classes);
    class_counts_scores(&evaluation->counts, class_id, ret_precision, ret_recall, ret_f1);
    *ret_support = evaluation->counts.targets[class_id];
}

const char *evaluation_metric_name(enum evaluation_metric metric)
{
    return metrics[metric].name;
}

int evaluation_metric_find(const char *name)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (strcmp(metrics[m].name, name) == 0)
            return m;
    return -1;
}

bool evaluation_metric_larger_is_better(enum evaluation_metric metric)
{
    return metrics[metric].larger_is_better;
}
