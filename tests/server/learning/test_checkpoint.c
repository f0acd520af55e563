/* SPDX-License-Identifier: Apache-2.0
 * Checkpoint files: what the format's own library wrote is read, what is malformed is refused, every
 * flipped bit and every truncation is seen, and only whole files ever bear their name. */
#include "config.h"

#include "server/learning/checkpoint.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct storage_dir dir;
static struct toy toy;

static void setup(void)
{
    struct toy_update update;

    learning_directory_make(root);
    ASSERT_OK(storage_dir_open(&dir, root, "m", err));
    toy_init(&toy);
    toy_update_make(&update, 1);
    toy_update_step(&toy, &update);
}

static void teardown(void)
{
    storage_dir_close(&dir);
    learning_directory_remove(root);
}

static struct checkpoint_note note_of(uint64_t generation)
{
    struct checkpoint_note note = {
        .generation = generation,
        .time_ms = 1234567890123,
        .identity = {1, 2, 3, 255},
        .base = toy_base(),
        .chain = digest_of("chain", 5),
        .trainer = "a \"quoted\" note: \"sha256\":\"00\", \\ and \xc3\xa4\n",
    };

    return note;
}

static void write_one(uint64_t generation)
{
    struct checkpoint_note note = note_of(generation);

    toy_state(&toy);    /* points the tensors at the data */
    ASSERT_OK(checkpoint_write(&dir, &note, toy.tensors, 3, NULL, err));
}

START_TEST(what_is_written_is_read)
{
    struct checkpoint_note note = note_of(42);
    struct checkpoint checkpoint;
    struct digest state = toy_state(&toy);

    write_one(42);
    ASSERT_OK(checkpoint_read(&dir, 42, 1 << 20, &checkpoint, err));
    ck_assert_uint_eq(checkpoint.note.generation, 42);
    ck_assert_int_eq(checkpoint.note.time_ms, note.time_ms);
    ck_assert_mem_eq(checkpoint.note.identity, note.identity, STORAGE_IDENTITY_BYTES);
    ck_assert(digest_equal(&checkpoint.note.base, &note.base));
    ck_assert(digest_equal(&checkpoint.note.chain, &note.chain));
    ck_assert(digest_equal(&checkpoint.note.state, &state));
    ck_assert_str_eq(checkpoint.note.trainer, note.trainer);
    ck_assert_uint_eq(checkpoint.tensors.n_tensors, 3);
    for (int i = 0; i < 3; i++) {
        const struct named_tensor *tensor =
            safetensors_find(&checkpoint.tensors, toy.tensors[i].name);

        ck_assert_ptr_nonnull(tensor);
        ck_assert_int_eq(tensor->dtype, toy.tensors[i].dtype);
        ck_assert(shape_equal(&tensor->shape, &toy.tensors[i].shape));
        ck_assert_mem_eq(tensor->data, toy.tensors[i].data, tensor->bytes);
    }
    checkpoint_finish(&checkpoint);
}
END_TEST

START_TEST(every_flipped_bit_is_seen)
{
    unsigned char *bytes, *copy;
    size_t size;

    write_one(7);
    ASSERT_OK(storage_file_read(&dir, "checkpoint-00000000000000000007.safetensors", 1 << 20, &bytes,
                                &size, err));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct checkpoint checkpoint;
        struct storage_fault fault = {0};

        copy = malloc(size);
        memcpy(copy, bytes, size);
        copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert_msg(checkpoint_parse("f", copy, size, &checkpoint, &fault) == STORAGE_DAMAGED,
                      "bit %zu", bit);
        ck_assert_str_eq(fault.file, "f");
    }
    for (size_t length = 0; length < size; length++) {
        struct checkpoint checkpoint;

        copy = malloc(length + 1);
        memcpy(copy, bytes, length);
        ck_assert_msg(checkpoint_parse("f", copy, length, &checkpoint, NULL) == STORAGE_DAMAGED,
                      "%zu bytes", length);
    }
    copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    copy[size] = 0;
    ck_assert_int_eq(checkpoint_parse("f", copy, size + 1, &(struct checkpoint){0}, NULL),
                     STORAGE_DAMAGED);
    free(bytes);
}
END_TEST

