/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/onnx_load.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const int64_t row[] = {-1, 4};

struct onnx_loaded onnx_load(struct onnx_bytes *model, size_t budget)
{
    struct onnx_loaded loaded = {.arena = arena_create(budget)};
    /* A copy without slack, so that ASan sees a read past the end. */
    unsigned char *copy = malloc(model->size > 0 ? model->size : 1);

    ck_assert_ptr_nonnull(loaded.arena);
    ck_assert_ptr_nonnull(copy);
    if (model->size > 0)
        memcpy(copy, model->data, model->size);
    loaded.status =
        onnx_read(copy, model->size, -1, loaded.arena, &loaded.graph, &loaded.info, &loaded.err);
    free(copy);
    onnx_bytes_free(model);
    return loaded;
}

void onnx_put_relu_model(struct onnx_bytes *model, struct onnx_bytes *graph, int opset)
{
    onnx_put_node(graph, "Relu", "x", "y", NULL);
    onnx_put_value(graph, 11, "x", row, 2);
    onnx_put_value(graph, 12, "y", row, 2);
    onnx_put_model(model, graph, opset);
}

void onnx_put_function(struct onnx_bytes *model, const char *name, const char *calls)
{
    struct onnx_bytes function = {0}, node = {0};

    onnx_put_text(&function, 1, name);
    onnx_put_text(&function, 10, "local");
    onnx_put_text(&function, 4, "a");
    onnx_put_text(&function, 5, "b");
    for (int i = 0; i < 2; i++) {
        onnx_put_text(&node, 1, "a");
        onnx_put_text(&node, 2, i == 0 ? "b" : "c");
        onnx_put_text(&node, 4, calls);
        onnx_put_text(&node, 7, strcmp(calls, "Relu") == 0 ? "" : "local");
        onnx_put_message(&function, 7, &node);
    }
    onnx_put_message(model, 25, &function);
}

void onnx_put_call_model(struct onnx_bytes *model, const char *function)
{
    struct onnx_bytes graph = {0}, node = {0};

    onnx_put_text(&node, 1, "x");
    onnx_put_text(&node, 2, "z");
    onnx_put_text(&node, 4, function);
    onnx_put_text(&node, 7, "local");
    onnx_put_message(&graph, 1, &node);
    onnx_put_relu_model(model, &graph, 17);
}
