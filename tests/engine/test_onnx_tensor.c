/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/onnx_load.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int type;
    int64_t numbers[3]; /* in int32_data, or int64_data / uint64_data for 64-bit types */
    size_t count;
    double wanted[3];
    bool fits;
} typed[] = {
    {"int8", DTYPE_I8, {-128, 127, 0}, 3, {-128, 127, 0}, true},
    {"int8 too large", DTYPE_I8, {128}, 1, {0}, false},
    {"uint8", DTYPE_U8, {0, 255, 1}, 3, {0, 255, 1}, true},
    {"uint8 negative", DTYPE_U8, {-1}, 1, {0}, false},
    {"int16", DTYPE_I16, {-32768, 32767, 5}, 3, {-32768, 32767, 5}, true},
    {"uint16", DTYPE_U16, {65535, 0, 5}, 3, {65535, 0, 5}, true},
    {"uint16 too large", DTYPE_U16, {65536}, 1, {0}, false},
    {"int32", DTYPE_I32, {INT32_MIN, INT32_MAX, -1}, 3, {INT32_MIN, INT32_MAX, -1}, true},
    {"int32 without sign extension", DTYPE_I32, {0xffffffff}, 1, {-1}, true},
    {"int32 too large", DTYPE_I32, {INT64_C(1) << 40}, 1, {0}, false},
    {"bool", DTYPE_BOOL, {0, 1, 7}, 3, {0, 1, 1}, true},
    {"float16", DTYPE_F16, {0x3c00, 0xc000, 0}, 3, {1, -2, 0}, true},
    {"bfloat16", DTYPE_BF16, {0x3f80, 0xc000, 0}, 3, {1, -2, 0}, true},
    {"int64", DTYPE_I64, {INT64_C(-5), INT64_C(1) << 40, 0}, 3, {-5, 1099511627776.0, 0}, true},
    {"uint32", DTYPE_U32, {0xffffffff, 0, 1}, 3, {4294967295.0, 0, 1}, true},
    {"uint32 too large", DTYPE_U32, {INT64_C(1) << 32}, 1, {0}, false},
    {"uint64", DTYPE_U64, {INT64_C(1) << 62, 0, 1}, 3, {4611686018427387904.0, 0, 1}, true},
};

START_TEST(typed_fields_are_narrowed)
{
    int type = typed[_i].type;
    uint32_t field = type == DTYPE_I64 ? 7 : type == DTYPE_U32 || type == DTYPE_U64 ? 11 : 5;
    struct arena *arena = arena_create(MEGABYTE);

    for (int packed = 0; packed < 2; packed++) {
        struct onnx_bytes bytes = {0}, list = {0};
        struct engine_error err = {0};
        struct tensor tensor;
        enum engine_status status;

        onnx_put_int(&bytes, 1, (int64_t)typed[_i].count);
        onnx_put_int(&bytes, 2, type);
        for (size_t i = 0; i < typed[_i].count; i++) {
            if (packed)
                onnx_put_varint(&list, (uint64_t)typed[_i].numbers[i]);
            else
                onnx_put_int(&bytes, field, typed[_i].numbers[i]);
        }
        if (packed)
            onnx_put_message(&bytes, field, &list);
        status = onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err);
        ck_assert_msg((status == ENGINE_OK) == typed[_i].fits, "%s: %s", typed[_i].name, err.text);
        for (size_t i = 0; i < typed[_i].count && typed[_i].fits; i++)
            ck_assert_msg(tensor_double_at(&tensor, (int64_t)i) == typed[_i].wanted[i],
                          "%s: element %zu is %g", typed[_i].name, i,
                          tensor_double_at(&tensor, (int64_t)i));
        onnx_bytes_free(&bytes);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(strings_are_copied)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes bytes = {0};
    struct engine_error err = {0};
    struct tensor tensor;
    const struct bytes *items;

    onnx_put_int(&bytes, 1, 2);
    onnx_put_int(&bytes, 2, DTYPE_STRING);
    onnx_put_bytes(&bytes, 6, "a\0\xff", 3);
    onnx_put_bytes(&bytes, 6, "", 0);
    ck_assert_int_eq(onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err), ENGINE_OK);
    onnx_bytes_free(&bytes);
    items = tensor.data;
    ck_assert_uint_eq(items[0].length, 3);
    ck_assert_mem_eq(items[0].data, "a\0\xff", 3);
    ck_assert_uint_eq(items[1].length, 0);
    arena_destroy(arena);
}
END_TEST

START_TEST(raw_bools_are_normalised)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes bytes = {0};
    struct engine_error err = {0};
    struct tensor tensor;

    onnx_put_int(&bytes, 1, 3);
    onnx_put_int(&bytes, 2, DTYPE_BOOL);
    onnx_put_bytes(&bytes, 9, "\x00\x01\xfe", 3);
    ck_assert_int_eq(onnx_tensor_read(bytes.data, bytes.size, arena, &tensor, &err), ENGINE_OK);
    ck_assert_mem_eq(tensor.data, "\x00\x01\x01", 3);
    onnx_bytes_free(&bytes);
    arena_destroy(arena);
}
END_TEST

START_TEST(sequences_nest_only_so_deep)
{
    struct arena *arena = arena_create(MEGABYTE);
    struct onnx_bytes inner = {0}, tensor = {0};
    struct engine_error err = {0};
    struct tensor sequence;

    onnx_put_int(&tensor, 2, DTYPE_F32);
    onnx_put_float(&tensor, 4, 2.5f);
    onnx_put_message(&inner, 3, &tensor);
    ck_assert_int_eq(onnx_sequence_read(inner.data, inner.size, arena, &sequence, &err), ENGINE_OK);
    ck_assert_int_eq(sequence.dtype, DTYPE_SEQUENCE);
    ck_assert_int_eq(sequence.shape.dims[0], 1);
    ck_assert(((struct tensor *)sequence.data)->dtype == DTYPE_F32);
    for (int depth = 0; depth < 1000; depth++) {
        struct onnx_bytes outer = {0};

        onnx_put_message(&outer, 5, &inner);
        inner = outer;
    }
    ck_assert_int_eq(onnx_sequence_read(inner.data, inner.size, arena, &sequence, &err),
                     ENGINE_BAD_MODEL);
    onnx_bytes_free(&inner);
    arena_destroy(arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_tensor");
    TCase *tc = tcase_create("onnx_tensor");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, typed_fields_are_narrowed, 0, sizeof(typed) / sizeof(typed[0]));
    tcase_add_test(tc, strings_are_copied);
    tcase_add_test(tc, raw_bools_are_normalised);
    tcase_add_test(tc, sequences_nest_only_so_deep);
    suite_add_tcase(suite, tc);
    return suite;
}
