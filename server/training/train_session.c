/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_session.h"

#include "engine/model_standardise.h"
#include "engine/train/standardise.h"
#include "server/status_map.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 4096, POOL_SPIN_US = 100 };

static bool engine_problem(struct problem *problem, const struct engine_error *err)
{
    problem_from_engine(problem, err);
    return false;
}

static bool find_names(const struct train_options *options, struct trainer_options *ret,
                       struct trainer_loss *loss, struct problem *problem)
{
    enum optimiser_kind optimiser;
    enum schedule_kind schedule;

    if (!optimiser_find(options->optimiser, &optimiser))
        return problem_set(problem, 400, "bad_request", "--optimiser: there is no '%.64s'",
                           options->optimiser);
    if (!schedule_find(options->schedule, &schedule))
        return problem_set(problem, 400, "bad_request", "--schedule: there is no '%.64s'",
                           options->schedule);
    ret->optimiser = optimiser_form_default(optimiser);
    ret->schedule = schedule_default(schedule, options->rate);
    *loss = (struct trainer_loss){.by_head = true, .form = loss_form_default(LOSS_MSE)};
    if (options->loss == NULL)
        return true;
    loss->by_head = false;
    loss->axis_by_head = true;
    if (!loss_find(options->loss, &loss->form.kind))
        return problem_set(problem, 400, "bad_request", "--loss: there is no '%.64s'", options->loss);
    return true;
}

/* "1,2.5" to floats of the thread's, until its next call; `balanced` counts the labels of the
 * training part. */
static bool parse_weights(const struct train_options *options, const struct train_session *session,
                          struct loss_form *form, struct problem *problem)
{
    static _Thread_local float weights[CLASSES_MAX];
    int64_t count = 0, n;
    const uint32_t *examples;

    form->class_weights = weights;
    if (strcmp(options->class_weights, "balanced") != 0) {
        for (const char *at = options->class_weights; *at != '\0' && count < CLASSES_MAX; count++) {
            char *end;

            weights[count] = strtof(at, &end);
            if (end == at || (*end != '\0' && *end != ','))
                return problem_set(problem, 400, "bad_request",
                                   "--class-weights: expected numbers, or 'balanced', got '%.64s'", at);
            at = end + (*end == ',');
        }
        form->n_class_weights = count;
        return true;
    }
    memset(weights, 0, sizeof(weights));
    examples = split_part(&session->split, 0, &n);
    for (int64_t i = 0; i < n; i++) {
        int64_t label = -1;
        struct tensor one = {DTYPE_I64, {0, {0}}, &label};
        struct engine_error err = {0};

        if (dataset_gather(session->dataset, session->n_inputs, examples + i, 1, &one, &err) !=
            ENGINE_OK)
            return engine_problem(problem, &err);
        if (label < 0 || label >= CLASSES_MAX)
            return problem_set(problem, 400, "bad_request",
                               "--class-weights balanced: label %lld is out of range",
                               (long long)label);
        weights[label]++;
        count = label >= count ? label + 1 : count;
    }
    for (int64_t c = 0; c < count; c++)
        weights[c] = weights[c] > 0.0f ? (float)n / ((float)count * weights[c]) : 0.0f;
    form->n_class_weights = count;
    return true;
}

static void set_numbers(const struct train_options *options, int64_t steps,
                        struct trainer_options *ret)
{
    struct optimiser_form *form = &ret->optimiser;
    struct schedule *schedule = &ret->schedule;

    form->momentum = options->momentum > 0.0 ? options->momentum : form->momentum;
    form->beta1 = options->beta1 > 0.0 ? options->beta1 : form->beta1;
    form->beta2 = options->beta2 > 0.0 ? options->beta2 : form->beta2;
    form->epsilon = options->epsilon > 0.0 ? options->epsilon : form->epsilon;
    form->decay = options->decay > 0.0 ? options->decay : form->decay;
    form->l2 = options->l2;
    form->l1 = options->l1;
    form->clip_norm = options->clip;
    schedule->warmup = options->warmup;
    schedule->period = options->period > 0 ? options->period : steps - options->warmup;
    if (schedule->period < 1)
        schedule->period = 1;
    schedule->gamma = options->gamma > 0.0 ? options->gamma : schedule->gamma;
    schedule->least = options->least;
}

