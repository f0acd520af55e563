/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/conv_reference.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>

enum { ARENA_BYTES = 1 << 28, ROUNDS = 150 };

static struct tensor tensor_of(struct arena *arena, int rank, int64_t first, int64_t second,
                               const int64_t *spatial)
{
    struct tensor tensor = {.dtype = DTYPE_F32, .shape = {.rank = 2 + rank, .dims = {first, second}}};

    for (int d = 0; d < rank; d++)
        tensor.shape.dims[2 + d] = spatial[3 - rank + d];
    tensor.data = arena_alloc(arena, tensor_bytes(&tensor));
    ck_assert_ptr_nonnull(tensor.data);
    return tensor;
}

static struct tensor random_tensor(struct arena *arena, uint64_t *seed, int rank, int64_t first,
                                   int64_t second, const int64_t *spatial)
{
    struct tensor tensor = tensor_of(arena, rank, first, second, spatial);

    random_floats(seed, tensor.data, shape_elements(&tensor.shape));
    return tensor;
}

static void check_close(const struct conv_case *c, const struct tensor *actual, const double *expected,
                        double tolerance)
{
    int64_t count = shape_elements(&actual->shape);

    for (int64_t i = 0; i < count; i++) {
        double value = tensor_double_at(actual, i);

        if (!(fabs(value - expected[i]) <= tolerance * (1 + fabs(expected[i]))))
            ck_abort_msg("element %lld is %.9g, expected %.9g (%s)", (long long)i, value, expected[i],
                         conv_case_text(c));
    }
}

static const char *group_attribute(const struct conv_case *c)
{
    static char text[32];

    snprintf(text, sizeof(text), ";group=i:%lld", (long long)c->groups);
    return text;
}

START_TEST(conv_equals_its_definition)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create(ARENA_BYTES);
        struct engine_error err = {0};
        struct tensor inputs[3], output;
        struct conv_case c;
        double *expected;

        conv_case_random(&c, &seed, 1 + round % 3, round % 5 == 0);
        inputs[0] = random_tensor(arena, &seed, c.rank, c.images, c.channels, c.in);
        inputs[1] = random_tensor(arena, &seed, c.rank, c.outputs, c.channels / c.groups, c.kernel);
        inputs[2] = random_tensor(arena, &seed, 0, c.outputs, 1, NULL);
        inputs[2].shape.rank = 1;
        output = tensor_of(arena, c.rank, c.images, c.outputs, c.out);
        expected = arena_alloc(arena, 2 * tensor_bytes(&output));
        conv_reference(&c, inputs[0].data, inputs[1].data, round % 2 ? inputs[2].data : NULL, expected);
        ck_assert_msg(op_case_run(arena, "Conv", conv_case_attributes(&c, group_attribute(&c)),
                                  2 + round % 2, inputs, 1, &output, &err) == ENGINE_OK,
                      "%s (%s)", err.text, conv_case_text(&c));
        ck_assert_int_eq(output.shape.dims[c.rank + 1], c.out[2]);
        check_close(&c, &output, expected, 2e-5);
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(conv_transpose_equals_its_definition)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++) {
        struct arena *arena = arena_create(ARENA_BYTES);
        struct engine_error err = {0};
        struct tensor inputs[3], output;
        char attributes[600];
        struct conv_case c;
        double *expected;
        int used;

        conv_case_random(&c, &seed, 1 + round % 3, false);
        inputs[0] = random_tensor(arena, &seed, c.rank, c.images, c.outputs, c.out);
        inputs[1] = random_tensor(arena, &seed, c.rank, c.outputs, c.channels / c.groups, c.kernel);
        inputs[2] = random_tensor(arena, &seed, 0, c.channels, 1, NULL);
        inputs[2].shape.rank = 1;
        output = tensor_of(arena, c.rank, c.images, c.channels, c.in);
        expected = arena_alloc(arena, 2 * tensor_bytes(&output));
        conv_transposed_reference(&c, inputs[0].data, inputs[1].data,
                                  round % 2 ? inputs[2].data : NULL, expected);
        used = snprintf(attributes, sizeof(attributes), "%s;output_padding=I:",
                        conv_case_attributes(&c, group_attribute(&c)));
        for (int d = 3 - c.rank; d < 3; d++) {
            int64_t covered = (c.out[d] - 1) * c.stride[d] + (c.kernel[d] - 1) * c.dilation[d] + 1;

            used += snprintf(attributes + used, sizeof(attributes) - (size_t)used, "%s%lld",
                             d > 3 - c.rank ? "," : "",
                             (long long)(c.in[d] + c.pad_begin[d] + c.pad_end[d] - covered));
        }
        ck_assert_msg(op_case_run(arena, "ConvTranspose", attributes, 2 + round % 2, inputs, 1,
                                  &output, &err) == ENGINE_OK,
                      "%s (%s)", err.text, conv_case_text(&c));
        ck_assert_int_eq(output.shape.dims[c.rank + 1], c.in[2]);
        check_close(&c, &output, expected, 2e-5);
        arena_destroy(arena);
    }
}
END_TEST

