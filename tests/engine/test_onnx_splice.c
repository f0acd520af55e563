/* SPDX-License-Identifier: Apache-2.0
 * A file with other weights. The oracle is the file that the same writer makes with the new weights
 * in the first place: equal byte by byte, wherever the tensor is and however it is coded. */
#include "config.h"

#include "engine/engine.h"
#include "engine/onnx/onnx_splice.h"
#include "tests/support/onnx_bytes.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const float before[] = {1, -2, 3.5f}, after[] = {0.25f, 7, -9};
static const int64_t row[] = {-1, 3};

enum form { RAW, PACKED, SINGLE, EXTERNAL, SINGLE_FLOATS, CONSTANT, CONSTANT_FLOATS, CONSTANT_FLOAT };

static void put_tensor(struct onnx_bytes *to, uint32_t field, enum form form, const char *name,
                       const float *items, size_t count)
{
    struct onnx_bytes tensor = {0}, entry = {0};

    onnx_put_int(&tensor, 1, (int64_t)count);
    onnx_put_int(&tensor, 2, 1);
    onnx_put_text(&tensor, 12, "a doc string");
    if (form == PACKED)
        onnx_put_bytes(&tensor, 4, items, count * sizeof(*items));
    for (size_t i = 0; form == SINGLE && i < count; i++)
        onnx_put_float(&tensor, 4, items[i]);
    if (form == RAW)
        onnx_put_bytes(&tensor, 9, items, count * sizeof(*items));
    if (form == EXTERNAL) {
        onnx_put_text(&entry, 1, "location");
        onnx_put_text(&entry, 2, "weights.bin");
        onnx_put_message(&tensor, 13, &entry);
    }
    if (name[0] != '\0')
        onnx_put_text(&tensor, 8, name);
    if (form == EXTERNAL)
        onnx_put_int(&tensor, 14, 1);
    onnx_put_int(&tensor, 99, 12345); /* a field of the future */
    onnx_put_message(to, field, &tensor);
}

static void put_constant(struct onnx_bytes *graph, enum form form, const char *name,
                         const float *items)
{
    struct onnx_bytes node = {0}, attribute = {0};

    onnx_put_text(&node, 2, name);
    onnx_put_text(&node, 4, "Constant");
    onnx_put_text(&attribute, 1, form == CONSTANT ? "value" : "value_float");
    onnx_put_int(&attribute, 20, form == CONSTANT ? 4 : form == CONSTANT_FLOAT ? 1 : 6);
    if (form == CONSTANT)
        put_tensor(&attribute, 5, RAW, "other name", items, 3);
    else if (form == CONSTANT_FLOAT)
        onnx_put_float(&attribute, 2, items[0]);
    else if (form == CONSTANT_FLOATS)
        onnx_put_bytes(&attribute, 7, items, 3 * sizeof(*items));
    for (int i = 0; form == SINGLE_FLOATS && i < 3; i++)
        onnx_put_float(&attribute, 7, items[i]);
    onnx_put_message(&node, 5, &attribute);
    onnx_put_message(graph, 1, &node);
}

static void put_weight(struct onnx_bytes *graph, enum form form, const float *items)
{
    if (form >= SINGLE_FLOATS)
        put_constant(graph, form, "w", items);
    else
        put_tensor(graph, 5, form, "w", items, 3);
}

/* y = x + w, with `w` in that form; in a body of If when `inner`. */
static struct onnx_bytes make_model(enum form form, bool inner, const float *items)
{
    struct onnx_bytes model = {0}, graph = {0}, body = {0}, attributes = {0};

    put_tensor(&graph, 5, RAW, "v", before, 3);
    if (inner) {
        onnx_put_node(&body, "Add", "x w", "z", NULL);
        put_weight(&body, form, items);
        onnx_put_text(&body, 2, "body");
        onnx_put_value(&body, 12, "z", row, 2);
        onnx_put_attribute_graph(&attributes, "then_branch", &body);
        onnx_put_node(&graph, "If", "c", "y", &attributes);
    } else {
        put_weight(&graph, form, items);
        onnx_put_node(&graph, "Add", "x w", "y", NULL);
    }
    onnx_put_value(&graph, 11, "x", row, 2);
    onnx_put_value(&graph, 12, "y", row, 2);
    onnx_put_text(&graph, 77, "unknown to all");
    onnx_put_model(&model, &graph, 17);
    onnx_put_int(&model, 200, 5);
    return model;
}

static struct onnx_change change_of(const char *name, const float *items, int64_t count)
{
    return (struct onnx_change){name, {DTYPE_F32, {1, {count}}, (void *)items}};
}

