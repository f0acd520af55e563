/* SPDX-License-Identifier: Apache-2.0
 * The model's file as a learner wants it: its bytes as they were loaded, the model unoptimised, a trainer on
 * it as the configuration says. */
#include "server/learning/learner_private.h"

#include "server/options.h"
#include "server/serving/repository_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_file(struct learner *learner, struct problem *problem)
{
    const struct model_entry *entry = learner->entry;
    struct file_stamp stamp;
    struct stat info;
    size_t done = 0;

    if (entry->file_fd < 0 || fstat(entry->file_fd, &info) != 0)
        return problem_set(problem, 409, "no_model_file", "model '%s' has no file to learn from",
                           entry->name);
    learner->file_bytes = (size_t)info.st_size;
    learner->file = malloc(learner->file_bytes + 1);
    if (learner->file == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for the model file");
    while (done < learner->file_bytes) {
        ssize_t got = pread(entry->file_fd, (char *)learner->file + done,
                            learner->file_bytes - done, (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return problem_set(problem, 503, "model_file", "the model file cannot be read again");
        done += (size_t)got;
    }
    if (fstat(entry->file_fd, &info) != 0)
        return problem_set(problem, 503, "model_file", "the model file cannot be read again");
    stamp = file_stamp_of(&info);
    if (!file_stamp_same_bytes(&stamp, &entry->file_stamp))
        return problem_set(problem, 409, "model_file",
                           "the file of model '%s' was written over since it was loaded: load it "
                           "again first",
                           entry->name);
    learner->base = digest_of(learner->file, learner->file_bytes);
    return true;
}

int64_t learner_micro_batch(const struct learner *learner)
{
    return learner->entry->batchable ? learner->config.micro_batch : 0;
}

/* Between the micro-batches of a step nothing is half done. */
static void between(void *arg)
{
    struct learner *learner = arg;

    pace_point(&learner->pace, NULL);
}

static void fill_options(struct learner *learner, struct trainer_options *options,
                         struct trainer_loss *loss)
{
    const struct learn_config *config = &learner->config;

    *options = trainer_options_default();
    options->optimiser = learn_method_form(config);
    options->schedule = schedule_default(SCHEDULE_CONSTANT, config->learning_rate);
    options->learns = config->learns[0] != '\0' ? config->learns : NULL;
    options->frozen = config->frozen[0] != '\0' ? config->frozen : NULL;
    options->last_layers = (int)config->last_layers;
    options->seed = (uint64_t)config->seed;
    options->two_phase = true;
    options->micro_batch = learner_micro_batch(learner);
    options->between = between;
    options->between_arg = learner;
    options->guards = (struct trainer_guards){
        .loss_most = config->loss_max, .loss_spike = config->loss_spike,
        .gradient_most = config->gradient_max, .gradient_spike = config->gradient_spike,
        .warmup = config->guard_warmup};
    options->bytes_max = (size_t)learner->options->model_bytes_max;
    if (config->loss[0] == '\0')
        return;
    *loss = (struct trainer_loss){.output = model_output(learner->model, 0)->name,
                                  .axis_by_head = true};
    loss_find(config->loss, &loss->form.kind);
    loss->form = loss_form_default(loss->form.kind);
    options->n_losses = 1;
    options->losses = loss;
}

struct trainer *learner_new_trainer(struct learner *learner, struct problem *problem)
{
    struct trainer_options options;
    struct trainer_loss loss;
    struct engine_error err = {0};
    struct trainer *trainer;

    fill_options(learner, &options, &loss);
    trainer = trainer_create(learner->model, &options, NULL, &err);
    if (trainer != NULL)
        return trainer;
    engine_error_prefix(&err, "model '%s' cannot learn", learner->entry->name);
    problem_set(problem, 422, "not_trainable", "%s", err.text);
    return NULL;
}

bool learner_make_trainer(struct learner *learner, struct problem *problem)
{
    trainer_destroy(learner->trainer);
    learner->trainer = learner_new_trainer(learner, problem);
    return learner->trainer != NULL;
}

bool learner_make_trainer_on(struct learner *learner, const void *file, size_t file_bytes,
                             struct problem *problem)
{
    const struct model_options options = {.inference_mode = true,
                                          .memory_bytes_max = (size_t)learner->options->model_bytes_max};
    struct engine_error err = {0};
    struct model *model = model_load_bytes(file, file_bytes, &options, &err);
    struct weights *weights = model != NULL ? model_base_weights(model) : NULL;
    bool good = learner_make_trainer(learner, problem);

    if (good && (weights == NULL || trainer_take(learner->trainer, weights, &err) != ENGINE_OK))
        good = problem_set(problem, 409, "other_model", "the file cannot be adopted: %s", err.text);
    weights_unref(weights);
    model_unref(model);
    return good;
}

static bool make_model(struct learner *learner, struct problem *problem)
{
    const struct model_options options = {
        .for_training = true,
        .inference_mode = true,
        .memory_bytes_max = (size_t)learner->options->model_bytes_max,
        .plan_bytes_max = (size_t)learner->options->plan_bytes_max,
    };
    struct engine_error err = {0};

    learner->model = model_load_bytes(learner->file, learner->file_bytes, &options, &err);
    if (learner->model == NULL) {
        engine_error_prefix(&err, "model '%s' cannot learn", learner->entry->name);
        return problem_set(problem, 422, "not_trainable", "%s", err.text);
    }
    if (learner->entry->batchable)
        model_probe_batchable(learner->model);
    return learner_make_trainer(learner, problem);
}

bool learner_load(struct learner *learner, struct problem *problem)
{
    return read_file(learner, problem) && make_model(learner, problem);
}
