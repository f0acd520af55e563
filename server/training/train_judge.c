/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_judge.h"

#include "engine/train/curve.h"
#include "proto/text.h"
#include "server/status_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Scores kept for ROC AUC. */
static const size_t RANKING_BYTES_MAX = (size_t)256 << 20;

static bool make_tensor(struct tensor *tensor, const struct dataset_field *field, enum dtype dtype,
                        int64_t rows)
{
    *tensor = (struct tensor){.dtype = dtype, .shape = {.rank = field->shape.rank + 1}};
    tensor->shape.dims[0] = rows;
    memcpy(tensor->shape.dims + 1, field->shape.dims,
           (size_t)field->shape.rank * sizeof(field->shape.dims[0]));
    tensor->data = malloc(tensor_bytes(tensor) + 1);
    return tensor->data != NULL;
}

bool train_feed_init(struct train_feed *feed, const struct train_session *session, int64_t rows_max,
                     struct problem *problem)
{
    bool ok;

    *feed = (struct train_feed){.session = session, .rows_max = rows_max};
    feed->examples = malloc((size_t)rows_max * sizeof(*feed->examples));
    ok = feed->examples != NULL;
    for (int i = 0; i < session->n_inputs && ok; i++)
        ok = make_tensor(&feed->inputs[i], dataset_field(session->dataset, i),
                         model_input(session->model, i)->dtype, rows_max);
    for (int i = 0; i < session->n_targets && ok; i++) {
        const struct dataset_field *field = dataset_field(session->dataset, session->n_inputs + i);

        ok = make_tensor(&feed->targets[i], field, field->dtype, rows_max);
    }
    return ok || problem_set(problem, 500, "no_memory", "no memory for a batch of %lld examples",
                             (long long)rows_max);
}

void train_feed_finish(struct train_feed *feed)
{
    for (int i = 0; i < TRAIN_ENDS_MAX; i++) {
        free(feed->inputs[i].data);
        free(feed->targets[i].data);
    }
    free(feed->examples);
}

bool train_feed_gather(struct train_feed *feed, const struct dataset *dataset, int64_t n,
                       struct problem *problem)
{
    const int n_inputs = feed->session->n_inputs, n_targets = feed->session->n_targets;
    struct engine_error err = {0};

    for (int f = 0; f < n_inputs + n_targets; f++) {
        struct tensor *tensor = f < n_inputs ? &feed->inputs[f] : &feed->targets[f - n_inputs];

        if (dataset_gather(dataset, f, feed->examples, n, tensor, &err) != ENGINE_OK) {
            problem_from_engine(problem, &err);
            return false;
        }
        tensor->shape.dims[0] = n;
    }
    return true;
}

bool train_feed_augment(struct train_feed *feed, const struct augment *augment, uint64_t seed,
                        int64_t epoch, int64_t n, struct problem *problem)
{
    const struct shape *shape = &dataset_field(feed->session->dataset, 0)->shape;
    struct engine_error err = {0};

    if (augment->shift_x == 0 && augment->flip_x == 0.0 && augment->noise == 0.0)
        return true;
    if (feed->inputs[0].dtype != DTYPE_F32)
        return problem_set(problem, 400, "bad_request", "--shift, --flip and --noise need images of "
                                                        "float32");
    if (augment_check(augment, shape, &err) != ENGINE_OK) {
        problem_from_engine(problem, &err);
        return false;
    }
    augment_apply(augment, shape, seed, epoch, feed->examples, n, feed->inputs[0].data);
    return true;
}

/* How the first target is measured; NULL where metrics have no form for it. */
static struct evaluation *make_evaluation(const struct trainer *trainer, struct train_verdict *ret)
{
    const struct loss_form *form = trainer_loss_form(trainer, 0);
    const struct shape *shape = &trainer_value(trainer, 0)->shape;
    int64_t outputs = shape_product(shape, 1, shape->rank);
    struct evaluation_options options = {.ignores = form->ignores,
                                         .ignored = form->ignore_index,
                                         .logits = true,
                                         .ranking_bytes_max = RANKING_BYTES_MAX};

    if (form->kind == LOSS_CE) {
        /* Classes must lie side by side. */
        if (form->class_axis != shape->rank - 1)
            return NULL;
        options.task = EVALUATION_CLASSES;
        options.outputs = (int)shape->dims[shape->rank - 1];
    } else if (form->kind == LOSS_BCE) {
        if (outputs < 1 || outputs > EVALUATION_OUTPUTS_MAX)
            return NULL;
        options.task = outputs == 1 ? EVALUATION_BINARY : EVALUATION_LABELS;
        options.outputs = (int)outputs;
    } else {
        options.task = EVALUATION_VALUES;
        options.outputs = (int)outputs;
        options.logits = false;
    }
    ret->task = options.task;
    return evaluation_create(&options, NULL);
}

