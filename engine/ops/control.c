/* SPDX-License-Identifier: Apache-2.0
 * Control flow: If, Loop, Scan. Bodies run in the dynamic executor.
 *
 * Memory of an iteration is given back after it: what is carried over is copied into one of two
 * sets of buffers in turn (an iteration's outputs may be views of what it was given). When strings
 * or sequences are carried, whose elements point elsewhere in the run's memory, nothing is given
 * back until the run ends. */
#include "engine/dynamic_private.h"
#include "engine/ops/families.h"

#include <stdlib.h>
#include <string.h>

/* Memory that grows; its bytes count against the run's budget. */
struct growing {
    unsigned char *data;
    size_t used, room;
};

/* A scan output: one piece an iteration, all of one shape. */
struct collected {
    struct growing bytes;
    struct tensor piece; /* type and shape; dtype NONE before the first */
    int64_t count;
};

struct loop {
    const struct op_call *call;
    const struct graph *body;
    int n_carried, n_collected;
    int first_collected;   /* index among the body's outputs */
    struct tensor *inputs; /* of the body */
    struct tensor *outputs;
    struct tensor *carried;  /* as of now */
    struct growing *buffers; /* two for each carried value */
    struct collected *collected;
    bool keeps; /* memory stays until the run ends */
    size_t mark;
};

static const struct graph *body_of(const struct node *node, const char *name)
{
    const struct attribute *attribute = node_attribute(node, name);

    return attribute != NULL && attribute->type == ATTRIBUTE_GRAPH ? attribute->g : NULL;
}

static enum engine_status bad_body(const struct node *node, const char *what, int has, int wants,
                                   struct engine_error *err)
{
    return engine_error_set(err, ENGINE_BAD_MODEL, "%.64s (node '%.64s'): body has %d %s, needs %d",
                            node->op_type, node->name, has, what, wants);
}

static enum engine_status no_body(const struct node *node, const char *name,
                                  struct engine_error *err)
{
    return engine_error_set(err, ENGINE_BAD_MODEL,
                            "%.64s (node '%.64s'): attribute '%s' is missing", node->op_type,
                            node->name, name);
}

/* One bool. */
static enum engine_status read_condition(const struct op_call *call, const struct tensor *tensor,
                                         const char *what, bool *ret, struct engine_error *err)
{
    if (tensor->dtype != DTYPE_BOOL || shape_elements(&tensor->shape) != 1)
        return op_fail(call->node, err, "%s has %lld elements of type %s, needs 1 of bool", what,
                       (long long)shape_elements(&tensor->shape), dtype_name(tensor->dtype));
    *ret = tensor_int_at(tensor, 0) != 0;
    return ENGINE_OK;
}

static enum engine_status if_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const names[] = {"then_branch", "else_branch"};

    for (int i = 0; i < 2; i++) {
        const struct graph *body = body_of(init->node, names[i]);

        if (body == NULL)
            return no_body(init->node, names[i], err);
        if (body->n_inputs != 0)
            return bad_body(init->node, "inputs", body->n_inputs, 0, err);
        if (body->n_outputs < init->node->n_outputs)
            return bad_body(init->node, "outputs", body->n_outputs, init->node->n_outputs, err);
    }
    return ENGINE_OK;
}

static enum engine_status if_run(const struct op_call *call, struct engine_error *err)
{
    const struct graph *body;
    struct tensor *outputs;
    bool holds = false;
    enum engine_status status = read_condition(call, call->inputs[0], "the condition", &holds, err);

    if (status != ENGINE_OK)
        return status;
    body = body_of(call->node, holds ? "then_branch" : "else_branch");
    outputs = dynamic_alloc(call->dynamic, (size_t)body->n_outputs * sizeof(*outputs), err);
    if (outputs == NULL)
        return ENGINE_OVER_BUDGET;
    status = dynamic_run_body(call, body, NULL, outputs, err);
    for (int i = 0; i < call->n_outputs && status == ENGINE_OK; i++)
        if (call->outputs[i] != NULL)
            *call->outputs[i] = outputs[i];
    return status;
}

