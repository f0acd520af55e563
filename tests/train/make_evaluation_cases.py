#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/train/evaluation_cases.h: small data and what scikit-learn measures on it.

    apt-get install python3-sklearn && python3 tests/train/make_evaluation_cases.py
"""
import math
import pathlib
import warnings

import numpy as np
from sklearn import metrics
from sklearn.preprocessing import label_binarize

warnings.simplefilter("ignore")
random = np.random.RandomState(20)
cases = []


def attempt(function, *arguments, **options):
    try:
        return float(function(*arguments, **options))
    except ValueError:
        return math.nan


def calibration_error(targets, probabilities, weights, bins=15):
    """Guo et al. 2017: bins (i / n, (i + 1) / n] of the winner's probability."""
    winner = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    apart = 0.0
    for b in range(bins):
        inside = where == b
        if inside.any() and weights[inside].sum() > 0:
            accuracy = np.average(winner[inside] == targets[inside], weights=weights[inside])
            apart += weights[inside].sum() * abs(
                accuracy - np.average(confidence[inside], weights=weights[inside]))
    return apart / weights.sum()


def class_case(name, scores, targets, weights=None, logits=False, top_k=0):
    """`scores`: [n] of class 1, or [n, classes]."""
    scores, targets = np.round(np.asarray(scores, float), 6), np.asarray(targets)
    weights = None if weights is None else np.round(weights, 4)
    given = scores
    if logits and scores.ndim == 1:
        scores = 1 / (1 + np.exp(-scores))
    elif logits:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = scores / scores.sum(axis=1, keepdims=True)
    full = np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores
    classes = list(range(full.shape[1]))
    w = {"sample_weight": weights}
    plain = np.ones(len(targets)) if weights is None else np.asarray(weights, float)
    answers = full.argmax(axis=1)
    expected = {"accuracy": metrics.accuracy_score(targets, answers, **w)}
    for average in ("macro", "micro", "weighted"):
        for kind, function in (("precision", metrics.precision_score), ("recall", metrics.recall_score),
                               ("f1", metrics.f1_score)):
            if average != "weighted" or kind == "f1":
                expected[f"{kind}_{average}"] = function(targets, answers, average=average, zero_division=0, **w)
    if len(classes) == 2:
        expected["precision"] = metrics.precision_score(targets, answers, zero_division=0, **w)
        expected["recall"] = metrics.recall_score(targets, answers, zero_division=0, **w)
        expected["f1"] = metrics.f1_score(targets, answers, zero_division=0, **w)
        expected["roc_auc"] = attempt(metrics.roc_auc_score, targets, full[:, 1], **w)
        expected["average_precision"] = metrics.average_precision_score(targets, full[:, 1], **w)
        expected["brier"] = metrics.brier_score_loss(targets, full[:, 1], pos_label=1, **w)
    else:
        binary = label_binarize(targets, classes=classes)
        # One against the rest by hand: scikit-learn wants rows that sum to 1 exactly.
        expected["roc_auc"] = attempt(metrics.roc_auc_score, binary, full, average="macro", **w)
        expected["average_precision"] = metrics.average_precision_score(binary, full, average="macro", **w)
        expected["brier"] = np.average(((full - binary) ** 2).sum(axis=1), weights=plain)
    expected["log_loss"] = metrics.log_loss(targets, full, labels=classes, **w)
    expected["calibration_error"] = calibration_error(targets, full, plain)
    if top_k:
        expected["top_k_accuracy"] = metrics.top_k_accuracy_score(targets, full, k=top_k, labels=classes, **w)
    cases.append(dict(name=name, task="BINARY" if given.ndim == 1 else "CLASSES", logits=logits, top_k=top_k,
                      scores=given, targets=targets, weights=weights, expected=expected))


