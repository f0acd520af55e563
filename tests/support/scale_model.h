/* SPDX-License-Identifier: Apache-2.0
 * tests/support/scale_model.h - a model repository of throw-away models: input "x" FP32 [N,2], output
 * "y" = x * factor, so that an answer tells which file it came from. A failure fails the test. */
#ifndef TESTS_SUPPORT_SCALE_MODEL_H
#define TESTS_SUPPORT_SCALE_MODEL_H

enum { SCALE_ROOT_MAX = 64, SCALE_WIDTH = 2 };

/* An empty directory; its name in `root`. */
void scale_repository_make(char root[SCALE_ROOT_MAX]);
void scale_repository_remove(const char *root);
/* Writes <root>/<model>/<version>/model.onnx beside and renames it into place. */
void scale_model_write(const char *root, const char *model, const char *version, float factor);
/* Any bytes in its place. */
void scale_model_write_text(const char *root, const char *path, const char *text);
/* y = table[x]: input "x" INT64 [N,1], table of `rows` floats; an index out of range fails. */
void table_model_write(const char *root, const char *model, int rows);

#endif
