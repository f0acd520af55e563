/* SPDX-License-Identifier: Apache-2.0
 * External data: what may be read, and row 87 of the hard cases: all the paths that may not. */
#include "tests/support/onnx_load.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64], model_dir[80];

static void write_floats(const char *path, int count)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < count; i++) {
        float item = (float)i;

        ck_assert_uint_eq(fwrite(&item, sizeof(item), 1, file), 1);
    }
    ck_assert_int_eq(fclose(file), 0);
}

/* home/secret.bin; home/model/{w.bin (8 floats), sub/w.bin, and every kind of file that is no
 * plain one}. */
static void set_up(void)
{
    snprintf(home, sizeof(home), "%s/inferd-external-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 30 ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(home));
    snprintf(model_dir, sizeof(model_dir), "%s/model", home);
    ck_assert_int_eq(mkdir(model_dir, 0700), 0);
    ck_assert_int_eq(chdir(model_dir), 0);
    write_floats("../secret.bin", 8);
    write_floats("w.bin", 8);
    ck_assert_int_eq(mkdir("sub", 0700), 0);
    write_floats("sub/w.bin", 8);
    ck_assert_int_eq(symlink("w.bin", "link.bin"), 0);
    ck_assert_int_eq(symlink("../secret.bin", "out.bin"), 0);
    ck_assert_int_eq(symlink("sub", "subl"), 0);
    ck_assert_int_eq(symlink("..", "up"), 0);
    write_floats("twice.bin", 8);
    ck_assert_int_eq(link("twice.bin", "again.bin"), 0);
    ck_assert_int_eq(mkfifo("fifo.bin", 0600), 0);
    ck_assert_int_eq(symlink("/dev/zero", "zero.bin"), 0);
}

static void tear_down(void)
{
    static const char *const names[] = {
        "w.bin",     "sub/w.bin", "link.bin", "out.bin",  "subl",          "up",
        "twice.bin", "again.bin", "fifo.bin", "zero.bin", "../secret.bin",
    };

    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
        unlink(names[k]);
    rmdir("sub");
    ck_assert_int_eq(chdir("/"), 0);
    rmdir(model_dir);
    rmdir(home);
}

static const struct {
    const char *name, *location, *offset, *length;
    enum engine_status status;
    double first; /* element, if it loads */
} rows[] = {
    {"whole", "w.bin", NULL, NULL, ENGINE_OK, 0},
    {"offset", "w.bin", "8", NULL, ENGINE_OK, 2},
    {"offset and length", "w.bin", "16", "16", ENGINE_OK, 4},
    {"in a folder", "sub/w.bin", "4", "16", ENGINE_OK, 1},
    {"dot", "./w.bin", NULL, NULL, ENGINE_OK, 0},
    {"missing", "nowhere.bin", NULL, NULL, ENGINE_IO, 0},
    {"no location", "", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"parent", "../secret.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"parent through a folder", "sub/../../secret.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"absolute", "/etc/hostname", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"process memory", "/proc/self/mem", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"symlink inside", "link.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"symlink outside", "out.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"folder is a symlink", "subl/w.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"parent is a symlink", "up/secret.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"hard link", "twice.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"fifo", "fifo.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"device", "zero.bin", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"folder", "sub", NULL, NULL, ENGINE_BAD_MODEL, 0},
    {"negative offset", "w.bin", "-4", NULL, ENGINE_BAD_MODEL, 0},
    {"huge offset", "w.bin", "9223372036854775807", NULL, ENGINE_BAD_MODEL, 0},
    {"offset past 2^63", "w.bin", "9223372036854775808", NULL, ENGINE_BAD_MODEL, 0},
    {"offset no number", "w.bin", "0x4", NULL, ENGINE_BAD_MODEL, 0},
    {"offset with a sign", "w.bin", "+4", NULL, ENGINE_BAD_MODEL, 0},
    {"length too short", "w.bin", NULL, "12", ENGINE_BAD_MODEL, 0},
    {"length too long", "w.bin", NULL, "32", ENGINE_BAD_MODEL, 0},
    {"negative length", "w.bin", NULL, "-16", ENGINE_BAD_MODEL, 0},
    {"past the end", "w.bin", "20", NULL, ENGINE_BAD_MODEL, 0},
};

static void put_entry(struct onnx_bytes *tensor, const char *key, const char *text)
{
    struct onnx_bytes entry = {0};

    if (text == NULL)
        return;
    onnx_put_text(&entry, 1, key);
    onnx_put_text(&entry, 2, text);
    onnx_put_message(tensor, 13, &entry);
}

START_TEST(only_plain_files_beneath_the_model_are_read)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes model = {0}, graph = {0}, tensor = {0};
    int dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct engine_error err = {0};
    enum engine_status status;
    struct onnx_info info;
    struct graph *read;

    onnx_put_int(&tensor, 1, 4);
    onnx_put_int(&tensor, 2, DTYPE_F32);
    onnx_put_text(&tensor, 8, "w");
    put_entry(&tensor, "location", rows[_i].location);
    put_entry(&tensor, "offset", rows[_i].offset);
    put_entry(&tensor, "length", rows[_i].length);
    onnx_put_int(&tensor, 14, 1);
    onnx_put_message(&graph, 5, &tensor);
    onnx_put_relu_model(&model, &graph, 17);
    status = onnx_read(model.data, model.size, dir_fd, arena, &read, &info, &err);
    onnx_bytes_free(&model);
    close(dir_fd);
    ck_assert_msg(status == rows[_i].status, "%s: status %d: %s", rows[_i].name, status, err.text);
    ck_assert_msg(status == ENGINE_OK || strstr(err.text, "tensor 'w': external data") != NULL,
                  "%s: %s", rows[_i].name, err.text);
    for (int i = 0; status == ENGINE_OK && i < read->n_values; i++)
        if (read->values[i].constant != NULL)
            ck_assert_msg(tensor_double_at(read->values[i].constant, 0) == rows[_i].first,
                          "%s: first element is %g", rows[_i].name,
                          tensor_double_at(read->values[i].constant, 0));
    arena_destroy(arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_external");
    TCase *tc = tcase_create("onnx_external");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, only_plain_files_beneath_the_model_are_read, 0,
                        sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
