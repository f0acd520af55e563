/* SPDX-License-Identifier: Apache-2.0
 * tests/support/onnx_load.h - a model made with onnx_bytes.h, read into an arena of its own. */
#ifndef TESTS_SUPPORT_ONNX_LOAD_H
#define TESTS_SUPPORT_ONNX_LOAD_H

#include "engine/onnx/onnx_model.h"
#include "tests/support/onnx_bytes.h"

enum { MEGABYTE = 1 << 20 };

struct onnx_loaded {
    struct arena *arena; /* destroy it */
    struct graph *graph;
    struct onnx_info info;
    struct engine_error err;
    enum engine_status status;
};

/* Reads `model`, which is freed, within a budget. */
struct onnx_loaded onnx_load(struct onnx_bytes *model, size_t budget);
/* x -> Relu -> y, of shape [batch, 4], after what the caller has put into `graph`, which is freed.
 */
void onnx_put_relu_model(struct onnx_bytes *model, struct onnx_bytes *graph, int opset);
/* x -> the function local.`function` -> z, and x -> Relu -> y. */
void onnx_put_call_model(struct onnx_bytes *model, const char *function);
/* local.`name`: its input a goes to two nodes `calls` (local too, but for Relu); one makes its
 * output. */
void onnx_put_function(struct onnx_bytes *model, const char *name, const char *calls);

#endif
