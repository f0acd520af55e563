#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the data sets beside it from the copies that scikit-learn carries, with a header and the class in the
last column.

    apt-get install python3-sklearn && python3 examples/data/make.py
"""
import gzip
import pathlib

from sklearn import datasets

HERE = pathlib.Path(__file__).parent


def write(name, columns, rows, classes):
    lines = [",".join([*columns, "class"])]
    lines += [",".join([*(f"{value:.10g}" for value in row), str(label)]) for row, label in zip(rows, classes)]
    (HERE / name).write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))


digits = datasets.load_digits()
write("digits.csv.gz", [f"pixel_{y}_{x}" for y in range(8) for x in range(8)], digits.data, digits.target)
cancer = datasets.load_breast_cancer()
write("breast-cancer.csv.gz", [name.replace(" ", "_") for name in cancer.feature_names], cancer.data,
      cancer.target_names[cancer.target])
iris = datasets.load_iris()
write("iris.csv.gz", [name.replace(" (cm)", "").replace(" ", "_") for name in iris.feature_names], iris.data,
      iris.target_names[iris.target])
diabetes = datasets.load_diabetes(scaled=False)
lines = [",".join([*diabetes.feature_names, "progression"])]
lines += [",".join(f"{v:.10g}" for v in [*row, y]) for row, y in zip(diabetes.data, diabetes.target)]
(HERE / "diabetes.csv.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
