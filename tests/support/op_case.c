/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"

#include "engine/dynamic_private.h"
#include "tests/support/run_suite.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 4096, NAME_MAX_BYTES = 64 };

static const struct { const char *text; enum dtype dtype; } type_names[] = {
    {"u8", DTYPE_U8}, {"i8", DTYPE_I8}, {"u16", DTYPE_U16}, {"i16", DTYPE_I16},
    {"i32", DTYPE_I32}, {"i64", DTYPE_I64}, {"u32", DTYPE_U32}, {"u64", DTYPE_U64},
    {"bool", DTYPE_BOOL}, {"f16", DTYPE_F16}, {"bf16", DTYPE_BF16}, {"f32", DTYPE_F32},
    {"f64", DTYPE_F64}, {"str", DTYPE_STRING},
};

static void *take(struct arena *arena, size_t bytes)
{
    void *memory = arena_alloc(arena, bytes);

    ck_assert_msg(memory != NULL, "the test's arena is used up");
    return memory;
}

static void skip_space(const char **at)
{
    while (isspace((unsigned char)**at))
        (*at)++;
}

static enum dtype parse_dtype(const char **at)
{
    size_t length = strcspn(*at, "[");

    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (strlen(type_names[i].text) == length &&
            strncmp(*at, type_names[i].text, length) == 0) {
            *at += length;
            return type_names[i].dtype;
        }
    }
    ck_abort_msg("no type in '%s'", *at);
    return DTYPE_NONE;
}

static struct bytes parse_string(struct arena *arena, const char **at)
{
    size_t length = strcspn(*at, " ;}");
    struct bytes bytes = {arena_strndup(arena, *at, length), length};

    ck_assert_msg(length > 0, "a string is missing");
    if (length == 2 && strncmp(*at, "''", 2) == 0)
        bytes.length = 0;
    *at += length;
    return bytes;
}

static void set_element(struct tensor *tensor, int64_t i, const char *token, char **end)
{
    const double number = strtod(token, end);
    const long long integer = *token == '-' ? strtoll(token, NULL, 10)
                                            : (long long)strtoull(token, NULL, 10);

    switch (tensor->dtype) {
    case DTYPE_F32: ((float *)tensor->data)[i] = (float)number; break;
    case DTYPE_F64: ((double *)tensor->data)[i] = number; break;
    case DTYPE_F16: ((uint16_t *)tensor->data)[i] = f32_to_f16((float)number); break;
    case DTYPE_BF16: ((uint16_t *)tensor->data)[i] = f32_to_bf16((float)number); break;
    case DTYPE_U8: case DTYPE_I8: case DTYPE_BOOL:
        ((uint8_t *)tensor->data)[i] = (uint8_t)integer; break;
    case DTYPE_U16: case DTYPE_I16: ((uint16_t *)tensor->data)[i] = (uint16_t)integer; break;
    case DTYPE_U32: case DTYPE_I32: ((uint32_t *)tensor->data)[i] = (uint32_t)integer; break;
    default: ((uint64_t *)tensor->data)[i] = (uint64_t)integer; break;
    }
}

static struct tensor parse_tensor(struct arena *arena, const char **at)
{
    struct tensor tensor = {.dtype = parse_dtype(at)};
    char *end;
    int64_t count;

    ck_assert_msg(*(*at)++ == '[', "'[' expected");
    while (**at != ']') {
        tensor.shape.dims[tensor.shape.rank++] = strtoll(*at, &end, 10);
        ck_assert_msg(end != *at, "dimension expected at '%s'", *at);
        *at = *end == ',' ? end + 1 : end;
    }
    (*at)++;
    count = shape_elements(&tensor.shape);
    tensor.data = take(arena, tensor_bytes(&tensor) + 1);
    for (int64_t i = 0; i < count; i++) {
        skip_space(at);
        if (tensor.dtype == DTYPE_STRING) {
            ((struct bytes *)tensor.data)[i] = parse_string(arena, at);
            continue;
        }
        set_element(&tensor, i, *at, &end);
        ck_assert_msg(end != *at, "element %lld expected at '%s'", (long long)i, *at);
        *at = end;
    }
    skip_space(at);
    return tensor;
}

