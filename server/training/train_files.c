/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_files.h"

#include "engine/model_export.h"
#include "engine/model_file.h"
#include "engine/train/curve.h"
#include "proto/text.h"
#include "server/learning/safetensors.h"
#include "server/status_map.h"
#include "server/whole_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 1024, RUN_NUMBERS = 9, EXTRA_TENSORS = 3 };

/* Of weights and statistics, which come first among the entries. */
static int kept_entries(const struct trainer *trainer)
{
    int n = 0;

    while (n < trainer_n_entries(trainer) && trainer_entry(trainer, n).part <= TRAINER_STATISTIC)
        n++;
    return n;
}

int64_t train_best_count(const struct trainer *trainer)
{
    int64_t count = 0;

    for (int i = 0; i < kept_entries(trainer); i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);

        count += shape_elements(&entry.tensor.shape);
    }
    return count;
}

void train_best_keep(const struct trainer *trainer, struct train_progress *progress)
{
    float *to = progress->best;

    for (int i = 0; i < kept_entries(trainer); i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);

        memcpy(to, entry.tensor.data, tensor_bytes(&entry.tensor));
        to += shape_elements(&entry.tensor.shape);
    }
}

static bool restore(struct trainer *trainer, int n, const struct trainer_entry *entries,
                    struct problem *problem)
{
    struct engine_error err = {0};

    if (trainer_restore(trainer, n, entries, &err) == ENGINE_OK)
        return true;
    problem_from_engine(problem, &err);
    return false;
}

bool train_best_restore(struct trainer *trainer, const struct train_progress *progress,
                        struct problem *problem)
{
    const int n = trainer_n_entries(trainer), kept = kept_entries(trainer);
    struct trainer_entry *entries = calloc((size_t)n, sizeof(*entries));
    float *from = progress->best;
    bool ok = entries != NULL || problem_set(problem, 500, "no_memory", "out of memory");

    for (int i = 0; i < n && ok; i++) {
        entries[i] = trainer_entry(trainer, i);
        if (i < kept) {
            entries[i].tensor.data = from;
            from += shape_elements(&entries[i].tensor.shape);
        }
    }
    ok = ok && restore(trainer, n, entries, problem);
    free(entries);
    return ok;
}

/* All tensors of a checkpoint, with memory for the best epoch's names. */
struct listing {
    struct named_tensor *tensors;
    size_t n;
    char (*names)[NAME_MAX_BYTES];
    double run[RUN_NUMBERS];
};

static bool list(struct listing *listing, const struct trainer *trainer,
                 const struct train_progress *progress)
{
    const int n = trainer_n_entries(trainer), kept = kept_entries(trainer);
    const float *best = progress->best;

    listing->tensors = calloc((size_t)(n + kept + EXTRA_TENSORS), sizeof(*listing->tensors));
    listing->names = calloc((size_t)kept + 1, NAME_MAX_BYTES);
    if (listing->tensors == NULL || listing->names == NULL)
        return false;
    for (int i = 0; i < n; i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);

        listing->tensors[listing->n++] =
            (struct named_tensor){entry.name, entry.tensor.dtype, entry.tensor.shape,
                                  entry.tensor.data, tensor_bytes(&entry.tensor)};
    }
    for (int i = 0; i < kept && progress->best_epoch > 0; i++) {
        struct named_tensor *tensor = &listing->tensors[listing->n++];

        *tensor = listing->tensors[i];
        snprintf(listing->names[i], NAME_MAX_BYTES, "best/%s", tensor->name);
        tensor->name = listing->names[i];
        tensor->data = best;
        best += shape_elements(&tensor->shape);
    }
    listing->run[0] = (double)progress->epochs;
    listing->run[1] = (double)progress->best_epoch;
    listing->run[2] = (double)progress->since_best;
    listing->run[3] = progress->best_score;
    listing->run[4] = (double)progress->step;
    listing->run[5] = (double)progress->learned;
    listing->run[6] = progress->sum;
    listing->run[7] = (double)progress->refused;
    listing->run[8] = progress->rate;
    listing->tensors[listing->n++] = (struct named_tensor){
        "inferd/run", DTYPE_F64, {1, {RUN_NUMBERS}}, listing->run, sizeof(listing->run)};
    if (progress->n_points == 0)
        return true;
    listing->tensors[listing->n++] =
        (struct named_tensor){"inferd/curve",
                              DTYPE_F64,
                              {2, {progress->n_points, TRAIN_POINT_NUMBERS}},
                              progress->points,
                              (size_t)progress->n_points * sizeof(*progress->points)};
    return true;
}

