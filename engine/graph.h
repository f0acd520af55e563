/* SPDX-License-Identifier: Apache-2.0
 * engine/graph.h - a network as nodes and values with integer ids. Names serve inputs, outputs and
 * error texts only. A graph is built and rewritten by the loader (read, inline, legalise, resolve,
 * optimise), then sealed; from then on it never changes and any thread may read it.
 *
 * Everything in it lives in its arena. A subgraph (body of If, Loop, Scan) is a graph of its own
 * that shares the arena of the outermost one. */
#ifndef ENGINE_GRAPH_H
#define ENGINE_GRAPH_H

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/tensor.h"

struct op_def;
struct graph;

enum { VALUE_ABSENT = -1, DIM_UNKNOWN = -1, RANK_UNKNOWN = -1 };

/* What a model file declares of a value's shape. */
struct declared_shape {
    int rank;                              /* RANK_UNKNOWN if not declared */
    int64_t dims[SHAPE_RANK_MAX];          /* DIM_UNKNOWN for a symbol or nothing */
    const char *symbols[SHAPE_RANK_MAX];   /* dim_param, or NULL */
};

struct value {
    const char *name;              /* "" if nobody named it */
    enum dtype dtype;              /* declared element type, DTYPE_NONE if unknown */
    struct declared_shape shape;
    int producer;                  /* node index, or -1: input, constant or capture */
    const struct tensor *constant; /* data known at load (initializer, Constant node), or NULL */
    int outer;                     /* in a subgraph: id in the parent that this captures, or -1;
                                      set by graph_add_capture() alone */
    int first_use, n_uses;         /* kept by graph.c: list of node inputs and captures */
    /* Set by graph_seal(): */
    int weight_slot;               /* index into a weight generation, or -1 */
    bool host;                     /* its VALUE decides shapes: folded when a plan is made */
};

/* Numbers of ONNX AttributeProto.AttributeType. */
enum attribute_type {
    ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_STRING = 3, ATTRIBUTE_TENSOR = 4,
    ATTRIBUTE_GRAPH = 5, ATTRIBUTE_FLOATS = 6, ATTRIBUTE_INTS = 7, ATTRIBUTE_STRINGS = 8,
    ATTRIBUTE_TENSORS = 9, ATTRIBUTE_GRAPHS = 10
};

struct attribute {
    const char *name;
    enum attribute_type type;
    const char *reference;         /* function bodies: name of the call's attribute, or NULL */
    float f;
    int64_t i;
    struct bytes s;
    const struct tensor *t;
    struct graph *g;
    size_t count;                  /* of the list below that the type names */
    const float *floats;
    const int64_t *ints;
    const struct bytes *strings;
    const struct tensor *tensors;
    struct graph *const *graphs;
};

struct node {
    const char *name;              /* may be "" */
    const char *op_type;
    const char *domain;            /* "" for ai.onnx; "inferd" for our own fused forms */
    int opset;                     /* version of `domain` that the model imports */
    bool removed;
    int n_inputs, n_outputs;       /* ids; VALUE_ABSENT for an optional one left out */
    const int *inputs;             /* change by graph_set_input(s)(), which keep the lists of uses */
    const int *outputs;
    int first_use;                 /* kept by graph.c */
    int n_explicit_inputs;         /* set by graph_seal(): inputs beyond are captures of bodies */
    int n_attributes;
    struct attribute *attributes;
    const struct op_def *op;       /* set by graph_resolve() */
    void *params;                  /* op->params_size bytes that op->init filled */
};

/* Kept by graph.c: one reader of a value, linked with the value's others. */
struct graph_use {
    int value;                     /* that is read, or VALUE_ABSENT */
    int node, index;               /* reader: input `index` of `node`, or, node being -1, */
    struct graph *body;            /* the capture `index` (a value id) of `body` */
    int previous, next;
};

/* A body's captured value: where it finds it among its node's inputs. */
struct capture {
    int value;                     /* id in the body */
    int node_input;                /* index into the owning node's inputs */
};

