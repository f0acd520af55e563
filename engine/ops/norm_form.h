/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/norm_form.h - the attributes of the normalisations, for the operators and their
 * gradients. */
#ifndef ENGINE_OPS_NORM_FORM_H
#define ENGINE_OPS_NORM_FORM_H

#include "engine/tensor.h"

struct layer_params {
    int64_t axis;
    float epsilon;
    enum dtype stash;              /* type of the second and third output */
    bool rms;                      /* RMSNormalization: the mean is not subtracted */
};

struct batch_params {
    float epsilon, momentum;
    bool training;
};

struct group_params {
    float epsilon;
    int64_t groups;                /* 0: as many as channels */
};

struct lrn_params {
    float alpha, beta, bias;
    int64_t size;
};

/* MeanVarianceNormalization and LpNormalization. */
struct axes_params {
    bool lp;                       /* LpNormalization */
    int64_t p;
    int n_axes;
    int64_t axes[SHAPE_RANK_MAX];
};

/* What MeanVarianceNormalization's standard adds to the standard deviation. */
#define DEVIATION_FLOOR 1e-9

#endif
