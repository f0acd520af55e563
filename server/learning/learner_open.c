/* SPDX-License-Identifier: Apache-2.0
 * Opening a learner: the model's bytes as they were loaded, a trainer on them, and what the journal and
 * the checkpoints say has been learnt. Learnt state belongs to the very bytes of a file: its directory is
 * named <model>@<version>@<first half of their digest>, so another file begins anew and the old one,
 * put back, goes on. */
#include "server/learning/learner_private.h"

#include "server/observe/log.h"
#include "server/observe/statistics.h"
#include "server/options.h"
#include "server/status_map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 160, LINEAGE_BYTES_MAX = 4096 };

static const char lineage_file[] = "lineage.json";

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void problem_from_fault(struct problem *problem, const struct storage_fault *fault)
{
    switch (fault->status) {
    case STORAGE_LIMIT:
    case STORAGE_NO_SPACE:
    case STORAGE_NO_MEMORY:
        problem_set(problem, 507, "storage_full", "%s", fault->text);
        break;
    case STORAGE_CONFLICT:
        problem_set(problem, 409, "key_conflict",
                    "the Idempotency-Key was used with another request before");
        break;
    case STORAGE_NOT_FOUND:
        problem_set(problem, 404, "unknown_generation", "%s", fault->text);
        break;
    default:
        problem_set(problem, 503, "storage_failed", "learning is off: %s%s%s", fault->file,
                    fault->file[0] != '\0' ? ": " : "", fault->text);
    }
}

void learner_latch(struct learner *learner, const struct storage_fault *fault)
{
    struct problem reason = {0};

    problem_set(&reason, 503, "storage_failed",
                "learning is off until a restart, predictions go on: %s%s%s", fault->file,
                fault->file[0] != '\0' ? ": " : "", fault->text);
    log_write(learner->log, LOG_LEVEL_ERROR, "learning is off until a restart",
              "model=%s version=%s generation=%" PRId64 " file=%s reason=%s", learner->entry->name,
              learner->entry->version, learner->generation_base + (int64_t)learner->generation,
              fault->file, fault->text);
    pthread_mutex_lock(&learner->lock);
    learner->state = LEARNER_READ_ONLY;
    learner->reason = reason;
    pthread_mutex_unlock(&learner->lock);
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_READ_ONLY, 1);
}

/* --- the file and the trainer --- */

