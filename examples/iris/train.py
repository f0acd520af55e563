#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits a scaler and a multi-layer perceptron to Fisher's iris data with scikit-learn and writes
examples/models/iris/1/model.onnx by skl2onnx, and the held-out rows with scikit-learn's own answers.

    apt-get install python3-venv && python3 -m venv venv
    venv/bin/pip install scikit-learn onnx skl2onnx && venv/bin/python examples/iris/train.py
"""
import pathlib
import sys

import numpy as np
import sklearn
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import export_lib  # noqa: E402


def main():
    data = load_iris()
    features = data.data.astype(np.float32)
    training, held_out = export_lib.split(len(features), 50, seed=3)
    model = make_pipeline(StandardScaler(),
                          MLPClassifier((16, 16), alpha=1e-3, max_iter=3000, random_state=3))
    model.fit(features[training], data.target[training])
    onnx = to_onnx(model, features[:1], options={"zipmap": False},
                   target_opset={"": 17, "ai.onnx.ml": 3})
    export_lib.model_path("iris").write_bytes(onnx.SerializeToString())
    export_lib.write_held_out("iris", features[held_out], data.target[held_out],
                              model.predict_proba(features[held_out]),
                              f"scikit-learn {sklearn.__version__}")


if __name__ == "__main__":
    main()
