/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learn_method.h"

#include "engine/train/optimiser.h"

#include <stddef.h>
#include <string.h>

/* X(kind, key, unsaid): what a row does not say is the last column, which is part of the journal's format
 * and stays as it is whatever becomes of the configuration's defaults. */
#define LEARN_METHOD_MAP(X) \
    X(NAME, optimiser, 0) \
    X(REAL, momentum, 0.9) \
    X(REAL, clip_norm, 5) \
    X(REAL, l2, 0) \
    X(REAL, decay, 0) \
    X(REAL, l1, 0) \
    X(NAME, loss, 0) \
    X(PATTERN, learns, 0) \
    X(PATTERN, frozen, 0) \
    X(INT, last_layers, 0)

static void add_key(struct text *text, const char *key, bool *first)
{
    text_printf(text, "%s\"%s\":", *first ? "" : ",", key);
    *first = false;
}

static void add_real(struct text *text, const char *key, double value, double unsaid, bool *first)
{
    if (value == unsaid)
        return;
    add_key(text, key, first);
    text_json_double(text, value);
}

static void add_int(struct text *text, const char *key, int64_t value, int64_t unsaid, bool *first)
{
    if (value == unsaid)
        return;
    add_key(text, key, first);
    text_json_int(text, value);
}

static void add_words(struct text *text, const char *key, const char *value, bool *first)
{
    if (value[0] == '\0')
        return;
    add_key(text, key, first);
    text_json_string(text, value, strlen(value));
}

#define ADD_REAL(field, unsaid) add_real(text, #field, config->field, unsaid, &first);
#define ADD_INT(field, unsaid) add_int(text, #field, config->field, unsaid, &first);
#define ADD_NAME(field, unsaid) add_words(text, #field, config->field, &first);
#define ADD_PATTERN(field, unsaid) add_words(text, #field, config->field, &first);

void learn_method_write(const struct learn_config *config, struct text *text)
{
    bool first = true;

    text_puts(text, "{");
#define X(kind, field, unsaid) ADD_##kind(field, unsaid)
    LEARN_METHOD_MAP(X)
#undef X
    text_puts(text, "}");
}

#define UNSAY_REAL(field, unsaid) config->field = (unsaid);
#define UNSAY_INT(field, unsaid) config->field = (unsaid);
#define UNSAY_NAME(field, unsaid) config->field[0] = '\0';
#define UNSAY_PATTERN(field, unsaid) config->field[0] = '\0';

bool learn_method_read(const json_t *object, struct learn_config *ret)
{
    struct learn_config read, *config = &read;
    struct engine_error err = {0};

    learn_config_init(config);
#define X(kind, field, unsaid) UNSAY_##kind(field, unsaid)
    LEARN_METHOD_MAP(X)
#undef X
    if (!learn_config_parse(object, config, &err))
        return false;
    *ret = read;
    return true;
}

static enum optimiser_kind kind_of(const struct learn_config *config)
{
    enum optimiser_kind kind = OPTIMISER_SGD;

    if (config->optimiser[0] != '\0')
        optimiser_find(config->optimiser, &kind);
    return kind;
}

struct optimiser_form learn_method_form(const struct learn_config *config)
{
    enum optimiser_kind kind = kind_of(config);
    struct optimiser_form form = optimiser_form_default(kind);

    if (kind == OPTIMISER_MOMENTUM || kind == OPTIMISER_NESTEROV)
        form.momentum = config->momentum;
    form.clip_norm = config->clip_norm;
    form.l2 = config->l2;
    form.decay = config->decay;
    form.l1 = config->l1;
    return form;
}

const char *learn_method_moved(const struct learn_config *a, const struct learn_config *b)
{
    return kind_of(a) != kind_of(b)            ? "optimiser"
           : strcmp(a->loss, b->loss) != 0     ? "loss"
           : strcmp(a->learns, b->learns) != 0 ? "learns"
           : strcmp(a->frozen, b->frozen) != 0 ? "frozen"
           : a->last_layers != b->last_layers  ? "last_layers"
                                               : NULL;
}

void learn_method_take_build(struct learn_config *config, const struct learn_config *from)
{
    memcpy(config->optimiser, from->optimiser, sizeof(config->optimiser));
    memcpy(config->loss, from->loss, sizeof(config->loss));
    memcpy(config->learns, from->learns, sizeof(config->learns));
    memcpy(config->frozen, from->frozen, sizeof(config->frozen));
    config->last_layers = from->last_layers;
}
