/* SPDX-License-Identifier: Apache-2.0
 * clients/c/inferd_model.h - what a model takes and gives, from its metadata. */
#ifndef CLIENTS_C_INFERD_MODEL_H
#define CLIENTS_C_INFERD_MODEL_H

#include "clients/c/inferd_client.h"

struct inferd_model {
    json_t *metadata; /* owner of the names */
    struct tensor_spec *inputs, *outputs;
    int n_inputs, n_outputs;
};

bool inferd_model_fetch(struct inferd_client *client, const char *model, const char *version,
                        struct inferd_model *ret_model, struct inferd_error *err);
void inferd_model_finish(struct inferd_model *model);
/* NULL if the model has no such input. */
const struct tensor_spec *inferd_model_input(const struct inferd_model *model, const char *name,
                                             size_t name_length);

#endif
