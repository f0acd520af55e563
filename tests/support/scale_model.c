/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scale_model.h"

#include "tests/support/onnx_bytes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_MAX_BYTES = 512, FIELD_INPUT = 11, FIELD_OUTPUT = 12, OPSET = 13 };

void scale_repository_make(char root[SCALE_ROOT_MAX])
{
    strcpy(root, "/tmp/inferd_models.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

void scale_repository_remove(const char *root)
{
    char command[PATH_MAX_BYTES];

    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

static void write_bytes(const char *root, const char *path, const void *data, size_t size)
{
    char whole[PATH_MAX_BYTES], beside[PATH_MAX_BYTES + 8];
    FILE *file;

    snprintf(whole, sizeof(whole), "%s/%s", root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    snprintf(beside, sizeof(beside), "%s.new", whole);
    file = fopen(beside, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(beside, whole), 0);
}

void scale_model_write_text(const char *root, const char *path, const char *text)
{
    write_bytes(root, path, text, strlen(text));
}

void scale_model_write(const char *root, const char *model, const char *version, float factor)
{
    static const int64_t dims[] = {-1, SCALE_WIDTH}, one[] = {1};
    struct onnx_bytes graph = {0}, file = {0};
    char path[PATH_MAX_BYTES];

    onnx_put_node(&graph, "Mul", "x factor", "y", NULL);
    onnx_put_text(&graph, 2, "scale");
    onnx_put_float_initializer(&graph, "factor", one, 1, &factor, 1);
    onnx_put_value(&graph, FIELD_INPUT, "x", dims, 2);
    onnx_put_value(&graph, FIELD_OUTPUT, "y", dims, 2);
    onnx_put_model(&file, &graph, OPSET);
    snprintf(path, sizeof(path), "%s/%s/model.onnx", model, version);
    write_bytes(root, path, file.data, file.size);
    onnx_bytes_free(&file);
}

/* ValueInfoProto of an INT64 tensor [N,1]. */
static void put_index_input(struct onnx_bytes *graph)
{
    struct onnx_bytes symbol = {0}, number = {0}, shape = {0}, tensor = {0}, type = {0}, info = {0};

    onnx_put_text(&symbol, 2, "N");
    onnx_put_message(&shape, 1, &symbol);
    onnx_put_int(&number, 1, 1);
    onnx_put_message(&shape, 1, &number);
    onnx_put_int(&tensor, 1, 7);         /* INT64 */
    onnx_put_message(&tensor, 2, &shape);
    onnx_put_message(&type, 1, &tensor);
    onnx_put_text(&info, 1, "x");
    onnx_put_message(&info, 2, &type);
    onnx_put_message(graph, FIELD_INPUT, &info);
}

void table_model_write(const char *root, const char *model, int rows)
{
    const int64_t table_dims[] = {rows}, output_dims[] = {-1, 1};
    struct onnx_bytes graph = {0}, file = {0};
    float *table = calloc((size_t)rows, sizeof(*table));
    char path[PATH_MAX_BYTES];

    ck_assert_ptr_nonnull(table);
    for (int i = 0; i < rows; i++)
        table[i] = (float)i * 10;
    onnx_put_node(&graph, "Gather", "table x", "y", NULL);
    onnx_put_text(&graph, 2, "table");
    onnx_put_float_initializer(&graph, "table", table_dims, 1, table, (size_t)rows);
    put_index_input(&graph);
    onnx_put_value(&graph, FIELD_OUTPUT, "y", output_dims, 2);
    onnx_put_model(&file, &graph, OPSET);
    snprintf(path, sizeof(path), "%s/1/model.onnx", model);
    write_bytes(root, path, file.data, file.size);
    onnx_bytes_free(&file);
    free(table);
}
