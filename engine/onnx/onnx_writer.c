/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/onnx_writer.h"

#include "engine/onnx/protobuf_writer.h"

#include <string.h>

/* Field numbers, by message. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_DOC = 6, MODEL_GRAPH = 7,
       MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5,
       NODE_DOMAIN = 7 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_T = 5,
       ATTRIBUTE_LIST_F = 7, ATTRIBUTE_LIST_I = 8, ATTRIBUTE_LIST_S = 9, ATTRIBUTE_KIND = 20 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_STRING = 6, TENSOR_NAME = 8, TENSOR_RAW = 9 };

static void put_tensor(struct protobuf_writer *writer, uint32_t field, const char *name,
                       const struct tensor *tensor)
{
    const struct bytes *texts = tensor->data;

    protobuf_put_begin(writer, field);
    for (int d = 0; d < tensor->shape.rank; d++)
        protobuf_put_int(writer, TENSOR_DIMS, tensor->shape.dims[d]);
    protobuf_put_int(writer, TENSOR_DATA_TYPE, tensor->dtype);
    if (name[0] != '\0')
        protobuf_put_text(writer, TENSOR_NAME, name);
    if (tensor->dtype != DTYPE_STRING)
        protobuf_put_bytes(writer, TENSOR_RAW, tensor->data, tensor_bytes(tensor));
    for (int64_t i = 0; tensor->dtype == DTYPE_STRING && i < shape_elements(&tensor->shape); i++)
        protobuf_put_bytes(writer, TENSOR_STRING, texts[i].data, texts[i].length);
    protobuf_put_end(writer);
}

static void put_attribute_value(struct protobuf_writer *writer, const struct attribute *attribute)
{
    switch (attribute->type) {
    case ATTRIBUTE_FLOAT:
        protobuf_put_float(writer, ATTRIBUTE_F, attribute->f);
        break;
    case ATTRIBUTE_INT:
        protobuf_put_int(writer, ATTRIBUTE_I, attribute->i);
        break;
    case ATTRIBUTE_STRING:
        protobuf_put_bytes(writer, ATTRIBUTE_S, attribute->s.data, attribute->s.length);
        break;
    case ATTRIBUTE_TENSOR:
        put_tensor(writer, ATTRIBUTE_T, "", attribute->t);
        break;
    case ATTRIBUTE_FLOATS:
        for (size_t i = 0; i < attribute->count; i++)
            protobuf_put_float(writer, ATTRIBUTE_LIST_F, attribute->floats[i]);
        break;
    case ATTRIBUTE_INTS:
        for (size_t i = 0; i < attribute->count; i++)
            protobuf_put_int(writer, ATTRIBUTE_LIST_I, attribute->ints[i]);
        break;
    case ATTRIBUTE_STRINGS:
        for (size_t i = 0; i < attribute->count; i++)
            protobuf_put_bytes(writer, ATTRIBUTE_LIST_S, attribute->strings[i].data,
                               attribute->strings[i].length);
        break;
    default: /* check_node() has refused the rest */
        break;
    }
}

static void put_names(struct protobuf_writer *writer, uint32_t field, const struct graph *graph,
                      const int *ids, int count)
{
    for (int i = 0; i < count; i++)
        protobuf_put_text(writer, field, ids[i] == VALUE_ABSENT ? "" : graph->values[ids[i]].name);
}

static void put_node(struct protobuf_writer *writer, const struct graph *graph,
                     const struct node *node)
{
    protobuf_put_begin(writer, GRAPH_NODE);
    put_names(writer, NODE_INPUT, graph, node->inputs, node->n_inputs);
    put_names(writer, NODE_OUTPUT, graph, node->outputs, node->n_outputs);
    if (node->name[0] != '\0')
        protobuf_put_text(writer, NODE_NAME, node->name);
    protobuf_put_text(writer, NODE_OP_TYPE, node->op_type);
    for (int a = 0; a < node->n_attributes; a++) {
        protobuf_put_begin(writer, NODE_ATTRIBUTE);
        protobuf_put_text(writer, ATTRIBUTE_NAME, node->attributes[a].name);
        put_attribute_value(writer, &node->attributes[a]);
        protobuf_put_int(writer, ATTRIBUTE_KIND, node->attributes[a].type);
        protobuf_put_end(writer);
    }
    if (node->domain[0] != '\0')
        protobuf_put_text(writer, NODE_DOMAIN, node->domain);
    protobuf_put_end(writer);
}

/* ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 {
 * dim_value = 1, dim_param = 2 } } } } } */
