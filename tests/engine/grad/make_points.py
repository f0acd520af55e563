#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes points_cases.h beside itself: gradients as PyTorch has them where mathematics leaves a choice (kinks,
ties, ends of a range, zeros) or where rounding hurts.

Run it by hand after changing it: /usr/bin/python3 tests/engine/grad/make_points.py (needs torch)."""
import os

import torch
import torch.nn.functional as F

MASK = (1 << 64) - 1


def uniform(stream, index):
    """As in tests/support/grad_case.c: the loss's weights."""
    z = (stream * 0x9e3779b97f4a7c15 + (index + 1) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0 ** -53


def number(item):
    item = float(item)
    return str(int(item)) if item.is_integer() and abs(item) < 1e9 else "%.9g" % item


def text(tensor):
    shape = ",".join(str(d) for d in tensor.shape)
    return "f32[%s] %s" % (shape, " ".join(number(i) for i in tensor.flatten().tolist()))


def literal(body, indent):
    """A C string in lines."""
    lines = []
    while len(body) > 85:
        cut = body.rfind(" ", 0, 85) + 1
        lines.append('"%s"' % body[:cut])
        body = body[cut:]
    return ("\n" + " " * indent).join(lines + ['"%s"' % body])


rows = []


def point(name, op, function, *inputs):
    """`op` is the graph after its constants a, b, ...; it ends in y."""
    tensors = [torch.tensor(i, dtype=torch.float32).requires_grad_() for i in inputs]
    y = function(*tensors)
    weights = torch.tensor([2 * uniform(1000, i) - 1 for i in range(y.numel())], dtype=torch.float32)
    y.backward(weights.reshape(y.shape))
    constants = "".join("const %s %s; " % (chr(ord("a") + i), text(t.detach()))
                        for i, t in enumerate(tensors))
    gradients = (",\n" + " " * 19).join(literal(text(t.grad), 19) for t in tensors)
    rows.append('    {.name = "%s",\n     .graph = %s,\n     .gradients = {%s}},'
                % (name, literal(constants + op + "; out y", 14), gradients))


KINK = [-1.5, -0.0, 0.0, 1e-30, 2.0]
FAR = [-30.0, -12.0, -6.0, -3.0, 3.0, 6.0, 12.0, 30.0]

point("Abs at 0", "y = Abs(a)", torch.abs, KINK)
point("Relu at 0", "y = Relu(a)", torch.relu, KINK)
point("LeakyRelu at 0", "y = LeakyRelu(a) alpha=0.1", lambda a: F.leaky_relu(a, 0.1), KINK)
point("LeakyRelu at 0, falling", "y = LeakyRelu(a) alpha=-0.5", lambda a: F.leaky_relu(a, -0.5), KINK)
point("Elu at 0", "y = Elu(a) alpha=0.5", lambda a: F.elu(a, 0.5), KINK)
point("Celu at 0", "y = Celu(a) alpha=0.5", lambda a: F.celu(a, 0.5), KINK)
point("Selu at 0", "y = Selu(a)", torch.selu, KINK)
point("Elu far out", "y = Elu(a)", F.elu, FAR)
point("PRelu at 0", "y = PRelu(a,b)", F.prelu, KINK, [0.25])
point("HardSigmoid at its ends", "y = HardSigmoid(a) alpha=0.25 beta=0.5",
      lambda a: F.hardsigmoid(a * 1.5), [-2.5, -2.0, -1.0, 2.0, 2.5])
point("HardSwish at its ends", "y = HardSwish(a)", F.hardswish, [-3.5, -3.0, -2.0, 0.0, 2.0, 3.0, 3.5])
point("ThresholdedRelu at its threshold", "y = ThresholdedRelu(a) alpha=0.5",
      lambda a: F.threshold(a, 0.5, 0.0), [0.25, 0.5, 0.75])
point("Shrink at its ends, hard", "y = Shrink(a) lambd=0.5 bias=0.0",
      lambda a: F.hardshrink(a, 0.5), [-1.0, -0.5, 0.0, 0.5, 1.0])
point("Shrink at its ends, soft", "y = Shrink(a) lambd=0.5 bias=0.5",
      lambda a: F.softshrink(a, 0.5), [-1.0, -0.5, 0.0, 0.5, 1.0])
point("Clip at its bounds", "y = Clip(a,b,c)", torch.clamp,
      [-2.0, -1.0, 0.0, 1.0, 2.0], -1.0, 1.0)
point("Clip with crossed bounds", "y = Clip(a,b,c)", torch.clamp,
      [-2.0, -1.0, 0.0, 1.0, 2.0], 1.0, -1.0)
point("Softsign at 0", "y = Softsign(a)", F.softsign, KINK)
point("Gelu far out", "y = Gelu(a)", F.gelu, FAR)
point("Gelu by tanh, far out", "y = Gelu(a) approximate='tanh'",
      lambda a: F.gelu(a, approximate="tanh"), FAR)
point("Swish far out", "y = Swish(a)", F.silu, FAR)
point("Mish far out", "y = Mish(a)", F.mish, FAR)
point("Softplus far out", "y = Softplus(a)", F.softplus, FAR)
point("Sigmoid far out", "y = Sigmoid(a)", torch.sigmoid, FAR)
point("Tanh far out", "y = Tanh(a)", torch.tanh, FAR)
point("Softmax far out", "y = Softmax(a)", lambda a: F.softmax(a, -1), FAR)
point("LogSoftmax far out", "y = LogSoftmax(a)", lambda a: F.log_softmax(a, -1), FAR)
point("Pow of 0", "y = Pow(a,b)", torch.pow, [0.0, 0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 1.5, 0.0])
point("Pow of 0, one exponent", "y = Pow(a,b)", torch.pow, [0.0, 2.0], [3.0])
point("Pow of negative numbers", "const _e f32[4] 0 1 2 3; y = Pow(a,_e)",
      lambda a: torch.pow(a, torch.tensor([0.0, 1.0, 2.0, 3.0])), [-1.5, -1.5, -1.5, -1.5])
point("Max of equals", "y = Max(a,b)", torch.maximum, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
point("Min of equals, broadcast", "y = Min(a,b)", torch.minimum, [[1.0, 2.0], [2.0, 3.0]], [2.0])
point("ReduceMax of equals", "const x i64[1] 1; y = ReduceMax(a,x)",
      lambda a: torch.amax(a, 1, True), [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
point("ReduceMin of equals", "y = ReduceMin(a) keepdims=0", torch.amin, [[1.0, 3.0, 1.0], [2.0, 2.0, 1.0]])
point("ReduceProd with zeros", "const x i64[1] 1; y = ReduceProd(a,x) keepdims=0",
      lambda a: torch.prod(a, 1), [[2.0, 0.0, 3.0], [0.0, 0.0, 2.0], [1.0, 2.0, 3.0]])
point("ReduceL2 of nothing but zeros", "const x i64[1] 1; y = ReduceL2(a,x) keepdims=0",
      lambda a: torch.linalg.vector_norm(a, 2, 1), [[0.0, 0.0], [3.0, 4.0]])
point("ReduceL1 with zeros", "const x i64[1] 1; y = ReduceL1(a,x) keepdims=0",
      lambda a: torch.linalg.vector_norm(a, 1, 1), [[0.0, -1.0], [3.0, 0.0]])
point("ReduceLogSumExp far out", "const x i64[1] 1; y = ReduceLogSumExp(a,x) keepdims=0",
      lambda a: torch.logsumexp(a, 1), [[100.0, 0.0, 99.0], [-200.0, -200.0, -300.0]])
point("CumProd with zeros", "const x i64[1] 0; y = CumProd(a,x)",
      lambda a: torch.cumprod(a, 0), [2.0, 0.0, 3.0, 0.0, 4.0])
point("Mod as the remainder", "const _b f32[4] 2 -2 3 0.75; y = Mod(a,_b)",
      lambda a: torch.remainder(a, torch.tensor([2.0, -2.0, 3.0, 0.75])), [5.5, 5.5, -5.5, 1.75])
point("Mod of both, as the remainder", "y = Mod(a,b)", torch.remainder,
      [5.5, 5.5, -5.5, 1.75], [2.0, -2.0, 3.0, 0.75])
point("Mod of both, as in C", "y = Mod(a,b) fmod=1", torch.fmod,
      [5.5, 5.5, -5.5, 1.75], [2.0, -2.0, 3.0, 0.75])
point("Scatter, the largest of equals",
      "const i i64[3] 0 0 1; y = ScatterElements(a,i,b) reduction='max'",
      lambda a, b: a.scatter_reduce(0, torch.tensor([0, 0, 1]), b, "amax"),
      [2.0, 5.0, 1.0], [2.0, 2.0, 3.0])
point("Scatter, a product with zeros",
      "const i i64[4] 0 0 1 2; y = ScatterElements(a,i,b) reduction='mul'",
      lambda a, b: a.scatter_reduce(0, torch.tensor([0, 0, 1, 2]), b, "prod"),
      [2.0, 5.0, 3.0], [0.0, 4.0, 3.0, 2.0])
point("Div far out", "y = Div(a,b)", torch.div, [1e-20, 1e20, -3.0], [1e-10, 1e15, 7.0])
point("Atan, Asin near 1", "c = Asin(a); y = Atan(c)", lambda a: torch.atan(torch.asin(a)),
      [-0.95, -0.5, 0.0, 0.9])
point("Acosh near 1", "y = Acosh(a)", torch.acosh, [1.125, 1.5, 100.0])
point("Atanh near 1", "y = Atanh(a)", torch.atanh, [-0.95, 0.0, 0.9])

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "points_cases.h")
with open(path, "w") as file:
    file.write("/* SPDX-License-Identifier: Apache-2.0\n * Written by tests/engine/grad/make_points.py with "
               "PyTorch %s: do not edit. */\n" % torch.__version__.split("+")[0])
    file.write("\n".join(rows) + "\n")
