/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/ml_category.c - labels and categories, from ai.onnx.ml: LabelEncoder, CategoryMapper,
 * OneHotEncoder, ZipMap.
 *
 * ZipMap makes a sequence of maps from class to score, which no wire protocol of ours can carry. Here
 * it hands the tensor of scores on as it is: column i belongs to the i-th label of the attribute. */
#include "engine/ops/key_table.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

/* From values of one type to values of another. */
struct label_map {
    struct key_table table;        /* key -> index into values + 1 */
    struct tensor keys, values;
    uint64_t fallback[2];          /* one element of the values' type; strings take both */
};

struct encoder_params {
    int n_maps;                    /* two when the model leaves the direction to the input's type */
    struct label_map maps[2];
};

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for labels");
}

/* The list that is there: <stem>_tensor, _strings, _int64s or _floats. DTYPE_NONE if none is. */
static struct tensor read_list(const struct node *node, const char *const names[4])
{
    const struct attribute *attribute = node_attribute(node, names[0]);
    struct tensor list = {.shape = {.rank = 1}};
    size_t count;

    if (attribute != NULL && attribute->type == ATTRIBUTE_TENSOR && attribute->t != NULL)
        return *attribute->t;
    list.data = (void *)node_strings(node, names[1], &count);
    list.dtype = DTYPE_STRING;
    if (list.data == NULL) {
        list.data = (void *)node_ints(node, names[2], &count);
        list.dtype = DTYPE_I64;
    }
    if (list.data == NULL) {
        list.data = (void *)node_floats(node, names[3], &count);
        list.dtype = DTYPE_F32;
    }
    if (list.data == NULL)
        list.dtype = DTYPE_NONE;
    list.shape.dims[0] = (int64_t)count;
    return list;
}

/* Builds the table; of equal keys the last counts. */
static enum engine_status map_build(const struct op_init *init, struct label_map *map,
                                    struct engine_error *err)
{
    const int64_t count = shape_elements(&map->keys.shape);
    uint64_t *rooms;

    if (shape_elements(&map->values.shape) != count)
        return op_fail(init->node, err, "%" PRId64 " keys for %" PRId64 " values", count,
                       shape_elements(&map->values.shape));
    rooms = arena_calloc(init->arena, (size_t)count, sizeof(*rooms));
    if (rooms == NULL || !key_table_init(&map->table, init->arena, (size_t)count))
        return no_memory(err);
    for (int64_t i = 0; i < count; i++)
        *key_table_add(&map->table, 0, key_of(&map->keys, i, &rooms[i])) = (uint32_t)i + 1;
    return ENGINE_OK;
}

static void set_default(const struct node *node, struct label_map *map)
{
    static const struct bytes unused = {"_Unused", 7};
    const struct attribute *tensor = node_attribute(node, "default_tensor");
    const struct attribute *text = node_attribute(node, "default_string");
    const int64_t integer = node_int(node, "default_int64", -1);
    const float number = node_float(node, "default_float", -0.0f);
    const double wide = number;

    if (tensor != NULL && tensor->t != NULL && tensor->t->dtype == map->values.dtype &&
        shape_elements(&tensor->t->shape) == 1)
        memcpy(map->fallback, tensor->t->data, dtype_size(map->values.dtype));
    else if (map->values.dtype == DTYPE_STRING)
        memcpy(map->fallback, text != NULL && text->type == ATTRIBUTE_STRING ? &text->s : &unused,
               sizeof(unused));
    else if (map->values.dtype == DTYPE_F32)
        memcpy(map->fallback, &number, sizeof(number));
    else if (map->values.dtype == DTYPE_F64)
        memcpy(map->fallback, &wide, sizeof(wide));
    else
        memcpy(map->fallback, &integer, sizeof(integer));      /* little end first: any width */
}

static bool is_label_type(enum dtype dtype)
{
    return dtype == DTYPE_STRING || dtype == DTYPE_F32 || dtype == DTYPE_F64 ||
           dtype_is_integer(dtype);
}

