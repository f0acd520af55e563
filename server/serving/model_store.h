/* SPDX-License-Identifier: Apache-2.0
 * server/serving/model_store.h - models that were put over HTTP: <state-dir>/models/<name>/<version>/
 * model.onnx, laid out like a model repository, which the registry reads beside the user's. A version is
 * written beside and renamed into place, and synced before anyone hears of it; what a crash leaves
 * behind bears a name that scans pass over and goes with the next change. On the loader thread alone. */
#ifndef SERVER_SERVING_MODEL_STORE_H
#define SERVER_SERVING_MODEL_STORE_H

#include "proto/problem.h"
#include "server/serving/repository.h"

#include <stddef.h>

enum { STORE_VERSIONS_MAX = 1000 };

struct store_result {
    char version[VERSION_TEXT_MAX];
    bool created;   /* the model is new */
    bool unchanged; /* the newest version has these very bytes: nothing was written */
};

/* Writes the bytes as the next version of a valid name. */
bool model_store_put(const char *state_dir, const char *name, const void *bytes, size_t size,
                     struct store_result *ret, struct problem *problem);
/* Takes the model out of sight (404 if there is none); its files stay, for what still serves. */
bool model_store_hide(const char *state_dir, const char *name, struct problem *problem);
/* Removes what is hidden, and what was learnt on it, for good. The other two do so first, which makes good
 * a crash in between. */
bool model_store_erase(const char *state_dir, struct problem *problem);

#endif