bool train_checkpoint_write(const char *path, const struct trainer *trainer,
                            const struct train_progress *progress, const char *fingerprint,
                            struct problem *problem)
{
    const struct safetensors_note note = {"inferd.run", fingerprint};
    struct storage_fault fault = {0};
    struct listing listing = {0};
    struct whole_part *parts = NULL;
    struct text header;
    bool ok;

    text_init(&header);
    ok = list(&listing, trainer, progress) &&
         (parts = calloc(listing.n + 1, sizeof(*parts))) != NULL;
    if (!ok)
        problem_set(problem, 500, "no_memory", "out of memory while saving");
    if (ok && safetensors_write_header(listing.tensors, listing.n, &note, 1, &header, &fault) !=
                  STORAGE_OK)
        ok = problem_set(problem, 500, "io", "%s: %s", path, fault.text);
    if (ok) {
        parts[0] = (struct whole_part){header.data, header.length};
        for (size_t i = 0; i < listing.n; i++)
            parts[i + 1] = (struct whole_part){listing.tensors[i].data, listing.tensors[i].bytes};
        ok = whole_file_write(path, parts, listing.n + 1, problem);
    }
    text_free(&header);
    free(parts);
    free(listing.tensors);
    free(listing.names);
    return ok;
}

static const void *find(const struct safetensors *file, const char *name, enum dtype dtype,
                        size_t least, size_t *ret_bytes)
{
    const struct named_tensor *tensor = safetensors_find(file, name);

    if (tensor == NULL || tensor->dtype != dtype || tensor->bytes < least)
        return NULL;
    *ret_bytes = tensor->bytes;
    return tensor->data;
}

static bool take_curve(const struct safetensors *file, struct train_progress *progress)
{
    size_t bytes;
    const void *data = find(file, "inferd/curve", DTYPE_F64, sizeof(*progress->points), &bytes);

    if (data == NULL)
        return false;
    progress->n_points = (int64_t)(bytes / sizeof(*progress->points));
    progress->cap_points = progress->n_points;
    progress->points = malloc(bytes);
    if (progress->points == NULL)
        return false;
    memcpy(progress->points, data, (size_t)progress->n_points * sizeof(*progress->points));
    return progress->n_points >= progress->best_epoch;
}

static bool take_progress(const struct safetensors *file, const struct trainer *trainer,
                          struct train_progress *progress)
{
    double run[RUN_NUMBERS];
    float *best = progress->best;
    size_t bytes;
    const void *data = find(file, "inferd/run", DTYPE_F64, sizeof(run), &bytes);

    if (data == NULL)
        return false;
    memcpy(run, data, sizeof(run));
    for (int i = 0; i < RUN_NUMBERS; i++)
        if (i != 3 && i != 6 && !(run[i] >= 0.0 && run[i] <= 1e15))
            return false;
    progress->epochs = (int64_t)run[0];
    progress->best_epoch = (int64_t)run[1];
    progress->since_best = (int64_t)run[2];
    progress->best_score = run[3];
    progress->step = (int64_t)run[4];
    progress->learned = (int64_t)run[5];
    progress->sum = run[6];
    progress->refused = (int64_t)run[7];
    progress->rate = run[8];
    if (progress->epochs > 0 && !take_curve(file, progress))
        return false;
    for (int i = 0; i < kept_entries(trainer) && progress->best_epoch > 0; i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);
        char name[NAME_MAX_BYTES];

        snprintf(name, sizeof(name), "best/%s", entry.name);
        data = find(file, name, DTYPE_F32, tensor_bytes(&entry.tensor), &bytes);
        if (data == NULL || bytes != tensor_bytes(&entry.tensor))
            return false;
        memcpy(best, data, bytes);
        best += shape_elements(&entry.tensor.shape);
    }
    return true;
}

/* The trainer's own tensors, copied to where they are aligned. */
static bool take_state(const struct safetensors *file, struct trainer *trainer,
                       struct problem *problem)
{
    const int n = trainer_n_entries(trainer);
    struct trainer_entry *entries = calloc((size_t)n, sizeof(*entries));
    bool ok = entries != NULL;

    for (int i = 0; i < n && ok; i++) {
        struct trainer_entry wanted = trainer_entry(trainer, i);
        const struct named_tensor *tensor = safetensors_find(file, wanted.name);

        if (tensor == NULL) {
            ok = problem_set(problem, 400, "bad_data", "the checkpoint has no '%.128s'", wanted.name);
            break;
        }
        entries[i] = (struct trainer_entry){wanted.part, wanted.name,
                                            {tensor->dtype, tensor->shape, malloc(tensor->bytes + 1)}};
        ok = entries[i].tensor.data != NULL;
        if (ok)
            memcpy(entries[i].tensor.data, tensor->data, tensor->bytes);
    }
    ok = ok && restore(trainer, n, entries, problem);
    for (int i = 0; i < n && entries != NULL; i++)
        free(entries[i].tensor.data);
    free(entries);
    return ok || problem_set(problem, 500, "no_memory", "out of memory while resuming");
}