/* The two lists as a map each way; the input's type picks one. */
static enum engine_status both_ways(const struct op_init *init, const struct tensor *strings,
                                    const struct tensor *ints, struct engine_error *err)
{
    struct encoder_params *params = init->params;
    enum engine_status status;

    params->n_maps = 2;
    params->maps[0].keys = params->maps[1].values = *strings;
    params->maps[1].keys = params->maps[0].values = *ints;
    status = map_build(init, &params->maps[0], err);
    if (status == ENGINE_OK)
        status = map_build(init, &params->maps[1], err);
    set_default(init->node, &params->maps[0]);
    set_default(init->node, &params->maps[1]);
    return status;
}

static enum engine_status encoder_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const keys[] = {"keys_tensor", "keys_strings", "keys_int64s", "keys_floats"};
    static const char *const values[] = {"values_tensor", "values_strings", "values_int64s",
                                         "values_floats"};
    struct encoder_params *params = init->params;
    struct label_map *map = &params->maps[0];
    size_t n_classes;
    const struct bytes *classes = node_strings(init->node, "classes_strings", &n_classes);

    if (classes != NULL) {         /* version 1: strings to their places and back */
        const struct shape shape = {1, {(int64_t)n_classes}};
        struct tensor strings = {DTYPE_STRING, shape, (void *)classes};
        struct tensor places = {DTYPE_I64, shape, NULL};

        places.data = arena_calloc(init->arena, n_classes, sizeof(int64_t));
        if (places.data == NULL)
            return no_memory(err);
        for (size_t i = 0; i < n_classes; i++)
            ((int64_t *)places.data)[i] = (int64_t)i;
        return both_ways(init, &strings, &places, err);
    }
    map->keys = read_list(init->node, keys);
    map->values = read_list(init->node, values);
    if (!is_label_type(map->keys.dtype) || !is_label_type(map->values.dtype))
        return op_fail(init->node, err, "keys of type %s, values of type %s",
                       dtype_name(map->keys.dtype), dtype_name(map->values.dtype));
    params->n_maps = 1;
    set_default(init->node, map);
    return map_build(init, map, err);
}

static enum engine_status mapper_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const strings_names[] = {"", "cats_strings", "", ""};
    static const char *const ints_names[] = {"", "", "cats_int64s", ""};
    struct tensor strings = read_list(init->node, strings_names);
    struct tensor ints = read_list(init->node, ints_names);

    if (strings.dtype == DTYPE_NONE || ints.dtype == DTYPE_NONE)
        return op_fail(init->node, err, "cats_strings and cats_int64s have to be given");
    return both_ways(init, &strings, &ints, err);
}

static const struct label_map *pick_map(const struct encoder_params *params, enum dtype dtype)
{
    for (int i = 0; i < params->n_maps; i++)
        if (params->maps[i].keys.dtype == dtype)
            return &params->maps[i];
    return NULL;
}

static enum engine_status encoder_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct encoder_params *params = infer->params;
    const struct label_map *map = pick_map(params, infer->inputs[0].dtype);

    if (map == NULL)
        return op_fail(infer->node, err, "input is of type %s, the keys of %s",
                       dtype_name(infer->inputs[0].dtype), dtype_name(params->maps[0].keys.dtype));
    infer_output(infer, 0, map->values.dtype, &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status encoder_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    const struct label_map *map = pick_map(call->params, from->dtype);
    const int64_t count = shape_elements(&from->shape);
    const size_t size = dtype_size(map->values.dtype);
    char *to = call->outputs[0]->data;

    (void)err;
    for (int64_t i = 0; i < count; i++, to += size) {
        uint64_t room;
        const uint32_t found = key_table_find(&map->table, 0, key_of(from, i, &room));

        memcpy(to, found == 0 ? (const char *)map->fallback
                              : (const char *)map->values.data + (size_t)(found - 1) * size, size);
    }
    return ENGINE_OK;
}

