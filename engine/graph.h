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
    int outer;                     /* in a subgraph: id in the parent that this captures, or -1 */
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
    int *inputs, *outputs;
    int n_explicit_inputs;         /* set by graph_seal(): inputs beyond are captures of bodies */
    int n_attributes;
    struct attribute *attributes;
    const struct op_def *op;       /* set by graph_resolve() */
    void *params;                  /* op->params_size bytes that op->init filled */
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
    int n_inputs, n_outputs;
    int *inputs, *outputs;         /* value ids; initializers are not among the inputs */
    int n_captures;
    struct capture *captures;
    /* Set by graph_seal() on the outermost graph; bodies use their own slots likewise. */
    int n_prologue;                /* nodes[0 .. n_prologue) depend on constants only */
    int n_weight_slots;
    int *weight_values;            /* slot -> value id: constants first, then prologue outputs */
    int n_constant_slots;          /* slots [0, n_constant_slots) hold file constants */
};

/* `arena` is borrowed. NULL when it is used up. */
struct graph *graph_create(struct arena *arena, struct graph *parent);

/* All return the new id, or -1 when the arena's budget is used up. Names are copied. */
int graph_add_value(struct graph *graph, const char *name);
/* `tensor->data` is borrowed and must live as long as the arena. */
int graph_add_constant(struct graph *graph, const char *name, const struct tensor *tensor);
/* Copies the ids; outputs get this node as producer; pointers into graph->nodes move. */
int graph_add_node(struct graph *graph, const char *domain, const char *op_type, const char *name,
                   int n_inputs, const int *inputs, int n_outputs, const int *outputs);
/* A rank-1 int64 constant with a copy of `items`. */
int graph_add_ints(struct graph *graph, const char *name, const int64_t *items, size_t count);

/* Every use of `from` (node inputs, graph outputs, and captures in bodies) becomes `to`. */
void graph_replace_uses(struct graph *graph, int from, int to);
/* Marks a node removed; its outputs lose their producer. */
void graph_remove_node(struct graph *graph, int node);
/* How many node inputs, graph outputs and body captures read the value. */
int graph_count_uses(const struct graph *graph, int value);

/* Finds the op of every node, counts checked, and runs its init. All unsupported nodes are named
 * in one error ("Foo-13 (node 'x'), ..."), first ten. Recurses into bodies (depth is bounded by
 * the reader). */
enum engine_status graph_resolve(struct graph *graph, struct engine_error *err);

/* Sorts topologically (BAD_MODEL names a cycle or a value nobody makes), drops nodes that reach no
 * output, gathers captures, splits off the prologue, numbers weight slots, marks host values. */
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
