/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/feature_drift.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Values above the last edge are in the last bin but one; the last is for not-a-number. */
enum { EDGES = FEATURE_DRIFT_BINS - 1, SLOTS = FEATURE_DRIFT_BINS + 1 };

struct feature_drift {
    size_t features, reference_rows, collected;
    float *sample;              /* feature by feature, until the reference is whole */
    float *edges;               /* [features][EDGES], ascending */
    uint32_t *reference;        /* [features][SLOTS] */
    uint64_t *counts;           /* [features][SLOTS] */
    uint64_t rows;
};

struct feature_drift *feature_drift_create(size_t features, size_t reference_rows,
                                           struct engine_error *err)
{
    struct feature_drift *drift = NULL;

    if (features == 0 || features > FEATURE_DRIFT_FEATURES_MAX || reference_rows < FEATURE_DRIFT_BINS ||
        reference_rows > UINT32_MAX / 2 || reference_rows > SIZE_MAX / sizeof(float) / features) {
        engine_error_set(err, ENGINE_BAD_INPUT,
                         "%zu features, a reference of %zu rows: expected 1 to %d, and at least %d",
                         features, reference_rows, FEATURE_DRIFT_FEATURES_MAX, FEATURE_DRIFT_BINS);
        return NULL;
    }
    drift = calloc(1, sizeof(*drift));
    if (drift != NULL) {
        drift->features = features;
        drift->reference_rows = reference_rows;
        drift->sample = calloc(features * reference_rows, sizeof(float));
        drift->edges = calloc(features * EDGES, sizeof(float));
        drift->reference = calloc(features * SLOTS, sizeof(uint32_t));
        drift->counts = calloc(features * SLOTS, sizeof(uint64_t));
    }
    if (drift != NULL && drift->sample != NULL && drift->edges != NULL && drift->reference != NULL &&
        drift->counts != NULL)
        return drift;
    feature_drift_destroy(drift);
    engine_error_set(err, ENGINE_NO_MEMORY, "no memory for the drift of %zu features", features);
    return NULL;
}

void feature_drift_destroy(struct feature_drift *drift)
{
    if (drift == NULL)
        return;
    free(drift->sample);
    free(drift->edges);
    free(drift->reference);
    free(drift->counts);
    free(drift);
}

static int ascending(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;

    return left < right ? -1 : left > right;
}

/* The first bin whose edge is not below the value. */
static int slot_of(const float *edges, float value)
{
    int slot = 0;

    if (isnan(value))
        return FEATURE_DRIFT_BINS;
    while (slot < EDGES && value > edges[slot])
        slot++;
    return slot;
}

/* Quantiles of what was collected become edges; the sample is counted by them and let go. */
static void make_reference(struct feature_drift *drift)
{
    for (size_t f = 0; f < drift->features; f++) {
        float *sample = drift->sample + f * drift->reference_rows;
        float *edges = drift->edges + f * EDGES;
        uint32_t *counts = drift->reference + f * SLOTS;
        size_t n = 0;

        for (size_t i = 0; i < drift->reference_rows; i++) {
            if (isnan(sample[i]))
                counts[FEATURE_DRIFT_BINS]++;
            else
                sample[n++] = sample[i];
        }
        qsort(sample, n, sizeof(float), ascending);
        for (size_t i = 0; i < EDGES && n > 0; i++)
            edges[i] = sample[((i + 1) * n - 1) / FEATURE_DRIFT_BINS];
        for (size_t i = 0; i < n; i++)
            counts[slot_of(edges, sample[i])]++;
    }
    free(drift->sample);
    drift->sample = NULL;
}

void feature_drift_add(struct feature_drift *drift, const float *values, size_t rows)
{
    for (size_t row = 0; row < rows; row++, values += drift->features) {
        if (drift->sample != NULL) {
            for (size_t f = 0; f < drift->features; f++)
                drift->sample[f * drift->reference_rows + drift->collected] = values[f];
            if (++drift->collected == drift->reference_rows)
                make_reference(drift);
            continue;
        }
        for (size_t f = 0; f < drift->features; f++)
            drift->counts[f * SLOTS + (size_t)slot_of(drift->edges + f * EDGES, values[f])]++;
        drift->rows++;
    }
}

