#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes curve_cases.h and mlp.onnx beside itself: the losses of PyTorch's training from the weights that the
fixtures' files hold, on data that both sides make from the same counters.

    /usr/bin/python3 tests/train/make_curves.py    (needs torch; the fixtures of tests/fixtures/make.py)"""
import importlib.util
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, EXAMPLES = 200, 32, 128

spec = importlib.util.spec_from_file_location("fixtures_make", HERE.parent / "fixtures" / "make.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return z ^ (z >> np.uint64(31))


def random_bits(seed, count):
    """random_bits() of engine/kernels/random.h for indices 0 .. count - 1."""
    with np.errstate(over="ignore"):
        key = mix(np.uint64(seed) + np.uint64(0x632be59bd9b4e019))
        return mix(key + np.arange(count, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15))


def numbers(seed, *shape):
    """Uniform in [-1, 1)."""
    uniform = (random_bits(seed, int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53
    return torch.from_numpy((2.0 * uniform - 1.0).astype(np.float32).reshape(shape))


def labels(seed, count, classes):
    return torch.from_numpy((random_bits(seed, count) % np.uint64(classes)).astype(np.int64))


def mlp():
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 5))


def build(name):
    make = mlp if name == "mlp" else fixtures.FIXTURES[name][0]
    torch.manual_seed(sum(map(ord, name)))
    return fixtures.settle(make())


def save_mlp():
    torch.onnx.export(build("mlp"), torch.zeros(1, 20), str(HERE / "mlp.onnx"), input_names=["x"],
                      output_names=["y"], dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
                      opset_version=13)


CASES = {
    # name: inputs by shape of an example, targets (shape, or a number of classes), forward
    "mlp": ([(20,)], [5], lambda m, x: [m(x)]),
    "lenet5": ([(1, 28, 28)], [10], lambda m, x: [m[:-1](x)]),
    "lstm": ([(7, 6)], [(7, 5), (1, 17)], lambda m, x: list(m(x))),
    "transformer": ([(6, 24), (4, 24)], [(4, 24)], lambda m, s, t: [m(s, t)]),
}
OPTIMISERS = {
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.002),
}


def tied(module):
    """Parameters that are equal at export become one tensor of the file, and learn as one."""
    groups = {}
    for parameter in module.parameters():
        key = (tuple(parameter.shape), parameter.detach().numpy().tobytes())
        groups.setdefault(key, []).append(parameter)
    return [group for group in groups.values() if len(group) > 1]


def train(name, optimiser):
    shapes, targets, forward = CASES[name]
    module = build(name)
    inputs = [numbers(i + 1, EXAMPLES, *shape) for i, shape in enumerate(shapes)]
    wanted = [labels(i + 11, EXAMPLES, t) if isinstance(t, int) else numbers(i + 11, EXAMPLES, *t)
              for i, t in enumerate(targets)]
    optimise = OPTIMISERS[optimiser](module.parameters())
    groups = tied(module)
    losses = []
    for step in range(STEPS):
        at = torch.arange(step * BATCH, (step + 1) * BATCH) * 7 % EXAMPLES
        loss = sum(F.cross_entropy(y, t[at]) if t.dtype == torch.int64 else F.mse_loss(y, t[at])
                   for y, t in zip(forward(module, *(x[at] for x in inputs)), wanted))
        losses.append(loss.item())
        optimise.zero_grad()
        loss.backward()
        for group in groups:
            total = sum(parameter.grad for parameter in group)
            for parameter in group:
                parameter.grad = total.clone()
        optimise.step()
    return losses


def main():
    save_mlp()
    rows = []
    for name in CASES:
        for optimiser in OPTIMISERS:
            losses = train(name, optimiser)
            shown = ", ".join("%.9g" % losses[i] for i in (0, 49, 99, 149, 199))
            rows.append('    {"%s", OPTIMISER_%s, {%s}},' % (name, optimiser.upper(), shown))
            print(rows[-1])
    (HERE / "curve_cases.h").write_text(
        "/* SPDX-License-Identifier: Apache-2.0\n * Written by tests/train/make_curves.py with PyTorch %s: do not"
        " edit. */\n%s\n" % (torch.__version__.split("+")[0], "\n".join(rows)))


if __name__ == "__main__":
    main()
