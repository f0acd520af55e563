/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/protobuf_reader.h"
#include "tests/support/run_suite.h"

#include <string.h>

/* One message; what its last field is, or the problem that ends the walk. */
static const struct {
    const char *name;
    const char *bytes;
    size_t size;
    int fields;
    const char *problem;        /* NULL: none */
    uint32_t number;            /* of the last field */
    uint64_t number_value;
    size_t length;
} messages[] = {
    {"empty", "", 0, 0, NULL, 0, 0, 0},
    {"varint", "\x08\x96\x01", 3, 1, NULL, 1, 150, 0},
    {"zero written long", "\x08\x80\x00", 3, 1, NULL, 1, 0, 0},
    {"ten bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1, NULL, 1, UINT64_MAX, 0},
    {"tenth byte too large", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, 0,
     "a number is cut short or too long", 0, 0, 0},
    {"eleven bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 0,
     "a number is cut short or too long", 0, 0, 0},
    {"varint cut short", "\x08\x96", 2, 0, "a number is cut short or too long", 0, 0, 0},
    {"no number after the tag", "\x08", 1, 0, "a number is cut short or too long", 0, 0, 0},
    {"tag cut short", "\x88", 1, 0, "a field tag is cut short or too long", 0, 0, 0},
    {"field 0", "\x00\x01", 2, 0, "a field number is out of range", 0, 0, 0},
    {"field 2^29", "\x80\x80\x80\x80\x10\x01", 6, 0, "a field number is out of range", 0, 0, 0},
    {"field 2^29 - 1", "\xf8\xff\xff\xff\x0f\x01", 6, 1, NULL, (1u << 29) - 1, 1, 0},
    {"fixed64", "\x09\x01\x02\x03\x04\x05\x06\x07\x08", 9, 1, NULL, 1,
     UINT64_C(0x0807060504030201), 0},
    {"fixed64 cut short", "\x09\x01\x02\x03\x04\x05\x06\x07", 8, 0,
     "a fixed-width number passes the end", 0, 0, 0},
    {"fixed32", "\x0d\x01\x02\x03\x04", 5, 1, NULL, 1, 0x04030201, 0},
    {"fixed32 cut short", "\x0d\x01\x02\x03", 4, 0, "a fixed-width number passes the end", 0, 0, 0},
    {"bytes", "\x12\x03"
              "abc",
     5, 1, NULL, 2, 0, 3},
    {"no bytes", "\x12\x00", 2, 1, NULL, 2, 0, 0},
    {"length past the end", "\x12\x04"
                            "abc",
     5, 0, "a length passes the end", 0, 0, 0},
    {"length 2^64 - 1", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0,
     "a length passes the end", 0, 0, 0},
    {"length cut short", "\x12\x80", 2, 0, "a length is cut short or too long", 0, 0, 0},
    {"start of a group", "\x0b", 1, 0, "a wire type is unknown", 0, 0, 0},
    {"end of a group", "\x0c", 1, 0, "a wire type is unknown", 0, 0, 0},
    {"wire type 6", "\x0e\x00", 2, 0, "a wire type is unknown", 0, 0, 0},
    {"wire type 7", "\x0f\x00", 2, 0, "a wire type is unknown", 0, 0, 0},
    {"good, then bad", "\x08\x01\x12\x05", 4, 1, "a length passes the end", 1, 1, 0},
};

START_TEST(walk_ends_where_the_bytes_say)
{
    struct protobuf_reader reader;
    struct protobuf_field field, last = {0};
    int fields = 0;

    protobuf_start(&reader, messages[_i].bytes, messages[_i].size);
    while (protobuf_next(&reader, &field)) {
        last = field;
        fields++;
    }
    ck_assert_msg(fields == messages[_i].fields, "%s: %d fields", messages[_i].name, fields);
    if (messages[_i].problem == NULL)
        ck_assert_msg(reader.problem == NULL, "%s: %s", messages[_i].name, reader.problem);
    else
        ck_assert_msg(reader.problem != NULL && strcmp(reader.problem, messages[_i].problem) == 0,
                      "%s: %s", messages[_i].name, reader.problem);
    ck_assert_msg(last.number == messages[_i].number, "%s: field %u", messages[_i].name,
                  last.number);
    ck_assert_msg(last.number_value == messages[_i].number_value, "%s: value %llu",
                  messages[_i].name, (unsigned long long)last.number_value);
    ck_assert_msg(last.bytes.length == messages[_i].length, "%s: length %zu", messages[_i].name,
                  last.bytes.length);
    ck_assert_msg(!protobuf_next(&reader, &field), "%s: goes on", messages[_i].name);
}
END_TEST

static const struct {
    const char *name, *bytes;
    size_t size;
    bool valid;
} texts[] = {
    {"empty", "", 0, true},
    {"ASCII", "abc", 3, true},
    {"two bytes", "\xc3\xa9", 2, true},
    {"three bytes", "\xe2\x82\xac", 3, true},
    {"four bytes", "\xf0\x9f\x98\x80", 4, true},
    {"largest", "\xf4\x8f\xbf\xbf", 4, true},
    {"past the largest", "\xf4\x90\x80\x80", 4, false},
    {"overlong slash", "\xc0\xaf", 2, false},
    {"overlong, three bytes", "\xe0\x80\xaf", 3, false},
    {"overlong, four bytes", "\xf0\x80\x80\xaf", 4, false},
    {"surrogate", "\xed\xa0\x80", 3, false},
    {"tail alone", "\x80", 1, false},
    {"cut short", "\xe2\x82", 2, false},
    {"bad tail", "\xe2\x82\x41", 3, false},
    {"0xff", "\xff", 1, false},
};

START_TEST(utf8_is_checked)
{
    struct bytes text = {.data = texts[_i].bytes, .length = texts[_i].size};

    ck_assert_msg(protobuf_utf8(&text) == texts[_i].valid, "%s", texts[_i].name);
}
END_TEST

START_TEST(text_refuses_nul_and_length)
{
    struct protobuf_field field = {.number = 1, .wire = PROTOBUF_BYTES};
    struct protobuf_reader reader;
    struct bytes text;

    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = "a\0b", .length = 3};
    ck_assert(!protobuf_text(&reader, &field, 10, &text));
    ck_assert_str_eq(reader.problem, "a name has a NUL in it");
    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = "abcd", .length = 4};
    ck_assert(!protobuf_text(&reader, &field, 3, &text));
    ck_assert_str_eq(reader.problem, "a name is too long");
    protobuf_start(&reader, "", 0);
    field.wire = PROTOBUF_VARINT;
    ck_assert(!protobuf_text(&reader, &field, 10, &text));
    ck_assert_str_eq(reader.problem, "a field has the wrong wire type");
}
END_TEST

