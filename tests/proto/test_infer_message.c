/* SPDX-License-Identifier: Apache-2.0
 * Requests and answers of the Open Inference Protocol, JSON and binary. Rows of hard-cases are named
 * by their numbers. */
#include "proto/infer_message.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 20,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 16,
};

#define TENSOR(rest) "{\"inputs\":[{\"name\":\"x\"," rest "}]}"
#define FP32_2 "\"shape\":[2],\"datatype\":\"FP32\","
#define ONE TENSOR(FP32_2 "\"data\":[1,2]")

static bool decode(const char *body, size_t bytes, int64_t header_length,
                   struct infer_request *request, struct problem *problem)
{
    /* An exact copy, so that a read past the end is seen. */
    char *copy = malloc(bytes > 0 ? bytes : 1);
    bool good;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, body, bytes);
    good = infer_request_decode(copy, bytes, header_length, &limits, NULL, 0, request, problem);
    if (!good)
        free(copy);
    return good;        /* a good request leaks its body: the process is short-lived */
}

static const struct {
    const char *body;
    int status;
    const char *text;       /* the message has this in it */
} refused[] = {
    /* 51-53 */
    {"", 400, "body is empty"},
    {" \n", 400, "body is empty"},
    {"5", 400, "not a JSON object"},
    {"null", 400, "not a JSON object"},
    {"[]", 400, "not a JSON object"},
    {"\"x\"", 400, "not a JSON object"},
    {ONE "x", 400, "not valid JSON"},
    {ONE ONE, 400, "not valid JSON"},
    {ONE "}", 400, "brackets do not match"},
    {"{", 400, "not valid JSON"},
    {"{\"inputs\":[{\"name\":\"x\"," FP32_2 "\"data\":", 400, "inputs[0].data"},
    {"{\"inputs\":[{\"name\":\"x\"," FP32_2 "\"data\":[1,2", 400, "inputs[0].data"},
    /* 55 */
    {"{\"inputs\":[],\"inputs\":[]}", 400, "duplicate"},
    {TENSOR(FP32_2 "\"data\":[1,2],\"data\":[1,2]"), 400, "duplicate"},
    {TENSOR(FP32_2 "\"data\":[1,2],\"d\\u0061ta\":[1,2]"), 400, "duplicate"},
    /* 56, 57 */
    {TENSOR(FP32_2 "\"data\":[1,1e400]"), 400, "inputs[0].data: element 1: 1e400 does not fit FP32"},
    {"{\"id\":\"a\",\"inputs\":[],\"parameters\":{\"p\":1e400}}", 400, "not valid JSON"},
    {"{\"inputs\":[],\"parameters\":{\"p\":NaN}}", 400, "not valid JSON"},
    {TENSOR("\"shape\":[9223372036854775808],\"datatype\":\"FP32\",\"data\":[1]"), 400,
     "not valid JSON"},
    /* 58 */
    {"\xef\xbb\xbf" ONE, 400, "byte order mark"},
    {"{\"id\":\"\\ud800\",\"inputs\":[]}", 400, "surrogate"},
    {"{\"id\":\"\\udc00x\",\"inputs\":[]}", 400, "surrogate"},
    {"{\"id\":\"\\u0000\",\"inputs\":[]}", 400, "not valid JSON"},
    {"{\"id\":\"\xff\",\"inputs\":[]}", 400, "not UTF-8"},
    {"{\"id\":\"\xc0\xaf\",\"inputs\":[]}", 400, "not UTF-8"},
    {"{\"id\":\"\xed\xa0\x80\",\"inputs\":[]}", 400, "not UTF-8"},
    {"{\"id\":\"a\nb\",\"inputs\":[]}", 400, "control character"},
    {"{\"id\":\"\\x\",\"inputs\":[]}", 400, "unknown escape"},
    {"{\"id:5}", 400, "does not end"},
    /* 61 */
    {"{}", 400, "inputs is missing"},
    {"{\"inputs\":null}", 400, "inputs is missing"},
    {"{\"inputs\":{}}", 400, "inputs is an object, expected an array"},
    {"{\"inputs\":5}", 400, "inputs is an integer, expected an array"},
    {"{\"inputs\":[5]}", 400, "inputs[0] is an integer, expected an object"},
    {"{\"inputs\":[[{\"data\":5}]]}", 400, "inputs[0] is an array, expected an object"},
    {"{\"id\":5,\"inputs\":[]}", 400, "id is an integer, expected a string"},
    {"{\"inputs\":[],\"parameters\":[]}", 400, "parameters is an array, expected an object"},
    {"{\"inputs\":[],\"parameters\":{\"p\":[]}}", 400, "parameters.p is an array"},
    {"{\"inputs\":[],\"outputs\":{}}", 400, "outputs is an object, expected an array"},
    {"{\"inputs\":[],\"outputs\":[\"y\"]}", 400, "outputs[0] is a string, expected an object"},
    {"{\"inputs\":[],\"outputs\":[{}]}", 400, "outputs[0].name is missing"},
    {"{\"inputs\":[],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":1}}]}", 400,
     "outputs[0].parameters.binary_data is an integer, expected true or false"},
    {"{\"inputs\":[],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":-1}}]}", 400,
     "outputs[0].parameters.classification is -1"},
    {"{\"inputs\":[],\"parameters\":{\"binary_data_output\":\"yes\"}}", 400,
     "parameters.binary_data_output is a string"},
    {"{\"inputs\":[{" FP32_2 "\"data\":[1,2]}]}", 400, "inputs[0].name is missing"},
    {"{\"inputs\":[{\"name\":7," FP32_2 "\"data\":[1,2]}]}", 400, "inputs[0].name is an integer"},
    {"{\"inputs\":[{\"name\":\"\"," FP32_2 "\"data\":[1,2]}]}", 400, "inputs[0].name is empty"},
    {TENSOR("\"shape\":[2],\"data\":[1,2]"), 400, "inputs[0].datatype is missing"},
    {TENSOR("\"shape\":[2],\"datatype\":4,\"data\":[1,2]"), 400, "inputs[0].datatype is an integer"},
    {TENSOR("\"datatype\":\"FP32\",\"data\":[1,2]"), 400, "inputs[0].shape is missing"},
    {TENSOR("\"shape\":2,\"datatype\":\"FP32\",\"data\":[1,2]"), 400,
     "inputs[0].shape is an integer, expected an array"},
    {TENSOR("\"shape\":[1,\"2\"],\"datatype\":\"FP32\",\"data\":[1,2]"), 400,
     "inputs[0].shape[1] is a string, expected an integer"},
    {TENSOR("\"shape\":[2.0],\"datatype\":\"FP32\",\"data\":[1,2]"), 400, "inputs[0].shape[0] is a"},
    {TENSOR(FP32_2 "\"data\":null"), 400, "inputs[0].data: expected an array"},
    {TENSOR(FP32_2 "\"data\":\"1,2\""), 400, "inputs[0].data: expected an array"},
    {TENSOR(FP32_2 "\"data\":{\"0\":1,\"1\":2}"), 400, "inputs[0].data: expected an array"},
    {TENSOR(FP32_2 "\"data\":[1,{}]"), 400, "inputs[0].data: element 1 is an object"},
    {TENSOR(FP32_2 "\"data\":[1,null]"), 400, "inputs[0].data: element 1 is null"},
    {TENSOR(FP32_2 "\"data\":[1,true]"), 400, "inputs[0].data: element 1 is a boolean"},
    {TENSOR(FP32_2 "\"data\":[\"1\",2]"), 400, "inputs[0].data: element 0 is a string"},
    {TENSOR(FP32_2 "\"data\":[1}"), 400, ""},
    {TENSOR(FP32_2 "\"data\":[1 2]"), 400, "inputs[0].data"},
    {TENSOR(FP32_2 "\"data\":[1,2,]"), 400, "inputs[0].data"},
    {TENSOR(FP32_2 "\"data\":[,1]"), 400, "inputs[0].data: a value is missing at element 0"},
    {TENSOR(FP32_2 "\"data\":[01,2]"), 400, "inputs[0].data: element 0: '01' is not a JSON number"},
    {TENSOR(FP32_2 "\"data\":[0x1,2]"), 400, "inputs[0].data: 'x' where"},
    {TENSOR(FP32_2 "\"parameters\":5,\"data\":[1,2]"), 400, "inputs[0].parameters is an integer"},
    {TENSOR(FP32_2), 400, "not valid JSON"},
    {TENSOR("\"shape\":[2],\"datatype\":\"FP32\""), 400, "inputs[0].data is missing"},
    /* 62 */
    {"{\"inputs\":[],\"input\":5}", 400, "unknown field 'input'"},
    {TENSOR(FP32_2 "\"data\":[1,2],\"dtype\":5"), 400, "unknown field 'inputs[0].dtype'"},
    {"{\"inputs\":[],\"outputs\":[{\"name\":\"y\",\"data\":[1]}]}", 400,
     "unknown field 'outputs[0].data'"},
    /* 65 */
    {"{\"inputs\":[{\"name\":\"x\"," FP32_2 "\"data\":[1,2]},{\"name\":\"x\"," FP32_2
     "\"data\":[1,2]}]}", 400, "inputs[1].name 'x' is given twice"},
    {"{\"inputs\":[],\"outputs\":[{\"name\":\"y\"},{\"name\":\"y\"}]}", 400,
     "outputs[1].name 'y' is given twice"},
    /* 66-68 */
    {TENSOR("\"shape\":[1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\",\"data\":[1]"), 400,
     "inputs[0].shape has 9 dimensions, at most 8"},
    {TENSOR("\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[1]"), 400,
     "inputs[0].shape[0] is -1, expected 0 or more"},
    {TENSOR("\"shape\":[1,-5],\"datatype\":\"FP32\",\"data\":[1]"), 400, "inputs[0].shape[1] is -5"},
    {TENSOR("\"shape\":[16,1152921504606846978],\"datatype\":\"FP32\",\"data\":[1]"), 400,
     "inputs[0].shape has too many elements"},
    {TENSOR("\"shape\":[4,1152921504606846978],\"datatype\":\"UINT8\",\"data\":[1]"), 400,
     "inputs[0].data: 1 elements, shape [4,1152921504606846978] needs 4611686018427387912"},
    {TENSOR("\"shape\":[4,1152921504606846978],\"datatype\":\"FP32\",\"data\":[1]"), 400,
     "inputs[0].shape has too many elements"},
    /* 69, 70 */
    {TENSOR(FP32_2 "\"data\":[1]"), 400, "inputs[0].data: 1 elements, shape [2] needs 2"},
    {TENSOR(FP32_2 "\"data\":[1,2,3]"), 400, "inputs[0].data: 3 elements, shape [2] needs 2"},
    {TENSOR(FP32_2 "\"data\":[]"), 400, "inputs[0].data: 0 elements, shape [2] needs 2"},
    {TENSOR("\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1],[2,3,4]]"), 400,
     "inputs[0].data: ragged"},
    {TENSOR("\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1,2],3,4]"), 400,
     "inputs[0].data: ragged"},
    {TENSOR("\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[1,[2,3,4]]"), 400, "inputs[0].data"},
    {TENSOR("\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1,2,3,4]]"), 400,
     "inputs[0].data: nested as [1,4], shape is [2,2]"},
    {TENSOR("\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[[1,2],[3,4]]]"), 400,
     "inputs[0].data: nested as [1,2,2], shape is [2,2]"},
    {TENSOR("\"shape\":[0],\"datatype\":\"FP32\",\"data\":[1]"), 400, "inputs[0].data"},
    {TENSOR("\"shape\":[1],\"datatype\":\"FP32\",\"data\":[[[[[[[[[1]]]]]]]]]"), 400,
     "inputs[0].data: arrays nested deeper than 8"},
    /* 71 */
    {TENSOR("\"shape\":[1],\"datatype\":\"FP31\",\"data\":[1]"), 400,
     "inputs[0].datatype 'FP31' is unknown"},
    {TENSOR("\"shape\":[1],\"datatype\":\"fp32\",\"data\":[1]"), 400, "'fp32' is unknown"},
    {TENSOR("\"shape\":[1],\"datatype\":\"INT32\",\"data\":[1.5]"), 400,
     "inputs[0].data: element 0: 1.5 is not written as an integer, expected INT32"},
    {TENSOR("\"shape\":[2],\"datatype\":\"UINT8\",\"data\":[0,256]"), 400,
     "inputs[0].data: element 1: 256 does not fit UINT8"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[5]"), 400,
     "inputs[0].data: element 0 is not a string, expected BYTES"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[{\"b64\":\"YQ==\"}]"), 400,
     "inputs[0].data: element 0 is not a string"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"\\ud800\"]"), 400, "surrogate"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"\xff\"]"), 400, "not UTF-8"},
    /* 76, 77 */
    {TENSOR(FP32_2 "\"data\":[1,3.5e38]"), 400, "element 1: 3.5e38 does not fit FP32"},
    {"{\"inputs\":[],\"parameters\":{\"timeout\":-1}}", 400, "parameters.timeout is -1"},
    {"{\"inputs\":[],\"parameters\":{\"timeout\":9223372036854775808}}", 400, "not valid JSON"},
    {"{\"inputs\":[],\"parameters\":{\"timeout\":1.5}}", 400, "parameters.timeout is a number"},
    {"{\"inputs\":[],\"parameters\":{\"priority\":\"high\"}}", 400, "parameters.priority is a string"},
    /* too large for the limits above */
    {TENSOR("\"shape\":[1,65537],\"datatype\":\"BYTES\",\"data\":[\"\"]"), 400, "needs 65537"},
    /* binary data without its header, shared memory */
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), 400, "needs the header"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8},\"data\":[1,2]"), 400, "both given"},
    {TENSOR(FP32_2 "\"parameters\":{\"shared_memory_region\":\"r\"}"), 400,
     "shared memory is not offered"},
};

