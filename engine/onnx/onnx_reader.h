/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_reader.h - the state of one onnx_read(), shared by the files onnx_*.c and by
 * nobody else.
 *
 * Nothing recurses. A frame is a list of nodes being read into a graph: that of a graph, of a body
 * (If, Loop, Scan), or of a local function, which is read straight into its caller's graph.
 * Frames of functions stack on that of the call; bodies wait in a queue until the graph around
 * them is complete, so that all its names are known. All frames stay until the end. */
#ifndef ENGINE_ONNX_ONNX_READER_H
#define ENGINE_ONNX_ONNX_READER_H

#include "engine/onnx/onnx_model.h"
#include "engine/onnx/onnx_names.h"
#include "engine/onnx/onnx_tensor.h"

/* Versions by domain. */
struct onnx_imports {
    size_t count;
    const struct onnx_opset *items;
};

/* A FunctionProto, its lists parsed once. */
struct onnx_function {
    struct bytes message, domain, name, overload;
    size_t n_inputs, n_outputs;
    const struct bytes *inputs, *outputs;
    struct onnx_imports imports;
};

struct onnx_frame {
    struct onnx_frame *below; /* on the stack; or the next in the queue */
    struct graph *graph;      /* where nodes go */
    struct onnx_names names;  /* to value ids of `graph`; VALUE_ABSENT is possible */
    struct onnx_frame *outer; /* where names are looked up next; NULL: nowhere */
    struct bytes message;
    struct protobuf_reader nodes;
    uint32_t node_field; /* field number of NodeProto in the message */
    const struct onnx_imports *imports;
    int depth; /* of bodies */
    /* Inside a function: */
    const struct onnx_function *function;
    const struct onnx_frame *caller; /* frame that has the call */
    int calls;                       /* depth of calls */
    const char *call_name;
    int n_attributes; /* of the call */
    const struct attribute *attributes;
    const int *results;                /* formal output -> value id of the call, or ABSENT */
    struct onnx_names results_by_name; /* to indexes of `results` */
};

struct onnx_reader {
    struct arena *arena;   /* the graph's */
    struct arena *scratch; /* until onnx_read() returns */
    int dir_fd;
    int n_nodes;                 /* read so far */
    int opset;                   /* of the default domain */
    struct onnx_imports imports; /* the model's */
    struct onnx_names function_names;
    size_t n_functions;
    struct onnx_function *functions;
    struct onnx_frame *stack;
    struct onnx_frame *queue, *queue_last;
    struct engine_error *err;
};

/* onnx_scope.c */
/* The value that `name` means in this frame; looks outwards and captures what it finds there.
 * *ret is VALUE_ABSENT for "", or where a function's absent input is meant. */
enum engine_status onnx_scope_find(struct onnx_reader *reader, struct onnx_frame *frame,
                                   const struct bytes *name, bool *ret_found, int *ret);
/* Makes `name` mean the value `id`; a name that the frame has already is BAD_MODEL. */
enum engine_status onnx_scope_bind(struct onnx_reader *reader, struct onnx_frame *frame,
                                   const struct bytes *name, int id);
/* A new value under a new name. */
enum engine_status onnx_scope_declare(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *name, int *ret);
/* Gives a value its constant, type and shape. */
enum engine_status onnx_value_set_constant(struct onnx_reader *reader, struct graph *graph, int id,
                                           const struct tensor *tensor);

/* onnx_type.c: a ValueInfoProto's name; its type into `value`, with symbols if asked. */
enum engine_status onnx_value_info_name(struct onnx_reader *reader, const struct bytes *message,
                                        struct bytes *ret_name);
enum engine_status onnx_value_info_type(struct onnx_reader *reader, const struct bytes *message,
                                        bool is_interface, struct value *value);

/* onnx_attribute.c: an AttributeProto, references to the call's attributes resolved. *ret_present
 * is false for one that refers to an attribute the call lacks. */
enum engine_status onnx_attribute_read(struct onnx_reader *reader, struct onnx_frame *frame,
                                       const struct bytes *message, struct attribute *ret,
                                       bool *ret_present);

/* onnx_node.c: a NodeProto into the frame's graph; or a frame on the stack for a function. */
enum engine_status onnx_node_read(struct onnx_reader *reader, struct onnx_frame *frame,
                                  const struct bytes *message);
/* Binds every output of the nodes in the frame's message. `bind` is called with each name. */
enum engine_status onnx_node_outputs(struct onnx_reader *reader, struct onnx_frame *frame,
                                     enum engine_status (*bind)(struct onnx_reader *reader,
                                                                struct onnx_frame *frame,
                                                                const struct bytes *name));

/* onnx_function.c */
enum engine_status onnx_function_add(struct onnx_reader *reader, const struct bytes *message);
/* *ret is NULL if there is none. */
enum engine_status onnx_function_find(struct onnx_reader *reader, const struct bytes *domain,
                                      const struct bytes *name, const struct bytes *overload,
                                      const struct onnx_function **ret);
struct onnx_call {
    const struct onnx_function *function;
    const char *name; /* of the calling node */
    int n_inputs, n_outputs;
    const int *inputs, *outputs;
    int n_attributes;
    struct attribute *attributes;
};
/* Puts a frame on the stack. */
enum engine_status onnx_function_start(struct onnx_reader *reader, struct onnx_frame *caller,
                                       const struct onnx_call *call);
/* After its last node. */
enum engine_status onnx_function_finish(struct onnx_reader *reader, struct onnx_frame *frame);

/* onnx_graph.c: a frame for a GraphProto; `outer` is the frame of the node that has the body. */
struct onnx_frame *onnx_graph_frame(struct onnx_reader *reader, const struct bytes *message,
                                    struct onnx_frame *outer);
/* Inputs, initializers and names of nodes' outputs, before the first node. */
enum engine_status onnx_graph_start(struct onnx_reader *reader, struct onnx_frame *frame);
/* Outputs, after the last. */
enum engine_status onnx_graph_finish(struct onnx_reader *reader, struct onnx_frame *frame);
/* The text of a GraphProto's name field; "" if absent. */
enum engine_status onnx_graph_name(struct onnx_reader *reader, const struct bytes *message,
                                   const char **ret);

/* onnx_model.c */
enum engine_status onnx_opset_read(struct onnx_reader *reader, const struct bytes *message,
                                   struct onnx_opset *ret);
/* "" for "ai.onnx". */
struct bytes onnx_domain(const struct bytes *domain);
/* A copy in the graph's arena; sets the error on NULL. */
const char *onnx_text(struct onnx_reader *reader, const struct bytes *text);
/* A message's field `number`, as text (views), counted and collected into scratch memory. */
enum engine_status onnx_texts(struct onnx_reader *reader, const struct bytes *message,
                              uint32_t number, const char *what, size_t *ret_count,
                              const struct bytes **ret);

#endif
