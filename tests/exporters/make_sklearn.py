#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the cases sklearn-* of this folder: scikit-learn pipelines exported by skl2onnx (ai.onnx.ml), with
scikit-learn's own answers, laid out as ONNX's backend suite lays out its cases.

    pip install scikit-learn skl2onnx && python3 tests/exporters/make_sklearn.py
"""
import json
import pathlib
import shutil

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm, tree
from sklearn import cluster, compose, decomposition, feature_selection, impute

HERE = pathlib.Path(__file__).resolve().parent
chain = pipeline.make_pipeline
# name: model, what it learns: "class" (ids), "name" (strings), "value", "cluster"
CASES = {
    "scaler-logistic": (chain(preprocessing.StandardScaler(), linear_model.LogisticRegression()), "name"),
    "normalizer-ridge": (chain(preprocessing.Normalizer(), linear_model.Ridge()), "value"),
    "minmax-pca-svc": (chain(preprocessing.MinMaxScaler(), decomposition.PCA(2), svm.SVC(probability=True)), "class"),
    "impute-select-tree": (chain(impute.SimpleImputer(), feature_selection.SelectKBest(k=3),
                                 tree.DecisionTreeClassifier(max_depth=4)), "name"),
    "forest": (ensemble.RandomForestClassifier(7, max_depth=4, random_state=0), "class"),
    "extra-trees": (ensemble.ExtraTreesRegressor(5, max_depth=4, random_state=0), "value"),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), "class"),
    "ada": (ensemble.AdaBoostClassifier(n_estimators=4, random_state=0), "class"),
    "voting": (ensemble.VotingClassifier([("a", naive_bayes.GaussianNB()), ("b", linear_model.LogisticRegression())],
                                         voting="soft", flatten_transform=False), "class"),
    "neighbours": (neighbors.KNeighborsClassifier(3), "class"),
    "mlp": (neural_network.MLPClassifier((8,), max_iter=50, random_state=0), "class"),
    "svr": (svm.SVR(), "value"),
    "kmeans": (cluster.KMeans(3, random_state=0, n_init=2), "cluster"),
    "polynomial": (chain(preprocessing.PolynomialFeatures(2), linear_model.Lasso(0.01)), "value"),
}


def save(name, model, inputs, outputs):
    folder = HERE / f"sklearn-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for kind, arrays in ("input", inputs), ("output", outputs):
        for i, array in enumerate(arrays):
            array = np.asarray(array)
            array = array.astype(object) if array.dtype.kind in "UO" else array
            (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
    (folder / "data.json").write_text(json.dumps({"rtol": 1e-4, "atol": 1e-5}) + "\n")
    print(name, sorted({node.op_type for node in model.graph.node}), flush=True)


def answers(model, x, kind):
    if kind == "value":
        return [model.predict(x).reshape(-1, 1).astype(np.float32)]
    if kind == "cluster":
        return [model.predict(x).astype(np.int64), model.transform(x).astype(np.float32)]
    return [model.predict(x), model.predict_proba(x).astype(np.float32)]


def table(source):
    """Columns of text and of numbers."""
    import pandas
    words = np.array(["red", "green", "blue"])
    frame = pandas.DataFrame({"colour": source.choice(words, 60), "size": source.normal(size=60).astype(np.float32)})
    target = (frame["size"] + (frame["colour"] == "red") > 0.3).map({True: "yes", False: "no"})
    columns = compose.ColumnTransformer([("text", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour"]),
                                         ("number", preprocessing.RobustScaler(), ["size"])])
    model = chain(columns, linear_model.LogisticRegression()).fit(frame, target)
    types = [("colour", StringTensorType([None, 1])), ("size", FloatTensorType([None, 1]))]
    # As people export it: with ZipMap, whose scores are served as a plain tensor.
    exported = to_onnx(model, initial_types=types, target_opset={"": 17, "ai.onnx.ml": 3})
    few = frame[:5]
    save("columns", exported, [few[["colour"]].to_numpy(), few[["size"]].to_numpy()],
         [model.predict(few), model.predict_proba(few).astype(np.float32)])


def main():
    source = np.random.default_rng(0)
    x = source.normal(size=(90, 4)).astype(np.float32)
    ids = (x[:, 0] + x[:, 1] > 0.5).astype(np.int64) + (x[:, 2] > 0.3)
    names = np.array(["setosa", "versicolor", "virginica"])[ids]
    value = (x @ [1, -2, 0.5, 0] + x[:, 0] ** 2).astype(np.float32)
    for name, (model, kind) in CASES.items():
        model.fit(x, {"class": ids, "name": names, "value": value, "cluster": None}[kind])
        options = {"zipmap": False} if kind in ("class", "name") else None
        exported = to_onnx(model, x[:1], target_opset={"": 17, "ai.onnx.ml": 3}, options=options)
        save(name, exported, [x[:5]], answers(model, x[:5], kind))
    table(source)


if __name__ == "__main__":
    main()