START_TEST(bad_bodies_are_refused)
{
    struct infer_request request;
    struct problem problem = {0};
    const char *body = refused[_i].body;

    ck_assert_msg(!decode(body, strlen(body), -1, &request, &problem), "%s was taken", body);
    ck_assert_msg(problem.status == refused[_i].status, "%s: %d %s", body, problem.status,
                  problem.text);
    ck_assert_msg(strstr(problem.text, refused[_i].text) != NULL, "%s: '%s' has no '%s'", body,
                  problem.text, refused[_i].text);
    ck_assert_ptr_nonnull(problem.reason);
}
END_TEST

static const struct {
    const char *body;
    enum wire_type type;
    int rank;
    int64_t dims[4];
    double values[6];
} accepted[] = {
    {ONE, WIRE_FP32, 1, {2}, {1, 2}},
    {" \n" ONE "\t ", WIRE_FP32, 1, {2}, {1, 2}},
    /* keys in any order, escaped or not */
    {"{\"inputs\":[{\"data\":[1,2],\"datatype\":\"FP32\",\"shape\":[2],\"name\":\"x\"}]}", WIRE_FP32, 1,
     {2}, {1, 2}},
    {"{\"in\\u0070uts\":[{\"d\\u0061ta\":[1,2],\"datatype\":\"FP32\",\"shape\":[2],\"name\":\"x\"}]}",
     WIRE_FP32, 1, {2}, {1, 2}},
    {"{\"outputs\":[],\"parameters\":{\"note\":\"[{,\\\"data\\\":\"},\"id\":\"i\",\"inputs\":[{\"name\":"
     "\"x\"," FP32_2 "\"data\":[1,2]}]}", WIRE_FP32, 1, {2}, {1, 2}},
    {"{\"id\":null,\"outputs\":null,\"parameters\":null,\"model_name\":\"m\",\"inputs\":[{\"name\":\"x\","
     FP32_2 "\"data\":[1,2]}]}", WIRE_FP32, 1, {2}, {1, 2}},
    /* flat, nested, white space */
    {TENSOR("\"shape\":[2,3],\"datatype\":\"FP64\",\"data\":[1,2,3,4,5,6]"), WIRE_FP64, 2, {2, 3},
     {1, 2, 3, 4, 5, 6}},
    {TENSOR("\"shape\":[2,3],\"datatype\":\"FP64\",\"data\":[[1,2,3],[4,5,6]]"), WIRE_FP64, 2, {2, 3},
     {1, 2, 3, 4, 5, 6}},
    {TENSOR("\"shape\":[2,3],\"datatype\":\"FP64\",\"data\": [ [ 1 ,2,3 ] ,\n[4,5,6] ] "), WIRE_FP64, 2,
     {2, 3}, {1, 2, 3, 4, 5, 6}},
    {TENSOR("\"shape\":[1,2,1],\"datatype\":\"FP64\",\"data\":[[[1],[2]]]"), WIRE_FP64, 3, {1, 2, 1},
     {1, 2}},
    {TENSOR("\"shape\":[],\"datatype\":\"FP64\",\"data\":[7]"), WIRE_FP64, 0, {0}, {7}},
    {TENSOR("\"shape\":[0],\"datatype\":\"FP64\",\"data\":[]"), WIRE_FP64, 1, {0}, {0}},
    {TENSOR("\"shape\":[2,0],\"datatype\":\"FP64\",\"data\":[[],[ ]]"), WIRE_FP64, 2, {2, 0}, {0}},
    {TENSOR("\"shape\":[0,3],\"datatype\":\"FP64\",\"data\":[]"), WIRE_FP64, 2, {0, 3}, {0}},
    /* every type */
    {TENSOR("\"shape\":[4],\"datatype\":\"BOOL\",\"data\":[true,false,1,0]"), WIRE_BOOL, 1, {4},
     {1, 0, 1, 0}},
    {TENSOR("\"shape\":[2],\"datatype\":\"INT8\",\"data\":[-128,127]"), WIRE_INT8, 1, {2}, {-128, 127}},
    {TENSOR("\"shape\":[2],\"datatype\":\"UINT8\",\"data\":[0,255]"), WIRE_UINT8, 1, {2}, {0, 255}},
    {TENSOR("\"shape\":[2],\"datatype\":\"INT16\",\"data\":[-32768,1]"), WIRE_INT16, 1, {2}, {-32768, 1}},
    {TENSOR("\"shape\":[1],\"datatype\":\"UINT16\",\"data\":[65535]"), WIRE_UINT16, 1, {1}, {65535}},
    {TENSOR("\"shape\":[1],\"datatype\":\"INT32\",\"data\":[-2147483648]"), WIRE_INT32, 1, {1},
     {-2147483648.0}},
    {TENSOR("\"shape\":[1],\"datatype\":\"UINT32\",\"data\":[4294967295]"), WIRE_UINT32, 1, {1},
     {4294967295.0}},
    {TENSOR("\"shape\":[1],\"datatype\":\"INT64\",\"data\":[-9007199254740991]"), WIRE_INT64, 1, {1},
     {-9007199254740991.0}},
    {TENSOR("\"shape\":[1],\"datatype\":\"UINT64\",\"data\":[9007199254740991]"), WIRE_UINT64, 1, {1},
     {9007199254740991.0}},
    {TENSOR("\"shape\":[2],\"datatype\":\"FP16\",\"data\":[1.5,65504]"), WIRE_FP16, 1, {2},
     {0x3e00, 0x7bff}},
    {TENSOR("\"shape\":[1],\"datatype\":\"BF16\",\"data\":[1.5]"), WIRE_BF16, 1, {1}, {0x3fc0}},
};

