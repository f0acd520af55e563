#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the cases spox-* of this folder: graphs as spox writes them (bodies within bodies, weights as Constant nodes
inside them, recent opsets), with ONNX Runtime's outputs, laid out as ONNX's backend suite lays out its cases.

    pip install spox onnxruntime && python3 tests/exporters/make_spox.py
"""
import pathlib

import numpy as np
import onnx
import onnxruntime
import spox.opset.ai.onnx.v21 as op21
import spox.opset.ai.onnx.v22 as op22
import spox.opset.ai.onnx.v23 as op23
import spox.opset.ai.onnx.v24 as op24
from spox import Tensor, argument, build

HERE = pathlib.Path(__file__).resolve().parent
source = np.random.default_rng(0)


def normal(*shape):
    return source.normal(size=shape).astype(np.float32)


def save(name, inputs, outputs, feeds):
    model = build(inputs, outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    data = HERE / name / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model, HERE / name / "model.onnx")
    arrays = {f"input_{k}": feeds[entry.name] for k, entry in enumerate(session.get_inputs())}
    arrays |= {f"output_{k}": array for k, array in enumerate(session.run(None, feeds))}
    for file, array in arrays.items():
        (data / f"{file}.pb").write_bytes(onnx.numpy_helper.from_array(np.asarray(array)).SerializeToString())


def nested_if(op):
    x = argument(Tensor(np.float32, ("N", 4)))
    weight = op.constant(value=normal(4, 3))

    def positive():
        y = op.matmul(op.matmul(x, weight), op.const(normal(3, 3)))
        return op.if_(op.greater(op.reduce_max(y, keepdims=0), op.const(np.float32(0.5))),
                      then_branch=lambda: [op.relu(y)], else_branch=lambda: [op.mul(y, op.const(np.float32(2)))])

    (y,) = op.if_(op.greater(op.reduce_sum(x, keepdims=0), op.constant(value_float=0.0)), then_branch=positive,
                  else_branch=lambda: [op.matmul(x, op.neg(weight))])
    save("spox-if-22", {"x": x}, {"y": y}, {"x": normal(5, 4)})


def loop(op):
    x, count = argument(Tensor(np.float32, (3,))), argument(Tensor(np.int64, ()))
    last, steps = op.loop(M=count, v_initial=[x], body=lambda i, c, s: [
        op.const(True), op.add(s, op.const(np.float32(1))), op.mul(s, s)])
    save("spox-loop-24", {"x": x, "k": count}, {"a": last, "b": steps}, {"x": normal(3), "k": np.array(4)})


def several(op):
    x = argument(Tensor(np.float32, ("N", "M")))
    top, index = op.top_k(x, op.const(np.array([2])))
    flat = op.reshape(op.cast(op.round(x), to=np.int64), op.const(np.array([-1])))
    save("spox-misc-21", {"x": x}, {"t": top, "i": index, "u": op.unique(flat)[0],
                                    "z": op.pad(x, op.const(np.array([0, 1, 0, 2]))),
                                    "s": op.layer_normalization(x, op.const(np.ones(6, np.float32)))[0]},
         {"x": normal(3, 6)})


def attention(op):
    q = argument(Tensor(np.float32, ("B", 2, 5, 4)))
    save("spox-attn-23", {"q": q}, {"y": op.attention(q, q, q, is_causal=1)[0]}, {"q": normal(2, 2, 5, 4)})


if __name__ == "__main__":
    nested_if(op22)
    loop(op24)
    several(op21)
    attention(op23)
