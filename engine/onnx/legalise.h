/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/legalise.h - rewrites older forms of operators to the newest, so that each operator
 * has one definition and one kernel. Works on a graph as onnx_read() made it, before
 * graph_resolve(); recurses into bodies (the reader bounds their depth).
 *
 * What an operator may rely on afterwards (node->opset keeps the model's number, for texts only).
 * Everything not named here has kept its meaning since opset 1, wider types apart.
 *
 *   Add Sub Mul Div Pow And Or Xor Equal Greater Less PRelu Gemm   NumPy broadcasting, no
 *                     `broadcast`/`axis`: older ones get B through inferd.AlignAxis(B, A; axis),
 *                     a view of B with ones appended so that B's first dimension meets A's `axis`
 *   Reduce* (all)     input 1 axes, optional; keepdims, noop_with_empty_axes
 *   Squeeze Unsqueeze input 1 axes (optional for Squeeze)
 *   Split             input 1 sizes, or attribute num_outputs (always set when input 1 is absent)
 *   Slice             inputs starts, ends, axes?, steps?
 *   Pad               inputs pads, constant_value?, axes?; attribute mode
 *   Clip              inputs min?, max? (scalars of X's type)
 *   TopK              input K; attributes axis, largest, sorted
 *   Dropout           inputs ratio?, training_mode?; mask output is bool
 *   Resize            inputs X, roi?, scales?, sizes? (an empty constant has become absent; a
 *                     computed empty one means absent too); Upsample and Resize-10 are Resize with
 *                     coordinate_transformation_mode=asymmetric, nearest_mode=floor
 *   Softmax LogSoftmax Hardmax   along `axis` (default -1); older ones have Flatten before and
 *                     Reshape after
 *   BatchNormalization  epsilon, momentum, training_mode; outputs Y, running_mean?, running_var?
 *   GroupNormalization  scale and bias of shape [C]; older ones are InstanceNormalization between
 *                     Reshapes
 *   Reshape           input 1 shape; attribute allowzero
 *   Tile              input 1 repeats
 *   Concat            `axis` always set
 *   Cast              `to` an int
 *   Scatter           is ScatterElements
 *   Constant          is no node: a value with `constant` set
 *   DFT               inputs signal, dft_length?, axis? (default -2)
 *   GridSample        mode linear, nearest or cubic
 *   RoiAlign          coordinate_transformation_mode always set
 *   LpPool GlobalLpPool  `p` an int
 *   Scan              form of opset 9 (no sequence_lens, no batch axis)
 *
 * Attributes that have no meaning any more (consumed_inputs, is_test, the old `axes`) may linger.
 */
#ifndef ENGINE_ONNX_LEGALISE_H
#define ENGINE_ONNX_LEGALISE_H

#include "engine/error.h"
#include "engine/graph.h"

/* UNSUPPORTED names an old form that has no new one; NO_MEMORY: the arena is used up. */
enum engine_status onnx_legalise(struct graph *graph, struct engine_error *err);

#endif