bool train_checkpoint_read(const char *path, struct trainer *trainer, struct train_progress *progress,
                           const char *fingerprint, struct problem *problem)
{
    struct engine_error err = {0};
    struct storage_fault fault = {0};
    struct model_file file;
    struct safetensors tensors;
    const char *note;
    bool ok;

    if (model_file_open(path, 0, &file, &err) != ENGINE_OK)
        return problem_set(problem, 404, "not_found", "--resume: %s: %s", path, err.text);
    if (safetensors_read(path, file.bytes, file.size, &tensors, &fault) != STORAGE_OK) {
        model_file_close(&file);
        return problem_set(problem, 400, "bad_data", "--resume: %s: %s", path, fault.text);
    }
    note = safetensors_note(&tensors, "inferd.run");
    ok = (note != NULL && strcmp(note, fingerprint) == 0) ||
         problem_set(problem, 400, "bad_data",
                     "--resume: %s is of another run: '%.100s', this one is '%.100s'", path,
                     note != NULL ? note : "", fingerprint);
    ok = ok && take_state(&tensors, trainer, problem) &&
         (take_progress(&tensors, trainer, progress) ||
          problem_set(problem, 400, "bad_data", "--resume: %s is not a checkpoint of inferd train",
                      path));
    safetensors_finish(&tensors);
    model_file_close(&file);
    return ok;
}

static bool save_text(const char *path, char *text, size_t length, struct problem *problem)
{
    bool ok = text != NULL || problem_set(problem, 500, "no_memory", "out of memory while drawing");

    ok = ok && whole_file_write(path, &(struct whole_part){text, length}, 1, problem);
    free(text);
    return ok;
}

bool train_curve_write(const struct train_options *options, const struct train_progress *progress,
                       struct problem *problem)
{
    struct curve_point *points = calloc((size_t)progress->n_points + 1, sizeof(*points));
    const struct curve curve = {
        .title = options->model,
        .metric = strcmp(options->metric, "loss") != 0 ? options->metric : NULL,
        .points = points,
        .n_points = progress->n_points,
        .best_epoch = progress->best_epoch,
    };
    bool ok = points != NULL || problem_set(problem, 500, "no_memory", "out of memory while drawing");
    size_t length = 0;

    for (int64_t i = 0; i < progress->n_points && ok; i++) {
        const struct train_point *point = &progress->points[i];

        points[i] = (struct curve_point){
            .epoch = (int64_t)point->epoch,
            .train_loss = point->loss,
            .validation_loss = point->validation_loss,
            .train_metric = (double)NAN,
            .validation_metric = point->metric,
            .learning_rate = point->rate,
            .seconds = point->seconds,
        };
    }
    if (ok && options->log != NULL) {
        char *text = curve_csv(&curve, &length);

        ok = save_text(options->log, text, length, problem);
    }
    if (ok && options->curve != NULL) {
        char *text = curve_svg(&curve, &length);

        ok = save_text(options->curve, text, length, problem);
    }
    free(points);
    return ok;
}

/* Class names that the data brought and the model had not, one a line. */
static char *label_lines(const struct train_session *session)
{
    struct text text;

    if (session->labels == NULL || session->labels_of_model)
        return NULL;
    text_init(&text);
    for (int i = 0; i < labels_count(session->labels); i++)
        text_printf(&text, "%s%s", i > 0 ? "\n" : "", labels_name(session->labels, i));
    text_append(&text, "", 1);
    if (!text.failed)
        return text.data;
    text_free(&text);
    return NULL;
}

bool train_model_write(const char *path, const struct train_session *session, struct trainer *trainer,
                       struct problem *problem)
{
    struct engine_error err = {0};
    struct weights *base = model_base_weights(session->model);
    struct weights *learned = trainer_publish(trainer, base, &err);
    char *classes = label_lines(session);
    const struct model_property property = {"inferd.classes", classes};
    void *bytes = NULL;
    size_t size;
    bool ok = learned != NULL &&
              model_export(session->model, NULL, learned, classes != NULL ? 1 : 0, &property, &bytes,
                           &size, &err) == ENGINE_OK;

    if (!ok)
        problem_from_engine(problem, &err);
    ok = ok && whole_file_write(path, &(struct whole_part){bytes, size}, 1, problem);
    free(bytes);
    free(classes);
    weights_unref(learned);
    weights_unref(base);
    return ok;
}