bool train_trainer_options(const struct train_options *options, const struct train_session *session,
                           int64_t steps, struct trainer_loss *ret_loss,
                           struct trainer_options *ret, struct problem *problem)
{
    *ret = trainer_options_default();
    if (!find_names(options, ret, ret_loss, problem))
        return false;
    set_numbers(options, steps, ret);
    if (options->huber_delta > 0.0)
        ret_loss->form.delta = options->huber_delta;
    ret_loss->form.smoothing = options->label_smoothing;
    ret_loss->form.ignores = options->has_ignore;
    ret_loss->form.ignore_index = options->ignore_index;
    if (options->class_weights != NULL && session->dataset != NULL &&
        !parse_weights(options, session, &ret_loss->form, problem))
        return false;
    /* Several outputs: each by its head. */
    if (model_n_outputs(session->model) == 1 || options->loss != NULL) {
        ret->n_losses = 1;
        ret->losses = ret_loss;
        ret_loss->output = model_output(session->model, 0)->name;
    }
    ret->learns = options->lora > 0 ? LORA_LEARNS : options->learns;
    ret->frozen = options->frozen;
    ret->last_layers = (int)options->last_layers;
    ret->spare_vectors = options->spare_vectors;
    ret->micro_batch = options->micro_batch;
    ret->seed = (uint64_t)options->seed;
    ret->bytes_max = (size_t)options->memory;
    ret->tapes_max = 3;
    ret->norm = options->batch >= 8 ? TRAINER_NORM_BATCH : TRAINER_NORM_FROZEN;
    if (options->norm != NULL) {
        if (strcmp(options->norm, "batch") != 0 && strcmp(options->norm, "frozen") != 0)
            return problem_set(problem, 400, "bad_request", "--norm: expected 'batch' or 'frozen'");
        ret->norm = options->norm[0] == 'b' ? TRAINER_NORM_BATCH : TRAINER_NORM_FROZEN;
    }
    return true;
}

/* Class names of the file, one a line, as `inferd create` wrote them. */
static struct labels *model_labels(const struct model *model)
{
    const char *at = model_metadata(model, "inferd.classes");
    struct labels *labels = at != NULL && *at != '\0' ? labels_create() : NULL;

    while (labels != NULL && *at != '\0') {
        size_t length = strcspn(at, "\n");

        if (labels_add(labels, at, length) < 0) {
            labels_destroy(labels);
            return NULL;
        }
        at += length + (at[length] == '\n');
    }
    return labels;
}

/* What the data must hold, from the model's inputs and what a trainer would learn. */
static bool make_wish(const struct train_session *session, const struct train_options *options,
                      struct train_wish *wish, struct problem *problem)
{
    const char *tmpdir = getenv("TMPDIR");
    struct engine_error err = {0};
    struct trainer_options trainer_options;
    struct trainer_loss loss;
    struct trainer *trainer;