static double element(const struct wire_tensor *tensor, int64_t i)
{
    switch (tensor->type) {
    case WIRE_BOOL:
    case WIRE_UINT8:
        return ((const uint8_t *)tensor->data)[i];
    case WIRE_INT8:
        return ((const int8_t *)tensor->data)[i];
    case WIRE_INT16:
        return ((const int16_t *)tensor->data)[i];
    case WIRE_UINT16:
    case WIRE_FP16:
    case WIRE_BF16:
        return ((const uint16_t *)tensor->data)[i];
    case WIRE_INT32:
        return ((const int32_t *)tensor->data)[i];
    case WIRE_UINT32:
        return ((const uint32_t *)tensor->data)[i];
    case WIRE_INT64:
        return (double)((const int64_t *)tensor->data)[i];
    case WIRE_UINT64:
        return (double)((const uint64_t *)tensor->data)[i];
    case WIRE_FP32:
        return (double)((const float *)tensor->data)[i];
    case WIRE_FP64:
        return ((const double *)tensor->data)[i];
    default:
        return -1;
    }
}

START_TEST(good_bodies_are_taken)
{
    struct infer_request request;
    struct problem problem = {0};
    const char *body = accepted[_i].body;
    const struct wire_tensor *x;
    int64_t i, count = 1;

    ck_assert_msg(decode(body, strlen(body), -1, &request, &problem), "%s: %s", body, problem.text);
    ck_assert_int_eq(request.n_inputs, 1);
    x = &request.inputs[0];
    ck_assert_str_eq(x->name, "x");
    ck_assert_int_eq(x->type, accepted[_i].type);
    ck_assert_int_eq(x->rank, accepted[_i].rank);
    for (i = 0; i < x->rank; i++) {
        ck_assert_int_eq(x->dims[i], accepted[_i].dims[i]);
        count *= x->dims[i];
    }
    ck_assert_int_eq(x->count, count);
    for (i = 0; i < count; i++)
        ck_assert_msg(element(x, i) == accepted[_i].values[i], "%s: element %d is %g", body, (int)i,
                      element(x, i));
    infer_request_finish(&request);
}
END_TEST

