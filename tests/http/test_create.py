#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black box: `inferd create`. What it says and writes; that every preset is served and answers. Where
ONNX Runtime is installed (also in build/bench-venv), it must accept the files and give the same
numbers within 1e-5, and NumPy must agree on what layers mean. Ends with "N passed, N failed"."""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from daemon import ROOT, Daemon, Tally, build_folder  # noqa: E402

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError:
    onnxruntime = None
    other = build_folder() / "bench-venv" / "bin" / "python"
    if other.exists() and "INFERD_TEST_VENV" not in os.environ and subprocess.run(
            [other, "-c", "import onnx, onnxruntime, numpy"], capture_output=True, check=False).returncode == 0:
        os.execve(other, [str(other), *sys.argv], {**os.environ, "INFERD_TEST_VENV": "1"})

INFERD = os.environ.get("INFERD", str(build_folder() / "inferd"))

# name: arguments of create, shape of an example as it is asked for
PRESETS = {
    "mlp": ("mlp --input-shape 12 --classes 3 --set width=16", [12]),
    "lenet5": ("lenet5 --set dropout=0.2", [1, 28, 28]),
    "alexnet": ("alexnet --input-shape 3,32,32 --classes 7 --set width=0.05", [3, 32, 32]),
    "alexnet-large": ("alexnet --classes 7 --set width=0.02", [3, 224, 224]),
    "vgg": ("vgg --input-shape 3x32x32 --classes 4 --set width=4 --set hidden=20 --set depth=11", [3, 32, 32]),
    "vgg-plain": ("vgg --input-shape 1,32,32 --task multilabel --classes 4 --set width=4 --set hidden=20 "
                  "--set batch_norm=0", [1, 32, 32]),
    "resnet": ("resnet --input-shape 3,32,32 --classes 5 --set width=4", [3, 32, 32]),
    "resnet-large": ("resnet --input-shape 3,64,96 --classes 5 --set width=4 --set depth=50", [3, 64, 96]),
    "resnet20": ("resnet --input-shape 3,32,32 --classes 10 --set depth=20 --set width=4", [3, 32, 32]),
    "lstm": ("lstm --set vocabulary=50 --set units=12 --set embedding=6", [9]),
    "lstm-features": ("lstm --input-shape ?,3 --task regression --set units=8 --set depth=2 --set bidirectional=1",
                      [9, 3]),
    "gru": ("gru --set vocabulary=50 --set units=12 --classes no,yes --task binary --set depth=2", [9]),
    "transformer-encoder": ("transformer-encoder --input-shape 10 --set vocabulary=50 --set width=16", [10]),
    "transformer-features": ("transformer-encoder --input-shape ?,5 --set width=16 --set length=20", [11, 5]),
    "gpt": ("gpt --input-shape 12 --set vocabulary=50 --set width=16 --set heads=2", [12]),
    "gpt-open": ("gpt --input-shape ? --set vocabulary=50 --set width=16 --set length=40", [13]),
}

# Specifications whose numbers NumPy computes: layers, shape of an example.
LAYERS = {
    "dense": ([{"type": "dense", "units": 5, "activation": "gelu"}, {"type": "dense", "units": 3,
                                                                   "activation": "swish"}], [4]),
    "norm": ([{"type": "layer_norm"}, {"type": "dense", "units": 3, "activation": "leaky_relu"}], [6, 4]),
    "lstm": ([{"type": "lstm", "units": 5}], [6, 4]),
    "gru": ([{"type": "gru", "units": 5, "sequences": True}], [6, 4]),
    "attention": ([{"type": "attention", "heads": 2}], [6, 4]),
    "causal": ([{"type": "attention", "heads": 2, "key_units": 3, "causal": True}], [6, 4]),
    "position": ([{"type": "position"}], [6, 4]),
    "residual": ([{"type": "residual", "layers": [{"type": "dense", "units": 3}], "activation": "relu"}], [4]),
    "pools": ([{"type": "avg_pool", "kernel": 3, "stride": 2, "padding": "same"}, {"type": "global_pool",
                                                                              "kind": "max"}], [2, 5, 6]),
    "conv": ([{"type": "conv", "filters": 3, "kernel": 3, "stride": 2, "padding": "same"}], [2, 6, 5]),
}

REFUSED = [  # arguments, exit code, words
    ([], 64, "name a preset"),
    (["mlp"], 64, "name the file to write"),
    (["mlp", "more", "-o", "x"], 64, "not 'more' as well"),
    (["mlp", "--what", "-o", "x"], 64, "no option '--what'"),
    (["mlp", "-o"], 64, "-o needs a value"),
    (["mlp", "--seed", "-3", "-o", "x"], 64, "--seed: expected 0 to"),
    (["mlp", "--seed", "x", "-o", "x"], 64, "--seed"),
    (["mlp", "--classes", "0", "-o", "x"], 64, "--classes: expected 1 to"),
    (["mlp", "--classes", "a,,b", "-o", "x"], 65, "classes[1]"),
    (["mlp", "--input-shape", "3,a", "-o", "x"], 64, "--input-shape: expected numbers like"),
    (["mlp", "--input-shape", "", "-o", "x"], 64, "--input-shape"),
    (["mlp", "--task", "guess", "-o", "x"], 64, "--task: there is no 'guess'"),
    (["mlp", "--set", "width", "-o", "x"], 64, "--set: expected name=number"),
    (["mlp", "--set", "width=many", "-o", "x"], 64, "--set width=many: expected a number"),
    (["mlp", "--set", "wide=3", "-o", "x"], 65, "preset 'mlp': there is no option 'wide'"),
    (["mlpp", "-o", "x"], 65, "there is no preset 'mlpp'"),
    (["lenet5", "--input-shape", "1,8,8", "-o", "x"], 65, "layers[2].kernel (conv): reaches over 5"),
    (["gpt", "--input-shape", "5,4", "-o", "x"], 65, "expected an input of token ids [time]"),
    (["missing.json", "-o", "x"], 66, "model file cannot be opened"),
    (["mlp", "-o", "no/such/folder/x"], 73, "cannot be written"),
]


def run(*arguments, cwd=None):
    return subprocess.run([INFERD, "create", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120,
                          check=False)


def check_words(tally, folder):
    done = run("--help")
    tally.check(done.returncode == 0 and "usage: inferd create" in done.stdout, f"--help: {done}")
    done = run("--list")
    tally.check(done.returncode == 0 and all(f"{name}: " in done.stdout for name in ("mlp", "gpt", "attention")),
                "--list")
    page = run("--list", "--markdown").stdout.strip()
    training = (ROOT / "docs" / "training.md").read_text()
    tally.check(page in training, "docs/training.md holds what --list --markdown prints")
    for arguments, code, words in REFUSED:
        done = run(*arguments, cwd=folder)
        tally.check(done.returncode == code and words in done.stderr, f"{arguments}: {done.returncode}, {done.stderr}")
    tally.check(list(folder.iterdir()) == [], f"nothing is left behind: {list(folder.iterdir())}")


def check_files(tally, folder):
    one, two, three, spec = (folder / name for name in ("1.onnx", "2.onnx", "3.onnx", "spec.json"))
    options = ["lenet5", "--classes", "cat,dog", "--seed", "5"]
    run(*options, "-o", str(one))
    done = run(*options, "-o", str(two), "--print")
    spec.write_text(done.stdout)
    tally.check(one.read_bytes() == two.read_bytes(), "the same seed gives the same file")
    tally.check(json.loads(done.stdout)["classes"] == ["cat", "dog"], "--print is the specification")
    done = run(str(spec), "-o", str(two))
    tally.check(one.read_bytes() == two.read_bytes(), f"a printed specification makes the same file: {done.stderr}")
    run(str(spec), "--seed", "6", "-o", str(three))
    tally.check(one.read_bytes() != three.read_bytes() and len(one.read_bytes()) == len(three.read_bytes()),
                "another seed gives other weights")
    done = run(str(spec), "--set", "width=2", "-o", str(three))
    tally.check(done.returncode == 65 and "--set is for presets" in done.stderr, done.stderr)
    spec.write_text('{"input": {"shape": [4]}, "layers": [{"type": "dense", "units": 2, "uints": 3}]}')
    done = run(str(spec), "-o", str(three))
    tally.check(done.returncode == 65 and "layers[0].uints is unknown" in done.stderr, done.stderr)
    spec.write_text('{"preset": "mlp", "input": {"shape": [4]}, "options": {"width": 3}}')
    done = run(str(spec), "--classes", "2", "-o", str(three))
    tally.check(done.returncode == 0 and "parameters" in done.stderr, done.stderr)
    done = subprocess.run([INFERD, "inspect", str(three)], capture_output=True, text=True, check=False)
    tally.check(done.returncode == 0 and "35 parameters" in done.stdout, done.stdout)


def numbers(count, integers):
    """Repeatable, uneven."""
    if integers:
        return [(i * 7 + 3) % 41 for i in range(count)]
    return [math.sin(i * 1.7) * 1.5 for i in range(count)]


def make_all(tally, root):
    for name, (arguments, _) in PRESETS.items():
        folder = root / name / "1"
        folder.mkdir(parents=True)
        done = run(*arguments.split(), "-o", str(folder / "model.onnx"))
        tally.check(done.returncode == 0, f"{name}: {done.stderr}")
    for name, (layers, shape) in LAYERS.items():
        folder = root / f"layer-{name}" / "1"
        folder.mkdir(parents=True)
        spec = root / f"{name}.json"
        spec.write_text(json.dumps({"input": {"shape": shape}, "task": "regression", "seed": 3, "layers": layers}))
        done = run(str(spec), "-o", str(folder / "model.onnx"))
        tally.check(done.returncode == 0, f"layer {name}: {done.stderr}")


def predict(tally, daemon, name, shape, integers):
    shape = [3, *shape]
    data = numbers(math.prod(shape), integers)
    status, answer = daemon.post_json(f"/v2/models/{name}/infer", {"inputs": [
        {"name": "input", "shape": shape, "datatype": "INT64" if integers else "FP32", "data": data}]})
    if not tally.check(status == 200, f"{name}: {status} {str(answer)[:200]}"):
        return None, None
    return data, answer["outputs"][0]


def check_served(tally, daemon, root):
    for name, (arguments, shape) in PRESETS.items():
        integers = len(shape) == 1 and not name.startswith("mlp")
        data, output = predict(tally, daemon, name, shape, integers)
        if output is None:
            continue
        rows = output["data"]
        wanted = "output" if "regression" in arguments else "probabilities"
        tally.check(output["name"] == wanted and all(map(math.isfinite, rows)), f"{name}: {output['name']}")
        if wanted == "probabilities" and "multilabel" not in arguments and "binary" not in arguments:
            width = output["shape"][-1]
            sums = [sum(rows[i:i + width]) for i in range(0, len(rows), width)]
            tally.check(all(abs(total - 1) < 1e-5 for total in sums), f"{name}: probabilities add up to 1")
        if onnxruntime:
            check_peer(tally, root / name / "1" / "model.onnx", name, data, [3, *shape], output)


def check_peer(tally, path, name, data, shape, output):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    array = np.array(data, np.int64 if "int64" in feed.type else np.float32).reshape(shape)
    theirs = session.run(None, {feed.name: array})[0]
    ours = np.array(output["data"]).reshape(output["shape"])
    tally.check(list(theirs.shape) == output["shape"] and np.abs(theirs - ours).max() < 1e-5,
                f"{name}: ONNX Runtime differs by {np.abs(theirs - ours).max()}")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def lstm(x, w):
    gates = w["lstm_0.weight"][0], w["lstm_0.recurrent_weight"][0], w["lstm_0.bias"][0]
    h = c = np.zeros((len(x), 5))
    for t in range(x.shape[1]):
        i, o, f, g = np.split(x[:, t] @ gates[0].T + h @ gates[1].T + gates[2][:20] + gates[2][20:], 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x, w):
    weight, state, bias = w["gru_0.weight"][0], w["gru_0.recurrent_weight"][0], w["gru_0.bias"][0]
    h, steps = np.zeros((len(x), 5)), []
    for t in range(x.shape[1]):
        zx, rx, nx = np.split(x[:, t] @ weight.T + bias[:15], 3, 1)
        zh, rh, nh = np.split(h @ state.T + bias[15:], 3, 1)
        z, r = sigmoid(zx + zh), sigmoid(rx + rh)
        h = (1 - z) * np.tanh(nx + r * nh) + z * h
        steps.append(h)
    return np.stack(steps, 1)


def attention(x, w, units, causal):
    def project(what, value):
        return value @ w[f"attention_0.{what}_weight"] + w[f"attention_0.{what}_bias"]

    q, k, v = (project(what, x).reshape(len(x), -1, 2, units).transpose(0, 2, 1, 3)
               for what in ("query", "key", "value"))
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(units)
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    joined = (softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(len(x), -1, 2 * units)
    return project("output", joined)


def position(x):
    table = np.zeros((6, 4))
    for p in range(6):
        for i in range(2):
            table[p, 2 * i] = math.sin(p / 10000 ** (2 * i / 4))
            table[p, 2 * i + 1] = math.cos(p / 10000 ** (2 * i / 4))
    return x + table


def windows(x, size, stride, before, after):
    """[batch, channels, rows, columns, size, size] of what each window sees; NaN is padding."""
    padded = np.pad(x, ((0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3))[:, :, ::stride, ::stride]


def reference(name, x, w):
    erf = np.vectorize(math.erf)
    if name == "dense":
        x = x @ w["dense_0.weight"] + w["dense_0.bias"]
        x = x / 2 * (1 + erf(x / math.sqrt(2)))
        x = x @ w["dense_1.weight"] + w["dense_1.bias"]
        return x * sigmoid(x)
    if name == "norm":
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        x = (x * w["layer_norm_0.scale"] + w["layer_norm_0.bias"]) @ w["dense_0.weight"] + w["dense_0.bias"]
        return np.where(x > 0, x, 0.01 * x)
    if name in ("attention", "causal"):
        return attention(x, w, 2 if name == "attention" else 3, name == "causal")
    if name == "residual":
        inner = x @ w["residual_0.dense_0.weight"] + w["residual_0.dense_0.bias"]
        return np.maximum(inner + x @ w["residual_0.shortcut_weight"], 0)
    if name == "pools":  # 5 x 6, window 3, step 2: 3 x 3 results; 1 and 1 rows, 0 and 1 columns of padding
        return np.nanmean(windows(x, 3, 2, (1, 0), (1, 1)), (4, 5)).max((2, 3))
    if name == "conv":
        seen = np.nan_to_num(windows(x, 3, 2, (0, 1), (1, 1)))
        return np.einsum("bcrsij,fcij->bfrs", seen, w["conv_0.weight"]) + w["conv_0.bias"].reshape(-1, 1, 1)
    return {"lstm": lstm, "gru": gru, "position": lambda x, w: position(x)}[name](x, w)


def check_layers(tally, daemon, root):
    for name, (_, shape) in LAYERS.items():
        data, output = predict(tally, daemon, f"layer-{name}", shape, False)
        if output is None or not onnxruntime:
            continue
        path = root / f"layer-{name}" / "1" / "model.onnx"
        check_peer(tally, path, f"layer {name}", data, [3, *shape], output)
        weights = {w.name: onnx.numpy_helper.to_array(w).astype(np.float64) for w in onnx.load(path).graph.initializer}
        wanted = reference(name, np.array(data, np.float32).astype(np.float64).reshape([3, *shape]), weights)
        ours = np.array(output["data"]).reshape(output["shape"])
        tally.check(wanted.shape == ours.shape and np.abs(wanted - ours).max() < 1e-5,
                    f"layer {name}: NumPy differs: {wanted.shape} {ours.shape}")


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as files, \
            tempfile.TemporaryDirectory() as models:
        check_words(tally, pathlib.Path(empty))
        check_files(tally, pathlib.Path(files))
        root = pathlib.Path(models)
        make_all(tally, root)
        with Daemon(build_folder(), "--model-repository", root) as daemon:
            check_served(tally, daemon, root)
            check_layers(tally, daemon, root)
    print("with" if onnxruntime else "without", "ONNX Runtime")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