    if (!train_trainer_options(options, session, 1, &loss, &trainer_options, problem))
        return false;
    loss.form.class_weights = NULL;
    trainer = trainer_create(session->model, &trainer_options, NULL, &err);
    if (trainer == NULL)
        return engine_problem(problem, &err);
    *wish = (struct train_wish){.n_inputs = model_n_inputs(session->model),
                                .n_targets = trainer_n_losses(trainer),
                                .input_columns = options->inputs,
                                .target_columns = options->target,
                                .text_window = options->text,
                                .delimiter = options->delimiter != NULL ? options->delimiter[0] : 0,
                                .skip_missing = options->skip_missing,
                                .memory_bytes_max = (size_t)options->data_memory,
                                .spill_dir = tmpdir != NULL && *tmpdir != '\0' ? tmpdir : "/var/tmp",
                                .labels = session->labels,
                                .stopped = session->stopped,
                                .arg = session->arg};
    if (wish->n_inputs > TRAIN_ENDS_MAX || wish->n_targets > TRAIN_ENDS_MAX) {
        trainer_destroy(trainer);
        return problem_set(problem, 400, "bad_request", "a model of more than %d inputs or outputs",
                           TRAIN_ENDS_MAX);
    }
    for (int i = 0; i < wish->n_inputs; i++) {
        const struct model_io *input = model_input(session->model, i);
        struct train_field *field = &wish->inputs[i];

        *field = (struct train_field){.name = input->name, .dtype = input->dtype, .rank = -1};
        if (input->shape.rank == RANK_UNKNOWN)
            continue;
        field->rank = input->shape.rank > 0 ? input->shape.rank - 1 : 0;
        for (int d = 0; d < field->rank; d++)
            field->dims[d] = input->shape.dims[d + 1];
    }
    for (int i = 0; i < wish->n_targets; i++) {
        enum loss_kind kind = trainer_loss_form(trainer, i)->kind;

        /* The output's name is the model's own, which outlives the trainer. */
        for (int o = 0; o < model_n_outputs(session->model); o++) {
            const struct model_io *output = model_output(session->model, o);

            if (strcmp(output->name, trainer_loss_output(trainer, i)) == 0)
                wish->targets[i] = (struct train_field){
                    .name = output->name,
                    .dtype = DTYPE_F32,
                    .rank = -1,
                    .text = kind == LOSS_CE || kind == LOSS_BCE,
                    .ids = kind == LOSS_CE,
                    .ids_rank = kind == LOSS_CE && output->shape.rank > 2 ? output->shape.rank - 2 : 0};
        }
    }
    trainer_destroy(trainer);
    return true;
}

static bool split_data(struct train_session *session, const struct train_options *options,
                       struct problem *problem)
{
    const double fractions[2] = {1.0 - options->validation, options->validation};
    const struct dataset_field *target = dataset_field(session->dataset, session->n_inputs);
    int stratify = target->dtype == DTYPE_I64 && target->shape.rank == 0 ? session->n_inputs : -1;
    struct engine_error err = {0};

    if (split_fractions(session->dataset, stratify, fractions, options->validation > 0.0 ? 2 : 1,
                        (uint64_t)options->seed, &session->split, &err) != ENGINE_OK)
        return engine_problem(problem, &err);
    return true;
}

/* Statistics of the training part, in the model from here on. */
static bool standardise_input(struct train_session *session, int input, enum standard_scope scope,
                              struct problem *problem)
{
    struct engine_error err = {0};
    struct standard standard;
    struct model *model;
    struct tensor mean = {.dtype = DTYPE_F32}, deviation;
    const uint32_t *examples;
    int64_t n;
    float *numbers;

    examples = split_part(&session->split, 0, &n);
    if (standard_measure(session->dataset, input, examples, n, scope, &standard, &err) != ENGINE_OK)
        return engine_problem(problem, &err);
    numbers = malloc((size_t)standard.n * 2 * sizeof(*numbers) + 1);
    if (numbers == NULL) {
        standard_finish(&standard);
        return problem_set(problem, 500, "no_memory", "out of memory while standardising");
    }
    for (int64_t i = 0; i < standard.n; i++) {
        numbers[i] = (float)standard.mean[i];
        numbers[standard.n + i] = (float)standard.deviation[i];
    }
    mean.shape = standard.shape;
    mean.data = numbers;
    deviation = mean;
    deviation.data = numbers + standard.n;
    model = model_standardise(session->model, input, &mean, &deviation, &err);
    free(numbers);
    standard_finish(&standard);
    if (model == NULL)
        return engine_problem(problem, &err);
    model_unref(session->model);
    session->model = model;
    return true;
}

static bool standardise(struct train_session *session, const char *how, struct problem *problem)
{
    static const char *const names[] = {
        [STANDARD_EACH] = "each", [STANDARD_FIRST] = "first", [STANDARD_ALL] = "all"};
    int scope = -1;

    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], how) == 0)
            scope = i;
    if (scope < 0)
        return problem_set(problem, 400, "bad_request",
                           "--standardise: expected 'each', 'first' or 'all', got '%.64s'", how);
    for (int i = 0; i < session->n_inputs; i++)
        if (model_input(session->model, i)->dtype == DTYPE_F32 &&
            !standardise_input(session, i, (enum standard_scope)scope, problem))
            return false;
    return true;
}