static enum engine_status over_budget(const struct loop *loop, size_t bytes,
                                      struct engine_error *err)
{
    return engine_error_set(err, ENGINE_OVER_BUDGET,
                            "%.64s (node '%.64s'): needs %zu bytes, the budget of a run is %zu",
                            loop->call->node->op_type, loop->call->node->name, bytes,
                            loop->call->dynamic->bytes_max);
}

static enum engine_status append(struct loop *loop, struct growing *bytes, const void *data,
                                 size_t count, struct engine_error *err)
{
    struct dynamic *dynamic = loop->call->dynamic;
    size_t room = bytes->room > 0 ? bytes->room : 256;
    size_t held = dynamic->loop_bytes + arena_bytes(dynamic->arena);
    unsigned char *larger;

    while (room - bytes->used < count && room < SIZE_MAX / 4)
        room *= 2;
    if (room - bytes->used < count || held > dynamic->bytes_max ||
        room - bytes->room > dynamic->bytes_max - held)
        return over_budget(loop, held + count, err);
    if (room > bytes->room) {
        larger = realloc(bytes->data, room);
        if (larger == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %zu bytes of a loop",
                                    room);
        dynamic->loop_bytes += room - bytes->room;
        bytes->data = larger;
        bytes->room = room;
    }
    if (count > 0)
        memcpy(bytes->data + bytes->used, data, count);
    bytes->used += count;
    return ENGINE_OK;
}

static bool points_elsewhere(const struct tensor *tensor)
{
    return tensor->dtype == DTYPE_STRING || tensor->dtype == DTYPE_SEQUENCE ||
           tensor->dtype == DTYPE_OPTIONAL;
}

/* Tables for `n_carried` values and the body's other outputs. */
static enum engine_status loop_init(struct loop *loop, struct engine_error *err)
{
    struct dynamic *dynamic = loop->call->dynamic;
    size_t inputs = (size_t)loop->body->n_inputs, outputs = (size_t)loop->body->n_outputs;
    size_t carried = (size_t)loop->n_carried, collected = (size_t)loop->n_collected;

    loop->inputs = arena_calloc(dynamic->arena, inputs, sizeof(*loop->inputs));
    loop->outputs = arena_calloc(dynamic->arena, outputs, sizeof(*loop->outputs));
    loop->carried = arena_calloc(dynamic->arena, carried, sizeof(*loop->carried));
    loop->buffers = arena_calloc(dynamic->arena, 2 * carried, sizeof(*loop->buffers));
    loop->collected = arena_calloc(dynamic->arena, collected, sizeof(*loop->collected));
    if (loop->inputs == NULL || loop->outputs == NULL || loop->carried == NULL ||
        loop->buffers == NULL || loop->collected == NULL)
        return over_budget(
            loop, (inputs + outputs + 3 * carried + collected) * sizeof(struct tensor), err);
    return ENGINE_OK;
}

static void release(struct loop *loop, struct growing *bytes)
{
    loop->call->dynamic->loop_bytes -= bytes->room;
    free(bytes->data);
}

static void loop_finish(struct loop *loop)
{
    if (loop->buffers != NULL)
        for (int i = 0; i < 2 * loop->n_carried; i++)
            release(loop, &loop->buffers[i]);
    if (loop->collected != NULL)
        for (int i = 0; i < loop->n_collected; i++)
            release(loop, &loop->collected[i].bytes);
}

static void start_carried(struct loop *loop, int first_input)
{
    for (int i = 0; i < loop->n_carried; i++) {
        const struct tensor *initial = loop->call->inputs[first_input + i];

        if (initial != NULL)
            loop->carried[i] = *initial;
        loop->keeps = loop->keeps || points_elsewhere(&loop->carried[i]);
    }
    loop->mark = arena_mark(loop->call->dynamic->arena);
}

static enum engine_status collect(struct loop *loop, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < loop->n_collected && status == ENGINE_OK; i++) {
        struct collected *to = &loop->collected[i];
        const struct tensor *piece = &loop->outputs[loop->first_collected + i];

