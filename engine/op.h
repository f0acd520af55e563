/* SPDX-License-Identifier: Apache-2.0
 * engine/op.h - the contract between an operator and the two executors.
 *
 * An operator says how many inputs and outputs it takes, reads its attributes once (init), derives
 * output types and shapes from input ones (infer), and computes (run). It never asks who calls it:
 * the static plan infers once for each shape and then only runs; the dynamic executor infers each
 * node with all values at hand just before it runs it; the prologue runs nodes whose inputs are
 * constants once for each weight generation.
 *
 * Each operator has ONE definition, for the newest form of its schema: engine/onnx/legalise.c has
 * rewritten older forms (attributes that became inputs and the like) before an op sees them. */
#ifndef ENGINE_OP_H
#define ENGINE_OP_H

#include "engine/error.h"
#include "engine/graph.h"
#include "engine/pool.h"
#include "engine/tensor.h"

enum { OP_VARIADIC = 255 };

enum op_flags {
    OP_VIEW = 1 << 0,      /* output 0 is input 0's bytes under another shape; no plan calls run */
    OP_INPLACE = 1 << 1,   /* output 0 may overwrite an input of the same byte size at its last use:
                              element i is written only after every read of element i */
    OP_RANDOM = 1 << 2,    /* never folded */
    OP_DYNAMIC = 1 << 3,   /* run allocates (strings, sequences) or runs bodies: dynamic executor only */
    OP_PARALLEL = 1 << 4,  /* run uses call->pool */
    OP_SHAPE_ONLY = 1 << 5, /* run reads shapes and dtypes of its inputs, never their data (Shape,
                               Size, EyeLike): a plan may run it, data NULL, to fold the output */
    OP_CONTAINERS = 1 << 6  /* takes sequences and optionals; OP_DYNAMIC ones may too, others are
                               never given any */
};

/* Reading the attributes, once, when the model is loaded. */
struct op_init {
    const struct node *node;
    struct arena *arena;           /* lives as long as the graph; for lists inside params */
    void *params;                  /* op->params_size zeroed bytes to fill */
};

/* Deriving output types and shapes. inputs[i].data is non-NULL when the value is known already; it
 * is so for every bit of op->host_inputs, or infer is not called. An absent optional input has
 * dtype DTYPE_NONE. The executor checks the resulting shapes (rank, overflow, budget). */
struct op_infer {
    const struct node *node;
    const void *params;
    int n_inputs, n_outputs;
    const struct tensor *inputs;
    struct tensor *outputs;        /* fill dtype and shape; absent outputs may be left alone */
    size_t scratch_bytes;          /* fill: what run needs for one call (0 before) */
    bool dynamic;                  /* fill with true if this node, for these types, must run as an
                                      OP_DYNAMIC one does (Cast to string) */
    int threads;                   /* of the pool that run will get: scratch may depend on it */
    struct arena *arena;           /* temporary memory for infer itself */
    int64_t flops;                 /* fill where known, for the bench: op_flops() */
};

/* Computing. Inputs are never written unless the executor aliased one to output 0 (OP_INPLACE). */
struct op_call {
    const struct node *node;       /* for error texts and bodies */
    const void *params;
    int n_inputs, n_outputs;
    const struct tensor *const *inputs;   /* NULL for an absent one */
    struct tensor *const *outputs;        /* NULL for one that nobody reads and that is optional */
    void *scratch;                 /* 64-byte aligned, or NULL when scratch_bytes was 0 */
    struct pool *pool;             /* NULL: one thread */
    struct dynamic *dynamic;       /* set by the dynamic executor: see engine/dynamic.h */
};

struct op_def {
    const char *domain;            /* "", "ai.onnx.ml", "ai.onnx.preview.training", "inferd" */
    const char *name;              /* as model files spell it */
    int since;                     /* oldest opset whose form (after legalise) this is: a note for docs */
    uint8_t inputs_min, inputs_max;   /* OP_VARIADIC: no upper bound */
    uint8_t outputs_min, outputs_max;
    uint32_t flags;
    uint32_t host_inputs;          /* bit i: infer needs the VALUE of input i */
    uint64_t dtypes;               /* DTYPE_BIT()s accepted for input 0; 0: infer decides */
    size_t params_size;
    enum engine_status (*init)(const struct op_init *init, struct engine_error *err);   /* may be NULL */
    /* An OP_DYNAMIC op may leave an output's dtype NONE (or have no infer at all): run fills the
     * whole struct tensor then, with memory from dynamic_alloc(). */
    enum engine_status (*infer)(struct op_infer *infer, struct engine_error *err);
    /* Fails only on what data alone can tell (an index out of range): BAD_INPUT. */
    enum engine_status (*run)(const struct op_call *call, struct engine_error *err);
};

/* One family of operators a file; a family is an array closed by an entry whose name is NULL.
 * engine/ops/op_table.c lists the families. */
extern const struct op_def *const op_families[];

/* NULL if there is none. Domain "ai.onnx" is the same as "". */
const struct op_def *op_find(const char *domain, const char *name);

/* Walks all operators: pass NULL first; NULL after the last. Order is that of the families. */
const struct op_def *op_next(const struct op_def *op);

/* Inference that many operators share. */
enum engine_status infer_same_as_first(struct op_infer *infer, struct engine_error *err);
enum engine_status infer_broadcast(struct op_infer *infer, struct engine_error *err);

/* Two for each of a * b * c multiply-adds; 0 when that is past counting. */
int64_t op_flops(int64_t a, int64_t b, int64_t c);

/* BAD_INPUT or BAD_MODEL with "Op (node 'name'): " before the text. */
enum engine_status op_fail(const struct node *node, struct engine_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* UNSUPPORTED likewise. */
enum engine_status op_unsupported(const struct node *node, struct engine_error *err,
                                  const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
