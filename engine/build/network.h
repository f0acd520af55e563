/* SPDX-License-Identifier: Apache-2.0
 * engine/build/network.h - a specification (spec/network_spec.h) to an ONNX file with first weights,
 * which is then loaded like any other. Shapes are inferred layer by layer; an error names the layer
 * by its place, its type and the field ("layers[3].kernel (conv): ..."), which is also where it stands
 * in the JSON form. Any thread.
 *
 * The file: opset 17, input and output with a symbolic dimension "batch" in front; the value before
 * the head's Softmax or Sigmoid is named "logits"; Dropout and BatchNormalization are in the form for
 * serving (training_mode 0), a trainer sets its own. Every float constant with a dimension is a weight
 * to learn, but for the running statistics of batch_norm. Properties: inferd.task, inferd.classes
 * (names, one a line, if given), inferd.specification. */
#ifndef ENGINE_BUILD_NETWORK_H
#define ENGINE_BUILD_NETWORK_H

#include "engine/error.h"
#include "spec/network_spec.h"

#include <stddef.h>
#include <stdint.h>

/* Weights of one network, unless the caller sets a limit: 1 GiB of floats. */
#define NETWORK_PARAMETERS_MAX (INT64_C(1) << 28)

struct network_options {
    const char *specification; /* text for the property, or NULL */
    int64_t parameters_max;    /* 0: NETWORK_PARAMETERS_MAX */
};

struct network_file {
    void *bytes; /* for free() */
    size_t size;
    int64_t n_parameters; /* running statistics included */
};

/* BAD_INPUT: the specification is refused; OVER_BUDGET: more parameters than the limit. Both are said
 * before memory is taken for weights. */
enum engine_status network_write(const struct network_spec *spec,
                                 const struct network_options *options, struct network_file *ret,
                                 struct engine_error *err);

#endif
