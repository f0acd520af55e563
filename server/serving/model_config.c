/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/model_config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void model_config_init(struct model_config *config)
{
    memset(config, 0, sizeof(*config));
    config->batch_size_max = -1;
    config->queue_delay_us = -1;
    config->policy = VERSIONS_LATEST;
    config->latest = 1;
    learn_config_init(&config->training);
}

static bool bad(struct engine_error *err, const char *key, const char *expected)
{
    engine_error_set(err, ENGINE_BAD_MODEL, "config.json: '%.64s' must be %s", key, expected);
    return false;
}

static bool read_integer(const json_t *item, int64_t min, int64_t max, int64_t *ret)
{
    int64_t number = json_integer_value(item);

    if (!json_is_integer(item) || number < min || number > max)
        return false;
    *ret = number;
    return true;
}

static bool parse_batch_size(struct model_config *config, const json_t *item,
                             struct engine_error *err)
{
    return read_integer(item, 0, CONFIG_BATCH_SIZE_MAX, &config->batch_size_max) ||
           bad(err, "max_batch_size", "an integer from 0 to 65536");
}

static bool parse_queue_delay(struct model_config *config, const json_t *item,
                              struct engine_error *err)
{
    return read_integer(item, 0, CONFIG_QUEUE_DELAY_US_MAX, &config->queue_delay_us) ||
           bad(err, "queue_delay_us", "an integer from 0 to 10000000");
}

static bool parse_specific(struct model_config *config, const json_t *list,
                           struct engine_error *err)
{
    size_t count = json_array_size(list);
    int64_t number;

    if (count < 1 || count > CONFIG_SPECIFIC_MAX)
        return bad(err, "version_policy.specific", "a list of 1 to 256 versions");
    for (size_t i = 0; i < count; i++) {
        if (!read_integer(json_array_get(list, i), 1, INT64_MAX, &number))
            return bad(err, "version_policy.specific", "a list of positive integers");
        config->specific[i] = (uint64_t)number;
    }
    config->n_specific = (int)count;
    config->policy = VERSIONS_SPECIFIC;
    return true;
}

static bool parse_policy(struct model_config *config, const json_t *item, struct engine_error *err)
{
    const json_t *latest = json_object_get(item, "latest");
    const json_t *specific = json_object_get(item, "specific");
    const char *text = json_string_value(item);
    int64_t number;

    if (text != NULL && strcmp(text, "all") == 0) {
        config->policy = VERSIONS_ALL;
        return true;
    }
    if (json_object_size(item) == 1 && specific != NULL)
        return parse_specific(config, specific, err);
    if (json_object_size(item) == 1 && latest != NULL && read_integer(latest, 1, 1000, &number)) {
        config->latest = (int)number;
        return true;
    }
    return bad(err, "version_policy", "\"all\", {\"latest\": N} or {\"specific\": [N, ...]}");
}

static bool label_is_valid(const char *label)
{
    size_t length = strlen(label);

    return length >= 1 && length <= CONFIG_LABEL_BYTES_MAX &&
           strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == length;
}

static bool parse_labels(struct model_config *config, const json_t *item, struct engine_error *err)
{
    const char *name;
    json_t *version;
    int64_t number;

    if (!json_is_object(item) || json_object_size(item) > CONFIG_LABELS_MAX)
        return bad(err, "labels", "an object of at most 32 labels");
    json_object_foreach ((json_t *)item, name, version) {
        struct model_label *label = &config->labels[config->n_labels];

        if (!label_is_valid(name))
            return bad(err, name, "a label of 1 to 64 letters, digits and '_'");
        if (!read_integer(version, 1, INT64_MAX, &number))
            return bad(err, name, "a version, a positive integer");
        snprintf(label->name, sizeof(label->name), "%s", name);
        label->version = (uint64_t)number;
        config->n_labels++;
    }
    return true;
}

static bool parse_training(struct model_config *config, const json_t *item,
                           struct engine_error *err)
{
    return learn_config_parse(item, &config->training, err);
}

static const struct {
    const char *key;
    bool (*parse)(struct model_config *config, const json_t *item, struct engine_error *err);
} keys[] = {
    {"labels", parse_labels},
    {"max_batch_size", parse_batch_size},
    {"queue_delay_us", parse_queue_delay},
    {"training", parse_training},
    {"version_policy", parse_policy},
};

static bool parse_key(struct model_config *config, const char *key, const json_t *item,
                      struct engine_error *err)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].key, key) == 0)
            return keys[i].parse(config, item, err);
    }
    engine_error_set(err, ENGINE_BAD_MODEL, "config.json: unknown key '%.64s'", key);
    return false;
}

bool model_config_parse(const void *text, size_t length, struct model_config *ret_config,
                        struct engine_error *err)
{
    struct model_config config;
    json_error_t why;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    json_t *item;
    const char *key;
    bool good = true;

    model_config_init(&config);
    if (root == NULL) {
        engine_error_set(err, ENGINE_BAD_MODEL, "config.json: line %d: %s", why.line, why.text);
        return false;
    }
    if (!json_is_object(root)) {
        engine_error_set(err, ENGINE_BAD_MODEL, "config.json must hold an object");
        good = false;
    }
    json_object_foreach (root, key, item) {
        good = good && parse_key(&config, key, item, err);
    }
    json_decref(root);
    if (good)
        *ret_config = config;
    return good;
}