        if (to->count > 0 &&
            (piece->dtype != to->piece.dtype || !shape_equal(&piece->shape, &to->piece.shape)))
            return op_fail(loop->call->node, err, "scan output %d changes its shape", i);
        if (piece->shape.rank == SHAPE_RANK_MAX)
            return op_unsupported(loop->call->node, err, "scan output %d has too many dimensions",
                                  i);
        if (piece->dtype == DTYPE_SEQUENCE || piece->dtype == DTYPE_OPTIONAL)
            return op_unsupported(loop->call->node, err, "scan output %d is no tensor", i);
        to->piece = *piece;
        to->count++;
        status = append(loop, &to->bytes, piece->data, tensor_bytes(piece), err);
    }
    return status;
}

/* Body outputs `first` and following become the carried values; memory of the iteration goes. */
static enum engine_status carry(struct loop *loop, int first, int64_t iteration,
                                struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < loop->body->n_outputs && !loop->keeps; i++) {
        if (!points_elsewhere(&loop->outputs[i]))
            continue;
        if (iteration > 0)
            return op_fail(loop->call->node, err, "output %d of the body changes its type", i);
        loop->keeps = true;
    }
    for (int i = 0; i < loop->n_carried && status == ENGINE_OK; i++) {
        struct growing *buffer = &loop->buffers[2 * i + (int)(iteration & 1)];

        loop->carried[i] = loop->outputs[first + i];
        if (loop->keeps)
            continue;
        buffer->used = 0;
        status = append(loop, buffer, loop->carried[i].data, tensor_bytes(&loop->carried[i]), err);
        loop->carried[i].data = buffer->data;
    }
    if (status == ENGINE_OK && !loop->keeps)
        arena_reset(loop->call->dynamic->arena, loop->mark);
    return status;
}

/* Once around. `condition` (NULL: the body has none) is the body's output 0. */
static enum engine_status iterate(struct loop *loop, int first_carried, int64_t iteration,
                                  bool *condition, struct engine_error *err)
{
    const struct op_call *call = loop->call;
    enum engine_status status = dynamic_count_iteration(call->dynamic, call->node, err);

    if (status == ENGINE_OK)
        status = dynamic_run_body(call, loop->body, loop->inputs, loop->outputs, err);
    if (status == ENGINE_OK && condition != NULL)
        status = read_condition(call, &loop->outputs[0], "the body's condition", condition, err);
    if (status == ENGINE_OK)
        status = collect(loop, err);
    return status == ENGINE_OK ? carry(loop, first_carried, iteration, err) : status;
}

static enum engine_status emit_carried(struct loop *loop, struct engine_error *err)
{
    const struct op_call *call = loop->call;
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < loop->n_carried && i < call->n_outputs && status == ENGINE_OK; i++) {
        struct tensor *output = call->outputs[i];

        if (output == NULL)
            continue;
        *output = loop->carried[i];
        if (loop->keeps || tensor_bytes(output) == 0)
            continue;
        status = dynamic_alloc_tensor(call->dynamic, output, err);
        if (status == ENGINE_OK)
            memcpy(output->data, loop->carried[i].data, tensor_bytes(output));
    }
    return status;
}

/* What a scan output is called when no iteration made any: as declared, open dimensions 0. */
static void guess_piece(const struct loop *loop, int index, struct tensor *piece)
{
    const struct graph *body = loop->body;
    const struct value *value = &body->values[body->outputs[loop->first_collected + index]];

    piece->dtype = value->dtype != DTYPE_NONE ? value->dtype : DTYPE_F32;
    piece->shape.rank =
        value->shape.rank > 0 && value->shape.rank < SHAPE_RANK_MAX ? value->shape.rank : 0;
    for (int d = 0; d < piece->shape.rank; d++)
        piece->shape.dims[d] = value->shape.dims[d] > 0 ? value->shape.dims[d] : 0;
}