static bool read_file(struct learner *learner, struct problem *problem)
{
    const struct model_entry *entry = learner->entry;
    struct stat info;
    struct file_stamp stamp;
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
    stamp = (struct file_stamp){(uint64_t)info.st_dev, (uint64_t)info.st_ino,
                                (uint64_t)info.st_size,
                                (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
                                (int64_t)info.st_ctim.tv_sec * 1000000000 + info.st_ctim.tv_nsec};
    if (stamp.size != entry->file_stamp.size || stamp.mtime_ns != entry->file_stamp.mtime_ns)
        return problem_set(problem, 409, "model_file",
                           "the file of model '%s' was written over since it was loaded: load it "
                           "again first",
                           entry->name);
    learner->base = digest_of(learner->file, learner->file_bytes);
    return true;
}

static void fill_options(const struct learner *learner, struct trainer_options *options,
                         struct trainer_loss *loss)
{
    const struct learn_config *config = &learner->config;
    enum optimiser_kind kind = OPTIMISER_SGD;

    *options = trainer_options_default();
    if (config->optimiser[0] != '\0')
        optimiser_find(config->optimiser, &kind);
    options->optimiser = optimiser_form_default(kind);
    if (kind == OPTIMISER_MOMENTUM || kind == OPTIMISER_NESTEROV)
        options->optimiser.momentum = config->momentum;
    options->optimiser.clip_norm = config->clip_norm;
    options->optimiser.l2 = config->l2;
    options->optimiser.decay = config->decay;
    options->optimiser.l1 = config->l1;
    options->schedule = schedule_default(SCHEDULE_CONSTANT, config->learning_rate);
    options->learns = config->learns[0] != '\0' ? config->learns : NULL;
    options->frozen = config->frozen[0] != '\0' ? config->frozen : NULL;
    options->last_layers = (int)config->last_layers;
    options->seed = (uint64_t)config->seed;
    options->two_phase = true;
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

bool learner_make_trainer(struct learner *learner, struct problem *problem)
{
    struct trainer_options options;
    struct trainer_loss loss;
    struct engine_error err = {0};

    trainer_destroy(learner->trainer);
    fill_options(learner, &options, &loss);
    learner->trainer = trainer_create(learner->model, &options, NULL, &err);
    if (learner->trainer != NULL)
        return true;
    engine_error_prefix(&err, "model '%s' cannot learn", learner->entry->name);
    return problem_set(problem, 422, "not_trainable", "%s", err.text);
}

static bool make_model(struct learner *learner, struct problem *problem)
{
    const struct model_options options = {
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

bool learner_publish(struct learner *learner, struct problem *problem)
{
    struct engine_error err = {0};
    int64_t old;
    struct weights *from = model_entry_weights(learner->entry, &old), *weights;

    weights = trainer_publish(learner->trainer, from, &err);
    weights_unref(from);
    if (weights == NULL) {
        problem_from_engine(problem, &err);
        return false;
    }
    model_entry_publish(learner->entry, weights,
                        learner->generation_base + (int64_t)learner->generation);
    return true;
}

/* --- the directory --- */

static void directory_name(const struct learner *learner, char name[NAME_MAX_BYTES])
{
    char hex[DIGEST_TEXT_BYTES + 1];

    snprintf(name, NAME_MAX_BYTES, "%.64s@%.20s@%.32s", learner->entry->name,
             learner->entry->version, digest_hex(&learner->base, hex));
}

bool learner_has_state(const char *state_path, const struct model_entry *entry)
{
    char path[4096], prefix[NAME_MAX_BYTES];
    struct dirent *found;
    bool has = false;
    DIR *dir;

    snprintf(prefix, sizeof(prefix), "%.64s@%.20s@", entry->name, entry->version);
    if (snprintf(path, sizeof(path), "%s/learning", state_path) >= (int)sizeof(path))
        return false;
    dir = opendir(path);
    while (dir != NULL && !has && (found = readdir(dir)) != NULL)
        has = strncmp(found->d_name, prefix, strlen(prefix)) == 0;
    if (dir != NULL)
        closedir(dir);
    return has;
}

static bool directory_exists(const struct learner *learner)
{
    char path[4096], name[NAME_MAX_BYTES];

    directory_name(learner, name);
    return snprintf(path, sizeof(path), "%s/learning/%s/%s", learner->state_path, name,
                    lineage_file) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

/* Which generation the model file itself is: what is learnt counts on from there. Written once, before the
 * journal is made. */
static enum storage_status read_lineage(struct learner *learner, struct storage_fault *fault)
{
    unsigned char *text = NULL;
    size_t length = 0;
    enum storage_status status = storage_file_read(&learner->dir, lineage_file, LINEAGE_BYTES_MAX,
                                                   &text, &length, fault);
    json_t *root, *base;

    if (status != STORAGE_OK)
        return status;
    root = json_loadb((const char *)text, length, 0, NULL);
    base = json_object_get(root, "generation");
    if (json_is_integer(base) && json_integer_value(base) >= 0)
        learner->generation_base = json_integer_value(base);
    else
        status = storage_fault_set(fault, STORAGE_DAMAGED, lineage_file, 0,
                                   "it does not say the generation of the model file");
    json_decref(root);
    free(text);
    return status;
}

static enum storage_status write_lineage(struct learner *learner, struct storage_fault *fault)
{
    static const char temporary[] = "lineage.json.new";
    char text[512], hex[DIGEST_TEXT_BYTES + 1];
    int length = snprintf(text, sizeof(text),
                          "{\"model\":\"%.64s\",\"version\":\"%.20s\",\"sha256\":\"%s\","
                          "\"generation\":%" PRId64 "}\n",
                          learner->entry->name, learner->entry->version,
                          digest_hex(&learner->base, hex), learner->generation_base);
    int fd = openat(learner->dir.fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = 0;

    if (fd < 0)
        return storage_fault_errno(fault, lineage_file, "make", errno);
    if (storage_write_all(fd, text, (size_t)length) != 0 || fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(learner->dir.fd, temporary, learner->dir.fd, lineage_file) != 0)
        error = errno;
    if (error != 0)
        return storage_fault_errno(fault, lineage_file, "write", error);
    return storage_dir_sync(&learner->dir, fault);
}

static void log_faults(const struct learner *learner, const struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->n_faults; i++)
        log_write(learner->log, LOG_LEVEL_ERROR, "learnt state is damaged",
                  "model=%s version=%s file=%s row=%" PRIu64 " reason=%s", learner->entry->name,
                  learner->entry->version, recovery->faults[i].file,
                  recovery->faults[i].generation, recovery->faults[i].text);
}

/* Brings trainer and journal to where they were. */
static bool recover_all(struct learner *learner, struct problem *problem)
{
    struct recovery_trainer trainer = learner_recovery(learner);
    struct recovery recovery = {0};
    const struct storage_fault *first;

    recover(&learner->dir, &learner->journal_options, (size_t)learner->options->model_bytes_max * 4,
            &trainer, &recovery);
    log_faults(learner, &recovery);
    learner->generation = recovery.generation;
    learner->checkpointed = recovery.checkpoint;
    learner->journal = recovery.journal;
    first = recovery.n_faults > 0 ? &recovery.faults[0] : NULL;
    if (recovery.mode == RECOVERY_FAILED) {
        if (first != NULL)
            problem_from_fault(problem, first);
        return problem_set(problem, 503, "storage_failed", "the learnt state cannot be read");
    }
    log_write(learner->log, LOG_LEVEL_INFO, "learnt state recovered",
              "model=%s version=%s generation=%" PRId64 " checkpoint=%" PRIu64 " replayed=%" PRIu64,
              learner->entry->name, learner->entry->version,
              learner->generation_base + (int64_t)learner->generation, recovery.checkpoint,
              recovery.replayed);
    if (recovery.mode == RECOVERY_READ_ONLY) {
        learner->state = LEARNER_READ_ONLY;
        problem_set(&learner->reason, 503, "damaged", "learning is off: %s%s%s",
                    first != NULL ? first->file : "", first != NULL ? ": " : "",
                    first != NULL ? first->text : "the learnt state is damaged");
    }
    return true;
}

bool learner_store(struct learner *learner, struct problem *problem)
{
    struct storage_fault fault = {0};
    char name[NAME_MAX_BYTES];
    enum storage_status status;

    if (learner->stored)
        return true;
    directory_name(learner, name);
    status = storage_dir_open(&learner->dir, learner->state_path, name, &fault);
    if (status == STORAGE_OK)
        status = storage_file_exists(&learner->dir, lineage_file) ? read_lineage(learner, &fault)
                                                                  : write_lineage(learner, &fault);
    if (status != STORAGE_OK) {
        problem_from_fault(problem, &fault);
        return false;
    }
    learner->stored = true;
    learner->journal_options = (struct journal_options){
        .base = learner->base,
        .bytes_max = (uint64_t)learner->config.journal_bytes_max,
        .generations_min = (uint64_t)learner->config.keep_updates,
    };
    return recover_all(learner, problem);
}

bool learner_open(struct learner *learner, struct problem *problem)
{
    weights_unref(model_entry_weights(learner->entry, &learner->generation_base));
    learner_watch_begin(learner);
    if (!read_file(learner, problem) || !make_model(learner, problem))
        return false;
    if (!directory_exists(learner))
        return true;
    if (!learner_store(learner, problem))
        return false;
    return learner->generation == 0 || learner_publish(learner, problem);
}

bool learner_checkpoint(struct learner *learner)
{
    struct checkpoint_note note = {.generation = learner->generation, .time_ms = now_ms(),
                                   .base = learner->base, .trainer = ""};
    int count = trainer_n_entries(learner->trainer);
    struct named_tensor *tensors = calloc((size_t)count + 1, sizeof(*tensors));
    const struct journal_row *row = NULL;
    struct journal_held *held = NULL;
    struct storage_fault fault = {0};
    enum storage_status status = STORAGE_NO_MEMORY;

    for (int i = 0; i < count && tensors != NULL; i++) {
        struct trainer_entry entry = trainer_entry(learner->trainer, i);

        tensors[i] = (struct named_tensor){entry.name, entry.tensor.dtype, entry.tensor.shape,
                                           entry.tensor.data, tensor_bytes(&entry.tensor)};
    }
    memcpy(note.identity, journal_identity(learner->journal), sizeof(note.identity));
    if (tensors != NULL)
        status = journal_read(learner->journal, learner->generation, &held, &row, &fault);
    if (status == STORAGE_OK && row != NULL) {
        note.chain = row->chain;
        status = checkpoint_write(&learner->dir, &note, tensors, (size_t)count, NULL, &fault);
    }
    journal_row_release(held);
    if (status == STORAGE_OK)
        status = recovery_prune(&learner->dir, learner->journal, now_ms(), &fault);
    free(tensors);
    learner->checkpointed = learner->generation; /* a failed one is not tried again at once */
    if (status == STORAGE_OK)
        return true;
    log_write(learner->log, LOG_LEVEL_ERROR, "checkpoint failed",
              "model=%s version=%s file=%s reason=%s", learner->entry->name,
              learner->entry->version, fault.file, fault.text);
    return false;
}

void learner_close(struct learner *learner)
{
    if (learner->journal != NULL && learner->state == LEARNER_READY &&
        learner->generation > learner->checkpointed)
        learner_checkpoint(learner);
    journal_close(learner->journal);
    if (learner->stored)
        storage_dir_close(&learner->dir);
    prequential_destroy(learner->prequential);
    trainer_destroy(learner->trainer);
    model_unref(learner->model);
    free(learner->file);
}
