/* SPDX-License-Identifier: Apache-2.0
 * Local functions (FunctionProto): a call is read as if its nodes stood where the call stands.
 * Source: docs/IR.md, "Functions". */
#include "engine/onnx/onnx_reader.h"

#include <string.h>

enum {
    FIELD_NAME = 1,
    FIELD_INPUT = 4,
    FIELD_OUTPUT = 5,
    FIELD_NODE = 7,
    FIELD_OPSET = 9,
    FIELD_DOMAIN = 10,
    FIELD_DEFAULT = 11,
    FIELD_OVERLOAD = 13
};

/* domain, name and overload as one key: names have no NUL in them. */
static enum engine_status make_key(struct onnx_reader *reader, const struct bytes *domain,
                                   const struct bytes *name, const struct bytes *overload,
                                   struct bytes *ret)
{
    const struct bytes *parts[] = {domain, name, overload};
    size_t length = domain->length + name->length + overload->length + 3, at = 0;
    char *key = arena_calloc(reader->scratch, length, 1);

    if (key == NULL)
        return onnx_no_memory("functions", reader->err);
    for (size_t k = 0; k < 3; k++) {
        if (parts[k]->length > 0)
            memcpy(key + at, parts[k]->data, parts[k]->length);
        at += parts[k]->length + 1;
    }
    *ret = (struct bytes){.data = key, .length = length};
    return ENGINE_OK;
}

static enum engine_status read_imports(struct onnx_reader *reader, const struct bytes *message,
                                       size_t count, struct onnx_imports *ret)
{
    struct onnx_opset *items = arena_calloc(reader->scratch, count, sizeof(*items));
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;
    size_t at = 0;

    if (items == NULL)
        return onnx_no_memory("functions", reader->err);
    protobuf_start(&fields, message->data, message->length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field))
        if (field.number == FIELD_OPSET)
            status = onnx_opset_read(reader, &field.bytes, &items[at++]);
    ret->count = at;
    ret->items = items;
    return status;
}

static enum engine_status read_header(struct onnx_reader *reader, struct onnx_function *function,
                                      size_t *ret_imports)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes ignored;

    *ret_imports = 0;
    protobuf_start(&fields, function->message.data, function->message.length);
    while (protobuf_next(&fields, &field)) {
        switch (field.number) {
        case FIELD_NAME:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &function->name);
            break;
        case FIELD_DOMAIN:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &function->domain);
            break;
        case FIELD_OVERLOAD:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &function->overload);
            break;
        case FIELD_OPSET:
            *ret_imports += protobuf_bytes(&fields, &field, &ignored);
            break;
        case FIELD_NODE:
        case FIELD_DEFAULT:
            protobuf_bytes(&fields, &field, &ignored);
            break;
        default:
            break;
        }
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "FunctionProto", reader->err);
    function->domain = onnx_domain(&function->domain);
    return ENGINE_OK;
}

enum engine_status onnx_function_add(struct onnx_reader *reader, const struct bytes *message)
{
    struct onnx_function *function = &reader->functions[reader->n_functions];
    enum engine_status status;
    struct bytes key;
    size_t imports;

    memset(function, 0, sizeof(*function));
    function->message = *message;
    status = read_header(reader, function, &imports);
    if (status == ENGINE_OK)
        status = onnx_texts(reader, message, FIELD_INPUT, "FunctionProto", &function->n_inputs,
                            &function->inputs);
    if (status == ENGINE_OK)
        status = onnx_texts(reader, message, FIELD_OUTPUT, "FunctionProto", &function->n_outputs,
                            &function->outputs);
    if (status == ENGINE_OK)
        status = read_imports(reader, message, imports, &function->imports);
    if (status == ENGINE_OK)
        status = make_key(reader, &function->domain, &function->name, &function->overload, &key);
    if (status != ENGINE_OK)
        return status;
    switch (onnx_names_add(&reader->function_names, &key, (int)reader->n_functions)) {
    case ONNX_NAMES_ADDED:
        reader->n_functions++;
        return ENGINE_OK;
    case ONNX_NAMES_TWICE:
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "function '%.*s' is defined twice",
                                ONNX_NAME(function->name));
    default:
        return onnx_no_memory("functions", reader->err);
    }
}

enum engine_status onnx_function_find(struct onnx_reader *reader, const struct bytes *domain,
                                      const struct bytes *name, const struct bytes *overload,
                                      const struct onnx_function **ret)
{
    enum engine_status status;
    struct bytes key;
    int index;

    *ret = NULL;
    if (reader->n_functions == 0)
        return ENGINE_OK;
    status = make_key(reader, domain, name, overload, &key);
    if (status == ENGINE_OK && onnx_names_find(&reader->function_names, &key, &index))
        *ret = &reader->functions[index];
    return status;
}

static const struct attribute *find_attribute(const struct onnx_call *call, const char *name)
{
    for (int k = 0; k < call->n_attributes; k++)
        if (strcmp(call->attributes[k].name, name) == 0)
            return &call->attributes[k];
    return NULL;
}

