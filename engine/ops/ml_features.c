/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_features.c - preprocessing of numeric features, from ai.onnx.ml: Scaler, Normalizer,
 * Binarizer, Imputer, FeatureVectorizer, ArrayFeatureExtractor. */
#include "engine/kernels/convert.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static enum engine_status check_numbers(const struct op_infer *infer, int input,
                                        struct engine_error *err)
{
    const enum dtype dtype = infer->inputs[input].dtype;

    if (!dtype_is_float(dtype) && !dtype_is_integer(dtype))
        return op_fail(infer->node, err, "input %d is of type %s, expected numbers", input,
                       dtype_name(dtype));
    return ENGINE_OK;
}

static double element_at(const struct tensor *tensor, int64_t i)
{
    return tensor->dtype == DTYPE_F32 ? ((const float *)tensor->data)[i]
                                      : tensor_double_at(tensor, i);
}

static int64_t last_dim(const struct shape *shape)
{
    return shape->rank == 0 ? 1 : shape->dims[shape->rank - 1];
}

struct scaler_params {
    size_t n_offsets, n_scales;
    const float *offsets, *scales;
};

static enum engine_status scaler_init(const struct op_init *init, struct engine_error *err)
{
    struct scaler_params *params = init->params;

    params->offsets = node_floats(init->node, "offset", &params->n_offsets);
    params->scales = node_floats(init->node, "scale", &params->n_scales);
    if (params->n_offsets == 0 || params->n_scales == 0)
        return op_fail(init->node, err, "offset and scale have to be given");
    return ENGINE_OK;
}

static enum engine_status scaler_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct scaler_params *params = infer->params;
    const struct shape *shape = &infer->inputs[0].shape;
    const size_t columns = (size_t)last_dim(shape);
    enum engine_status status = check_numbers(infer, 0, err);

    if (status == ENGINE_OK && ((params->n_offsets != 1 && params->n_offsets != columns) ||
                                (params->n_scales != 1 && params->n_scales != columns)))
        status = op_fail(infer->node, err, "%zu offsets and %zu scales for %zu features",
                         params->n_offsets, params->n_scales, columns);
    infer_output(infer, 0, DTYPE_F32, shape);
    return status;
}

static enum engine_status scaler_run(const struct op_call *call, struct engine_error *err)
{
    const struct scaler_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const int64_t count = shape_elements(&from->shape), columns = last_dim(&from->shape);
    float *to = call->outputs[0]->data;

    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const int64_t c = i % columns;
        const double offset = params->offsets[params->n_offsets == 1 ? 0 : c];

        to[i] = (float)((element_at(from, i) - offset) *
                        params->scales[params->n_scales == 1 ? 0 : c]);
    }
    return ENGINE_OK;
}

enum norm { NORM_MAX, NORM_L1, NORM_L2 };

struct normalizer_params {
    enum norm norm;
};

static enum engine_status normalizer_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[] = {"MAX", "L1", "L2"};
    struct normalizer_params *params = init->params;
    const char *name = node_string(init->node, "norm", names[0]);

    for (int i = NORM_MAX; i <= NORM_L2; i++) {
        if (strcmp(name, names[i]) == 0) {
            params->norm = (enum norm)i;
            return ENGINE_OK;
        }
    }
    return op_unsupported(init->node, err, "norm '%.32s'", name);
}

static enum engine_status normalizer_infer(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = check_numbers(infer, 0, err);

    infer_output(infer, 0, DTYPE_F32, &infer->inputs[0].shape);
    return status;
}

/* Each row of the last dimension by itself; a divisor of zero leaves it as it is. */
static enum engine_status normalizer_run(const struct op_call *call, struct engine_error *err)
{
    const struct normalizer_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const int64_t count = shape_elements(&from->shape), columns = last_dim(&from->shape);
    float *to = call->outputs[0]->data;

    (void)err;
    for (int64_t row = 0; row < count; row += columns) {
        double divisor = params->norm == NORM_MAX ? -INFINITY : 0;

        for (int64_t i = row; i < row + columns; i++) {
            const double x = element_at(from, i);

            divisor = params->norm == NORM_MAX ? fmax(divisor, x)
                      : divisor + (params->norm == NORM_L1 ? fabs(x) : x * x);
        }
        divisor = params->norm == NORM_L2 ? sqrt(divisor) : divisor;
        for (int64_t i = row; i < row + columns; i++)
            to[i] = (float)(divisor == 0 ? element_at(from, i) : element_at(from, i) / divisor);
    }
    return ENGINE_OK;
}