def label_case(name, scores, targets, weights=None, logits=False):
    """`scores`: [n, labels]."""
    scores, targets = np.round(np.asarray(scores, float), 6), np.asarray(targets)
    weights = None if weights is None else np.round(weights, 4)
    given = scores
    if logits:
        scores = 1 / (1 + np.exp(-scores))
    w = {"sample_weight": weights}
    answers = (scores > 0.5).astype(int)
    labels = range(scores.shape[1])
    expected = {"accuracy": metrics.accuracy_score(targets, answers, **w),
                "hamming_loss": metrics.hamming_loss(targets, answers, **w)}
    for average in ("macro", "micro", "weighted"):
        for kind, function in (("precision", metrics.precision_score), ("recall", metrics.recall_score),
                               ("f1", metrics.f1_score)):
            if average != "weighted" or kind == "f1":
                expected[f"{kind}_{average}"] = function(targets, answers, average=average, zero_division=0, **w)
    expected["roc_auc"] = attempt(metrics.roc_auc_score, targets, scores, average="macro", **w)
    expected["average_precision"] = metrics.average_precision_score(targets, scores, average="macro", **w)
    expected["log_loss"] = np.mean([metrics.log_loss(targets[:, i], scores[:, i], labels=[0, 1], **w)
                                    for i in labels])
    expected["brier"] = np.mean([metrics.brier_score_loss(targets[:, i], scores[:, i], pos_label=1, **w)
                                 for i in labels])
    cases.append(dict(name=name, task="LABELS", logits=logits, top_k=0, scores=given, targets=targets,
                      weights=weights, expected=expected))


def value_case(name, answers, targets, weights=None):
    answers, targets = np.round(np.asarray(answers, float), 6), np.round(np.asarray(targets, float), 6)
    weights = None if weights is None else np.round(weights, 4)
    w = {"sample_weight": weights}
    expected = {"mse": metrics.mean_squared_error(targets, answers, **w),
                "rmse": metrics.mean_squared_error(targets, answers, squared=False, **w),
                "mae": metrics.mean_absolute_error(targets, answers, **w),
                "r2": metrics.r2_score(targets, answers, **w)}
    cases.append(dict(name=name, task="VALUES", logits=False, top_k=0, scores=answers, targets=targets,
                      weights=weights, expected=expected))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def make():
    y = random.randint(0, 2, 60)
    p = np.clip(0.3 * y + 0.7 * random.rand(60), 0, 1)
    class_case("binary", p, y)
    class_case("binary, ties", np.round(p, 1), y)
    class_case("binary, weights", np.round(p, 1), y, random.rand(60))
    class_case("binary, some weights 0", np.round(p, 1), y, random.randint(0, 3, 60).astype(float))
    class_case("binary, logits", random.randn(40) * 3, random.randint(0, 2, 40), logits=True)
    class_case("binary, all tied", np.full(10, 0.5), np.arange(10) % 2)
    class_case("binary, certain and wrong", [1, 0, 1, 0, 1], [0, 0, 1, 1, 1])
    class_case("binary, only class 0", [0.1, 0.4, 0.8], [0, 0, 0])
    class_case("binary, only class 1", [0.1, 0.4, 0.8], [1, 1, 1])
    class_case("binary, one row", [0.7], [1])
    y = random.randint(0, 5, 80)
    p = softmax(random.randn(80, 5) + 1.5 * np.eye(5)[y])
    class_case("classes", p, y, top_k=2)
    class_case("classes, weights", p, y, random.rand(80), top_k=3)
    class_case("classes, ties", softmax(np.round(random.randn(60, 4))), random.randint(0, 4, 60), top_k=2)
    class_case("classes, logits", random.randn(50, 3) * 4, random.randint(0, 3, 50), logits=True, top_k=1)
    class_case("classes, one without targets", softmax(random.randn(30, 4)), random.randint(0, 3, 30), top_k=2)
    class_case("classes, one never met", np.c_[softmax(random.randn(30, 3)), np.zeros(30)],
               random.randint(0, 3, 30))
    class_case("classes, all equal", np.full((9, 3), 1 / 3), np.arange(9) % 3, top_k=2)
    class_case("two columns", softmax(random.randn(40, 2)), random.randint(0, 2, 40))
    values = np.random.RandomState(21)
    y = values.randint(0, 2, (50, 4))
    p = np.clip(0.4 * y + 0.6 * values.rand(50, 4), 0, 1)
    label_case("labels", p, y)
    label_case("labels, ties", np.round(p, 1), y)
    label_case("labels, weights", p, y, values.rand(50))
    label_case("labels, logits", 3 * values.randn(40, 3) + 2 * values.randint(0, 2, (40, 3)),
               values.randint(0, 2, (40, 3)), logits=True)
    label_case("labels, one that nobody has", p * [1, 1, 1, 0.4], y * [1, 1, 1, 0])
    label_case("labels, one row", [[0.7, 0.2]], [[1, 1]])
    value_case("values", random.randn(50), random.randn(50))
    value_case("values, weights", random.randn(50), random.randn(50), random.rand(50))
    value_case("values, three outputs", random.randn(30, 3), random.randn(30, 3) * [1, 10, 100])
    value_case("values, far from 0", 1e6 + random.randn(40), 1e6 + random.randn(40))
    value_case("values, exact", [1.5, 2.5], [1.5, 2.5])
    value_case("values, constant targets", [1, 2, 3], [2, 2, 2])
    value_case("values, constant and exact", [2, 2, 2], [2, 2, 2])
    value_case("values, one row", [1], [3])