static enum engine_status run_splice(const struct onnx_bytes *model, int dir_fd, size_t n_changes,
                                 const struct onnx_change *changes, struct onnx_bytes *ret,
                                 struct engine_error *err)
{
    struct onnx_splice job = {.bytes = model->data, .size = model->size, .dir_fd = dir_fd,
                              .n_changes = n_changes, .changes = changes};
    void *bytes = NULL;
    enum engine_status status = onnx_splice(&job, &bytes, &ret->size, err);

    ret->data = bytes;
    return status;
}

static void check_same(const struct onnx_bytes *got, const struct onnx_bytes *wanted,
                       const char *what)
{
    size_t at = 0;

    while (at < got->size && at < wanted->size && got->data[at] == wanted->data[at])
        at++;
    ck_assert_msg(got->size == wanted->size && at == wanted->size,
                  "%s: %zu bytes, wanted %zu; first difference at %zu", what, got->size,
                  wanted->size, at);
}

static const struct {
    const char *name;
    enum form form;
    enum form becomes;
} forms[] = {
    {"raw", RAW, RAW},
    {"packed floats", PACKED, PACKED},
    {"floats one by one", SINGLE, PACKED},
    {"Constant with a tensor", CONSTANT, CONSTANT},
    {"Constant with floats", CONSTANT_FLOATS, CONSTANT_FLOATS},
    {"Constant with floats one by one", SINGLE_FLOATS, CONSTANT_FLOATS},
};

START_TEST(only_the_changed_tensor_differs)
{
    for (int inner = 0; inner < 2; inner++) {
        struct onnx_bytes model = make_model(forms[_i].form, inner, before), got = {0};
        struct onnx_bytes wanted = make_model(forms[_i].becomes, inner, after);
        struct onnx_change change = change_of("w", after, 3);
        struct engine_error err = {0};

        ck_assert_msg(run_splice(&model, -1, 1, &change, &got, &err) == ENGINE_OK, "%s: %s",
                      forms[_i].name, err.text);
        check_same(&got, &wanted, forms[_i].name);
        onnx_bytes_free(&got);
        onnx_bytes_free(&wanted);
        onnx_bytes_free(&model);
    }
}
END_TEST

START_TEST(one_float_of_a_constant_changes)
{
    struct onnx_bytes model = make_model(CONSTANT_FLOAT, false, before), got = {0};
    struct onnx_bytes wanted = make_model(CONSTANT_FLOAT, false, after);
    struct onnx_change change = {"w", {DTYPE_F32, {0}, (void *)after}};
    struct engine_error err = {0};

    ck_assert_msg(run_splice(&model, -1, 1, &change, &got, &err) == ENGINE_OK, "%s", err.text);
    check_same(&got, &wanted, "float");
    onnx_bytes_free(&got);
    onnx_bytes_free(&wanted);
    onnx_bytes_free(&model);
}
END_TEST

START_TEST(nothing_changed_is_the_same_file)
{
    struct onnx_bytes model = make_model(PACKED, true, before), got = {0};
    struct engine_error err = {0};

    ck_assert_int_eq(run_splice(&model, -1, 0, NULL, &got, &err), ENGINE_OK);
    check_same(&got, &model, "no change");
    onnx_bytes_free(&got);
    onnx_bytes_free(&model);
}
END_TEST

/* A tensor so large that lengths of messages around it take more bytes than they did. */
START_TEST(lengths_grow)
{
    enum { COUNT = 20000 };
    static float zeros[COUNT];
    struct onnx_bytes model = {0}, wanted = {0}, got = {0};
    struct onnx_change change = change_of("w", zeros, COUNT);
    struct engine_error err = {0};
    struct onnx_bytes half[2] = {{0}, {0}};

    for (int pass = 0; pass < 2; pass++) {
        struct onnx_bytes graph = {0}, tensor = {0}, indices = {0}, values = {0};
        int64_t nowhere = 0;

        if (pass == 0) {
            onnx_put_int(&values, 1, 0);
            onnx_put_int(&values, 2, 1);
            onnx_put_text(&values, 8, "w");
            onnx_put_message(&tensor, 1, &values);
            onnx_put_int(&indices, 1, 0);
            onnx_put_int(&indices, 2, 7);
            onnx_put_bytes(&indices, 9, &nowhere, 0);
            onnx_put_message(&tensor, 2, &indices);
            onnx_put_int(&tensor, 3, COUNT);
            onnx_put_message(&graph, 15, &tensor);
        } else {
            onnx_put_int(&tensor, 1, COUNT);
            onnx_put_int(&tensor, 2, 1);
            onnx_put_text(&tensor, 8, "w");
            onnx_put_bytes(&tensor, 9, zeros, sizeof(zeros));
            onnx_put_message(&graph, 5, &tensor);
        }
        onnx_put_model(&half[pass], &graph, 17);
    }
    model = half[0];
    wanted = half[1];
    ck_assert_msg(run_splice(&model, -1, 1, &change, &got, &err) == ENGINE_OK, "%s", err.text);
    check_same(&got, &wanted, "sparse");
    onnx_bytes_free(&got);
    onnx_bytes_free(&wanted);
    onnx_bytes_free(&model);
}
END_TEST