bool feature_drift_ready(const struct feature_drift *drift)
{
    return drift->sample == NULL;
}

uint64_t feature_drift_rows(const struct feature_drift *drift)
{
    return drift->rows;
}

double feature_drift_index(const struct feature_drift *drift, size_t feature)
{
    const uint32_t *reference = drift->reference + feature * SLOTS;
    const uint64_t *counts = drift->counts + feature * SLOTS;
    double index = 0.0;

    if (drift->sample != NULL || drift->rows == 0)
        return 0.0;
    for (int i = 0; i < SLOTS; i++) {
        /* Half a row for none keeps the logarithm finite. */
        double p = (counts[i] > 0 ? (double)counts[i] : 0.5) / (double)drift->rows;
        double q = (reference[i] > 0 ? (double)reference[i] : 0.5) / (double)drift->reference_rows;

        if (counts[i] > 0 || reference[i] > 0)
            index += (p - q) * log(p / q);
    }
    return index;
}

double feature_drift_worst(const struct feature_drift *drift, size_t *ret_feature)
{
    double worst = 0.0;
    size_t at = 0;

    for (size_t f = 0; f < drift->features; f++) {
        double index = feature_drift_index(drift, f);

        if (index > worst) {
            worst = index;
            at = f;
        }
    }
    if (ret_feature != NULL)
        *ret_feature = at;
    return worst;
}

void feature_drift_next(struct feature_drift *drift)
{
    memset(drift->counts, 0, drift->features * SLOTS * sizeof(*drift->counts));
    drift->rows = 0;
}

/* --- saved --- */

/* Then the edges, then the reference's counts; `sum` is FNV-1a over all that follows it. */
struct saved_head {
    char magic[8];
    uint64_t sum, features, rows;
};

static const char saved_magic[8] = "psi ref1";

static uint64_t sum_of(const void *data, size_t bytes)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (const unsigned char *byte = data; bytes-- > 0; byte++)
        sum = (sum ^ *byte) * UINT64_C(0x100000001b3);
    return sum;
}

static size_t saved_bytes(size_t features)
{
    return sizeof(struct saved_head) + features * (EDGES * sizeof(float) + SLOTS * sizeof(uint32_t));
}

size_t feature_drift_saved_bytes(const struct feature_drift *drift)
{
    return saved_bytes(drift->features);
}

void feature_drift_save(const struct feature_drift *drift, void *to)
{
    struct saved_head head = {.features = drift->features, .rows = drift->reference_rows};
    size_t edges = drift->features * EDGES * sizeof(float), at = offsetof(struct saved_head, features);
    char *body = (char *)to + sizeof(head);

    memcpy(head.magic, saved_magic, sizeof(head.magic));
    memcpy(to, &head, sizeof(head));
    memcpy(body, drift->edges, edges);
    memcpy(body + edges, drift->reference, drift->features * SLOTS * sizeof(uint32_t));
    head.sum = sum_of((char *)to + at, saved_bytes(drift->features) - at);
    memcpy(to, &head, sizeof(head));
}

struct feature_drift *feature_drift_restore(size_t features, const void *saved, size_t bytes,
                                            struct engine_error *err)
{
    size_t edges = features * EDGES * sizeof(float), at = offsetof(struct saved_head, features);
    const char *body = (const char *)saved + sizeof(struct saved_head);
    struct feature_drift *drift;
    struct saved_head head;

    if (features == 0 || features > FEATURE_DRIFT_FEATURES_MAX || bytes != saved_bytes(features) ||
        memcpy(&head, saved, sizeof(head)) == NULL || head.features != features ||
        memcmp(head.magic, saved_magic, sizeof(head.magic)) != 0 || head.rows > UINT32_MAX / 2 ||
        head.sum != sum_of((const char *)saved + at, bytes - at)) {
        engine_error_set(err, ENGINE_BAD_INPUT, "no reference of %zu features", features);
        return NULL;
    }
    drift = feature_drift_create(features, FEATURE_DRIFT_BINS, err);
    if (drift == NULL)
        return NULL;
    free(drift->sample);
    drift->sample = NULL;
    drift->reference_rows = drift->collected = (size_t)head.rows;
    memcpy(drift->edges, body, edges);
    memcpy(drift->reference, body + edges, features * SLOTS * sizeof(uint32_t));
    return drift;
}
