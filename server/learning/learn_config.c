/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learn_config.h"

#include "engine/train/loss.h"
#include "engine/train/optimiser.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { KIND_BOOL, KIND_INT, KIND_REAL, KIND_NAME, KIND_PATTERN };

static const struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    double least, most;
} keys[] = {
#define X(kind, field, least, most, initial, meaning) \
    {#field, KIND_##kind, offsetof(struct learn_config, field), least, most},
    LEARN_CONFIG_MAP(X)
#undef X
};

#define INIT_BOOL(field, initial) config->field = (initial) != 0;
#define INIT_INT(field, initial) config->field = (int64_t)(initial);
#define INIT_REAL(field, initial) config->field = (initial);
#define INIT_NAME(field, initial) config->field[0] = '\0';
#define INIT_PATTERN(field, initial) config->field[0] = '\0';

void learn_config_init(struct learn_config *config)
{
#define X(kind, field, least, most, initial, meaning) INIT_##kind(field, initial)
    LEARN_CONFIG_MAP(X)
#undef X
}

static bool bad(struct engine_error *err, const char *key, const char *expected)
{
    engine_error_set(err, ENGINE_BAD_MODEL, "config.json: training.%s must be %s", key, expected);
    return false;
}

static bool parse_number(const struct key *key, const json_t *item, char *place,
                         struct engine_error *err)
{
    double number = json_number_value(item);
    char range[80];

    snprintf(range, sizeof(range), "%s from %.15g to %.15g",
             key->kind == KIND_INT ? "an integer" : "a number", key->least, key->most);
    if ((key->kind == KIND_INT ? !json_is_integer(item) : !json_is_number(item)) ||
        !(number >= key->least && number <= key->most))
        return bad(err, key->name, range);
    if (key->kind == KIND_INT)
        *(int64_t *)(void *)place = json_integer_value(item);
    else
        *(double *)(void *)place = number;
    return true;
}

static bool parse_text(const struct key *key, const json_t *item, char *place,
                       struct engine_error *err)
{
    size_t most = key->kind == KIND_NAME ? LEARN_NAME_MAX : LEARN_PATTERN_MAX;

    if (!json_is_string(item) || json_string_length(item) > most)
        return bad(err, key->name,
                   key->kind == KIND_NAME ? "a name" : "globs of at most 511 bytes");
    memcpy(place, json_string_value(item), json_string_length(item));
    place[json_string_length(item)] = '\0';
    return true;
}

static bool parse_item(const char *name, const json_t *item, struct learn_config *config,
                       struct engine_error *err)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *place = (char *)config + keys[i].offset;

        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].kind == KIND_NAME || keys[i].kind == KIND_PATTERN)
            return parse_text(&keys[i], item, place, err);
        if (keys[i].kind != KIND_BOOL)
            return parse_number(&keys[i], item, place, err);
        if (!json_is_boolean(item))
            return bad(err, name, "true or false");
        *(bool *)place = json_is_true(item);
        return true;
    }
    engine_error_set(err, ENGINE_BAD_MODEL, "config.json: unknown key 'training.%.64s'", name);
    return false;
}

bool learn_config_parse(const json_t *object, struct learn_config *config,
                        struct engine_error *err)
{
    struct learn_config made = *config;
    enum optimiser_kind optimiser;
    enum loss_kind loss;
    const char *name;
    json_t *item;

    if (!json_is_object(object)) {
        engine_error_set(err, ENGINE_BAD_MODEL, "config.json: training must be an object");
        return false;
    }
    json_object_foreach ((json_t *)object, name, item) {
        if (!parse_item(name, item, &made, err))
            return false;
    }
    if (made.loss[0] != '\0' && !loss_find(made.loss, &loss))
        return bad(err, "loss", "one of mse, mae, huber, bce, ce");
    if (made.optimiser[0] != '\0' && !optimiser_find(made.optimiser, &optimiser))
        return bad(err, "optimiser", "one of sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw");
    if (made.publish[0] != '\0' && strcmp(made.publish, "each") != 0 &&
        strcmp(made.publish, "gate") != 0 && strcmp(made.publish, "manual") != 0)
        return bad(err, "publish", "one of each, gate, manual");
    if (made.learning_rate > made.learning_rate_max)
        return bad(err, "learning_rate", "at most training.learning_rate_max");
    if (made.drift_reference > 0 && made.drift_reference < 100)
        return bad(err, "drift_reference", "0 or at least 100: an index of fewer rows is noise");
    if (made.publish_every == 0 && made.publish_ms == 0)
        return bad(err, "publish_every", "1 or more where there is no training.publish_ms");
    if (made.publish_every == 1 && made.publish_ms > 0)
        return bad(err, "publish_every", "0 or more than 1 where there is training.publish_ms: at 1 "
                                         "predictions see every update at once");
    *config = made;
    return true;
}