START_TEST(packed_and_single_numbers_are_alike)
{
    static const char packed[] = "\x03\x96\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    struct protobuf_field field = {.number = 1, .wire = PROTOBUF_BYTES};
    struct protobuf_reader reader;
    uint64_t numbers[3];
    size_t count;

    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = packed, .length = sizeof(packed) - 1};
    ck_assert(protobuf_count(&reader, &field, PROTOBUF_VARINT, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert(protobuf_varints(&reader, &field, numbers));
    ck_assert_uint_eq(numbers[0], 3);
    ck_assert_uint_eq(numbers[1], 150);
    ck_assert_int_eq((int64_t)numbers[2], -1);
    field.wire = PROTOBUF_VARINT;
    field.number_value = 7;
    ck_assert(protobuf_count(&reader, &field, PROTOBUF_VARINT, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert(protobuf_varints(&reader, &field, numbers));
    ck_assert_uint_eq(numbers[0], 7);
}
END_TEST

START_TEST(packed_lists_are_bounded)
{
    /* An overlong number counts as one, and reading stops at it. */
    static const char overlong[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05";
    struct protobuf_field field = {.number = 1, .wire = PROTOBUF_BYTES};
    struct protobuf_reader reader;
    uint64_t numbers[2];
    float floats[2];
    size_t count;

    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = overlong, .length = sizeof(overlong) - 1};
    ck_assert(protobuf_count(&reader, &field, PROTOBUF_VARINT, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert(!protobuf_varints(&reader, &field, numbers));
    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = "\x01\x80", .length = 2};
    ck_assert(!protobuf_count(&reader, &field, PROTOBUF_VARINT, &count));
    ck_assert_str_eq(reader.problem, "a packed number is cut short");
    protobuf_start(&reader, "", 0);
    field.bytes = (struct bytes){.data = "abcdefg", .length = 7};
    ck_assert(!protobuf_count(&reader, &field, PROTOBUF_FIXED32, &count));
    ck_assert(!protobuf_floats(&reader, &field, floats));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("protobuf_reader");
    TCase *tc = tcase_create("protobuf_reader");

    tcase_add_loop_test(tc, walk_ends_where_the_bytes_say, 0,
                        sizeof(messages) / sizeof(messages[0]));
    tcase_add_loop_test(tc, utf8_is_checked, 0, sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tc, text_refuses_nul_and_length);
    tcase_add_test(tc, packed_and_single_numbers_are_alike);
    tcase_add_test(tc, packed_lists_are_bounded);
    suite_add_tcase(suite, tc);
    return suite;
}