/* The call's attributes, and the function's defaults for those that it lacks. */
static enum engine_status merge_attributes(struct onnx_reader *reader, struct onnx_frame *caller,
                                           const struct onnx_call *call, struct onnx_frame *frame)
{
    const struct bytes *message = &call->function->message;
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct attribute *items;
    size_t defaults = 0;
    int count = call->n_attributes;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        defaults += field.number == FIELD_DEFAULT;
    items = arena_calloc(reader->scratch, (size_t)count + defaults, sizeof(*items));
    if (items == NULL)
        return onnx_no_memory("calls", reader->err);
    if (count > 0)
        memcpy(items, call->attributes, (size_t)count * sizeof(*items));
    protobuf_start(&fields, message->data, message->length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        bool present;

        if (field.number != FIELD_DEFAULT)
            continue;
        status = onnx_attribute_read(reader, caller, &field.bytes, &items[count], &present);
        if (status == ENGINE_OK && present && find_attribute(call, items[count].name) == NULL)
            count++;
    }
    frame->n_attributes = count;
    frame->attributes = items;
    return status;
}

static enum engine_status check_call(const struct onnx_reader *reader,
                                     const struct onnx_frame *caller, const struct onnx_call *call)
{
    const struct onnx_function *function = call->function;

    if ((size_t)call->n_inputs > function->n_inputs ||
        (size_t)call->n_outputs > function->n_outputs)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                "a call has %d inputs and %d outputs, the function %zu and %zu",
                                call->n_inputs, call->n_outputs, function->n_inputs,
                                function->n_outputs);
    if (caller->calls >= ONNX_DEPTH_MAX)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                "functions call each other deeper than %d", ONNX_DEPTH_MAX);
    for (const struct onnx_frame *frame = caller; frame != NULL; frame = frame->caller)
        if (frame->function == function)
            return engine_error_set(reader->err, ENGINE_BAD_MODEL, "a function calls itself");
    return ENGINE_OK;
}

/* The name of a node's output inside the function: the call's value if the name is a formal
 * output, else a new one. */
static enum engine_status bind_output(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *name)
{
    int formal, id;

    if (onnx_names_find(&frame->results_by_name, name, &formal) &&
        frame->results[formal] != VALUE_ABSENT)
        return onnx_scope_bind(reader, frame, name, frame->results[formal]);
    return onnx_scope_declare(reader, frame, name, &id);
}

static enum engine_status bind_names(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct onnx_call *call)
{
    const struct onnx_function *function = call->function;
    enum engine_status status = ENGINE_OK;
    int *results = arena_alloc(reader->scratch, function->n_outputs * sizeof(*results));

    if (results == NULL)
        return onnx_no_memory("calls", reader->err);
    onnx_names_init(&frame->results_by_name, reader->scratch);
    frame->results = results;
    for (size_t k = 0; k < function->n_outputs; k++) {
        results[k] = k < (size_t)call->n_outputs ? call->outputs[k] : VALUE_ABSENT;
        switch (onnx_names_add(&frame->results_by_name, &function->outputs[k], (int)k)) {
        case ONNX_NAMES_ADDED:
            break;
        case ONNX_NAMES_TWICE:
            return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                    "a function has an output twice");
        default:
            return onnx_no_memory("calls", reader->err);
        }
    }
    for (size_t k = 0; k < function->n_inputs && status == ENGINE_OK; k++)
        status = onnx_scope_bind(reader, frame, &function->inputs[k],
                                 k < (size_t)call->n_inputs ? call->inputs[k] : VALUE_ABSENT);
    return status;
}

enum engine_status onnx_function_start(struct onnx_reader *reader, struct onnx_frame *caller,
                                       const struct onnx_call *call)
{
    struct onnx_frame *frame = arena_calloc(reader->scratch, 1, sizeof(*frame));
    enum engine_status status = check_call(reader, caller, call);

    if (status != ENGINE_OK)
        return status;
    if (frame == NULL)
        return onnx_no_memory("calls", reader->err);
    frame->graph = caller->graph;
    frame->message = call->function->message;
    frame->node_field = FIELD_NODE;
    frame->imports = &call->function->imports;
    frame->depth = caller->depth;
    frame->function = call->function;
    frame->caller = caller;
    frame->calls = caller->calls + 1;
    frame->call_name = call->name;
    onnx_names_init(&frame->names, reader->scratch);
    status = bind_names(reader, frame, call);
    if (status == ENGINE_OK)
        status = merge_attributes(reader, caller, call, frame);
    if (status == ENGINE_OK)
        status = onnx_node_outputs(reader, frame, bind_output);
    if (status != ENGINE_OK)
        return status;
    protobuf_start(&frame->nodes, frame->message.data, frame->message.length);
    frame->below = reader->stack;
    reader->stack = frame;
    return ENGINE_OK;
}

/* Formal outputs that are formal inputs as well come out through an Identity. */
enum engine_status onnx_function_finish(struct onnx_reader *reader, struct onnx_frame *frame)
{
    const struct onnx_function *function = frame->function;

    for (size_t k = 0; k < function->n_outputs; k++) {
        int from = VALUE_ABSENT, node;

        if (frame->results[k] == VALUE_ABSENT)
            continue;
        onnx_names_find(&frame->names, &function->outputs[k], &from);
        if (from == frame->results[k])
            continue;
        if (from == VALUE_ABSENT)
            return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                    "function '%.*s' never produces '%.*s'",
                                    ONNX_NAME(function->name), ONNX_NAME(function->outputs[k]));
        node = graph_add_node(frame->graph, "", "Identity", frame->call_name, 1, &from, 1,
                              &frame->results[k]);
        if (node < 0)
            return onnx_no_memory("nodes", reader->err);
        frame->graph->nodes[node].opset = reader->opset;
    }
    return ENGINE_OK;
}