START_TEST(another_generations_file_is_refused)
{
    struct checkpoint checkpoint;
    struct storage_fault fault = {0};

    write_one(7);
    ck_assert_int_eq(renameat(dir.fd, "checkpoint-00000000000000000007.safetensors", dir.fd,
                              "checkpoint-00000000000000000008.safetensors"), 0);
    ck_assert_int_eq(checkpoint_read(&dir, 8, 1 << 20, &checkpoint, &fault), STORAGE_DAMAGED);
    ck_assert_int_eq(checkpoint_read(&dir, 7, 1 << 20, &checkpoint, NULL), STORAGE_NOT_FOUND);
    ck_assert_int_eq(checkpoint_read(&dir, 8, 100, &checkpoint, NULL), STORAGE_LIMIT);
}
END_TEST

START_TEST(files_are_listed_and_kept)
{
    static const char *const others[] = {
        "checkpoint-5.safetensors", "checkpoint-00000000000000000005.safetensors.tmp",
        "checkpoint-0000000000000000000x.safetensors", "other",
    };
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n;

    for (size_t i = 0; i < 4; i++)
        close(openat(dir.fd, others[i], O_CREAT | O_WRONLY, 0600));
    write_one(3);
    write_one(20);
    write_one(1);
    write_one(100);
    ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
    ck_assert_uint_eq(n, 4);
    ck_assert(generations[0] == 100 && generations[1] == 20 && generations[2] == 3 &&
              generations[3] == 1);
    ASSERT_OK(checkpoint_keep(&dir, 2, err));
    ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(generations[1], 20);
    ck_assert(!storage_file_exists(&dir, others[1]));
    ck_assert(storage_file_exists(&dir, others[0]) && storage_file_exists(&dir, others[3]));
    ASSERT_OK(checkpoint_set_aside(&dir, 100, err));
    ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
    ck_assert_uint_eq(n, 1);
    for (uint64_t g = 1000; g < 1000 + 2 * CHECKPOINT_LISTED_MAX; g++)
        write_one(g);
    ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
    ck_assert_uint_eq(n, CHECKPOINT_LISTED_MAX);
    ck_assert_uint_eq(generations[0], 999 + 2 * CHECKPOINT_LISTED_MAX);
}
END_TEST

START_TEST(what_cannot_be_stored_is_refused)
{
    struct checkpoint_note note = note_of(1);
    struct named_tensor tensors[2] = {toy.tensors[0], toy.tensors[0]};
    struct storage_fault fault = {0};
    static char name[SAFETENSORS_NAME_BYTES_MAX + 2];

    toy_state(&toy);
    tensors[0] = tensors[1] = toy.tensors[0];
    tensors[1].bytes = 0;
    tensors[1].name = "empty";
    ck_assert_int_eq(checkpoint_write(&dir, &note, tensors, 2, NULL, &fault), STORAGE_LIMIT);
    tensors[1] = tensors[0];
    tensors[1].dtype = DTYPE_STRING;
    ck_assert_int_eq(checkpoint_write(&dir, &note, tensors, 2, NULL, NULL), STORAGE_LIMIT);
    tensors[1] = tensors[0];
    tensors[1].shape.dims[0] = 5;
    ck_assert_int_eq(checkpoint_write(&dir, &note, tensors, 2, NULL, NULL), STORAGE_LIMIT);
    memset(name, 'n', sizeof(name) - 1);
    tensors[1] = tensors[0];
    tensors[1].name = name;
    ck_assert_int_eq(checkpoint_write(&dir, &note, tensors, 2, NULL, NULL), STORAGE_LIMIT);
    ck_assert(!storage_file_exists(&dir, "checkpoint-00000000000000000001.safetensors"));
}
END_TEST

/* ---- the format ---- */