START_TEST(every_member_is_read)
{
    static const char body[] =
        "{\"id\":\"4\\u00e4\",\"parameters\":{\"timeout\":1500,\"priority\":3,\"binary_data_output\":true,"
        "\"sequence_id\":\"s\"},\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":"
        "[\"x\\n\\u00e4\\ud83d\\ude00\\u0000y\"]},{\"name\":\"b\",\"shape\":[2],\"datatype\":\"BYTES\","
        "\"parameters\":{\"content_type\":\"str\"},\"data\":[\"\",\"plain,]\"]}],\"outputs\":[{\"name\":"
        "\"y\",\"parameters\":{\"binary_data\":false}},{\"name\":\"z\",\"parameters\":{\"classification\":5,"
        "\"binary_data\":true}},{\"name\":\"w\"}]}";
    struct infer_request request;
    struct problem problem = {0};
    const struct wire_bytes *bytes;

    ck_assert_msg(decode(body, strlen(body), -1, &request, &problem), "%s", problem.text);
    ck_assert_str_eq(request.id, "4\xc3\xa4");
    ck_assert_int_eq(request.timeout_us, 1500);
    ck_assert_int_eq(request.priority, 3);
    ck_assert(request.binary_output_default);
    ck_assert_int_eq(request.n_inputs, 2);
    bytes = request.inputs[0].data;
    ck_assert_uint_eq(bytes[0].length, 10);
    ck_assert_mem_eq(bytes[0].data, "x\n\xc3\xa4\xf0\x9f\x98\x80\0y", 10);
    bytes = request.inputs[1].data;
    ck_assert_uint_eq(bytes[0].length, 0);
    ck_assert_uint_eq(bytes[1].length, 7);
    ck_assert_mem_eq(bytes[1].data, "plain,]", 7);
    ck_assert_int_eq(request.n_outputs, 3);
    ck_assert_str_eq(request.outputs[0].name, "y");
    ck_assert_int_eq(request.outputs[0].binary, 0);
    ck_assert_int_eq(request.outputs[0].classification, 0);
    ck_assert_int_eq(request.outputs[1].binary, 1);
    ck_assert_int_eq(request.outputs[1].classification, 5);
    ck_assert_int_eq(request.outputs[2].binary, -1);
    infer_request_finish(&request);
}
END_TEST

