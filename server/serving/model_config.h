/* SPDX-License-Identifier: Apache-2.0
 * server/serving/model_config.h - <model>/config.json: how one model is served.
 *
 *   {"max_batch_size": 32,                  rows computed together; 0 or 1: never joined
 *    "queue_delay_us": 200,                 how long a batch may wait to fill
 *    "version_policy": "all",               or {"latest": 2}, or {"specific": [1, 3]}
 *    "labels": {"stable": 1, "canary": 2},  names for versions
 *    "training": {"learning_rate": 0.01}}    how it learns: server/learning/learn_config.h
 *
 * All keys are optional; one that is unknown is an error that names it. */
#ifndef SERVER_SERVING_MODEL_CONFIG_H
#define SERVER_SERVING_MODEL_CONFIG_H

#include "engine/error.h"
#include "server/learning/learn_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_LABELS_MAX = 32, CONFIG_LABEL_BYTES_MAX = 64, CONFIG_SPECIFIC_MAX = 256 };
enum { CONFIG_BATCH_SIZE_MAX = 65536, CONFIG_QUEUE_DELAY_US_MAX = 10000000 };

enum version_policy { VERSIONS_LATEST, VERSIONS_ALL, VERSIONS_SPECIFIC };

struct model_label {
    char name[CONFIG_LABEL_BYTES_MAX + 1];
    uint64_t version;
};

/* A plain value: copy it freely. */
struct model_config {
    int64_t batch_size_max;              /* -1: not said */
    int64_t queue_delay_us;              /* -1: not said */
    enum version_policy policy;
    int latest;                          /* VERSIONS_LATEST: how many */
    int n_specific, n_labels;
    uint64_t specific[CONFIG_SPECIFIC_MAX];
    struct model_label labels[CONFIG_LABELS_MAX];
    struct learn_config training;
};

/* What holds where there is no file: the newest version, nothing else said. */
void model_config_init(struct model_config *config);
/* False sets `err` (BAD_MODEL), which names the key; `ret_config` is untouched then. */
bool model_config_parse(const void *text, size_t length, struct model_config *ret_config,
                        struct engine_error *err);

#endif