static void put_interface(struct protobuf_writer *writer, uint32_t field, const struct value *value)
{
    protobuf_put_begin(writer, field);
    protobuf_put_text(writer, 1, value->name);
    protobuf_put_begin(writer, 2);
    protobuf_put_begin(writer, 1);
    protobuf_put_int(writer, 1, value->dtype);
    if (value->shape.rank != RANK_UNKNOWN) {
        protobuf_put_begin(writer, 2);
        for (int d = 0; d < value->shape.rank; d++) {
            protobuf_put_begin(writer, 1);
            if (value->shape.dims[d] != DIM_UNKNOWN)
                protobuf_put_int(writer, 1, value->shape.dims[d]);
            else if (value->shape.symbols[d] != NULL)
                protobuf_put_text(writer, 2, value->shape.symbols[d]);
            protobuf_put_end(writer);
        }
        protobuf_put_end(writer);
    }
    protobuf_put_end(writer);
    protobuf_put_end(writer);
    protobuf_put_end(writer);
}

static void put_graph(struct protobuf_writer *writer, const struct graph *graph)
{
    protobuf_put_begin(writer, MODEL_GRAPH);
    for (int n = 0; n < graph->n_nodes; n++)
        if (!graph->nodes[n].removed)
            put_node(writer, graph, &graph->nodes[n]);
    protobuf_put_text(writer, GRAPH_NAME, graph->name[0] != '\0' ? graph->name : "graph");
    for (int v = 0; v < graph->n_values; v++)
        if (graph->values[v].constant != NULL)
            put_tensor(writer, GRAPH_INITIALIZER, graph->values[v].name, graph->values[v].constant);
    for (int i = 0; i < graph->n_inputs; i++)
        put_interface(writer, GRAPH_INPUT, &graph->values[graph->inputs[i]]);
    for (int i = 0; i < graph->n_outputs; i++)
        put_interface(writer, GRAPH_OUTPUT, &graph->values[graph->outputs[i]]);
    protobuf_put_end(writer);
}

static void put_model(struct protobuf_writer *writer, const struct graph *graph,
                      const struct onnx_header *header)
{
    protobuf_put_int(writer, MODEL_IR, ONNX_WRITER_IR);
    protobuf_put_text(writer, MODEL_PRODUCER, header->producer);
    protobuf_put_text(writer, MODEL_PRODUCER_VERSION, header->producer_version);
    if (header->doc != NULL)
        protobuf_put_text(writer, MODEL_DOC, header->doc);
    put_graph(writer, graph);
    for (size_t k = 0; k < header->n_opsets; k++) {
        protobuf_put_begin(writer, MODEL_OPSET);
        protobuf_put_text(writer, 1, header->opsets[k].domain);
        protobuf_put_int(writer, 2, header->opsets[k].version);
        protobuf_put_end(writer);
    }
    for (size_t k = 0; k < header->n_metadata; k++) {
        protobuf_put_begin(writer, MODEL_METADATA);
        protobuf_put_text(writer, 1, header->metadata[k].key);
        protobuf_put_text(writer, 2, header->metadata[k].text);
        protobuf_put_end(writer);
    }
}

static enum engine_status check_node(const struct graph *graph, const struct node *node,
                                     struct engine_error *err)
{
    for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
        int id = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];

        if (id != VALUE_ABSENT && graph->values[id].name[0] == '\0')
            return engine_error_set(err, ENGINE_BAD_MODEL,
                                    "%s (node '%s'): value %d of it has no name", node->op_type,
                                    node->name, i);
    }
    for (int a = 0; a < node->n_attributes; a++) {
        enum attribute_type type = node->attributes[a].type;

        if (type == ATTRIBUTE_GRAPH || type == ATTRIBUTE_GRAPHS || type == ATTRIBUTE_TENSORS)
            return engine_error_set(err, ENGINE_UNSUPPORTED,
                                    "%s (node '%s'): attribute '%s' cannot be written",
                                    node->op_type, node->name, node->attributes[a].name);
    }
    return ENGINE_OK;
}

enum engine_status onnx_write(const struct graph *graph, const struct onnx_header *header,
                              void **ret_bytes, size_t *ret_size, struct engine_error *err)
{
    struct protobuf_writer writer;
    enum engine_status status = ENGINE_OK;
    void *bytes;

    for (int n = 0; n < graph->n_nodes && status == ENGINE_OK; n++)
        if (!graph->nodes[n].removed)
            status = check_node(graph, &graph->nodes[n], err);
    if (status != ENGINE_OK)
        return status;
    protobuf_writer_init(&writer, ONNX_FILE_BYTES_MAX);
    do
        put_model(&writer, graph, header);
    while (protobuf_writer_again(&writer));
    bytes = protobuf_writer_finish(&writer, ret_size);
    if (bytes == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "the model cannot be written: %s (an ONNX file holds 2 GiB)",
                                writer.problem);
    *ret_bytes = bytes;
    return ENGINE_OK;
}