/* Pieces joined along a new axis `axis`, in reverse if asked. */
static enum engine_status emit_collected(struct loop *loop, int index, int output_index,
                                         int64_t axis, bool reverse, struct engine_error *err)
{
    const struct op_call *call = loop->call;
    struct collected *from = &loop->collected[index];
    struct tensor *output = output_index < call->n_outputs ? call->outputs[output_index] : NULL;
    size_t outer, inner, size;
    enum engine_status status;
    int at;

    if (output == NULL)
        return ENGINE_OK;
    if (from->count == 0)
        guess_piece(loop, index, &from->piece);
    if (!shape_axis(axis, from->piece.shape.rank + 1, &at))
        return op_fail(call->node, err, "axis %lld of scan output %d is out of range",
                       (long long)axis, index);
    output->dtype = from->piece.dtype;
    output->shape.rank = from->piece.shape.rank + 1;
    for (int d = 0; d < output->shape.rank; d++)
        output->shape.dims[d] = d == at ? from->count : from->piece.shape.dims[d < at ? d : d - 1];
    status = dynamic_alloc_tensor(call->dynamic, output, err);
    if (status != ENGINE_OK)
        return status;
    outer = (size_t)shape_product(&from->piece.shape, 0, at);
    size = dtype_size(from->piece.dtype);
    inner = (size_t)shape_product(&from->piece.shape, at, from->piece.shape.rank) * size;
    for (int64_t i = 0; i < from->count && outer * inner > 0; i++) {
        const unsigned char *piece = from->bytes.data + (size_t)i * outer * inner;
        size_t to = (size_t)(reverse ? from->count - 1 - i : i);

        for (size_t o = 0; o < outer; o++)
            memcpy((unsigned char *)output->data + (o * (size_t)from->count + to) * inner,
                   piece + o * inner, inner);
    }
    return ENGINE_OK;
}

static enum engine_status loop_op_init(const struct op_init *init, struct engine_error *err)
{
    const struct graph *body = body_of(init->node, "body");
    int carried = init->node->n_inputs > 2 ? init->node->n_inputs - 2 : 0;

    if (body == NULL)
        return no_body(init->node, "body", err);
    if (body->n_inputs != carried + 2)
        return bad_body(init->node, "inputs", body->n_inputs, carried + 2, err);
    if (body->n_outputs < carried + 1 || body->n_outputs - 1 < init->node->n_outputs)
        return bad_body(init->node, "outputs", body->n_outputs,
                        (carried > init->node->n_outputs ? carried : init->node->n_outputs) + 1,
                        err);
    return ENGINE_OK;
}

static enum engine_status loop_steps(struct loop *loop, int64_t trips, bool condition,
                                     struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int64_t i = 0; i < trips && condition && status == ENGINE_OK; i++) {
        /* In the run's memory, since outputs may be views of them. */
        int64_t *number = dynamic_alloc(loop->call->dynamic, sizeof(*number), err);
        bool *given = dynamic_alloc(loop->call->dynamic, sizeof(*given), err);

        if (number == NULL || given == NULL)
            return ENGINE_OVER_BUDGET;
        *number = i;
        *given = condition;
        loop->inputs[0] = (struct tensor){DTYPE_I64, {.rank = 0}, number};
        loop->inputs[1] = (struct tensor){DTYPE_BOOL, {.rank = 0}, given};
        for (int k = 0; k < loop->n_carried; k++)
            loop->inputs[2 + k] = loop->carried[k];
        status = iterate(loop, 1, i, &condition, err);
    }
    return status;
}

static enum engine_status loop_run(const struct op_call *call, struct engine_error *err)
{
    struct loop loop = {.call = call, .body = body_of(call->node, "body")};
    int explicit_inputs = call->node->n_explicit_inputs;
    int64_t trips = INT64_MAX;
    bool condition = true;
    enum engine_status status = ENGINE_OK;

