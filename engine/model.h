/* SPDX-License-Identifier: Apache-2.0
 * engine/model.h - a loaded network and its weight generations.
 *
 * A model is immutable and reference-counted. A weight generation (struct weights) is an array of
 * buffers, one for each weight slot of the graph; generations share the buffers that did not
 * change. Whoever runs a model takes one generation first and uses it for the whole batch. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "engine/error.h"
#include "engine/graph.h"
#include "engine/tensor.h"

struct model;
struct weights;

struct model_options {
    bool optimise;                 /* fuse, fold, pack; off only for tests and `inferd inspect` */
    bool for_training;             /* instead: fuse only what has a derivative, so that a trainer or a
                                      tape can take the model; counts where `optimise` is off */
    bool inference_mode;           /* Dropout and BatchNormalization never train, whatever the file
                                      says; off only for conformance tests */
    size_t memory_bytes_max;       /* for the file, the graph and all weights; 0: no bound */
    size_t plan_bytes_max;         /* for the activations of one run; 0: no bound */
    int plans_max;                 /* plans kept for one model; 0: 64 */
    bool keep_source;              /* hold the file's bytes, which count in model_bytes(), so that
                                      model_export() needs no file */
    /* Called with the graph once it is resolved, before it is optimised; NULL: nothing. What it adds it
     * resolves. The file that the model keeps is as it was. */
    enum engine_status (*rewrite)(struct graph *graph, void *arg, struct engine_error *err);
    void *rewrite_arg;
};

struct model_io {
    const char *name;
    enum dtype dtype;
    struct declared_shape shape;
};

/* Reads the whole file first (never maps it: a file that shrinks under a map is a SIGBUS). External
 * data is looked for beneath the file's own directory only. NULL sets `err`; its text names the
 * operator, node or field. Returned with one reference. */
struct model *model_load_file(const char *path, const struct model_options *options,
                              struct engine_error *err);
/* `bytes` are copied. External data is refused. */
struct model *model_load_bytes(const void *bytes, size_t size, const struct model_options *options,
                               struct engine_error *err);
struct model *model_ref(struct model *model);
void model_unref(struct model *model);

const struct graph *model_graph(const struct model *model);
int model_n_inputs(const struct model *model);
int model_n_outputs(const struct model *model);
const struct model_io *model_input(const struct model *model, int index);
const struct model_io *model_output(const struct model *model, int index);
/* Bytes held for file, graph and the first generation. */
size_t model_bytes(const struct model *model);
/* "pytorch 1.13.1": producer and version as the file states them, "" if it does not. */
const char *model_producer(const struct model *model);
/* Number of float elements in the file's constants that are weights. */
int64_t model_parameter_count(const struct model *model);
/* metadata_props of the file; NULL if there is none of that key. */
const char *model_metadata(const struct model *model, const char *key);

/* The generation that was loaded with the file, with a reference of its own. */
struct weights *model_base_weights(struct model *model);
struct weights *weights_ref(struct weights *weights);
void weights_unref(struct weights *weights);
/* Unlike for any two generations of one process. */
uint64_t weights_id(const struct weights *weights);
const struct tensor *weights_slot(const struct weights *weights, int slot);

/* A further generation: `count` constant slots of floats (below graph->n_constant_slots and not
 * `host`: plans rely on the values of all others) get copies of `data` (types and shapes stay), what
 * the prologue makes of them is made anew, all else is shared with `from`. NULL sets `err`. */
struct weights *weights_replace(struct weights *from, int count, const int *slots,
                                const void *const *data, struct engine_error *err);

/* True when requests may be joined along dimension 0: every input and output has it, free or
 * re-plannable, planning with 2 and 3 rows keeps every other dimension, and a run on random rows
 * gives each row the answer it gets alone (within 1e-4 relative). Costs a few runs; called once
 * after load. */
bool model_probe_batchable(struct model *model);

#endif
