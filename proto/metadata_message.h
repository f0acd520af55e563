/* SPDX-License-Identifier: Apache-2.0
 * proto/metadata_message.h - the bodies of metadata, readiness, repository and error answers, in the
 * dialects of OIP v2 and TensorFlow Serving v1. All append to `text`. */
#ifndef PROTO_METADATA_MESSAGE_H
#define PROTO_METADATA_MESSAGE_H

#include "proto/text.h"
#include "proto/wire_tensor.h"

struct model_metadata {
    const char *name, *platform;
    const char *const *versions;
    int n_versions;
    const char *version;                 /* the one described */
    const struct tensor_spec *inputs, *outputs;
    int n_inputs, n_outputs;
    int max_batch_size;                  /* 0: requests are not joined */
};

struct repository_row {
    const char *name, *version;          /* version may be NULL */
    const char *state;                   /* READY, UNAVAILABLE, LOADING, UNLOADING */
    const char *reason;                  /* may be NULL */
};

void error_encode(struct text *text, const char *message);
void server_metadata_encode(struct text *text, const char *name, const char *version,
                            const char *const *extensions, int n_extensions);
void model_metadata_encode(struct text *text, const struct model_metadata *metadata);
void model_config_encode(struct text *text, const struct model_metadata *metadata);
/* What a model that learns says of itself beside being ready. */
struct ready_detail {
    bool read_only;             /* updates are refused: `reason` */
    bool loss_drifting, input_drifting;
    double input_psi;
    const char *reason, *worst_input;   /* "" where there is none */
    double quarantines, auto_rollbacks; /* candidates held back; publications taken back */
};
/* `detail` NULL: it does not learn. */
void model_ready_encode(struct text *text, const char *name, bool ready,
                        const struct ready_detail *detail);
void repository_index_encode(struct text *text, const struct repository_row *rows, int n_rows);
/* GET /v1/models/M: a superset that TF Serving's and KServe's v1 clients both read. */
void v1_status_encode(struct text *text, const char *name, bool ready,
                      const struct repository_row *rows, int n_rows);
void v1_metadata_encode(struct text *text, const struct model_metadata *metadata);

#endif