struct binarizer_params {
    float threshold;
};

static enum engine_status binarizer_init(const struct op_init *init, struct engine_error *err)
{
    struct binarizer_params *params = init->params;

    (void)err;
    params->threshold = node_float(init->node, "threshold", 0);
    return ENGINE_OK;
}

static enum engine_status binarizer_infer(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = check_numbers(infer, 0, err);

    infer_output(infer, 0, infer->inputs[0].dtype, &infer->inputs[0].shape);
    return status;
}

static void store_at(struct tensor *tensor, int64_t i, double x)
{
    store_f64(tensor->dtype, 1, &x, (char *)tensor->data + (size_t)i * dtype_size(tensor->dtype));
}

static enum engine_status binarizer_run(const struct op_call *call, struct engine_error *err)
{
    const struct binarizer_params *params = call->params;
    const int64_t count = shape_elements(&call->outputs[0]->shape);

    (void)err;
    for (int64_t i = 0; i < count; i++)
        store_at(call->outputs[0], i, element_at(call->inputs[0], i) > params->threshold);
    return ENGINE_OK;
}

struct imputer_params {
    size_t n_floats, n_ints;
    const float *floats;
    const int64_t *ints;
    float old_float;
    int64_t old_int;
};

static enum engine_status imputer_init(const struct op_init *init, struct engine_error *err)
{
    struct imputer_params *params = init->params;

    params->floats = node_floats(init->node, "imputed_value_floats", &params->n_floats);
    params->ints = node_ints(init->node, "imputed_value_int64s", &params->n_ints);
    params->old_float = node_float(init->node, "replaced_value_float", 0);
    params->old_int = node_int(init->node, "replaced_value_int64", 0);
    if ((params->n_floats == 0) == (params->n_ints == 0))
        return op_fail(init->node, err, "imputed values of one type have to be given");
    return ENGINE_OK;
}

static enum engine_status imputer_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct imputer_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    const size_t columns = (size_t)last_dim(&from->shape);
    const size_t values = dtype_is_float(from->dtype) ? params->n_floats : params->n_ints;
    enum engine_status status = check_numbers(infer, 0, err);

    if (status == ENGINE_OK && values != 1 && values != columns)
        status = op_fail(infer->node, err, "%zu imputed values of type %s for %zu features", values,
                         dtype_name(from->dtype), columns);
    infer_output(infer, 0, from->dtype, &from->shape);
    return status;
}

static enum engine_status imputer_run(const struct op_call *call, struct engine_error *err)
{
    const struct imputer_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const int64_t count = shape_elements(&from->shape), columns = last_dim(&from->shape);
    const bool floats = dtype_is_float(from->dtype);
    const size_t size = dtype_size(from->dtype);

    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const int64_t c = i % columns;
        char *at = (char *)to->data + (size_t)i * size;
        const double x = floats ? element_at(from, i) : 0;

        if (floats && (x == params->old_float || (isnan(x) && isnan(params->old_float))))
            store_f32(to->dtype, 1, &params->floats[params->n_floats == 1 ? 0 : c], at);
        else if (!floats && tensor_int_at(from, i) == params->old_int)
            store_i64(to->dtype, 1, &params->ints[params->n_ints == 1 ? 0 : c], at);
        else
            memcpy(at, (const char *)from->data + (size_t)i * size, size);
    }
    return ENGINE_OK;
}

struct vectorizer_params {
    size_t n_widths;
    const int64_t *widths;
};

static enum engine_status vectorizer_init(const struct op_init *init, struct engine_error *err)
{
    struct vectorizer_params *params = init->params;

    params->widths = node_ints(init->node, "inputdimensions", &params->n_widths);
    if (params->n_widths != 0 && params->n_widths != (size_t)init->node->n_inputs)
        return op_fail(init->node, err, "%zu inputdimensions for %d inputs", params->n_widths,
                       init->node->n_inputs);
    for (size_t i = 0; i < params->n_widths; i++)
        if (params->widths[i] < 0 || params->widths[i] > INT32_MAX)
            return op_fail(init->node, err, "inputdimensions has %" PRId64, params->widths[i]);
    return ENGINE_OK;
}