static struct tensor parse_elements(struct arena *arena, const char **at, enum dtype dtype)
{
    struct tensor elements[16];
    struct tensor tensor = {.dtype = dtype, .shape = {.rank = 1}};
    size_t count = 0;

    skip_space(at);
    while (**at != '}') {
        ck_assert_msg(count < 16, "too many elements");
        elements[count++] = parse_tensor(arena, at);
        if (**at == ';')
            (*at)++;
        skip_space(at);
    }
    (*at)++;
    tensor.shape.dims[0] = (int64_t)count;
    tensor.data = take(arena, (count + 1) * sizeof(elements[0]));
    memcpy(tensor.data, elements, count * sizeof(elements[0]));
    return tensor;
}

struct tensor op_case_tensor(struct arena *arena, const char *text)
{
    struct tensor tensor = {0};
    const char *at = text;

    skip_space(&at);
    if (*at == '\0')
        return tensor;
    if (strncmp(at, "seq{", 4) == 0 || strncmp(at, "opt{", 4) == 0) {
        const enum dtype dtype = *at == 's' ? DTYPE_SEQUENCE : DTYPE_OPTIONAL;

        at += 4;
        tensor = parse_elements(arena, &at, dtype);
    } else {
        tensor = parse_tensor(arena, &at);
    }
    ck_assert_msg(*at == '\0', "'%s' is left over of '%s'", at, text);
    return tensor;
}

/* Splits "a,b,c" (to `end`) and sets the list that `type` names. */
static void parse_list(struct arena *arena, struct attribute *attribute, const char *at,
                       const char *end)
{
    int64_t *ints = take(arena, ITEMS_MAX * sizeof(*ints));
    float *floats = take(arena, ITEMS_MAX * sizeof(*floats));
    struct bytes *strings = take(arena, ITEMS_MAX * sizeof(*strings));

    while (at < end) {
        size_t length = strcspn(at, ",;");

        ck_assert_msg(attribute->count < ITEMS_MAX, "too many items");
        ints[attribute->count] = strtoll(at, NULL, 10);
        floats[attribute->count] = strtof(at, NULL);
        strings[attribute->count] = (struct bytes){arena_strndup(arena, at, length), length};
        attribute->count++;
        at += length + 1;
    }
    attribute->ints = ints;
    attribute->floats = floats;
    attribute->strings = strings;
}

static struct attribute parse_attribute(struct arena *arena, const char **at)
{
    static const char letters[] = "?fist?FIS";
    const char *equals = strchr(*at, '=');
    const char *end = *at + strcspn(*at, ";");
    struct attribute attribute = {0};
    const char *letter;
    const char *item;

    ck_assert_msg(equals != NULL && equals < end && equals[1] != '\0' && equals[2] == ':',
                  "attribute expected at '%s'", *at);
    letter = strchr(letters, equals[1]);
    ck_assert_msg(letter != NULL, "attribute type expected at '%s'", *at);
    attribute.name = arena_strndup(arena, *at, (size_t)(equals - *at));
    attribute.type = (enum attribute_type)(letter - letters);
    item = equals + 3;
    attribute.f = strtof(item, NULL);
    attribute.i = strtoll(item, NULL, 10);
    attribute.s = (struct bytes){arena_strndup(arena, item, (size_t)(end - item)),
                                 (size_t)(end - item)};
    if (attribute.type == ATTRIBUTE_TENSOR) {
        struct tensor *tensor = take(arena, sizeof(*tensor));

        *tensor = op_case_tensor(arena, attribute.s.data);
        attribute.t = tensor;
    }
    if (attribute.type >= ATTRIBUTE_FLOATS)
        parse_list(arena, &attribute, item, end);
    *at = *end == ';' ? end + 1 : end;
    return attribute;
}