static bool add_metrics(struct trainer *trainer, const struct train_feed *feed,
                        struct evaluation *evaluation, const struct train_verdict *ret)
{
    const struct tensor *values = trainer_value(trainer, 0);
    int64_t rows = values->shape.dims[0];

    /* Rows of probabilities have no class id to be compared with. */
    if (ret->task != EVALUATION_VALUES &&
        shape_elements(&feed->targets[0].shape) !=
            shape_elements(&values->shape) / (ret->task == EVALUATION_CLASSES
                                                  ? values->shape.dims[values->shape.rank - 1]
                                                  : 1))
        return false;
    if (ret->task == EVALUATION_CLASSES)
        rows = shape_product(&values->shape, 0, values->shape.rank - 1);
    return evaluation_add(evaluation, values, &feed->targets[0], NULL, rows, NULL) == ENGINE_OK;
}

/* A line for each class, and the confusion matrix; NULL when out of memory or where there is none. */
static char *make_table(const struct evaluation *evaluation, const struct labels *labels)
{
    int classes;
    const double *confusion = evaluation_confusion(evaluation, &classes);
    size_t length;
    char *matrix = confusion != NULL ? confusion_text(confusion, classes, labels, &length) : NULL;
    struct text text = {0};

    if (matrix == NULL)
        return NULL;
    text_printf(&text, "  %-18s %9s %9s %9s %9s\n", "class", "precision", "recall", "f1", "examples");
    for (int c = 0; c < classes; c++) {
        double precision, recall, f1, support;
        char number[16];

        snprintf(number, sizeof(number), "%d", c);
        evaluation_class_scores(evaluation, c, &precision, &recall, &f1, &support);
        text_printf(&text, "  %-18.18s %9.4f %9.4f %9.4f %9.6g\n",
                   labels != NULL && c < labels_count(labels) ? labels_name(labels, c) : number, precision,
                   recall, f1, support);
    }
    text_printf(&text, "rows are what is right, columns what was answered:\n");
    text_append(&text, matrix, length + 1);
    free(matrix);
    if (text.failed)
        text_free(&text);
    return text.data;
}

static bool go_on(const struct train_session *session, struct problem *problem)
{
    return session->stopped == NULL || !session->stopped(session->arg) ||
           problem_set(problem, 499, "stopped", "the run was stopped");
}

bool train_judge(struct trainer *trainer, struct train_feed *feed, const struct dataset *dataset,
                 const uint32_t *examples, int64_t n, struct train_verdict *ret,
                 struct problem *problem)
{
    struct evaluation *evaluation = NULL;
    struct engine_error err = {0};
    bool measures = true;

    *ret = (struct train_verdict){0};
    for (int64_t from = 0; from < n; from += feed->rows_max) {
        int64_t rows = n - from < feed->rows_max ? n - from : feed->rows_max;
        const struct trainer_batch batch = {feed->inputs, feed->targets, -1.0};
        double loss = 0.0;

        for (int64_t i = 0; i < rows; i++)
            feed->examples[i] = examples != NULL ? examples[from + i] : (uint32_t)(from + i);
        if (!go_on(feed->session, problem) || !train_feed_gather(feed, dataset, rows, problem)) {
            evaluation_destroy(evaluation);
            return false;
        }
        if (trainer_evaluate(trainer, &batch, &loss, &err) != ENGINE_OK) {
            evaluation_destroy(evaluation);
            problem_from_engine(problem, &err);
            return false;
        }
        ret->loss += loss * (double)rows / (double)n;
        if (evaluation == NULL && measures)
            evaluation = make_evaluation(trainer, ret);
        measures = measures && evaluation != NULL && add_metrics(trainer, feed, evaluation, ret);
    }
    ret->has_metrics =
        measures && evaluation_measure(evaluation, &ret->metrics, NULL) == ENGINE_OK;
    if (ret->has_metrics && feed->wants_table)
        ret->table = make_table(evaluation, feed->session->labels);
    evaluation_destroy(evaluation);
    return true;
}

bool train_metric(const struct train_verdict *verdict, const char *name, double *ret,
                  bool *ret_larger)
{
    int metric;

    if (strcmp(name, "loss") == 0) {
        *ret = verdict->loss;
        *ret_larger = false;
        return true;
    }
    metric = evaluation_metric_find(name);
    if (metric < 0)
        return false;
    *ret = verdict->has_metrics ? verdict->metrics.values[metric] : (double)NAN;
    *ret_larger = evaluation_metric_larger_is_better((enum evaluation_metric)metric);
    return true;
}