/* The model of the file, or of the material's bytes. */
static bool load_model(struct train_session *session, const struct train_options *options,
                       const struct train_material *material, struct problem *problem)
{
    struct model_options load = {.for_training = true, .keep_source = true};
    struct engine_error err = {0};

    if (options->lora > 0) {
        session->lora = (struct lora){options->lora_on, (int)options->lora, options->lora_alpha,
                                      (uint64_t)options->seed};
        load.rewrite = lora_rewrite;
        load.rewrite_arg = &session->lora;
    }
    if (engine_start(&err) != ENGINE_OK)
        return engine_problem(problem, &err);
    if (material != NULL) {
        load.inference_mode = true;            /* as it is served */
        load.memory_bytes_max = material->memory_bytes_max;
        session->model = model_load_bytes(material->model, material->model_bytes, &load, &err);
    } else {
        session->model = model_load_file(options->model, &load, &err);
    }
    if (session->model != NULL)
        return true;
    if (err.status == ENGINE_IO)
        return problem_set(problem, 404, "not_found", "%s: %s", options->model, err.text);
    engine_problem(problem, &err);
    if (material == NULL)
        problem_prefix(problem, "%s", options->model);
    return false;
}

/* The files of a list, or the material's one. */
static struct dataset *load_data(const struct train_wish *wish, const struct train_list *list,
                                 const struct train_material *material, struct labels **ret_found,
                                 struct problem *problem)
{
    struct train_file files[TRAIN_FILES_MAX];

    if (material != NULL)
        return train_data_load(wish, &material->data, 1, ret_found, problem);
    for (int i = 0; i < list->count; i++)
        files[i] = (struct train_file){list->items[i], -1};
    return train_data_load(wish, files, list->count, ret_found, problem);
}

bool train_session_open(struct train_session *session, const struct train_options *options,
                        const struct train_material *material, struct problem *problem)
{
    struct labels *found = NULL;
    struct train_wish wish;

    *session = (struct train_session){0};
    if (material != NULL) {
        session->stopped = material->stopped;
        session->arg = material->arg;
    }
    if (!load_model(session, options, material, problem))
        return false;
    session->pool = pool_create((int)options->threads, POOL_SPIN_US);
    session->labels = model_labels(session->model);
    session->labels_of_model = session->labels != NULL;
    if (!make_wish(session, options, &wish, problem))
        return false;
    if (material != NULL)
        wish.spill_dir = material->spill_dir;
    session->n_inputs = wish.n_inputs;
    session->n_targets = wish.n_targets;
    session->dataset = load_data(&wish, &options->data, material, &found, problem);
    if (session->dataset == NULL)
        return false;
    if (session->labels == NULL)
        session->labels = found;
    else
        labels_destroy(found);
    found = NULL;
    wish.labels = session->labels;
    if (options->test.count > 0) {
        session->test = load_data(&wish, &options->test, NULL, &found, problem);
        labels_destroy(found);
        if (session->test == NULL)
            return false;
    }
    return split_data(session, options, problem) &&
           (options->standardise == NULL || standardise(session, options->standardise, problem));
}

bool train_session_exchange(struct train_session *session, const void *model, size_t model_bytes,
                            size_t memory_bytes_max, struct problem *problem)
{
    const struct model_options load = {.keep_source = true, .inference_mode = true,
                                       .memory_bytes_max = memory_bytes_max};
    struct engine_error err = {0};
    struct model *other = model_load_bytes(model, model_bytes, &load, &err);

    if (other == NULL)
        return engine_problem(problem, &err);
    model_unref(session->model);
    session->model = other;
    return true;
}

void train_session_finish(struct train_session *session)
{
    split_finish(&session->split);
    dataset_destroy(session->dataset);
    dataset_destroy(session->test);
    labels_destroy(session->labels);
    pool_destroy(session->pool);
    model_unref(session->model);
}
