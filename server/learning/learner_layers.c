/* SPDX-License-Identifier: Apache-2.0
 * Norms of gradient and update by layer. A layer is what tensor names share up to the last '.' or '/';
 * there are at most LEARNING_LAYERS_MAX, the last of which takes all that are left, so that a scrape stays
 * small. */
#include "server/learning/learner_private.h"

#include "server/observe/statistics.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char others[] = "others";

/* As a label needs no escapes. */
static void layer_name(const char *tensor, char name[LEARNING_LAYER_BYTES])
{
    const char *dot = strrchr(tensor, '.'), *slash = strrchr(tensor, '/');
    const char *end = dot > slash ? dot : slash;
    size_t length = end != NULL && end != tensor ? (size_t)(end - tensor) : strlen(tensor);

    if (length > LEARNING_LAYER_BYTES - 1)
        length = LEARNING_LAYER_BYTES - 1;
    memset(name, 0, LEARNING_LAYER_BYTES);
    for (size_t i = 0; i < length; i++)
        name[i] = isalnum((unsigned char)tensor[i]) || strchr("._/:-", tensor[i]) != NULL ? tensor[i]
                                                                                         : '_';
}

static int find(struct learning_layers *layers, const char name[LEARNING_LAYER_BYTES])
{
    int at = 0;

    while (at < layers->n_layers && strcmp(layers->names[at], name) != 0)
        at++;
    if (at < layers->n_layers)
        return at;
    if (layers->n_layers == LEARNING_LAYERS_MAX)
        return LEARNING_LAYERS_MAX - 1;
    layers->n_layers++;
    if (at == LEARNING_LAYERS_MAX - 1)
        memcpy(layers->names[at], others, sizeof(others));
    else
        memcpy(layers->names[at], name, LEARNING_LAYER_BYTES);
    return at;
}

static bool begin(struct learner *learner)
{
    int count = trainer_n_learning(learner->trainer);
    struct learning_layers *layers = calloc(1, sizeof(*layers));

    learner->layer_of = calloc((size_t)count + 1, sizeof(*learner->layer_of));
    if (layers == NULL || learner->layer_of == NULL) {
        free(layers);
        return false;
    }
    for (int i = 0; i < count; i++) {
        char name[LEARNING_LAYER_BYTES];

        layer_name(trainer_tensor_name(learner->trainer, i), name);
        learner->layer_of[i] = find(layers, name);
    }
    learner->layers = learning_stats_layers(stats_learning(learner->entry->stats), layers);
    return true;
}

void learner_note_layers(struct learner *learner, const struct trainer_result *result)
{
    double gradients[LEARNING_LAYERS_MAX] = {0}, updates[LEARNING_LAYERS_MAX] = {0};

    if (!learner->config.layer_norms || (learner->layers == NULL && !begin(learner)))
        return;
    for (int i = 0; i < trainer_n_learning(learner->trainer); i++) {
        int layer = learner->layer_of[i];

        gradients[layer] += result->gradient_norms[i] * result->gradient_norms[i];
        updates[layer] += result->update_norms[i] * result->update_norms[i];
    }
    for (int i = 0; i < learner->layers->n_layers; i++) {
        atomic_store_explicit(&learner->layers->gradients[i], sqrt(gradients[i]),
                              memory_order_relaxed);
        atomic_store_explicit(&learner->layers->updates[i], sqrt(updates[i]), memory_order_relaxed);
    }
}