/* JSON and tail as one body. */
static const struct {
    const char *json, *tail;
    size_t tail_bytes;
    int header_off;         /* added to the announced length */
    const char *text;       /* NULL: taken */
} binaries[] = {
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0\x40", 8, 0, NULL},
    {ONE, "", 0, 0, NULL},
    {ONE, "", 0, 1, "Inference-Header-Content-Length is"},
    {ONE, "", 0, 1 << 30, "Inference-Header-Content-Length is"},
    {ONE, "x", 1, 0, "1 bytes of the body belong to no tensor"},
    {ONE, "", 0, -1, "not valid JSON"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0", 7, 0,
     "inputs[0].binary data has 8 bytes, the body has 7 left"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0\x40y", 9, 0,
     "1 bytes of the body belong to no tensor"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":7}"), "\0\0\x80\x3f\0\0\0", 7, 0,
     "has 7 bytes, shape [2] of FP32 takes 8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":4}"), "\0\0\x80\x3f", 4, 0,
     "has 4 bytes, shape [2] of FP32 takes 8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":-8}"), "", 0, 0, "binary_data_size is -8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":\"8\"}"), "", 0, 0,
     "inputs[0].parameters.binary_data_size is a string"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8},\"data\":[1,2]"), "\0\0\x80\x3f\0\0\0\x40", 8,
     0, "both given"},
    {TENSOR("\"shape\":[3],\"datatype\":\"BOOL\",\"parameters\":{\"binary_data_size\":3}"), "\0\1\2", 3, 0,
     "inputs[0]: element 2 is 2, expected 0 or 1"},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, NULL},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\4\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: binary data ends before element 1"},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\xff\xff\xff\xff" "abc\0\0\0\0", 11, 0, "inputs[0]: element 0 has 4294967295 bytes"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: 4 bytes of binary data are left"},
    {TENSOR("\"shape\":[1000000],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: binary data has 11 bytes, shape [1000000]"},
    {TENSOR("\"shape\":[0],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":0}"), "", 0, 0, NULL},
};

START_TEST(binary_data_rules)
{
    struct infer_request request;
    struct problem problem = {0};
    char body[1024];
    size_t json = strlen(binaries[_i].json);
    bool good;

    memcpy(body, binaries[_i].json, json);
    memcpy(body + json, binaries[_i].tail, binaries[_i].tail_bytes);
    good = decode(body, json + binaries[_i].tail_bytes, (int64_t)json + binaries[_i].header_off,
                  &request, &problem);
    if (binaries[_i].text == NULL) {
        ck_assert_msg(good, "row %d: %s", _i, problem.text);
        infer_request_finish(&request);
    } else {
        ck_assert_msg(!good && problem.status == 400, "row %d was taken", _i);
        ck_assert_msg(strstr(problem.text, binaries[_i].text) != NULL, "row %d: '%s' has no '%s'",
                      _i, problem.text, binaries[_i].text);
    }
}
END_TEST

/* Wherever the tail begins, aligned or not. */
START_TEST(binary_data_at_any_alignment)
{
    static const float values[] = {1.5f, -2.0f};
    struct infer_request request;
    struct problem problem = {0};
    char body[256];
    int length;

    length = sprintf(body, "%s%*s", TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), _i, "");
    memcpy(body + length, values, sizeof(values));
    ck_assert_msg(decode(body, (size_t)length + sizeof(values), length, &request, &problem), "%s",
                  problem.text);
    ck_assert_uint_eq((uintptr_t)request.inputs[0].data % sizeof(float), 0);
    ck_assert_mem_eq(request.inputs[0].data, values, sizeof(values));
    infer_request_finish(&request);
}
END_TEST

