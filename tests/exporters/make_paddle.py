#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the cases paddle-* of this folder: small PaddlePaddle networks exported by paddle2onnx, with Paddle's own
outputs for batches of 1 and 3, laid out as ONNX's backend suite lays out its cases.

    pip install paddlepaddle paddle2onnx packaging onnx && python3 tests/exporters/make_paddle.py
"""
import json
import pathlib
import shutil
import tempfile

import numpy as np
import onnx
import paddle
import paddle2onnx
from paddle import nn

HERE = pathlib.Path(__file__).resolve().parent
BATCHES = [1, 3]


class Recurrent(nn.Layer):
    def __init__(self, kind, directions):
        super().__init__()
        self.layer = kind(6, 8, num_layers=2, direction="bidirect" if directions == 2 else "forward")
        self.head = nn.Linear(8 * directions, 3)

    def forward(self, x):
        y, _ = self.layer(x)
        return self.head(y[:, -1])


class Encoder(nn.Layer):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, activation="gelu"), 2)
        self.head = nn.Linear(16, 4)

    def forward(self, ids):
        return self.head(self.body(self.words(ids)).mean(axis=1))


class Places(nn.Layer):
    """Feature maps made smaller and larger again, and a branch on the batch's size."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2D(3, 8, 3, 2, 1), nn.BatchNorm2D(8), nn.Hardswish())
        self.deep = nn.Sequential(nn.Conv2D(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2D(8), nn.ReLU6())
        self.up = nn.Conv2DTranspose(8, 4, 2, 2)

    def forward(self, x):
        y = self.down(x)
        y = nn.functional.interpolate(self.deep(y) + y, size=[16, 16], mode="bilinear")
        return paddle.concat([y, self.up(self.down(x))], axis=1)


# name: opset, layers, shape of an example, largest id or None
CASES = {
    "lenet5": (13, lambda: nn.Sequential(nn.Conv2D(1, 6, 5, padding=2), nn.BatchNorm2D(6), nn.ReLU(), nn.MaxPool2D(2, 2),
                                         nn.Conv2D(6, 8, 5), nn.ReLU(), nn.AvgPool2D(2, 2), nn.Flatten(),
                                         nn.Linear(200, 10), nn.Softmax()), (1, 28, 28), None),
    "places": (14, Places, (3, 16, 16), None),
    "lstm": (13, lambda: Recurrent(nn.LSTM, 2), (7, 6), None),
    "gru": (17, lambda: Recurrent(nn.GRU, 1), (7, 6), None),
    "encoder": (17, Encoder, (9,), 50),
}


def main():
    source = np.random.default_rng(0)
    for name, (opset, build, shape, ids) in CASES.items():
        paddle.seed(0)
        network = build()
        for layer in network.sublayers():
            if isinstance(layer, nn.BatchNorm2D):
                layer._mean.set_value(paddle.uniform(layer._mean.shape, min=-0.5, max=0.5))
                layer._variance.set_value(paddle.uniform(layer._variance.shape, min=0.5, max=1.5))
        network.eval()
        folder = HERE / f"paddle-{name}-{opset}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with tempfile.TemporaryDirectory() as there:
            spec = [paddle.static.InputSpec([None, *shape], "int64" if ids else "float32", "x")]
            paddle.jit.save(network, f"{there}/model", input_spec=spec)
            paddle2onnx.export(f"{there}/model.json", f"{there}/model.pdiparams", str(folder / "model.onnx"), opset_version=opset)
        for number, batch in enumerate(BATCHES):
            x = source.integers(0, ids, (batch, *shape)) if ids else source.normal(size=(batch, *shape)).astype("float32")
            data = folder / f"test_data_set_{number}"
            data.mkdir()
            for file, array in ("input_0", x), ("output_0", network(paddle.to_tensor(x)).numpy()):
                (data / f"{file}.pb").write_bytes(onnx.numpy_helper.from_array(array).SerializeToString())
        (folder / "data.json").write_text(json.dumps({"rtol": 1e-4, "atol": 1e-4}) + "\n")
        print(name, sorted({node.op_type for node in onnx.load(folder / "model.onnx").graph.node}), flush=True)


if __name__ == "__main__":
    main()