def number(value):
    value = float(value)
    return "NAN" if math.isnan(value) else repr(value)


def table(lines, kind, name, values):
    values = ["%d" % v if kind == "int64_t" else number(v) for v in np.asarray(values).ravel()]
    lines.append(f"static const {kind} {name}[] = {{")
    row = ""
    for text in values:
        if len(row) + len(text) > 92:
            lines.append("   " + row)
            row = ""
        row += f" {text},"
    lines += ["   " + row, "};"]


def write(path):
    lines = ["/* SPDX-License-Identifier: Apache-2.0",
             " * tests/train/evaluation_cases.h - written by make_evaluation_cases.py; do not edit. */",
             "#ifndef TESTS_TRAIN_EVALUATION_CASES_H", "#define TESTS_TRAIN_EVALUATION_CASES_H", "",
             '#include "engine/train/evaluation.h"', "", "#include <math.h>", "", "/* clang-format off */"]
    rows = []
    for i, case in enumerate(cases):
        scores = case["scores"]
        table(lines, "double", f"scores_{i}", scores)
        values = case["task"] == "VALUES"  # label sets are ids: 0 and 1
        table(lines, "double" if values else "int64_t", f"targets_{i}", case["targets"])
        if case["weights"] is not None:
            table(lines, "double", f"weights_{i}", case["weights"])
        weights = "NULL" if case["weights"] is None else f"weights_{i}"
        outputs = 1 if scores.ndim == 1 else scores.shape[1]
        lines.append(f"static const struct expected_metric expected_{i}[] = {{")
        lines += [f"    {{METRIC_{metric.upper()}, {number(value)}}}," for metric, value in case["expected"].items()]
        lines.append("};")
        rows.append(f'    {{"{case["name"]}", EVALUATION_{case["task"]}, {outputs}, {len(scores)}, '
                    f'{"true" if case["logits"] else "false"}, {case["top_k"]},\n'
                    f'     scores_{i}, {"NULL" if values else f"targets_{i}"}, '
                    f'{f"targets_{i}" if values else "NULL"}, {weights}, expected_{i}, {len(case["expected"])}}},')
    struct = ["struct expected_metric {", "    enum evaluation_metric metric;", "    double value;", "};", "",
              "struct evaluation_case {", "    const char *name;", "    enum evaluation_task task;",
              "    int outputs, rows;", "    bool logits;", "    int top_k;", "    const double *scores;",
              "    const int64_t *ids;    /* targets: one of the two */", "    const double *values;",
              "    const double *weights; /* NULL: none */", "    const struct expected_metric *expected;",
              "    int n_expected;", "};", ""]
    at = lines.index("/* clang-format off */")
    lines[at:at] = struct
    lines += ["", "static const struct evaluation_case cases[] = {", *rows, "};", "/* clang-format on */", "", "#endif"]
    path.write_text("\n".join(lines) + "\n")


make()
write(pathlib.Path(__file__).with_name("evaluation_cases.h"))