static const struct {
    struct tensor_spec spec;
    size_t bytes;
    int64_t dims[2];
    const char *text;       /* NULL: taken */
} raws[] = {
    {{"x", WIRE_FP32, 2, {-1, 2}}, 24, {3, 2}, NULL},
    {{"x", WIRE_FP32, 2, {-1, -1}}, 24, {1, 6}, NULL},
    {{"x", WIRE_FP32, 2, {3, 2}}, 24, {3, 2}, NULL},
    {{"x", WIRE_UINT8, 1, {-1}}, 5, {5}, NULL},
    {{"x", WIRE_FP32, 2, {3, 2}}, 20, {0}, "shape [3,2] of FP32 takes 24"},
    {{"x", WIRE_FP32, 2, {-1, 2}}, 20, {0}, "takes 16"},
    {{"x", WIRE_FP32, 3, {2, -1, -1}}, 24, {0}, "more than one free dimension"},
    {{"x", WIRE_FP32, -1, {0}}, 24, {0}, "no known rank"},
};

START_TEST(raw_bodies)
{
    struct infer_request request;
    struct problem problem = {0};
    char *body = calloc(1, raws[_i].bytes);
    bool good = infer_request_decode(body, raws[_i].bytes, 0, &limits, &raws[_i].spec, 1, &request,
                                     &problem);

    if (raws[_i].text == NULL) {
        ck_assert_msg(good, "row %d: %s", _i, problem.text);
        ck_assert_int_eq(request.n_inputs, 1);
        ck_assert_mem_eq(request.inputs[0].dims, raws[_i].dims,
                         (size_t)request.inputs[0].rank * sizeof(int64_t));
        ck_assert(request.binary_output_default);
        infer_request_finish(&request);
    } else {
        ck_assert_msg(!good && strstr(problem.text, raws[_i].text) != NULL, "row %d: '%s'", _i,
                      problem.text);
    }
    free(body);
}
END_TEST

START_TEST(raw_bodies_need_one_input)
{
    static const struct tensor_spec specs[] = {{"a", WIRE_FP32, 1, {1}}, {"b", WIRE_FP32, 1, {1}}};
    struct infer_request request;
    struct problem problem = {0};

    ck_assert(!infer_request_decode("abcdefgh", 8, 0, &limits, specs, 2, &request, &problem));
    ck_assert_ptr_nonnull(strstr(problem.text, "must have one input, it has 2"));
}
END_TEST

/* 64: cut at every byte, and the tail too. */
START_TEST(truncated_at_every_byte)
{
    static const char *const bodies[] = {
        "{\"id\":\"a\\u00e4\",\"parameters\":{\"timeout\":5},\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
        "\"datatype\":\"FP32\",\"data\":[[1.25,-2e-3],[NaN,-Infinity]]},{\"name\":\"s\",\"shape\":[2],"
        "\"datatype\":\"BYTES\",\"data\":[\"a\\n\",\"\xc3\xa4\\ud83d\\ude00\"]}],\"outputs\":[{\"name\":\"y\"}]}",
        "{\"inputs\":[{\"data\":[true,false],\"name\":\"x\",\"shape\":[2],\"datatype\":\"BOOL\"}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[4],\"datatype\":\"INT64\",\"data\":[1,-22,333,4444]}]}",
    };
    struct infer_request request;
    size_t length = strlen(bodies[_i]), i;

    for (i = 0; i < length; i++) {
        struct problem problem = {0};

        ck_assert_msg(!decode(bodies[_i], i, -1, &request, &problem), "cut at %zu: taken", i);
        ck_assert_msg(problem.status == 400, "cut at %zu: %d %s", i, problem.status, problem.text);
        problem = (struct problem){0};
        ck_assert(!decode(bodies[_i], i, (int64_t)i + 1, &request, &problem));
    }
}
END_TEST

static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
    size_t a = strlen(before), u = strlen(unit), i;
    char *text = malloc(a + u * n + strlen(after) + 1);

    ck_assert_ptr_nonnull(text);
    memcpy(text, before, a);
    for (i = 0; i < n; i++)
        memcpy(text + a + i * u, unit, u);
    strcpy(text + a + n * u, after);
    return text;
}