struct one_hot_params {
    struct label_map map;
    bool zeros;                    /* an unknown category is all zeros, not a mistake */
};

static enum engine_status one_hot_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[] = {"", "cats_strings", "cats_int64s", ""};
    struct one_hot_params *params = init->params;

    params->map.keys = read_list(init->node, names);
    params->map.values = params->map.keys;
    params->zeros = node_int(init->node, "zeros", 1) != 0;
    if (params->map.keys.dtype == DTYPE_NONE)
        return op_fail(init->node, err, "there are no categories");
    return map_build(init, &params->map, err);
}

static enum engine_status one_hot_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct one_hot_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = from->shape;
    const bool numbers = dtype_is_float(from->dtype) || dtype_is_integer(from->dtype);

    if (params->map.keys.dtype == DTYPE_STRING ? from->dtype != DTYPE_STRING : !numbers)
        return op_fail(infer->node, err, "input is of type %s, the categories of %s",
                       dtype_name(from->dtype), dtype_name(params->map.keys.dtype));
    if (shape.rank == SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "output rank is above %d", SHAPE_RANK_MAX);
    shape.dims[shape.rank++] = shape_elements(&params->map.keys.shape);
    infer_output(infer, 0, DTYPE_F32, &shape);
    return ENGINE_OK;
}

static enum engine_status one_hot_run(const struct op_call *call, struct engine_error *err)
{
    const struct one_hot_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const int64_t count = shape_elements(&from->shape);
    const int64_t categories = shape_elements(&params->map.keys.shape);
    float *to = call->outputs[0]->data;

    if (count * categories > 0)
        memset(to, 0, (size_t)(count * categories) * sizeof(*to));
    for (int64_t i = 0; i < count; i++, to += categories) {
        uint64_t room;
        struct bytes key = {(const char *)&room, sizeof(room)};
        uint32_t found;

        if (from->dtype == DTYPE_STRING)
            key = key_of(from, i, &room);
        else
            room = (uint64_t)tensor_int_at(from, i);       /* floats are cut off, as ONNX says */
        found = key_table_find(&params->map.table, 0, key);
        if (found != 0)
            to[found - 1] = 1;
        else if (!params->zeros)
            return op_fail(call->node, err, "element %" PRId64 " is in no category", i);
    }
    return ENGINE_OK;
}

static enum engine_status zip_infer(struct op_infer *infer, struct engine_error *err)
{
    size_t strings, ints;
    const struct shape *shape = &infer->inputs[0].shape;
    int64_t columns = 0;

    node_strings(infer->node, "classlabels_strings", &strings);
    node_ints(infer->node, "classlabels_int64s", &ints);
    if (shape->rank == 1 || shape->rank == 2)
        columns = shape->dims[shape->rank - 1];
    if (columns != (int64_t)(strings > 0 ? strings : ints))
        return op_fail(infer->node, err, "%zu labels for %" PRId64 " columns",
                       strings > 0 ? strings : ints, columns);
    return infer_same_as_first(infer, err);
}

static enum engine_status zip_run(const struct op_call *call, struct engine_error *err)
{
    const size_t bytes = tensor_bytes(call->outputs[0]);

    (void)err;
    if (bytes > 0 && call->outputs[0]->data != call->inputs[0]->data)
        memcpy(call->outputs[0]->data, call->inputs[0]->data, bytes);
    return ENGINE_OK;
}

const struct op_def ops_ml_category[] = {
    {.name = "LabelEncoder", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct encoder_params),
     .init = encoder_init, .infer = encoder_infer, .run = encoder_run},
    {.name = "CategoryMapper", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 1,
     .params_size = sizeof(struct encoder_params), .init = mapper_init, .infer = encoder_infer,
     .run = encoder_run},
    {.name = "OneHotEncoder", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct one_hot_params),
     .init = one_hot_init, .infer = one_hot_infer, .run = one_hot_run},
    {.name = "ZipMap", .domain = "ai.onnx.ml", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW, .infer = zip_infer, .run = zip_run},
    {.name = NULL},
};