static const struct {
    const char *name;
    const char *tensor;
    int64_t count;
    const char *text;
} refused[] = {
    {"unknown name", "nobody", 3, "no tensor 'nobody'"},
    {"another shape", "w", 2, "float[3] in the file, the new data is float[2]"},
    {"no name", "", 3, "without a name"},
};

START_TEST(refusals_name_the_tensor)
{
    struct onnx_bytes model = make_model(RAW, false, before), got = {0};
    struct onnx_change change = change_of(refused[_i].tensor, after, refused[_i].count);
    struct engine_error err = {0};

    ck_assert_int_eq(run_splice(&model, -1, 1, &change, &got, &err), ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, refused[_i].text) != NULL, "%s: %s", refused[_i].name, err.text);
    onnx_bytes_free(&model);
}
END_TEST

START_TEST(given_twice_is_refused)
{
    struct onnx_bytes model = make_model(RAW, false, before), got = {0};
    struct onnx_change changes[] = {change_of("w", after, 3), change_of("w", after, 3)};
    struct engine_error err = {0};

    ck_assert_int_eq(run_splice(&model, -1, 2, changes, &got, &err), ENGINE_BAD_INPUT);
    onnx_bytes_free(&model);
}
END_TEST

static char directory[] = "/tmp/inferd-test-splice-XXXXXX";