/* 54, 59, 60, 63: amplification stops at the limits. */
static const struct {
    const char *before, *unit;
    size_t n;
    const char *after;
    int status;
    const char *text;
} floods[] = {
    {"{\"parameters\":{\"p\":", "[", 31, "", 400, "nested deeper than 32"},
    {"", "{\"a\":", 33, "", 400, "nested deeper than 32"},
    {"", "{\"a\":", 2049, "", 400, "nested deeper than 32"},
    {"", "{\"a\":", 250000, "", 400, "nested deeper than 32"},
    {"{\"inputs\":", "[", 250000, "", 400, "nested deeper than 32"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":", "[", 250000, "", 400,
     "inputs[0].data"},
    {"{\"inputs\":[", "[],", 5000000, "[]]}", 413, "exceeds 4096 bytes"},
    {"{\"inputs\":[", "{},", 5000000, "{}]}", 413, "exceeds 4096 bytes"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[", "[],", 5000000,
     "[]]}]}", 400, "inputs[0].data: 5000001 elements, shape [1] needs 1"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[", "{},", 5000000,
     "{}]}]}", 400, "inputs[0].data: 5000001 elements, shape [1] needs 1"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[5000001],\"datatype\":\"BOOL\",\"data\":[", "[],", 5000000,
     "[]]}]}", 413, "inputs[0].data: 5000001 elements of BOOL"},
    {"{\"inputs\":[", "{\"data\":[]},", 1000000, "{}]}", 413, "more than 16 tensors"},
    {"{", "\"k\":1,", 1000000, "\"l\":1}", 413, "exceeds 4096 bytes"},
    {"{\"", "k", 1000000, "\":1}", 413, "exceeds 4096 bytes"},
    {"{\"id\":\"", "k", 1000000, "\"}", 413, "exceeds 4096 bytes"},
    {"{\"id\":", " ", 1000000, "\"\"}", 413, "exceeds 4096 bytes"},
    {"{\"id\":", "1", 1000000, "}", 413, "exceeds 4096 bytes"},
};

START_TEST(floods_stop_at_the_limits)
{
    struct infer_request request;
    struct problem problem = {0};
    char *body = repeat(floods[_i].before, floods[_i].unit, floods[_i].n, floods[_i].after);

    ck_assert(!infer_request_decode(body, strlen(body), -1, &limits, NULL, 0, &request, &problem));
    ck_assert_msg(problem.status == floods[_i].status, "row %d: %d %s", _i, problem.status,
                  problem.text);
    ck_assert_msg(strstr(problem.text, floods[_i].text) != NULL, "row %d: '%s' has no '%s'", _i,
                  problem.text, floods[_i].text);
    free(body);
}
END_TEST

START_TEST(tensors_share_one_budget)
{
    static const struct wire_limits small = {
        .tensor_bytes_max = 15, .envelope_bytes_max = 4096, .depth_max = 32, .tensors_max = 16};
    static const char body[] = "{\"inputs\":[{\"name\":\"x\"," FP32_2 "\"data\":[1,2]},{\"name\":\"y\"," FP32_2
                               "\"data\":[1,2]}]}";
    struct infer_request request;
    struct problem problem = {0};

    ck_assert(!infer_request_decode(body, strlen(body), -1, &small, NULL, 0, &request, &problem));
    ck_assert_int_eq(problem.status, 413);
    ck_assert_ptr_nonnull(strstr(problem.text, "inputs[1].data: 2 elements of FP32 take more than"));
}
END_TEST

static const float logits[] = {0.25f, -1.0f, 1e10f, 3.1415927f};
static const int64_t labels[] = {7, -1};
static const struct wire_bytes names[] = {{"a\"b", 3}, {"\xff", 1}};

static void make_response(struct infer_response *response, struct wire_tensor *outputs)
{
    outputs[0] = (struct wire_tensor){"logits", WIRE_FP32, 2, {2, 2}, (void *)(uintptr_t)logits, 4, false};
    outputs[1] = (struct wire_tensor){"label", WIRE_INT64, 1, {2}, (void *)(uintptr_t)labels, 2, false};
    outputs[2] = (struct wire_tensor){"name", WIRE_BYTES, 1, {2}, (void *)(uintptr_t)names, 2, false};
    *response = (struct infer_response){.model_name = "m", .model_version = "3", .id = "q",
                                        .generation = 42, .n_outputs = 3, .outputs = outputs};
}

START_TEST(response_as_json)
{
    struct wire_tensor outputs[3];
    struct infer_response response;
    struct text text;
    int64_t header_length = 0;

    make_response(&response, outputs);
    text_init(&text);
    infer_response_encode(&response, &text, &header_length);
    text_append(&text, "", 1);
    ck_assert(!text.failed);
    ck_assert_int_eq(header_length, -1);
    ck_assert_str_eq(
        text.data,
        "{\"model_name\":\"m\",\"model_version\":\"3\",\"id\":\"q\",\"parameters\":{\"generation\":42},"
        "\"outputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[0.25,-1.0,"
        "10000000000.0,3.1415927]},{\"name\":\"label\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[7,-1]},"
        "{\"name\":\"name\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\\\"b\",\"\xef\xbf\xbd\"]}]}");
    text_free(&text);
}
END_TEST

/* What we write, we read: every choice of binary outputs. */
START_TEST(response_round_trip)
{
    int binary[3] = {_i & 1, _i >> 1 & 1, _i >> 2 & 1};
    struct wire_tensor outputs[3];
    struct infer_response response, back;
    struct problem problem = {0};
    struct text text;
    const struct wire_bytes *bytes;
    int64_t header_length = 0;

    make_response(&response, outputs);
    response.binary = binary;
    text_init(&text);
    infer_response_encode(&response, &text, &header_length);
    ck_assert(!text.failed);
    ck_assert((header_length > 0) == (_i > 0));
    ck_assert_msg(infer_response_decode(text.data, text.length, header_length, &limits, &back,
                                        &problem), "%s", problem.text);
    ck_assert_str_eq(back.model_name, "m");
    ck_assert_str_eq(back.model_version, "3");
    ck_assert_str_eq(back.id, "q");
    ck_assert_int_eq(back.generation, 42);
    ck_assert_int_eq(back.n_outputs, 3);
    ck_assert_mem_eq(back.outputs[0].data, logits, sizeof(logits));
    ck_assert_mem_eq(back.outputs[1].data, labels, sizeof(labels));
    bytes = back.outputs[2].data;
    ck_assert_uint_eq(bytes[0].length, 3);
    ck_assert_mem_eq(bytes[0].data, "a\"b", 3);
    if (binary[2])
        ck_assert_mem_eq(bytes[1].data, "\xff", 1);
    infer_response_finish(&back);
    text_free(&text);
}
END_TEST

START_TEST(request_round_trip)
{
    int binary[3] = {_i & 1, _i >> 1 & 1, _i >> 2 & 1};
    struct wire_tensor inputs[3];
    struct requested_output asked[] = {{"y", -1, 0}, {"z", 1, 3}};
    struct infer_response unused;
    struct infer_request request = {.id = "r", .n_inputs = 3, .inputs = inputs, .n_outputs = 2,
                                    .outputs = asked, .binary_output_default = true,
                                    .timeout_us = 9, .priority = 2};
    struct infer_request back;
    struct problem problem = {0};
    struct text text;
    int64_t header_length = 0;

    make_response(&unused, inputs);
    text_init(&text);
    infer_request_encode(&request, binary, &text, &header_length);
    ck_assert_msg(infer_request_decode(text.data, text.length, header_length, &limits, NULL, 0,
                                       &back, &problem), "%s", problem.text);
    ck_assert_str_eq(back.id, "r");
    ck_assert_int_eq(back.timeout_us, 9);
    ck_assert_int_eq(back.priority, 2);
    ck_assert(back.binary_output_default);
    ck_assert_int_eq(back.n_outputs, 2);
    ck_assert_int_eq(back.outputs[0].binary, -1);
    ck_assert_int_eq(back.outputs[1].binary, 1);
    ck_assert_int_eq(back.outputs[1].classification, 3);
    ck_assert_mem_eq(back.inputs[0].data, logits, sizeof(logits));
    ck_assert_mem_eq(back.inputs[1].data, labels, sizeof(labels));
    infer_request_finish(&back);
    text_free(&text);
}
END_TEST

/* Random bytes in place of random bytes: any answer but a crash; ASan watches. */
START_TEST(mutated_bodies_do_no_harm)
{
    static const char seed_body[] =
        "{\"id\":\"a\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1.25,-2e-3],"
        "[NaN,3]]},{\"name\":\"s\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\\u00e4\"]}]}";
    static const char pool[] = "{}[]\",:\\u0123456789-+.eENaInfity \n\xff\xc3\xa4\x01";
    uint64_t state = test_seed();
    char body[sizeof(seed_body)];
    int i, j, n = 20000 * test_scale(), taken = 0;

    for (i = 0; i < n; i++) {
        struct infer_request request;
        struct problem problem = {0};
        char *copy = malloc(sizeof(body) - 1);

        memcpy(body, seed_body, sizeof(body));
        for (j = 0; j <= i % 4; j++)
            body[test_random(&state) % (sizeof(body) - 1)] =
                pool[test_random(&state) % (sizeof(pool) - 1)];
        memcpy(copy, body, sizeof(body) - 1);
        if (infer_request_decode(copy, sizeof(body) - 1, -1, &limits, NULL, 0, &request, &problem)) {
            taken++;
            infer_request_finish(&request);
        } else {
            ck_assert_msg(problem.status == 400 || problem.status == 413, "%s: %d", body,
                          problem.status);
        }
        free(copy);
    }
    ck_assert_int_gt(taken, 0);
}
END_TEST

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

Suite *make_suite(void)
{
    Suite *suite = suite_create("infer_message");
    TCase *tc = tcase_create("infer_message");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, bad_bodies_are_refused, 0, COUNT(refused));
    tcase_add_loop_test(tc, good_bodies_are_taken, 0, COUNT(accepted));
    tcase_add_test(tc, every_member_is_read);
    tcase_add_loop_test(tc, binary_data_rules, 0, COUNT(binaries));
    tcase_add_loop_test(tc, binary_data_at_any_alignment, 0, 8);
    tcase_add_loop_test(tc, raw_bodies, 0, COUNT(raws));
    tcase_add_test(tc, raw_bodies_need_one_input);
    tcase_add_loop_test(tc, truncated_at_every_byte, 0, 3);
    tcase_add_loop_test(tc, floods_stop_at_the_limits, 0, COUNT(floods));
    tcase_add_test(tc, tensors_share_one_budget);
    tcase_add_test(tc, response_as_json);
    tcase_add_loop_test(tc, response_round_trip, 0, 8);
    tcase_add_loop_test(tc, request_round_trip, 0, 8);
    tcase_add_test(tc, mutated_bodies_do_no_harm);
    suite_add_tcase(suite, tc);
    return suite;
}