static const struct op_case rows[] = {
    {"double", "Conv", "kernel_shape=I:2", IN("f64[1,1,3] 1 2 3", "f64[1,1,2] 1 -1"),
     OUT("f64[1,1,2] -1 -1")},
    {"half", "Conv", NULL, IN("f16[1,1,3] 1 2 3", "f16[1,1,2] 1 -1", "f16[1] 10"),
     OUT("f16[1,1,2] 9 9")},
    {"no images", "Conv", NULL, IN("f32[0,1,3]", "f32[1,1,2] 1 -1"), OUT("f32[0,1,2]")},
    {"same upper", "Conv", "auto_pad=s:SAME_UPPER", IN("f32[1,1,3] 1 2 3", "f32[1,1,2] 1 10"),
     OUT("f32[1,1,3] 21 32 3")},
    {"same lower", "Conv", "auto_pad=s:SAME_LOWER", IN("f32[1,1,3] 1 2 3", "f32[1,1,2] 1 10"),
     OUT("f32[1,1,3] 10 21 32")},
    {"output shape", "ConvTranspose", "strides=I:2;output_shape=I:5",
     IN("f32[1,1,2] 1 2", "f32[1,1,2] 1 10"), OUT("f32[1,1,5] 1 10 2 20 0")},
    {"stride 0", "Conv", "strides=I:0", IN("f32[1,1,3] 1 2 3", "f32[1,1,2] 1 1"),
     SAYS("strides[0] is 0")},
    {"negative pad", "Conv", "pads=I:-1,0", IN("f32[1,1,3] 1 2 3", "f32[1,1,2] 1 1"),
     SAYS("pads[0] is -1")},
    {"huge dilation", "Conv", "dilations=I:9223372036854775807",
     IN("f32[1,1,3] 1 2 3", "f32[1,1,2] 1 1"), SAYS("dilations[0]")},
    {"kernel too large", "Conv", NULL, IN("f32[1,1,1] 1", "f32[1,1,2] 1 1"),
     SAYS("larger than the padded input")},
    {"groups", "Conv", "group=i:2", IN("f32[1,3,1] 1 2 3", "f32[2,1,1] 1 1"), SAYS("channels")},
    {"group 0", "Conv", "group=i:0", IN("f32[1,1,1] 1", "f32[1,1,1] 1"), SAYS("group is 0")},
    {"rank", "Conv", NULL, IN("f32[1,1,1] 1", "f32[1,1,1,1] 1"), SAYS("same rank")},
    {"four dimensions", "Conv", NULL, IN("f32[1,1,1,1,1,1] 1", "f32[1,1,1,1,1,1] 1"),
     SAYS("1 to 3 spatial")},
    {"auto_pad", "Conv", "auto_pad=s:NONE", IN("f32[1,1,1] 1", "f32[1,1,1] 1"), SAYS("auto_pad")},
    {"kernel_shape", "Conv", "kernel_shape=I:2", IN("f32[1,1,3] 1 2 3", "f32[1,1,1] 1"),
     SAYS("kernel_shape is not")},
    {"bias", "Conv", NULL, IN("f32[1,1,1] 1", "f32[1,1,1] 1", "f32[2] 1 1"), SAYS("bias")},
    {"types", "Conv", NULL, IN("f32[1,1,1] 1", "f64[1,1,1] 1"), SAYS("differ")},
};

START_TEST(rows_hold)
{
    op_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("conv");
    TCase *tc = tcase_create("conv");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, conv_equals_its_definition);
    tcase_add_test(tc, conv_transpose_equals_its_definition);
    tcase_add_loop_test(tc, rows_hold, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
