#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes loss_cases.h, optimiser_cases.h and schedule_cases.h beside itself: what PyTorch computes.

Run it by hand after changing it: /usr/bin/python3 tests/train/make_units.py (needs torch)."""
import os

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = """/* SPDX-License-Identifier: Apache-2.0
 * Written by tests/train/make_units.py with PyTorch %s: do not edit. */
""" % torch.__version__.split("+")[0]


def numbers(items):
    return " ".join(("%.9g" % float(i)) if not float(i).is_integer() else str(int(i)) for i in items)


def text(tensor, dtype=None):
    names = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32",
             torch.uint8: "u8", torch.bool: "bool"}
    shape = ",".join(str(d) for d in tensor.shape)
    return '"%s[%s] %s"' % (dtype or names[tensor.dtype], shape, numbers(tensor.flatten().tolist()))


def wrap(literal):
    """A C string literal cut into lines."""
    body, lines = literal[1:-1], []
    while len(body) > 80:
        cut = body.rfind(" ", 0, 80) + 1
        lines.append('"%s"' % body[:cut])
        body = body[cut:]
    return "\n     ".join(lines + ['"%s"' % body])


def loss_cases():
    torch.manual_seed(7)
    rows = []

    def case(name, kind, x, targets, fn, options=".weight = 1.0", shown=None):
        x = x.clone().requires_grad_(True)
        loss = fn(x)
        loss.backward()
        rows.append("    {\"%s\",\n     {LOSS_%s, %s},\n     %s,\n     %s,\n     %.9g,\n     %s}," % (
            name, kind, options.replace(" .class_weights", "\n      .class_weights"),
            wrap(text(x.detach())),
            wrap(text(targets if shown is None else shown)), loss.item(), wrap(text(x.grad))))

    x, t = torch.randn(5, 3), torch.randn(5, 3)
    case("mse", "MSE", x, t, lambda v: F.mse_loss(v, t))
    one = torch.randn(6, 1)
    flat = torch.randn(6)
    case("mse of a column", "MSE", one, flat, lambda v: F.mse_loss(v[:, 0], flat))
    big = torch.randn(30, 11) * 3
    bt = torch.randn(30, 11)
    case("mse over several blocks", "MSE", big, bt, lambda v: F.mse_loss(v, bt))
    case("mae", "MAE", x, t, lambda v: F.l1_loss(v, t))
    case("huber", "HUBER", x * 2, t, lambda v: F.huber_loss(v, t, delta=0.7),
         ".weight = 1.0, .delta = 0.7")
    case("weight of an output", "MSE", x, t, lambda v: 0.25 * F.mse_loss(v, t), ".weight = 0.25")

    p = torch.rand(5, 3)
    case("bce", "BCE", x * 4, p, lambda v: F.binary_cross_entropy_with_logits(v, p), ".weight = 1.0")
    bits = (torch.rand(5, 3) > 0.5)
    far = torch.tensor([[30.0, -30.0, 90.0], [-90.0, 200.0, -200.0], [0, 1, -1], [17, -17, 5], [3, 2, 1]])
    case("bce far out", "BCE", far, bits,
         lambda v: F.binary_cross_entropy_with_logits(v, bits.float()))
    weights = torch.tensor([2.0, 0.5, 1.25])
    case("bce with positive weights", "BCE", x, bits,
         lambda v: F.binary_cross_entropy_with_logits(v, bits.float(), pos_weight=weights),
         ".weight = 1.0, .class_weights = weights3, .n_class_weights = 3")

    ids = torch.randint(0, 3, (5,))
    case("ce", "CE", x, ids, lambda v: F.cross_entropy(v, ids), ".weight = 1.0, .class_axis = 1")
    case("ce far out", "CE", far, ids, lambda v: F.cross_entropy(v, ids),
         ".weight = 1.0, .class_axis = 1")
    case("ce of a column of ids", "CE", x, ids, lambda v: F.cross_entropy(v, ids),
         ".weight = 1.0, .class_axis = 1", ids.int().reshape(5, 1))
    case("ce with class weights", "CE", x, ids, lambda v: F.cross_entropy(v, ids, weight=weights),
         ".weight = 1.0, .class_axis = 1, .class_weights = weights3, .n_class_weights = 3")
    case("ce with smoothing", "CE", x, ids, lambda v: F.cross_entropy(v, ids, label_smoothing=0.1),
         ".weight = 1.0, .class_axis = 1, .smoothing = 0.1")
    case("ce with both", "CE", x, ids,
         lambda v: F.cross_entropy(v, ids, weight=weights, label_smoothing=0.2),
         ".weight = 1.0, .class_axis = 1, .smoothing = 0.2, .class_weights = weights3, "
         ".n_class_weights = 3")
    some = ids.clone()
    some[1] = some[3] = -100
    case("ce that ignores", "CE", x, some, lambda v: F.cross_entropy(v, some),
         ".weight = 1.0, .class_axis = 1, .ignores = true, .ignore_index = -100")
    case("ce that ignores, with both", "CE", x, some,
         lambda v: F.cross_entropy(v, some, weight=weights, label_smoothing=0.2),
         ".weight = 1.0, .class_axis = 1, .smoothing = 0.2, .class_weights = weights3, "
         ".n_class_weights = 3, .ignores = true, .ignore_index = -100")
    soft = torch.softmax(torch.randn(5, 3), 1)
    case("ce with soft targets", "CE", x, soft, lambda v: F.cross_entropy(v, soft),
         ".weight = 1.0, .class_axis = 1")
    case("ce with soft targets and both", "CE", x, soft,
         lambda v: F.cross_entropy(v, soft, weight=weights, label_smoothing=0.3),
         ".weight = 1.0, .class_axis = 1, .smoothing = 0.3, .class_weights = weights3, "
         ".n_class_weights = 3")
    case("ce with one-hot rows", "CE", x, ids, lambda v: F.cross_entropy(v, ids),
         ".weight = 1.0, .class_axis = 1", F.one_hot(ids, 3).to(torch.uint8))
    wide = torch.randn(3, 200) * 2
    wids = torch.randint(0, 200, (3,))
    case("ce of many classes", "CE", wide, wids, lambda v: F.cross_entropy(v, wids),
         ".weight = 1.0, .class_axis = 1")
    pixels = torch.randn(2, 3, 2, 3)
    pids = torch.randint(0, 3, (2, 2, 3))
    case("ce of pixels", "CE", pixels, pids, lambda v: F.cross_entropy(v, pids),
         ".weight = 1.0, .class_axis = 1")
    pids2 = pids.clone()
    pids2[0, 1] = 255
    case("ce of pixels, with all", "CE", pixels, pids2,
         lambda v: F.cross_entropy(v, pids2, weight=weights, label_smoothing=0.1, ignore_index=255),
         ".weight = 1.0, .class_axis = 1, .smoothing = 0.1, .class_weights = weights3, "
         ".n_class_weights = 3, .ignores = true, .ignore_index = 255")
    psoft = torch.softmax(torch.randn(2, 3, 2, 3), 1)
    case("ce of pixels with soft targets", "CE", pixels, psoft,
         lambda v: F.cross_entropy(v, psoft, weight=weights),
         ".weight = 1.0, .class_axis = 1, .class_weights = weights3, .n_class_weights = 3")
    words = torch.randn(2, 4, 5)
    word_ids = torch.randint(0, 5, (2, 4))
    case("ce of words", "CE", words, word_ids,
         lambda v: F.cross_entropy(v.transpose(1, 2), word_ids), ".weight = 1.0, .class_axis = 2")
    return rows


def optimiser_cases():
    shapes = [(7, 5), (5,), (40,)]
    options = [
        ("sgd", "SGD", torch.optim.SGD, dict(lr=0.05), ""),
        ("sgd with l2", "SGD", torch.optim.SGD, dict(lr=0.05, weight_decay=0.1), ".l2 = 0.1"),
        ("momentum", "MOMENTUM", torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.01),
         ".l2 = 0.01, .momentum = 0.9"),
        ("nesterov", "NESTEROV", torch.optim.SGD,
         dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01), ".l2 = 0.01, .momentum = 0.8"),
        ("adagrad", "ADAGRAD", torch.optim.Adagrad, dict(lr=0.1, weight_decay=0.01), ".l2 = 0.01"),
        ("rmsprop", "RMSPROP", torch.optim.RMSprop, dict(lr=0.01, alpha=0.95, weight_decay=0.01),
         ".l2 = 0.01, .beta2 = 0.95"),
        ("adam", "ADAM", torch.optim.Adam, dict(lr=0.02), ""),
        ("adam with l2", "ADAM", torch.optim.Adam, dict(lr=0.02, weight_decay=0.05, betas=(0.8, 0.98)),
         ".l2 = 0.05, .beta1 = 0.8, .beta2 = 0.98"),
        ("adamw", "ADAMW", torch.optim.AdamW, dict(lr=0.02), ""),
        ("adamw with decay", "ADAMW", torch.optim.AdamW, dict(lr=0.02, weight_decay=0.3, eps=1e-4),
         ".decay = 0.3, .epsilon = 1e-4"),
        ("adam clipped", "ADAM", torch.optim.Adam, dict(lr=0.02), ".clip_norm = 0.5"),
        ("momentum clipped", "MOMENTUM", torch.optim.SGD, dict(lr=0.05, momentum=0.9),
         ".clip_norm = 2.0"),
    ]
    rows = []
    for name, kind, make, arguments, fields in options:
        torch.manual_seed(3)
        tensors = [torch.randn(*s).requires_grad_(True) for s in shapes]
        scales = [torch.rand(*s) * 2 + 0.1 for s in shapes]
        start = torch.cat([t.detach().flatten() for t in tensors])
        pull = torch.cat([s.flatten() for s in scales])
        # The second tensor is exempt from decay; 0 also turns off AdamW's default.
        optimiser = make([{"params": [tensors[0], tensors[2]]},
                          {"params": [tensors[1]], "weight_decay": 0.0}], **arguments)
        for step in range(20):
            for t, s in zip(tensors, scales):
                # The gradient of a bowl, tilted anew at every step.
                t.grad = (s * t.detach() + 0.5 * torch.sin(torch.full_like(s, step) + s)).detach()
            if "clip" in fields:
                torch.nn.utils.clip_grad_norm_(tensors, float(fields.split("=")[-1]))
            optimiser.step()
        end = torch.cat([t.detach().flatten() for t in tensors])
        rows.append('    {"%s", {%s}, %s,\n     %s,\n     %s,\n     %s},' % (
            name, (".kind = OPTIMISER_%s, " % kind) + fields, "%.9g" % arguments["lr"],
            wrap(text(start)), wrap(text(pull)), wrap(text(end))))
    return rows


def schedule_cases():
    S = torch.optim.lr_scheduler
    rows = []

    def case(name, kind, fields, make, steps=40):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        scheduler = make(optimiser)
        rates = []
        for _ in range(steps):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        rows.append('    {"%s",\n     {%s}, %d,\n     {%s}},' % (
            name, (".kind = SCHEDULE_%s, " % kind) + fields, steps, ",\n      ".join(
                ", ".join("%.17g" % r for r in rates[i:i + 4]) for i in range(0, steps, 4))))

    case("constant", "CONSTANT", "", lambda o: S.LambdaLR(o, lambda k: 1.0))
    case("step", "STEP", ".period = 7, .gamma = 0.5", lambda o: S.StepLR(o, 7, 0.5))
    case("exponential", "EXPONENTIAL", ".gamma = 0.9", lambda o: S.ExponentialLR(o, 0.9))
    case("cosine", "COSINE", ".period = 40, .least = 0.01",
         lambda o: S.CosineAnnealingLR(o, 40, eta_min=0.01))
    case("linear", "LINEAR", ".period = 30, .least = 0.125",
         lambda o: S.LinearLR(o, 1.0, 0.25, total_iters=30))
    case("warm-up", "CONSTANT", ".warmup = 10, .warmup_start = 0.2",
         lambda o: S.LinearLR(o, 0.2, 1.0, total_iters=10))
    case("cyclical", "CYCLICAL", ".period = 6, .least = 0.1, .gamma = 1.0",
         lambda o: S.CyclicLR(o, 0.1, 0.5, step_size_up=6, cycle_momentum=False))
    case("cyclical that shrinks", "CYCLICAL", ".period = 6, .least = 0.1, .gamma = 0.97",
         lambda o: S.CyclicLR(o, 0.1, 0.5, step_size_up=6, mode="exp_range", gamma=0.97,
                              cycle_momentum=False))
    case("one cycle", "ONE_CYCLE", ".period = 40, .peak = 0.25, .start_divisor = 10, .end_divisor = 100",
         lambda o: S.OneCycleLR(o, 0.5, total_steps=40, pct_start=0.25, div_factor=10,
                                final_div_factor=100, cycle_momentum=False), 39)
    case("warm-up, then cosine", "COSINE", ".warmup = 8, .warmup_start = 0.25, .period = 40",
         lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.25, 1.0, total_iters=8),
                                      S.CosineAnnealingLR(o, 40)], milestones=[8]))
    return rows


def write(name, rows):
    with open(os.path.join(HERE, name), "w") as file:
        file.write(HEAD + "\n".join(rows) + "\n")


write("loss_cases.h", loss_cases())
write("optimiser_cases.h", optimiser_cases())
write("schedule_cases.h", schedule_cases())