/* A file of a header's text and zeros for data. */
static unsigned char *file_of(const char *header, size_t data_bytes, size_t *ret_size)
{
    size_t length = strlen(header);
    unsigned char *bytes = calloc(1, 8 + length + data_bytes + 1);

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(bytes + 8, header, length);
    *ret_size = 8 + length + data_bytes;
    return bytes;
}

START_TEST(headers)
{
    static const struct {
        const char *header;
        size_t data;
        const char *says;       /* NULL: it is read */
    } rows[] = {
        {"{}", 0, NULL},
        {"{ }  ", 0, NULL},
        {"{\"__metadata__\":{}}", 0, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL},
        {"{\"a\":{\"data_offsets\":[ 0 , 8 ],\"shape\":[2 , 1],\"dtype\":\"F32\"} }", 8, NULL},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[1,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 2, NULL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, NULL},
        {"{\"\\u0041\\ud83d\\ude00\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, NULL},
        {"", 0, "no JSON object"},
        {" {}", 0, "no JSON object"},
        {"[]", 0, "no JSON object"},
        {"{}x", 0, "bytes after"},
        {"{", 0, "expected '\"'"},
        {"{\"a\"", 0, "expected ':'"},
        {"{\"a", 0, "without an end"},
        {"{\"a\\", 0, "within an escape"},
        {"{\"a\\x\":1}", 0, "an escape"},
        {"{\"a\\u00\":1}", 0, "an escape"},
        {"{\"a\\u0000\":1}", 0, "an escape"},
        {"{\"a\\udc00\":1}", 0, "an escape"},
        {"{\"a\\ud800\":1}", 0, "surrogate"},
        {"{\"a\\ud800\\u0041\":1}", 0, "surrogate"},
        {"{\"a\x01\":1}", 0, "control character"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "empty"},
        {"{\"a\":1}", 0, "expected '{'"},
        {"{\"a\":{}}", 0, "expected '\"'"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a type"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "without"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "unknown"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "number"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", 8, "leading zero"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "expected ']'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "eight"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}", 8, "range"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "do not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "do not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 8, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, "expected ']'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "gaps"},
        {"{}", 1, "no tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "one name"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},}", 1, "expected '\"'"},
        {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "twice"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "expected '\"'"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct storage_fault fault = {0};
        struct safetensors read;
        size_t size;
        unsigned char *bytes = file_of(rows[i].header, rows[i].data, &size);
        enum storage_status status = safetensors_read("f", bytes, size, &read, &fault);

        if (rows[i].says == NULL) {
            ck_assert_msg(status == STORAGE_OK, "%s: %s", rows[i].header, fault.text);
            safetensors_finish(&read);
        } else {
            ck_assert_msg(status == STORAGE_DAMAGED, "%s: %d", rows[i].header, status);
            ck_assert_msg(strstr(fault.text, rows[i].says) != NULL, "%s: %s", rows[i].header,
                          fault.text);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(lengths_are_bounded)
{
    static const uint64_t lengths[] = {3, 100, UINT64_MAX, UINT64_MAX - 7, INT64_MAX, 1 << 25};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        unsigned char bytes[10] = {0};
        struct safetensors read;

        for (int k = 0; k < 8; k++)
            bytes[k] = (unsigned char)(lengths[i] >> (8 * k));
        ck_assert_msg(safetensors_read("f", bytes, 10, &read, NULL) == STORAGE_DAMAGED, "%zu", i);
    }
}
END_TEST

static const float peer_weight[] = {0, .25f, .5f, .75f, 1, 1.25f, 1.5f, 1.75f, 2, 2.25f, 2.5f, 2.75f};
static const uint16_t peer_bias[] = {0x3e00, 0xc000, 0x7bff};
static const int64_t peer_steps[] = {123456789012345};
static const uint8_t peer_flags[] = {1, 0, 1}, peer_name[] = {7};
static const double peer_doubles[] = {0, .25, .5, .75, 1};
static const int16_t peer_small[] = {-1, 300};

START_TEST(the_formats_own_library_is_read)
{
    static const struct {
        const char *name;
        enum dtype dtype;
        struct shape shape;
        const void *data;
        size_t bytes;
    } rows[] = {
        {"b.weight", DTYPE_F32, {2, {3, 4}}, peer_weight, sizeof(peer_weight)},
        {"a.bias", DTYPE_F16, {1, {3}}, peer_bias, sizeof(peer_bias)},
        {"steps", DTYPE_I64, {0, {0}}, peer_steps, sizeof(peer_steps)},
        {"flags", DTYPE_BOOL, {1, {3}}, peer_flags, sizeof(peer_flags)},
        {"na\xc3\xafve \"name\"\t/", DTYPE_U8, {2, {1, 1}}, peer_name, sizeof(peer_name)},
        {"doubles", DTYPE_F64, {1, {5}}, peer_doubles, sizeof(peer_doubles)},
        {"small", DTYPE_I16, {1, {2}}, peer_small, sizeof(peer_small)},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    static unsigned char bytes[1 << 16];
    struct safetensors read;
    FILE *file = fopen(PEER_FILE, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    ASSERT_OK(safetensors_read("peer", bytes, size, &read, err));
    ck_assert_uint_eq(read.n_tensors, ROWS);
    ck_assert_str_eq(safetensors_note(&read, "made by"), "safetensors");
    ck_assert_str_eq(safetensors_note(&read, "\xc3\xbcn\xc3\xaf"), "\\ \"x\"");
    for (size_t i = 0; i < ROWS; i++) {
        const struct named_tensor *tensor = safetensors_find(&read, rows[i].name);

        ck_assert_msg(tensor != NULL, "%s", rows[i].name);
        ck_assert_msg(tensor->dtype == rows[i].dtype, "%s", rows[i].name);
        ck_assert_msg(shape_equal(&tensor->shape, &rows[i].shape), "%s", rows[i].name);
        ck_assert_uint_eq(tensor->bytes, rows[i].bytes);
        ck_assert_mem_eq(tensor->data, rows[i].data, rows[i].bytes);
    }
    safetensors_finish(&read);
}
END_TEST

/* Random edits of a good file: refused, or read within its bounds. */
START_TEST(random_edits_stay_within_bounds)
{
    uint64_t seed = test_seed();
    unsigned char *bytes;
    size_t size;

    write_one(9);
    ASSERT_OK(storage_file_read(&dir, "checkpoint-00000000000000000009.safetensors", 1 << 20, &bytes,
                                &size, err));
    for (int i = 0; i < 20000 * test_scale(); i++) {
        unsigned char *copy = malloc(size);
        struct safetensors read;
        size_t length = size;

        memcpy(copy, bytes, size);
        for (uint64_t k = 1 + test_random(&seed) % 4; k > 0; k--) {
            static const char alphabet[] = "{}[]:,\"\\u0129 ";
            uint64_t dice = test_random(&seed);

            copy[dice % size] = dice >> 32 & 1 ? (unsigned char)alphabet[(dice >> 40) % 14]
                                               : (unsigned char)(dice >> 48);
        }
        if (test_random(&seed) % 4 == 0)
            length = test_random(&seed) % size;
        if (safetensors_read("f", copy, length, &read, NULL) == STORAGE_OK) {
            size_t total = read.data_at;

            for (size_t k = 0; k < read.n_tensors; k++)
                total += read.tensors[k].bytes;
            ck_assert_uint_eq(total, length);
            safetensors_finish(&read);
        }
        free(copy);
    }
    free(bytes);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tc = tcase_create("checkpoint");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300 * test_scale());
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, every_flipped_bit_is_seen);
    tcase_add_test(tc, another_generations_file_is_refused);
    tcase_add_test(tc, files_are_listed_and_kept);
    tcase_add_test(tc, what_cannot_be_stored_is_refused);
    tcase_add_test(tc, headers);
    tcase_add_test(tc, lengths_are_bounded);
    tcase_add_test(tc, the_formats_own_library_is_read);
    tcase_add_test(tc, random_edits_stay_within_bounds);
    suite_add_tcase(suite, tc);
    return suite;
}
