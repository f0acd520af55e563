/* SPDX-License-Identifier: Apache-2.0
 * Are the inputs of live predictions still what they were? The first rows are the reference, which is kept in
 * the model's state directory; each further window of as many is compared with it, feature by feature. */
#include "server/learning/learner_private.h"

#include "engine/learn/feature_drift.h"
#include "server/observe/log.h"
#include "server/observe/statistics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

/* Values a second that are looked at, and bytes of a reference that is being collected. */
enum { VALUES_PER_SECOND = 4 * 1000 * 1000, SAMPLES_PER_SECOND = 1000 };
static const size_t reference_bytes_max = (size_t)256 << 20;
static const char reference_file[] = "drift-reference";

struct learner_drift {
    struct feature_drift *drift;   /* from the first sample on */
    size_t features;
    float *values;                 /* one row */
    bool drifting;
};

void learner_drift_begin(struct learner *learner)
{
    if (learner->config.drift_reference == 0)
        return;
    learner->drift = calloc(1, sizeof(*learner->drift));
    if (learner->drift != NULL)
        tap_open(&learner->entry->tap, TAP_FEATURES, (struct tap_rate){1, SAMPLES_PER_SECOND});
}

void learner_drift_end(struct learner *learner)
{
    if (learner->drift == NULL)
        return;
    feature_drift_destroy(learner->drift->drift);
    free(learner->drift->values);
    free(learner->drift);
    learner->drift = NULL;
}

/* --- the reference --- */

static void complain(const struct learner *learner, const char *reason)
{
    log_write(learner->log, LOG_LEVEL_WARNING, "the inputs of predictions are not watched",
              "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
              reason);
}

static struct feature_drift *restore(struct learner *learner, size_t features)
{
    struct feature_drift *drift = NULL;
    struct storage_fault fault = {0};
    struct engine_error err = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;

    if (!learner->stored || !storage_file_exists(&learner->dir, reference_file))
        return NULL;
    if (storage_file_read(&learner->dir, reference_file, reference_bytes_max, &data, &bytes,
                          &fault) == STORAGE_OK)
        drift = feature_drift_restore(features, data, bytes, &err);
    free(data);
    if (drift == NULL)
        log_write(learner->log, LOG_LEVEL_WARNING, "the reference of inputs is made anew",
                  "model=%s version=%s file=%s reason=%s", learner->entry->name,
                  learner->entry->version, reference_file,
                  fault.status != STORAGE_OK ? fault.text : err.text);
    return drift;
}

static void save(struct learner *learner)
{
    const struct feature_drift *drift = learner->drift->drift;
    size_t bytes = feature_drift_saved_bytes(drift);
    struct storage_fault fault = {0};
    struct problem problem = {0};
    void *data = calloc(1, bytes);
    struct iovec part = {data, bytes};
    bool good = data != NULL && learner->state == LEARNER_READY && learner_store(learner, &problem);

    if (good) {
        feature_drift_save(drift, data);
        good = storage_file_write(&learner->dir, reference_file, &part, 1, &fault) == STORAGE_OK;
    }
    free(data);
    if (good)
        log_write(learner->log, LOG_LEVEL_INFO, "the reference of inputs is whole",
                  "model=%s version=%s rows=%" PRId64 " features=%zu", learner->entry->name,
                  learner->entry->version, learner->config.drift_reference, learner->drift->features);
    else
        log_write(learner->log, LOG_LEVEL_WARNING, "the reference of inputs is not kept",
                  "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
                  problem.status != 0 ? problem.text : fault.text);
}

/* --- what comes in --- */

static int64_t rows_of(const struct learner *learner, const struct tap_sample *sample)
{
    return learner->entry->batchable ? sample->rows : 1;
}

/* Numbers of one row, over all inputs. */
static size_t features_of(const struct tap_sample *sample, int64_t rows)
{
    size_t features = 0;

    for (int i = 0; i < sample->n_inputs; i++)
        if (dtype_is_float(sample->inputs[i].dtype) || dtype_is_integer(sample->inputs[i].dtype))
            features += (size_t)(shape_elements(&sample->inputs[i].shape) / rows);
    return features;
}