    if (explicit_inputs > 0 && call->inputs[0] != NULL) {
        if (!dtype_is_integer(call->inputs[0]->dtype))
            return op_fail(call->node, err, "the trip count is %s",
                           dtype_name(call->inputs[0]->dtype));
        trips = shape_elements(&call->inputs[0]->shape) > 0 ? tensor_int_at(call->inputs[0], 0) : 0;
    }
    if (explicit_inputs > 1 && call->inputs[1] != NULL &&
        shape_elements(&call->inputs[1]->shape) > 0)
        status = read_condition(call, call->inputs[1], "the condition", &condition, err);
    if (status != ENGINE_OK)
        return status;
    loop.n_carried = explicit_inputs > 2 ? explicit_inputs - 2 : 0;
    loop.first_collected = 1 + loop.n_carried;
    loop.n_collected = loop.body->n_outputs - loop.first_collected;
    status = loop_init(&loop, err);
    if (status == ENGINE_OK) {
        start_carried(&loop, 2);
        status = loop_steps(&loop, trips, condition, err);
    }
    if (status == ENGINE_OK)
        status = emit_carried(&loop, err);
    for (int i = 0; i < loop.n_collected && status == ENGINE_OK; i++)
        status = emit_collected(&loop, i, loop.n_carried + i, 0, false, err);
    loop_finish(&loop);
    return status;
}

static enum engine_status scan_op_init(const struct op_init *init, struct engine_error *err)
{
    const struct node *node = init->node;
    const struct graph *body = body_of(node, "body");
    int64_t scanned = node_int(node, "num_scan_inputs", 0);
    static const char *const lists[] = {"scan_input_axes", "scan_input_directions",
                                        "scan_output_axes", "scan_output_directions"};

    if (body == NULL)
        return no_body(node, "body", err);
    if (scanned < 1 || scanned > node->n_inputs)
        return op_fail(node, err, "num_scan_inputs is %lld of %d inputs", (long long)scanned,
                       node->n_inputs);
    if (body->n_inputs != node->n_inputs)
        return bad_body(node, "inputs", body->n_inputs, node->n_inputs, err);
    if (body->n_outputs < node->n_outputs || body->n_outputs < node->n_inputs - (int)scanned)
        return bad_body(node, "outputs", body->n_outputs, node->n_outputs, err);
    for (int i = 0; i < 4; i++) {
        int64_t wants = i < 2 ? scanned : body->n_outputs - (node->n_inputs - scanned);
        size_t count;

        if (node_ints(node, lists[i], &count) != NULL && (int64_t)count != wants)
            return op_fail(node, err, "%s has %zu items, needs %lld", lists[i], count,
                           (long long)wants);
    }
    return ENGINE_OK;
}

static int64_t item_of(const struct node *node, const char *name, int index)
{
    size_t count;
    const int64_t *items = node_ints(node, name, &count);

    return items != NULL && (size_t)index < count ? items[index] : 0;
}

/* Slice `at` of `from` along `axis` without that axis; a view when it is the first. */
static enum engine_status take_slice(struct loop *loop, const struct tensor *from, int axis,
                                     int64_t at, struct tensor *ret, struct engine_error *err)
{
    size_t size = dtype_size(from->dtype);
    size_t outer = (size_t)shape_product(&from->shape, 0, axis);
    size_t inner = (size_t)shape_product(&from->shape, axis + 1, from->shape.rank) * size;
    size_t length = (size_t)from->shape.dims[axis];
    const unsigned char *data = (const unsigned char *)from->data + (size_t)at * inner;
    enum engine_status status;

    ret->dtype = from->dtype;
    ret->shape.rank = from->shape.rank - 1;
    for (int d = 0; d < ret->shape.rank; d++)
        ret->shape.dims[d] = from->shape.dims[d < axis ? d : d + 1];
    if (outer == 1) {
        ret->data = (void *)data;
        return ENGINE_OK;
    }
    status = dynamic_alloc_tensor(loop->call->dynamic, ret, err);
    for (size_t o = 0; o < outer && status == ENGINE_OK; o++)
        memcpy((unsigned char *)ret->data + o * inner, data + o * length * inner, inner);
    return status;
}

