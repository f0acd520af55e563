/* SPDX-License-Identifier: Apache-2.0
 * engine/optimise/optimise.h - rewriting a resolved graph into a faster one that computes the same:
 * fewer nodes, fused nodes, weights in the form that kernels want. A pass is a function in a file of
 * its own and a line in optimise.c.
 *
 * What a pass computes from weights it leaves in the graph as nodes on constants: graph_seal() moves
 * those to the prologue, which runs again for each new generation of weights, so that nothing learned
 * is ever baked in. Only numbers of a formula (an epsilon, the half in Gelu) are. A pattern's inner
 * values may have other readers, since nodes are dropped only when nobody reads them; what a pass
 * takes away at once has one reader and is no output of the graph. */
#ifndef ENGINE_OPTIMISE_OPTIMISE_H
#define ENGINE_OPTIMISE_OPTIMISE_H

#include "engine/error.h"
#include "engine/graph.h"

/* All passes, on the graph and (those that fit) on its bodies. After graph_resolve(), before
 * graph_seal(); resolves what it adds. */
enum engine_status optimise_graph(struct graph *graph, struct engine_error *err);

/* Those alone whose results have derivatives, for a model that learns; every constant that is a weight
 * stays one. On the graph and not on its bodies. */
enum engine_status optimise_for_training(struct graph *graph, struct engine_error *err);

/* Turns off what a file does while training only: before graph_resolve(), bodies too. False when the arena
 * is used up. */
bool optimise_inference_mode(struct graph *graph);

/* The passes; each works on one graph and not on bodies, and returns false only when the arena is
 * used up. New nodes have yet to be resolved. */
bool optimise_remove_no_ops(struct graph *graph);      /* Identity, Dropout and the like */
bool optimise_remove_dead(struct graph *graph);        /* what nobody reads any more */
bool optimise_fold_norm(struct graph *graph);          /* BatchNormalization into Conv and Gemm */
bool optimise_fuse_layer_norm(struct graph *graph);    /* spelled out in ReduceMean, Sub, ... */
bool optimise_fuse_gelu(struct graph *graph);          /* spelled out in Erf or Tanh */
bool optimise_fuse_swish(struct graph *graph);         /* x Sigmoid(x), x HardSigmoid(x) */
bool optimise_fuse_dense(struct graph *graph);         /* MatMul and bias, while weights move */
bool optimise_pack_gemm(struct graph *graph);          /* MatMul, Gemm with constant weights */
bool optimise_fuse_attention(struct graph *graph);     /* two products around a Softmax */
bool optimise_pack_recurrent(struct graph *graph);     /* RNN, GRU, LSTM likewise */
bool optimise_channels_last(struct graph *graph);      /* Conv with constant weights, and around */
bool optimise_fuse_bottleneck(struct graph *graph);    /* 1x1, depthwise, 1x1; after the epilogues */
bool optimise_fuse_epilogue(struct graph *graph);      /* Add and activations after those */

#endif