static bool make(struct learner *learner, size_t features)
{
    struct learner_drift *drift = learner->drift;
    struct engine_error err = {0};
    uint32_t most;

    if (features == 0 || features > FEATURE_DRIFT_FEATURES_MAX ||
        (size_t)learner->config.drift_reference > reference_bytes_max / sizeof(float) / features) {
        complain(learner, "the reference would take more than 256 MiB: make training.drift_reference "
                          "smaller");
        return false;
    }
    drift->features = features;
    drift->values = calloc(features, sizeof(*drift->values));
    drift->drift = restore(learner, features);
    if (drift->drift == NULL)
        drift->drift =
            feature_drift_create(features, (size_t)learner->config.drift_reference, &err);
    most = (uint32_t)(VALUES_PER_SECOND / features);
    if (most < SAMPLES_PER_SECOND)
        tap_open(&learner->entry->tap, TAP_FEATURES, (struct tap_rate){1, most > 0 ? most : 1});
    if (drift->drift != NULL && drift->values != NULL)
        return true;
    complain(learner, err.text[0] != '\0' ? err.text : "no memory");
    return false;
}

/* One row of every input, as floats. */
static void gather(const struct tap_sample *sample, int64_t rows, int64_t row, float *to)
{
    for (int i = 0; i < sample->n_inputs; i++) {
        const struct tensor *input = &sample->inputs[i];
        int64_t each = shape_elements(&input->shape) / rows;

        if (!dtype_is_float(input->dtype) && !dtype_is_integer(input->dtype))
            continue;
        for (int64_t k = 0; k < each; k++)
            *to++ = (float)tensor_double_at(input, row * each + k);
    }
}

/* "image[12]": the input and the place in its row. */
static void name_of(const struct tap_sample *sample, const struct learner *learner, int64_t rows,
                    size_t feature, char name[LEARNING_NOTE_BYTES])
{
    for (int i = 0; i < sample->n_inputs; i++) {
        const struct tensor *input = &sample->inputs[i];
        size_t each = (size_t)(shape_elements(&input->shape) / rows);

        if (!dtype_is_float(input->dtype) && !dtype_is_integer(input->dtype))
            continue;
        if (feature < each) {
            snprintf(name, LEARNING_NOTE_BYTES, "%.150s[%zu]", learner->entry->inputs[i].name,
                     feature);
            return;
        }
        feature -= each;
    }
    name[0] = '\0';
}

/* A window is full. */
static void judge(struct learner *learner, const struct tap_sample *sample, int64_t rows)
{
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    struct learner_drift *drift = learner->drift;
    char name[LEARNING_NOTE_BYTES];
    size_t feature = 0;
    double index = feature_drift_worst(drift->drift, &feature);
    bool drifting = index >= learner->config.drift_psi;

    name_of(sample, learner, rows, feature, name);
    learning_stats_set(stats, LEARNING_INPUT_PSI, index);
    learning_stats_set(stats, LEARNING_INPUT_DRIFTING, drifting);
    learning_stats_note(stats, NULL, name);
    if (drifting != drift->drifting)
        log_write(learner->log, drifting ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                  drifting ? "the inputs of predictions have changed"
                           : "the inputs of predictions are as they were",
                  "model=%s version=%s input=%s psi=%.4g threshold=%.4g rows=%" PRIu64,
                  learner->entry->name, learner->entry->version, name, index,
                  learner->config.drift_psi, feature_drift_rows(drift->drift));
    drift->drifting = drifting;
    feature_drift_next(drift->drift);
}

void learner_drift_sample(struct learner *learner, const struct tap_sample *sample)
{
    struct learner_drift *drift = learner->drift;
    int64_t rows = rows_of(learner, sample);
    size_t features;

    if (drift == NULL || rows < 1)
        return;
    features = features_of(sample, rows);
    if (drift->drift == NULL && !make(learner, features)) {
        tap_close(&learner->entry->tap, TAP_FEATURES);
        learner_drift_end(learner);
        return;
    }
    for (int64_t row = 0; row < rows && features == drift->features; row++) {
        bool ready = feature_drift_ready(drift->drift);

        gather(sample, rows, row, drift->values);
        feature_drift_add(drift->drift, drift->values, 1);
        if (!ready && feature_drift_ready(drift->drift))
            save(learner);
        if (feature_drift_rows(drift->drift) >= (uint64_t)learner->config.drift_reference)
            judge(learner, sample, rows);
    }
}