START_TEST(external_data_moves_in)
{
    struct onnx_bytes model = make_model(EXTERNAL, false, before), got = {0};
    struct onnx_change none = change_of("v", before, 3), new_w = change_of("w", after, 3);
    struct engine_error err = {0};
    char path[sizeof(directory) + 16];
    int dir_fd, fd;
    struct model_options options = {0};
    struct model *loaded;

    snprintf(directory, sizeof(directory), "/tmp/inferd-test-splice-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/weights.bin", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, before, sizeof(before)), sizeof(before));
    close(fd);
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY);
    ck_assert_msg(run_splice(&model, dir_fd, 1, &none, &got, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_ptr_nonnull(memmem(got.data, got.size, before, sizeof(before)));
    ck_assert_ptr_null(memmem(got.data, got.size, "weights.bin", 11));
    loaded = model_load_bytes(got.data, got.size, &options, &err);
    ck_assert_msg(loaded != NULL, "%s", err.text);
    model_unref(loaded);
    onnx_bytes_free(&got);
    /* New data needs no file; what does not change stays a reference without one. */
    ck_assert_msg(run_splice(&model, -1, 1, &new_w, &got, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_ptr_nonnull(memmem(got.data, got.size, after, sizeof(after)));
    onnx_bytes_free(&got);
    ck_assert_int_eq(run_splice(&model, -1, 1, &none, &got, &err), ENGINE_OK);
    check_same(&got, &model, "a reference");
    onnx_bytes_free(&got);
    unlink(path);
    err = (struct engine_error){0};
    ck_assert_int_eq(run_splice(&model, dir_fd, 1, &none, &got, &err), ENGINE_IO);
    close(dir_fd);
    rmdir(directory);
    onnx_bytes_free(&model);
}
END_TEST

static void put_property(struct onnx_bytes *model, const char *key, const char *text)
{
    struct onnx_bytes entry = {0};

    onnx_put_text(&entry, 1, key);
    onnx_put_text(&entry, 2, text);
    onnx_put_message(model, 14, &entry);
}

START_TEST(properties_are_replaced_added_and_removed)
{
    static const struct onnx_property properties[] = {
        {"mean", "0.5"}, {"new", "here"}, {"gone", NULL}, {"never", NULL}};
    struct onnx_bytes model = make_model(RAW, false, before), got = {0};
    struct onnx_bytes wanted = make_model(RAW, false, before);
    struct onnx_splice job = {.dir_fd = -1, .n_properties = 4, .properties = properties};
    struct engine_error err = {0};
    void *bytes;

    put_property(&model, "kept", "as it is");
    put_property(&model, "mean", "0.25");
    put_property(&model, "gone", "x");
    put_property(&model, "mean", "twice");
    put_property(&wanted, "kept", "as it is");
    put_property(&wanted, "mean", "0.5");
    put_property(&wanted, "new", "here");
    job.bytes = model.data;
    job.size = model.size;
    ck_assert_msg(onnx_splice(&job, &bytes, &got.size, &err) == ENGINE_OK, "%s", err.text);
    got.data = bytes;
    check_same(&got, &wanted, "properties");
    onnx_bytes_free(&got);
    onnx_bytes_free(&model);
    onnx_bytes_free(&wanted);
}
END_TEST

/* Any bytes: an error or a result, never a read past the end (ASan sees it). */
START_TEST(broken_files_are_refused)
{
    struct onnx_bytes model = make_model(PACKED, true, before);
    uint64_t random = test_seed();

    for (int i = 0; i < 20000 * test_scale(); i++) {
        unsigned char *copy = malloc(model.size);
        size_t size = model.size;
        struct onnx_bytes file, got = {0};
        struct onnx_change change = change_of("w", after, 3);
        struct engine_error err = {0};

        memcpy(copy, model.data, model.size);
        copy[test_random(&random) % size] = (unsigned char)test_random(&random);
        if (i % 3 == 0)
            size = test_random(&random) % size + 1;
        file = (struct onnx_bytes){malloc(size), size, size};
        memcpy(file.data, copy, size);
        if (run_splice(&file, -1, 1, &change, &got, &err) == ENGINE_OK)
            onnx_bytes_free(&got);
        onnx_bytes_free(&file);
        free(copy);
    }
    onnx_bytes_free(&model);
}
END_TEST

/* A generation goes out and comes back. */
START_TEST(a_generation_is_exported)
{
    static const struct model_property properties[] = {{"generation", "2"}};
    struct model_options options = {.optimise = true, .keep_source = _i == 0};
    struct onnx_bytes bytes = {0};
    struct engine_error err = {0};
    struct model *model, *again;
    struct weights *weights, *changed, *read;
    float numbers[20];
    const void *data = numbers;
    struct model_file file;
    void *out;
    int slot = -1;

    onnx_put_small_model(&bytes);
    file = (struct model_file){bytes.data, bytes.size, -1};
    model = model_load_bytes(bytes.data, bytes.size, &options, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    for (int i = 0; i < 20; i++)
        numbers[i] = (float)i / 8;
    for (int i = 0; i < model_graph(model)->n_constant_slots; i++)
        if (strcmp(model_graph(model)->values[model_graph(model)->weight_values[i]].name, "w1") == 0)
            slot = i;
    weights = model_base_weights(model);
    changed = weights_replace(weights, 1, &slot, &data, &err);
    ck_assert_msg(changed != NULL, "%s", err.text);
    if (_i == 1)
        ck_assert_int_eq(model_export(model, NULL, changed, 0, NULL, &out, &file.size, NULL),
                         ENGINE_BAD_INPUT);
    ck_assert_msg(model_export(model, _i == 0 ? NULL : &file, changed, 1, properties, &out,
                               &file.size, &err) == ENGINE_OK,
                  "%s", err.text);
    again = model_load_bytes(out, file.size, &options, &err);
    ck_assert_msg(again != NULL, "%s", err.text);
    ck_assert_str_eq(model_metadata(again, "generation"), "2");
    read = model_base_weights(again);
    for (int i = 0; i < model_graph(model)->n_constant_slots; i++)
        ck_assert_mem_eq(weights_slot(read, i)->data, weights_slot(changed, i)->data,
                         tensor_bytes(weights_slot(read, i)));
    weights_unref(read);
    weights_unref(changed);
    weights_unref(weights);
    model_unref(again);
    model_unref(model);
    free(out);
    onnx_bytes_free(&bytes);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_splice");
    TCase *tcase = tcase_create("splice");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, only_the_changed_tensor_differs, 0,
                        sizeof(forms) / sizeof(forms[0]));
    tcase_add_test(tcase, one_float_of_a_constant_changes);
    tcase_add_test(tcase, nothing_changed_is_the_same_file);
    tcase_add_test(tcase, lengths_grow);
    tcase_add_loop_test(tcase, refusals_name_the_tensor, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tcase, given_twice_is_refused);
    tcase_add_test(tcase, external_data_moves_in);
    tcase_add_test(tcase, properties_are_replaced_added_and_removed);
    tcase_add_test(tcase, broken_files_are_refused);
    tcase_add_loop_test(tcase, a_generation_is_exported, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
