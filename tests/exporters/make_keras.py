#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the cases keras-* of this folder: small Keras networks exported by tf2onnx, with Keras' own outputs, laid out
as ONNX's backend suite lays out its cases, so that tests/onnx/onnx_suite runs them.

    pip install tensorflow-cpu tf2onnx && python3 tests/exporters/make_keras.py
"""
import pathlib

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

HERE = pathlib.Path(__file__).resolve().parent
L = keras.layers
# name: opset, shape of an example, type, layers
CASES = {
    "lstm": (13, (7, 3), "float32", lambda x: L.Dense(2)(L.LSTM(5)(L.LSTM(4, return_sequences=True)(x)))),
    "gru-reset-false": (18, (7, 3), "float32", lambda x: L.GRU(5, reset_after=False)(x)),
    "mha-causal": (18, (7, 8), "float32", lambda x: L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)),
    "emb-mask": (18, (7,), "int32", lambda x: L.LSTM(5)(L.Embedding(50, 6, mask_zero=True)(x))),
    "timedist": (13, (5, 8, 8, 1), "float32",
                 lambda x: L.LSTM(4)(L.TimeDistributed(L.Flatten())(L.TimeDistributed(L.Conv2D(2, 3))(x)))),
}


def main():
    source = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    for name, (opset, shape, dtype, layers) in CASES.items():
        entry = keras.Input(shape, dtype=dtype, name="input")
        network = keras.Model(entry, layers(entry))
        x = (source.integers(0, 50, (2, *shape)) if dtype == "int32" else source.normal(size=(2, *shape))).astype(dtype)
        signature = (tf.TensorSpec((None, *shape), getattr(tf, dtype), name="input"),)
        function = tf.function(lambda t, network=network: network(t, training=False), input_signature=signature)
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=opset)
        folder = HERE / f"keras-{name}-{opset}"
        (folder / "test_data_set_0").mkdir(parents=True, exist_ok=True)
        onnx.save(model, folder / "model.onnx")
        for file, array in ("input_0", x), ("output_0", np.asarray(network(x, training=False))):
            (folder / "test_data_set_0" / f"{file}.pb").write_bytes(onnx.numpy_helper.from_array(array).SerializeToString())


if __name__ == "__main__":
    main()