static void fill_node(struct arena *arena, struct node *node, const char *op,
                      const char *attributes, int n_inputs, int n_outputs)
{
    const char *slash = strchr(op, '/');
    const char *at = attributes == NULL ? "" : attributes;

    node->name = "under test";
    node->domain = slash == NULL ? "" : arena_strndup(arena, op, (size_t)(slash - op));
    node->op_type = slash == NULL ? op : slash + 1;
    node->n_inputs = node->n_explicit_inputs = n_inputs;
    node->n_outputs = n_outputs;
    node->attributes = take(arena, 32 * sizeof(*node->attributes));
    for (skip_space(&at); *at != '\0'; skip_space(&at)) {
        ck_assert_msg(node->n_attributes < 32, "too many attributes");
        node->attributes[node->n_attributes++] = parse_attribute(arena, &at);
    }
    node->op = op_find(node->domain, node->op_type);
    ck_assert_msg(node->op != NULL, "there is no operator '%s'", op);
    node->params = arena_calloc(arena, 1, node->op->params_size + 1);
}

static enum engine_status infer_and_run(struct arena *arena, const struct node *node,
                                        const struct tensor *inputs, struct tensor *outputs,
                                        struct engine_error *err)
{
    struct op_infer infer = {
        .node = node, .params = node->params, .n_inputs = node->n_inputs,
        .n_outputs = node->n_outputs, .inputs = inputs, .outputs = outputs, .threads = 1,
        .arena = arena,
    };
    const struct tensor *given[OP_CASE_INPUTS_MAX];
    struct tensor *wanted[OP_CASE_OUTPUTS_MAX];
    struct dynamic dynamic = {
        .arena = arena, .temporary = arena, .bytes_max = (size_t)64 << 20,
    };
    struct op_call call = {
        .node = node, .params = node->params, .n_inputs = node->n_inputs,
        .n_outputs = node->n_outputs, .inputs = given, .outputs = wanted,
        .dynamic = (node->op->flags & OP_DYNAMIC) != 0 ? &dynamic : NULL,
    };
    enum engine_status status = node->op->infer(&infer, err);

    if (status != ENGINE_OK)
        return status;
    if (infer.scratch_bytes > 0)
        call.scratch = take(arena, infer.scratch_bytes);
    for (int i = 0; i < node->n_inputs; i++)
        given[i] = inputs[i].dtype == DTYPE_NONE ? NULL : &inputs[i];
    for (int i = 0; i < node->n_outputs; i++) {
        size_t bytes = 0;

        wanted[i] = &outputs[i];
        ck_assert_msg(outputs[i].dtype != DTYPE_NONE, "infer left the type of output %d", i);
        ck_assert_msg(shape_check(&outputs[i].shape, sizeof(struct tensor), &bytes),
                      "output %d has a bad shape", i);
        outputs[i].data = take(arena, bytes);
        memset(outputs[i].data, 0xa5, bytes);
    }
    return node->op->run(&call, err);
}

enum engine_status op_case_run(struct arena *arena, const char *op, const char *attributes,
                               int n_inputs, const struct tensor *inputs, int n_outputs,
                               struct tensor *ret_outputs, struct engine_error *err)
{
    struct node node = {0};
    struct op_init init = {.node = &node, .arena = arena};

    fill_node(arena, &node, op, attributes, n_inputs, n_outputs);
    ck_assert_int_ge(n_inputs, node.op->inputs_min);
    ck_assert_int_le(n_inputs, node.op->inputs_max);
    ck_assert_int_ge(n_outputs, node.op->outputs_min);
    ck_assert_int_le(n_outputs, node.op->outputs_max);
    init.params = node.params;
    memset(ret_outputs, 0, (size_t)n_outputs * sizeof(*ret_outputs));
    if (node.op->init != NULL) {
        enum engine_status status = node.op->init(&init, err);

        if (status != ENGINE_OK)
            return status;
    }
    return infer_and_run(arena, &node, inputs, ret_outputs, err);
}

