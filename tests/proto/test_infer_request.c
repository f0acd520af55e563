/* SPDX-License-Identifier: Apache-2.0
 * JSON bodies of infer requests. Numbers in comments are rows of the list of hard cases. */
#include "tests/proto/infer_case.h"

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
    {"{\"inputs\":[],\"parameters\":{\"log\":1}}", 400, "parameters.log is"},
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
    const char *body = refused[_i].body;
    struct infer_case c;

    ck_assert_msg(!infer_case_decode(&c, body, strlen(body), -1), "%s was taken", body);
    ck_assert_msg(c.problem.status == refused[_i].status, "%s: %d %s", body, c.problem.status,
                  c.problem.text);
    ck_assert_msg(strstr(c.problem.text, refused[_i].text) != NULL, "%s: '%s' has no '%s'", body,
                  c.problem.text, refused[_i].text);
    ck_assert_ptr_nonnull(c.problem.reason);
    infer_case_finish(&c);
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
    const char *body = accepted[_i].body;
    const struct wire_tensor *x;
    struct infer_case c;
    int64_t i, count = 1;

    ck_assert_msg(infer_case_decode(&c, body, strlen(body), -1), "%s: %s", body, c.problem.text);
    ck_assert_int_eq(c.request.n_inputs, 1);
    x = &c.request.inputs[0];
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
    infer_case_finish(&c);
}
END_TEST

START_TEST(every_member_is_read)
{
    static const char body[] =
        "{\"id\":\"4\\u00e4\",\"parameters\":{\"timeout\":1500,\"priority\":3,\"binary_data_output\":true,"
        "\"log\":true,\"sequence_id\":\"s\"},\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"datatype\":"
        "\"BYTES\",\"data\":[\"x\\n\\u00e4\\ud83d\\ude00\\u0000y\"]},"
        "{\"name\":\"b\",\"shape\":[2],\"datatype\":\"BYTES\","
        "\"parameters\":{\"content_type\":\"str\"},\"data\":[\"\",\"plain,]\"]}],\"outputs\":[{\"name\":"
        "\"y\",\"parameters\":{\"binary_data\":false}},{\"name\":\"z\",\"parameters\":{\"classification\":5,"
        "\"binary_data\":true}},{\"name\":\"w\"}]}";
    const struct infer_request *request;
    struct infer_case c;
    const struct wire_bytes *bytes;

    ck_assert_msg(infer_case_decode(&c, body, strlen(body), -1), "%s", c.problem.text);
    request = &c.request;
    ck_assert_str_eq(request->id, "4\xc3\xa4");
    ck_assert_int_eq(request->timeout_us, 1500);
    ck_assert_int_eq(request->priority, 3);
    ck_assert(request->log);
    ck_assert(request->binary_output_default);
    ck_assert_int_eq(request->n_inputs, 2);
    bytes = request->inputs[0].data;
    ck_assert_uint_eq(bytes[0].length, 10);
    ck_assert_mem_eq(bytes[0].data, "x\n\xc3\xa4\xf0\x9f\x98\x80\0y", 10);
    bytes = request->inputs[1].data;
    ck_assert_uint_eq(bytes[0].length, 0);
    ck_assert_uint_eq(bytes[1].length, 7);
    ck_assert_mem_eq(bytes[1].data, "plain,]", 7);
    ck_assert_int_eq(request->n_outputs, 3);
    ck_assert_str_eq(request->outputs[0].name, "y");
    ck_assert_int_eq(request->outputs[0].binary, 0);
    ck_assert_int_eq(request->outputs[0].classification, 0);
    ck_assert_int_eq(request->outputs[1].binary, 1);
    ck_assert_int_eq(request->outputs[1].classification, 5);
    ck_assert_int_eq(request->outputs[2].binary, -1);
    infer_case_finish(&c);
}
END_TEST

/* 64: cut at every byte, and the tail too. */
START_TEST(truncated_at_every_byte)
{
    static const char *const bodies[] = {
        "{\"id\":\"a\\u00e4\",\"parameters\":{\"timeout\":5},\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
        "\"datatype\":\"FP32\",\"data\":[[1.25,-2e-3],[NaN,-Infinity]]},{\"name\":\"s\",\"shape\":[2],"
        "\"datatype\":\"BYTES\",\"data\":[\"a\\n\",\"\xc3\xa4\\ud83d\\ude00\"]}],"
        "\"outputs\":[{\"name\":\"y\"}]}",
        "{\"inputs\":[{\"data\":[true,false],\"name\":\"x\",\"shape\":[2],\"datatype\":\"BOOL\"}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[4],\"datatype\":\"INT64\",\"data\":[1,-22,333,4444]}]}",
    };
    size_t length = strlen(bodies[_i]), i;
    struct infer_case c;

    for (i = 0; i < length; i++) {
        ck_assert_msg(!infer_case_decode(&c, bodies[_i], i, -1), "cut at %zu: taken", i);
        ck_assert_msg(c.problem.status == 400, "cut at %zu: %d %s", i, c.problem.status,
                      c.problem.text);
        infer_case_finish(&c);
        ck_assert(!infer_case_decode(&c, bodies[_i], i, (int64_t)i + 1));
        infer_case_finish(&c);
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
    static const char body[] = "{\"inputs\":[{\"name\":\"x\"," FP32_2
                               "\"data\":[1,2]},{\"name\":\"y\"," FP32_2 "\"data\":[1,2]}]}";
    struct infer_request request;
    struct problem problem = {0};

    ck_assert(!infer_request_decode(body, strlen(body), -1, &small, NULL, 0, &request, &problem));
    ck_assert_int_eq(problem.status, 413);
    ck_assert_ptr_nonnull(strstr(problem.text, "inputs[1].data: 2 elements of FP32 take more than"));
}
END_TEST

/* Random bytes in place of random bytes: any answer but a crash; ASan watches. */
START_TEST(mutated_bodies_do_no_harm)
{
    static const char seed_body[] =
        "{\"id\":\"a\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\","
        "\"data\":[[1.25,-2e-3],"
        "[NaN,3]]},{\"name\":\"s\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\\u00e4\"]}]}";
    static const char pool[] = "{}[]\",:\\u0123456789-+.eENaInfity \n\xff\xc3\xa4\x01";
    uint64_t state = test_seed();
    char body[sizeof(seed_body)];
    int i, j, n = 20000 * test_scale(), taken = 0;

    for (i = 0; i < n; i++) {
        struct infer_case c;

        memcpy(body, seed_body, sizeof(body));
        for (j = 0; j <= i % 4; j++)
            body[test_random(&state) % (sizeof(body) - 1)] =
                pool[test_random(&state) % (sizeof(pool) - 1)];
        if (infer_case_decode(&c, body, sizeof(body) - 1, -1))
            taken++;
        else
            ck_assert_msg(c.problem.status == 400 || c.problem.status == 413, "%s: %d", body,
                          c.problem.status);
        infer_case_finish(&c);
    }
    ck_assert_int_gt(taken, 0);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("infer_request");
    TCase *tc = tcase_create("infer_request");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, bad_bodies_are_refused, 0, COUNT(refused));
    tcase_add_loop_test(tc, good_bodies_are_taken, 0, COUNT(accepted));
    tcase_add_test(tc, every_member_is_read);
    tcase_add_loop_test(tc, truncated_at_every_byte, 0, 3);
    tcase_add_loop_test(tc, floods_stop_at_the_limits, 0, COUNT(floods));
    tcase_add_test(tc, tensors_share_one_budget);
    tcase_add_test(tc, mutated_bodies_do_no_harm);
    suite_add_tcase(suite, tc);
    return suite;
}