/* The axis and the common length of all scanned inputs. */
static enum engine_status scan_length(const struct op_call *call, int n_states, int n_scanned,
                                      int64_t *ret_length, struct engine_error *err)
{
    for (int i = 0; i < n_scanned; i++) {
        const struct tensor *input = call->inputs[n_states + i];
        int axis;

        if (input == NULL ||
            !shape_axis(item_of(call->node, "scan_input_axes", i), input->shape.rank, &axis))
            return op_fail(call->node, err, "the axis of scan input %d is out of range", i);
        if (i > 0 && input->shape.dims[axis] != *ret_length)
            return op_fail(call->node, err, "scan input %d has %lld slices, the first has %lld", i,
                           (long long)input->shape.dims[axis], (long long)*ret_length);
        *ret_length = input->shape.dims[axis];
    }
    return ENGINE_OK;
}

static enum engine_status scan_steps(struct loop *loop, int n_scanned, int64_t length,
                                     struct engine_error *err)
{
    const struct op_call *call = loop->call;
    enum engine_status status = ENGINE_OK;

    for (int64_t t = 0; t < length && status == ENGINE_OK; t++) {
        for (int i = 0; i < loop->n_carried; i++)
            loop->inputs[i] = loop->carried[i];
        for (int i = 0; i < n_scanned && status == ENGINE_OK; i++) {
            const struct tensor *from = call->inputs[loop->n_carried + i];
            bool reverse = item_of(call->node, "scan_input_directions", i) != 0;
            int axis = 0;

            shape_axis(item_of(call->node, "scan_input_axes", i), from->shape.rank, &axis);
            status = take_slice(loop, from, axis, reverse ? length - 1 - t : t,
                                &loop->inputs[loop->n_carried + i], err);
        }
        if (status == ENGINE_OK)
            status = iterate(loop, 0, t, NULL, err);
    }
    return status;
}

static enum engine_status scan_run(const struct op_call *call, struct engine_error *err)
{
    struct loop loop = {.call = call, .body = body_of(call->node, "body")};
    int n_scanned = (int)node_int(call->node, "num_scan_inputs", 0);
    int64_t length = 0;
    enum engine_status status;

    loop.n_carried = call->node->n_explicit_inputs - n_scanned;
    loop.first_collected = loop.n_carried;
    loop.n_collected = loop.body->n_outputs - loop.n_carried;
    status = loop_init(&loop, err);
    if (status == ENGINE_OK)
        status = scan_length(call, loop.n_carried, n_scanned, &length, err);
    if (status == ENGINE_OK) {
        start_carried(&loop, 0);
        status = scan_steps(&loop, n_scanned, length, err);
    }
    if (status == ENGINE_OK)
        status = emit_carried(&loop, err);
    for (int i = 0; i < loop.n_collected && status == ENGINE_OK; i++)
        status =
            emit_collected(&loop, i, loop.n_carried + i, item_of(call->node, "scan_output_axes", i),
                           item_of(call->node, "scan_output_directions", i) != 0, err);
    loop_finish(&loop);
    return status;
}

const struct op_def ops_control[] = {
    {.name = "If",
     .domain = "",
     .since = 1,
     .inputs_min = 1,
     .inputs_max = 1,
     .outputs_min = 1,
     .outputs_max = OP_VARIADIC,
     .flags = OP_DYNAMIC,
     .host_inputs = 1 << 0,
     .init = if_init,
     .run = if_run},
    {.name = "Loop",
     .domain = "",
     .since = 1,
     .inputs_min = 0,
     .inputs_max = OP_VARIADIC,
     .outputs_min = 0,
     .outputs_max = OP_VARIADIC,
     .flags = OP_DYNAMIC,
     .init = loop_op_init,
     .run = loop_run},
    {.name = "Scan",
     .domain = "",
     .since = 9,
     .inputs_min = 1,
     .inputs_max = OP_VARIADIC,
     .outputs_min = 1,
     .outputs_max = OP_VARIADIC,
     .flags = OP_DYNAMIC,
     .init = scan_op_init,
     .run = scan_run},
    {.name = NULL},
};