/* Columns that input `i` gets in the output: as the attribute says, cut or filled with zeros. */
static int64_t vectorizer_width(const struct vectorizer_params *params, const struct shape *shape,
                                int i)
{
    return params->n_widths > 0 ? params->widths[i] : last_dim(shape);
}

static enum engine_status vectorizer_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct vectorizer_params *params = infer->params;
    struct shape shape = {.rank = 2};

    for (int i = 0; i < infer->n_inputs; i++) {
        const struct shape *from = &infer->inputs[i].shape;
        const int64_t rows = from->rank == 2 ? from->dims[0] : 1;
        enum engine_status status = check_numbers(infer, i, err);

        if (status != ENGINE_OK)
            return status;
        if (from->rank < 1 || from->rank > 2 || (i > 0 && rows != shape.dims[0]))
            return op_fail(infer->node, err, "input %d has rank %d and %" PRId64 " rows", i,
                           from->rank, rows);
        shape.dims[0] = rows;
        shape.dims[1] += vectorizer_width(params, from, i);
    }
    infer_output(infer, 0, DTYPE_F32, &shape);
    return ENGINE_OK;
}

static enum engine_status vectorizer_run(const struct op_call *call, struct engine_error *err)
{
    const int64_t rows = call->outputs[0]->shape.dims[0];
    float *to = call->outputs[0]->data;

    (void)err;
    for (int64_t r = 0; r < rows; r++) {
        for (int i = 0; i < call->n_inputs; i++) {
            const struct tensor *from = call->inputs[i];
            const int64_t columns = last_dim(&from->shape);
            const int64_t width = vectorizer_width(call->params, &from->shape, i);

            for (int64_t c = 0; c < width; c++)
                *to++ = c < columns ? (float)element_at(from, r * columns + c) : 0.0f;
        }
    }
    return ENGINE_OK;
}

static enum engine_status extractor_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0], *indices = &infer->inputs[1];
    struct shape shape = from->shape;

    if (indices->dtype != DTYPE_I64)
        return op_fail(infer->node, err, "indices are of type %s, expected int64",
                       dtype_name(indices->dtype));
    if (shape.rank < 1)
        return op_fail(infer->node, err, "input is a scalar");
    if (shape.rank == 1) {         /* a list is one row */
        shape.rank = 2;
        shape.dims[0] = 1;
    }
    shape.dims[shape.rank - 1] = shape_elements(&indices->shape);
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status extractor_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    const int64_t *indices = call->inputs[1]->data;
    const int64_t count = shape_elements(&call->inputs[1]->shape), columns = last_dim(&from->shape);
    const int64_t rows = shape_product(&from->shape, 0, from->shape.rank - 1);
    const size_t size = dtype_size(from->dtype);
    char *to = call->outputs[0]->data;

    for (int64_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= columns)
            return op_fail(call->node, err, "index %" PRId64 " (element %" PRId64 ") is out of range "
                           "for %" PRId64 " columns", indices[i], i, columns);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < count; i++, to += size)
            memcpy(to, (const char *)from->data + (size_t)(r * columns + indices[i]) * size, size);
    return ENGINE_OK;
}

#define ML_OP(op, n_inputs, flag, params_type, prefix) \
    .name = (op), .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = (n_inputs), \
    .outputs_min = 1, .outputs_max = 1, .flags = (flag), .params_size = sizeof(params_type), \
    .init = prefix##_init, .infer = prefix##_infer, .run = prefix##_run

const struct op_def ops_ml_features[] = {
    {ML_OP("Scaler", 1, 0, struct scaler_params, scaler)},
    {ML_OP("Normalizer", 1, 0, struct normalizer_params, normalizer)},
    {ML_OP("Binarizer", 1, OP_INPLACE, struct binarizer_params, binarizer)},
    {ML_OP("Imputer", 1, 0, struct imputer_params, imputer)},
    {ML_OP("FeatureVectorizer", OP_VARIADIC, 0, struct vectorizer_params, vectorizer)},
    {.name = "ArrayFeatureExtractor", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 2,
     .inputs_max = 2, .outputs_min = 1, .outputs_max = 1, .infer = extractor_infer,
     .run = extractor_run},
    {.name = NULL},
};
