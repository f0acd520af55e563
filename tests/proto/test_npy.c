/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/npy.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a file with this header text, as NumPy writes it: padded to 64 bytes. */
static size_t make_file(char *file, int version, const char *header, const void *data, size_t bytes)
{
    size_t prefix = version == 1 ? 10 : 12;
    size_t length = (prefix + strlen(header) + 1 + 63) / 64 * 64 - prefix;

    memset(file, ' ', prefix + length);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)version;
    file[7] = 0;
    file[8] = (char)(length & 0xff);
    file[9] = (char)(length >> 8);
    if (version > 1)
        file[10] = file[11] = 0;
    memcpy(file + prefix, header, strlen(header));
    file[prefix + length - 1] = '\n';
    if (bytes > 0)
        memcpy(file + prefix + length, data, bytes);
    return prefix + length + bytes;
}

static const float floats[] = {1, 2, 3, 4, 5, 6};
static const float columns[] = {1, 4, 2, 5, 3, 6};
static const uint32_t runes[] = {'a', 0xe4, 0, 0, 0x1f600, 0};

static const struct {
    int version;
    const char *header;
    const void *data;
    size_t bytes;
    const char *text;       /* of the problem; NULL: taken */
    enum wire_type type;
    int rank;
    int64_t dims[2];
} files[] = {
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", floats, 24, NULL, WIRE_FP32, 2,
     {2, 3}},
    {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", floats, 24, NULL, WIRE_FP32, 1, {6}},
    {3, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", columns, 24, NULL, WIRE_FP32, 2,
     {2, 3}},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", floats, 8, NULL, WIRE_FP64, 0, {0}},
    {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }", NULL, 0, NULL, WIRE_UINT8, 2,
     {0, 3}},
    {1, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }", "\0\1\0\1", 4, NULL, WIRE_BOOL, 1, {4}},
    {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", "\0\x3c\0\0", 4, NULL, WIRE_FP16, 1,
     {2}},
    {1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }", "ab\0xyz", 6, NULL, WIRE_BYTES, 1,
     {2}},
    {1, "{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", runes, 24, NULL, WIRE_BYTES, 1, {2}},
    {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", floats, 24, "big-endian", 0, 0, {0}},
    {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", floats, 24, "element type", 0, 0, {0}},
    {1, "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", floats, 24, "element type", 0, 0, {0}},
    {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", floats, 24, "records", 0, 0,
     {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", floats, 24, "its length", 0, 0, {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", floats, 24, "its length", 0, 0, {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", floats, 24,
     "its length", 0, 0, {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6), }", floats, 24,
     "too many dimensions", 0, 0, {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", floats, 24, "malformed", 0, 0, {0}},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,", floats, 24, "malformed", 0, 0, {0}},
    {1, "{'descr': '<f4', 'shape': (6,), }", floats, 24, "fortran_order", 0, 0, {0}},
    {1, "{'fortran_order': False, 'shape': (6,), }", floats, 24, "descr", 0, 0, {0}},
    {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", floats, 24, "version", 0, 0, {0}},
};

START_TEST(files_are_read_or_refused)
{
    struct message_memory *memory = message_memory_create();
    struct wire_tensor tensor = {0};
    struct problem problem = {0};
    const struct wire_bytes *bytes;
    char file[512];
    size_t length = make_file(file, files[_i].version, files[_i].header, files[_i].data,
                              files[_i].bytes);
    bool good = npy_read(file, length, memory, &tensor, &problem);

    ck_assert_msg(good == (files[_i].text == NULL), "%s: %s", files[_i].header, problem.text);
    if (!good) {
        ck_assert_msg(strstr(problem.text, files[_i].text) != NULL, "%s: %s", files[_i].header,
                      problem.text);
    } else {
        ck_assert_int_eq(tensor.type, files[_i].type);
        ck_assert_int_eq(tensor.rank, files[_i].rank);
        ck_assert_mem_eq(tensor.dims, files[_i].dims, (size_t)tensor.rank * sizeof(int64_t));
        if (tensor.type == WIRE_FP32)
            ck_assert_mem_eq(tensor.data, floats, sizeof(floats));
        bytes = tensor.data;
        if (files[_i].data == runes) {
            ck_assert_uint_eq(bytes[0].length, 3);
            ck_assert_mem_eq(bytes[0].data, "a\xc3\xa4", 3);
            ck_assert_uint_eq(bytes[1].length, 0);
        } else if (tensor.type == WIRE_BYTES) {
            ck_assert_uint_eq(bytes[0].length, 2);
            ck_assert_mem_eq(bytes[1].data, "xyz", 3);
        }
    }
    message_memory_destroy(memory);
}
END_TEST

START_TEST(files_cut_at_every_byte_are_refused)
{
    char file[512];
    size_t length = make_file(file, _i + 1, files[0].header, floats, sizeof(floats)), i;

    for (i = 0; i < length; i++) {
        struct message_memory *memory = message_memory_create();
        struct wire_tensor tensor;
        struct problem problem = {0};
        char *copy = malloc(i + 1);

        memcpy(copy, file, i);
        ck_assert_msg(!npy_read(copy, i, memory, &tensor, &problem), "cut at %zu", i);
        ck_assert_int_ne(problem.status, 0);
        free(copy);
        message_memory_destroy(memory);
    }
}
END_TEST

START_TEST(changed_files_do_no_harm)
{
    uint64_t state = test_seed();
    char file[512];
    int i, j, n = 5000 * test_scale();

    for (i = 0; i < n; i++) {
        size_t row = test_random(&state) % (sizeof(files) / sizeof(files[0]));
        size_t length = make_file(file, files[row].version, files[row].header, files[row].data,
                                  files[row].bytes);
        struct message_memory *memory = message_memory_create();
        struct wire_tensor tensor;
        struct problem problem = {0};
        char *copy = malloc(length);

        for (j = 0; j <= i % 3; j++)
            file[test_random(&state) % length] = (char)test_random(&state);
        memcpy(copy, file, length);
        npy_read(copy, length, memory, &tensor, &problem);
        free(copy);
        message_memory_destroy(memory);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("npy");
    TCase *tc = tcase_create("npy");

    tcase_add_loop_test(tc, files_are_read_or_refused, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_loop_test(tc, files_cut_at_every_byte_are_refused, 0, 3);
    tcase_add_test(tc, changed_files_do_no_harm);
    suite_add_tcase(suite, tc);
    return suite;
}