static void compare_element(const char *row, int output, int64_t i, const struct tensor *actual,
                            const struct tensor *expected, double tolerance)
{
    const char *where = row;

    if (actual->dtype == DTYPE_SEQUENCE || actual->dtype == DTYPE_OPTIONAL) {
        op_case_compare(row, output, &((const struct tensor *)actual->data)[i],
                        &((const struct tensor *)expected->data)[i], tolerance);
    } else if (actual->dtype == DTYPE_STRING) {
        const struct bytes *a = &((const struct bytes *)actual->data)[i];
        const struct bytes *e = &((const struct bytes *)expected->data)[i];

        ck_assert_msg(a->length == e->length && memcmp(a->data, e->data, e->length) == 0,
                      "%s: output %d, element %lld is '%.*s', expected '%.*s'", where, output,
                      (long long)i, (int)a->length, a->data, (int)e->length, e->data);
    } else if (dtype_is_float(actual->dtype)) {
        const double a = tensor_double_at(actual, i), e = tensor_double_at(expected, i);

        ck_assert_msg((isnan(a) && isnan(e)) || a == e ||
                          fabs(a - e) <= tolerance + tolerance * fabs(e),
                      "%s: output %d, element %lld is %.9g, expected %.9g", where, output,
                      (long long)i, a, e);
    } else {
        const int64_t a = tensor_int_at(actual, i), e = tensor_int_at(expected, i);

        ck_assert_msg(a == e, "%s: output %d, element %lld is %lld, expected %lld", where, output,
                      (long long)i, (long long)a, (long long)e);
    }
}

void op_case_compare(const char *row, int output, const struct tensor *actual,
                     const struct tensor *expected, double tolerance)
{
    char a[SHAPE_TEXT_MAX], e[SHAPE_TEXT_MAX];

    ck_assert_msg(actual->dtype == expected->dtype, "%s: output %d is of type %d, expected %d", row,
                  output, actual->dtype, expected->dtype);
    ck_assert_msg(shape_equal(&actual->shape, &expected->shape),
                  "%s: output %d has shape %s, expected %s", row, output,
                  shape_text(&actual->shape, a, sizeof(a)),
                  shape_text(&expected->shape, e, sizeof(e)));
    for (int64_t i = 0; i < shape_elements(&expected->shape); i++)
        compare_element(row, output, i, actual, expected, tolerance);
}

void op_case_check(const struct op_case *c)
{
    const char *row = c->name == NULL ? c->op : c->name;
    struct arena *arena = arena_create((size_t)64 << 20);
    struct tensor inputs[OP_CASE_INPUTS_MAX], outputs[OP_CASE_OUTPUTS_MAX];
    struct engine_error err = {0};
    int n_inputs = 0, n_outputs = 0;
    enum engine_status status;

    ck_assert_ptr_nonnull(arena);
    while (n_inputs < OP_CASE_INPUTS_MAX && c->inputs[n_inputs] != NULL) {
        inputs[n_inputs] = op_case_tensor(arena, c->inputs[n_inputs]);
        n_inputs++;
    }
    while (n_outputs < OP_CASE_OUTPUTS_MAX && c->outputs[n_outputs] != NULL)
        n_outputs++;
    if (n_outputs == 0)
        n_outputs = 1;
    status = op_case_run(arena, c->op, c->attributes, n_inputs, inputs, n_outputs, outputs, &err);
    if (c->error != NULL) {
        ck_assert_msg(status != ENGINE_OK, "%s: was taken, expected '%s'", row, c->error);
        ck_assert_msg(strstr(err.text, c->error) != NULL, "%s: said '%s', expected '%s'", row,
                      err.text, c->error);
    } else {
        ck_assert_msg(status == ENGINE_OK, "%s: %s", row, err.text);
        for (int i = 0; i < n_outputs; i++) {
            struct tensor expected = op_case_tensor(arena, c->outputs[i]);

            if (expected.dtype != DTYPE_NONE)
                op_case_compare(row, i, &outputs[i], &expected,
                                c->tolerance == 0 ? 1e-6 : c->tolerance);
        }
    }
    arena_destroy(arena);
}
