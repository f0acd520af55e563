#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes network_cases.h beside itself: PyTorch's gradients of every tensor that learns, for each network of
tests/fixtures. Of a gradient it keeps its norm, its product with random numbers, and four elements.

The loss is the sum of all outputs, each element times a random number. Both sides make those, and the inputs,
from counters. A tensor of the file is found among the module's parameters by its bytes: as it is, transposed, or
as the exporter arranges those of recurrent layers.

    /usr/bin/python3 tests/engine/grad/make_networks.py    (needs torch and onnx)"""
import importlib.util
import pathlib
import sys

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BATCH, SAMPLES = 3, 4
GATES = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN_TANH": [0], "RNN_RELU": [0]}


def module_of(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


curves = module_of("make_curves", ROOT / "train" / "make_curves.py")
fixtures = curves.fixtures


def arguments(name):
    sources = fixtures.FIXTURES[name][2]
    for i, (label, source) in enumerate(sources.items()):
        example = source(BATCH)
        if example.dtype == torch.float32:
            yield curves.numbers(i + 1, *example.shape)
        elif label == "mask":
            yield (curves.labels(i + 1, example.numel(), 4) > 0).long().reshape(example.shape)
        else:
            yield curves.labels(i + 1, example.numel(), 50).reshape(example.shape)


def reordered(tensor, gates):
    return torch.cat([tensor.chunk(len(gates))[gate] for gate in gates])


def recurrent(layer):
    """(value, gradient) pairs of W, R and B of each layer, its directions stacked."""
    gates = GATES[layer.mode]
    for depth in range(layer.num_layers):
        ends = [f"_l{depth}"] + ([f"_l{depth}_reverse"] if layer.bidirectional else [])
        for kinds in (["weight_ih"], ["weight_hh"], ["bias_ih", "bias_hh"]):
            pair = []
            for get in (lambda p: p.detach(), lambda p: p.grad):
                pair.append(torch.stack([torch.cat([reordered(get(getattr(layer, kind + end)), gates)
                                                    for kind in kinds]) for end in ends]))
            yield tuple(pair)


def untie(module):
    """The embedding that is the head too: the exporter writes one tensor for each. Returns the head's."""
    head = module.word.weight
    table = nn.Parameter(head.detach().clone())
    module.register_parameter("table", table)
    module.word.forward = lambda ids: F.embedding(ids, table)
    return head


def candidates(module, head):
    for parameter in module.parameters():
        value, grad = parameter.detach(), parameter.grad
        if grad is not None:
            if parameter is not head:
                yield value, grad
            if value.ndim == 2 and not (head is not None and parameter is module.table):
                yield value.T, grad.T
    for layer in module.modules():
        if isinstance(layer, nn.RNNBase):
            yield from recurrent(layer)


def gradient_of(array, pairs):
    """Tensors that are equal at export become one, and learn as one."""
    grads = [g for v, g in pairs if tuple(v.shape) == array.shape and np.array_equal(v.numpy(), array)]
    return sum(grads) if grads else None


def row(name, training, constant, gradient):
    flat = gradient.double().flatten()
    count = flat.numel()
    projection = (flat * curves.numbers(7, count).double()).sum()
    samples = [flat[(i + 1) * count // (SAMPLES + 1)] for i in range(SAMPLES)]
    return '    {"%s", %s, "%s", %.9g, %.9g,\n     {%s}},' % (
        name, "true" if training else "false", constant, flat.norm(), projection,
        ", ".join("%.9g" % s for s in samples))


def cases(name, training):
    module = curves.build(name)
    module.train(training)
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    head = untie(module) if name == "gpt" else None
    with torch.enable_grad():
        outputs = module(*arguments(name))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum((y * curves.numbers(100 + t, *y.shape)).sum() for t, y in enumerate(outputs)).backward()
    model = onnx.load(str(ROOT / "fixtures" / name / "model.onnx"))
    pairs, left = list(candidates(module, head)), []
    for initializer in model.graph.initializer:
        array = onnx.numpy_helper.to_array(initializer)
        gradient = gradient_of(array, pairs) if array.dtype == np.float32 else None
        if gradient is None:
            left.append(initializer.name)
        elif "running_" not in initializer.name:
            yield row(name, training, initializer.name, gradient)
    print(f"{name}{' training' if training else ''}: {len(model.graph.initializer) - len(left)} tensors; not: {left}",
          file=sys.stderr)


def main():
    rows = []
    for name, (make, *_) in sorted(fixtures.FIXTURES.items()):
        rows += cases(name, False)
        if any(isinstance(part, nn.BatchNorm2d) for part in curves.build(name).modules()):
            rows += cases(name, True)
    head = "/* SPDX-License-Identifier: Apache-2.0\n * Written by tests/engine/grad/make_networks.py with PyTorch %s: " \
           "do not edit. */\n" % torch.__version__.split("+")[0]
    (HERE / "network_cases.h").write_text(head + "\n".join(rows) + "\n")


main()