struct graph {
    struct arena *arena;
    struct graph *parent;          /* NULL for the outermost */
    const char *name;
    int n_values, cap_values;
    struct value *values;
    int n_nodes, cap_nodes;
    struct node *nodes;            /* after graph_seal(): topological, none removed */
    int n_inputs, n_outputs, cap_inputs, cap_outputs;
    int *inputs, *outputs;         /* value ids; initializers are not among the inputs */
    int n_uses, cap_uses;          /* kept by graph.c */
    struct graph_use *uses;
    int n_captures;                /* set by graph_seal() */
    struct capture *captures;
    /* Set by graph_seal() on the outermost graph. Constants of bodies are no slots: they are read
     * from value->constant. */
    int n_prologue;                /* nodes[0 .. n_prologue) depend on constants only (0 in bodies) */
    int n_weight_slots;
    int *weight_values;            /* slot -> value id: constants first, then prologue outputs */
    int n_constant_slots;          /* slots [0, n_constant_slots) hold file constants */
};

/* `arena` is borrowed. NULL when it is used up. */
struct graph *graph_create(struct arena *arena, struct graph *parent);

/* All return the new id, or -1 when the arena's budget is used up. Names are copied. */
int graph_add_value(struct graph *graph, const char *name);
/* In a body: a value that stands for `outer` of graph->parent. */
int graph_add_capture(struct graph *graph, const char *name, int outer);
/* `tensor->data` is borrowed and must live as long as the arena. */
int graph_add_constant(struct graph *graph, const char *name, const struct tensor *tensor);
/* Copies strings and ids; outputs get this node as producer; pointers into graph->nodes move. */
int graph_add_node(struct graph *graph, const char *domain, const char *op_type, const char *name,
                   int n_inputs, const int *inputs, int n_outputs, const int *outputs);
/* A rank-1 int64 constant with a copy of `items`. */
int graph_add_ints(struct graph *graph, const char *name, const int64_t *items, size_t count);

/* Append to graph->inputs and graph->outputs. False when the arena is used up. */
bool graph_add_input(struct graph *graph, int value);
bool graph_add_output(struct graph *graph, int value);

/* Input `input` of node `index` (less than its n_inputs) becomes `value`, or VALUE_ABSENT. O(1). */
void graph_set_input(struct graph *graph, int index, int input, int value);
/* A new list of inputs for a node. False when the arena is used up. */
bool graph_set_inputs(struct graph *graph, int node, int n_inputs, const int *inputs);
/* Every use of `from` (node inputs, graph outputs, and captures in bodies) becomes `to`. */
void graph_replace_uses(struct graph *graph, int from, int to);
/* Marks a node removed; its inputs lose a use each, its outputs their producer. What its bodies
 * capture keeps counting as used until graph_seal(). */
void graph_remove_node(struct graph *graph, int node);
/* How many node inputs, graph outputs and body captures read the value. */
int graph_count_uses(const struct graph *graph, int value);
/* The only node that reads the value; -1 when it has no reader or several, is a graph output or is
 * captured. A node that reads it twice counts once. */
int graph_single_user(const struct graph *graph, int value);

/* Finds the op of every node that has none yet, counts checked, and runs its init: call it again
 * after a pass that adds nodes. All unsupported nodes are named in one error ("Foo-13 (node 'x'),
 * ..."), first ten. Recurses into bodies (depth is bounded by the reader). */
enum engine_status graph_resolve(struct graph *graph, struct engine_error *err);

/* Sorts topologically (BAD_MODEL names a cycle or a value nobody makes), drops nodes that reach no
 * output, gathers captures, splits off the prologue, numbers weight slots, marks host values. Lists
 * of uses are gone afterwards. */
enum engine_status graph_seal(struct graph *graph, struct engine_error *err);

/* Attributes of a node by name, with the ONNX default where absent. */
const struct attribute *node_attribute(const struct node *node, const char *name);
int64_t node_int(const struct node *node, const char *name, int64_t fallback);
float node_float(const struct node *node, const char *name, float fallback);
/* NUL-terminated; `fallback` (may be NULL) where absent. */
const char *node_string(const struct node *node, const char *name, const char *fallback);
/* The list, or NULL with *ret_count 0 where absent. */
const int64_t *node_ints(const struct node *node, const char *name, size_t *ret_count);
const float *node_floats(const struct node *node, const char *name, size_t *ret_count);
const struct bytes *node_strings(const struct node *node, const char *name, size_t *ret_count);
/* Adds or replaces; for the passes that rewrite. False when the arena is used up. */
bool node_set_attribute(struct graph *graph, struct node *node, const struct attribute *attribute);
bool node_set_int(struct graph *graph, struct node *node, const char *name, int64_t item);
bool node_set_float(struct graph *graph, struct node *node, const char *name, float item);
bool node_set_ints(struct graph *graph, struct node *node, const char *name, const int64_t *items,
                   size_t count);

#endif
