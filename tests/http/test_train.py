#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`inferd train` as its user has it: it learns, resumes bit for bit, judges, and refuses by name.
Ends with "N passed, N failed"."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from daemon import Tally, build_folder  # noqa: E402

INFERD = os.environ.get("INFERD", str(build_folder() / "inferd"))


def check(tally, name, truth, said=""):
    tally.check(truth, name + (": " + said if said else ""))


def run(folder, *arguments):
    done = subprocess.run([INFERD, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout, done.stderr


def ring_or_middle(path, rows, seed, name=lambda inside: "middle" if inside else "ring"):
    """Points of a square; far from 0 and of very unlike scales, so that only standardised ones are learned."""
    source = random.Random(seed)
    lines = ["east,north,kind"]
    for _ in range(rows):
        x, y = source.uniform(-1, 1), source.uniform(-1, 1)
        lines.append("%.6f,%.6f,%s" % (1000 + 500 * x, 0.01 * y, name(x * x + y * y < 0.5)))
    path.write_text("\n".join(lines) + "\n")


def line(path, rows):
    source = random.Random(3)
    lines = ["a,b,sum"]
    for _ in range(rows):
        a, b = source.uniform(-1, 1), source.uniform(-1, 1)
        lines.append("%.6f,%.6f,%.6f" % (a, b, 2 * a - b + 0.5))
    path.write_text("\n".join(lines) + "\n")


def metric(text, name):
    return float(re.search(r"^ *%s +([-0-9.e]+)" % name, text, re.M).group(1))


def check_learning(tally, folder):
    ring_or_middle(folder / "train.csv", 600, 1)
    ring_or_middle(folder / "test.csv", 300, 2)
    check(tally, "create", run(folder, "create", "mlp", "--input-shape", 2, "--classes", 2, "--set", "width=32",
                              "-o", "net.onnx")[0] == 0)
    code, out, err = run(folder, "train", "net.onnx", "--data", "train.csv", "--test", "test.csv", "--standardise",
                         "each", "--epochs", 40, "--rate", 0.01, "--metric", "accuracy", "--log", "log.csv", "--curve",
                         "curve.svg", "-o", "learned.onnx")
    check(tally, "learns", code == 0, err)
    check(tally, "accuracy", code == 0 and metric(out, "accuracy") > 0.95, out)
    check(tally, "a line for each epoch", len(re.findall(r"^epoch \d+  loss", out, re.M)) == 40, out)
    check(tally, "log", len((folder / "log.csv").read_text().splitlines()) == 41)
    check(tally, "curve", (folder / "curve.svg").read_text().startswith("<svg"))
    check(tally, "names of classes", b"middle\nring" in (folder / "learned.onnx").read_bytes())
    check(tally, "the result loads", run(folder, "inspect", "learned.onnx")[0] == 0)
    code, out, _ = run(folder, "train", "learned.onnx", "--data", "train.csv", "--epochs", 1, "--rate", 1e-9, "-o",
                       "again.onnx", "--test", "test.csv")
    check(tally, "what was learned is in the file", code == 0 and metric(out, "accuracy") > 0.95, out)


def check_adapters(tally, folder):
    """They lower the loss of a model whose own matrices stay; the file keeps its size."""
    common = ["train", "learned.onnx", "--data", "train.csv", "--epochs", 3, "--validation", 0]
    code, out, err = run(folder, *common, "--lora", 2, "-o", "adapted.onnx")
    check(tally, "adapters", code == 0, err)
    losses = [float(x) for x in re.findall(r"^epoch \d+  loss ([0-9.e-]+)", out, re.M)]
    check(tally, "adapters learn", len(losses) == 3 and losses[2] < losses[0], out)
    sizes = [(folder / name).stat().st_size for name in ("learned.onnx", "adapted.onnx")]
    check(tally, "adapters are in the matrices", sizes[0] == sizes[1], str(sizes))
    code, _, err = run(folder, *common, "--lora", 2, "--lora-on", "none*", "-o", "x")
    check(tally, "adapters on nothing", code == 65 and "no matrix matches 'none*'" in err, err)


def check_bits(tally, folder):
    common = ["train", "net.onnx", "--data", "train.csv", "--standardise", "each", "--batch", 50,
              "--schedule", "cosine", "--period", 60]
    code, _, err = run(folder, *common, "--epochs", 6, "-o", "whole.onnx")
    check(tally, "whole", code == 0, err)
    run(folder, *common, "--epochs", 6, "--threads", 3, "-o", "threads.onnx")
    run(folder, *common, "--epochs", 2, "--checkpoint", "c.safetensors", "-o", "part.onnx")
    code, out, err = run(folder, *common, "--epochs", 6, "--checkpoint", "c.safetensors", "--resume", "-o",
                         "resumed.onnx")
    check(tally, "resumes where it stopped", code == 0 and "epoch 3 " in out and "epoch 2 " not in out, out + err)
    whole = (folder / "whole.onnx").read_bytes()
    check(tally, "the same bits from three threads", whole == (folder / "threads.onnx").read_bytes())
    check(tally, "the same bits from a run that was cut", whole == (folder / "resumed.onnx").read_bytes())
    check(tally, "others from fewer epochs", whole != (folder / "part.onnx").read_bytes())
    code, _, err = run(folder, *common, "--epochs", 6, "--seed", 2, "--checkpoint", "c.safetensors", "--resume", "-o",
                       "x")
    check(tally, "another run's checkpoint", code == 65 and "is of another run" in err, err)


def check_examples_in_a_file(tally, folder):
    """Most of the data are on disk: it learns as well, and what decides the order is part of the run."""
    common = ["train", "net.onnx", "--data", "train.csv", "--standardise", "each", "--rate", 0.01, "--metric",
              "accuracy", "--test", "test.csv", "--period", 600]
    little = ["--data-memory", 4096]
    code, out, err = run(folder, *common, *little, "--epochs", 30, "-o", "disk.onnx")
    check(tally, "learns from disk", code == 0 and metric(out, "accuracy") > 0.95, out + err)
    run(folder, *common, *little, "--epochs", 10, "--checkpoint", "d.safetensors", "-o", "x.onnx")
    run(folder, *common, *little, "--epochs", 30, "--checkpoint", "d.safetensors", "--resume", "-o", "cut.onnx")
    check(tally, "the same bits from disk, cut",
          (folder / "disk.onnx").read_bytes() == (folder / "cut.onnx").read_bytes())
    run(folder, *common, "--epochs", 1, "--checkpoint", "e.safetensors", "-o", "x.onnx")
    code, _, err = run(folder, *common, *little, "--epochs", 2, "--checkpoint", "e.safetensors", "--resume", "-o", "x")
    check(tally, "another order is another run", code == 65 and "is of another run" in err, err)
    done = subprocess.run([INFERD, *map(str, common), *map(str, little), "-o", "x"], cwd=folder, capture_output=True,
                          text=True, timeout=60, env={**os.environ, "TMPDIR": "/nonexistent"})
    check(tally, "no place for the rest", done.returncode != 0 and "examples beyond memory" in done.stderr, done.stderr)


def check_regression(tally, folder):
    line(folder / "line.csv", 300)
    run(folder, "create", "mlp", "--input-shape", 2, "--task", "regression", "--classes", 1, "-o", "line.onnx")
    code, out, err = run(folder, "train", "line.onnx", "--data", "line.csv", "--target", "sum", "--epochs", 60,
                         "--metric", "r2", "--patience", 20, "--loss", "huber", "--clip", 1, "-o", "line-learned.onnx")
    best = re.search(r"best epoch \d+ of \d+: r2 ([0-9.]+)", out)
    check(tally, "regression", code == 0 and best and float(best.group(1)) > 0.99, out + err)


def check_search(tally, folder):
    """The table is sorted, the same every time, and its first row is what is written."""
    common = ["train", "net.onnx", "--data", "train.csv", "--standardise", "each", "--epochs", 3, "--metric",
              "accuracy", "--space", "rate=1e-5:1e-1:log", "--space", "batch=16|64"]
    for how, runs in ("bayes", 10), ("random", 4), ("grid", 10):
        _, first, _ = run(folder, *common, "--search", how, "--trials", runs)
        code, out, err = run(folder, *common, "--search", how, "--trials", runs, "-o", "found.onnx")
        rows = [re.findall(r"^ *\d+  ([0-9.]+) .*? (rate=\S+ batch=\S+)$", text.split("best first")[-1], re.M)
                for text in (first, out)]
        check(tally, how, code == 0 and len(rows[1]) == runs, out + err)
        check(tally, how + " twice", rows[0] == rows[1])
        check(tally, how + " sorted", [float(row[0]) for row in rows[1]] ==
              sorted((float(row[0]) for row in rows[1]), reverse=True))
        best = re.search(r"best epoch \d+ of 3: accuracy ([0-9.]+)", out)
        check(tally, how + " written", best and float(best.group(1)) == float(rows[1][0][0]), out)
    for space, says in ("rate=2:1", "expected a range"), ("seed=1|2", "the same for all"), ("batch=0|1", "--batch"):
        code, _, err = run(folder, *common, "--search", "grid", "--space", space)
        check(tally, space, code == 65 and says in err, err)


def check_real_data(tally, folder):
    """Handwritten digits, and tumours by their cells: on the examples that were held back."""
    data = HERE.parent.parent / "examples" / "data"
    rows = [("digits", 64, "--classes", 10, "all", "accuracy", 0.98), ("breast-cancer", 30, "--task", "binary", "each",
                                                                        "roc_auc", 0.99)]
    for name, width, option, value, scope, metric_name, least in rows:
        run(folder, "create", "mlp", "--input-shape", width, option, value, "-o", "real.onnx")
        code, out, err = run(folder, "train", "real.onnx", "--data", data / (name + ".csv.gz"), "--standardise", scope,
                             "--validation", 0.2, "--epochs", 30, "--metric", metric_name, "-o", "real-learned.onnx")
        best = re.search(r"best epoch \d+ of \d+: %s ([0-9.]+)" % metric_name, out)
        check(tally, name, code == 0 and best and float(best.group(1)) >= least, out[-300:] + err)


def check_text(tally, folder):
    """A rhyme is known by heart after a while; what is too short for a window is refused before anything else."""
    (folder / "rhyme.txt").write_text("one two buckle my shoe three four open the door\n" * 60)
    run(folder, "create", "gpt", "--input-shape", 16, "--set", "vocabulary=128", "--set", "width=32", "--set", "depth=1",
        "--set", "dropout=0", "-o", "gpt.onnx")
    code, out, err = run(folder, "train", "gpt.onnx", "--text", 16, "--data", "rhyme.txt", "--test", "rhyme.txt", "--epochs",
                         30, "--batch", 8, "--rate", 0.01, "-o", "poet.onnx")
    check(tally, "a text is learned", code == 0 and metric(out, "accuracy") > 0.8, out[-600:] + err)
    code, _, err = run(folder, "train", "gpt.onnx", "--text", 4096, "--data", "rhyme.txt", "-o", "x")
    check(tally, "a text too short", code == 65 and "a window of 4096" in err, err)
    code, _, err = run(folder, "train", "gpt.onnx", "--text", 16, "--data", "rhyme.txt", "--data", "rhyme.txt", "-o", "x")
    check(tally, "two texts", code == 64 and "--text: one file" in err, err)


def check_tables(tally, folder):
    """What is said of classes and of labels; two points of a square are told by their names."""
    code, out, err = run(folder, "train", "net.onnx", "--data", "train.csv", "--test", "test.csv", "--standardise", "each",
                         "--epochs", 20, "--rate", 0.01, "--confusion", "-o", "x.onnx")
    rows = re.findall(r"^ *(middle|ring) +(\d+) +(\d+)  ([0-9.]+)$", out, re.M)
    check(tally, "confusion", code == 0 and sum(int(row[1]) + int(row[2]) for row in rows) == 300 and
          len(re.findall(r"^  (?:middle|ring)(?: +[0-9.]+){4}$", out, re.M)) == 2, out + err)
    code, _, err = run(folder, "train", "net.onnx", "--data", "train.csv", "--confusion", "-o", "x")
    check(tally, "confusion of nothing", code == 64 and "--test" in err, err)
    source = random.Random(5)
    lines = ["a,b,x,y"]
    for _ in range(500):
        a, b = source.uniform(-1, 1), source.uniform(-1, 1)
        lines.append("%.6f,%.6f,%d,%d" % (a, b, a > 0, a + b > 0))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    run(folder, "create", "mlp", "--input-shape", 2, "--task", "multilabel", "--classes", 2, "-o", "labels.onnx")
    code, out, err = run(folder, "train", "labels.onnx", "--data", "labels.csv", "--test", "labels.csv", "--target", "x,y",
                         "--epochs", 30, "--metric", "f1_macro", "-o", "x.onnx")
    check(tally, "labels", code == 0 and metric(out, "f1_macro") > 0.95 and metric(out, "hamming_loss") < 0.05, out + err)


# Arguments of create, shape of an example, classes; ids instead of numbers up to `ids`.
PRESETS = (
    ("mlp --input-shape 6 --classes 3 --set dropout=0.1", [6], 3, 0),
    ("lenet5 --input-shape 1,16,16 --classes 3", [1, 16, 16], 3, 0),
    ("alexnet --input-shape 1,16,16 --classes 3 --set width=0.15 --set dropout=0", [1, 16, 16], 3, 0),
    ("vgg --input-shape 1,32,32 --classes 3 --set width=2 --set hidden=16 --set depth=11 --set dropout=0", [1, 32, 32],
     3, 0),
    ("resnet --input-shape 2,8,8 --classes 3 --set width=4", [2, 8, 8], 3, 0),
    ("lstm --classes 3 --set vocabulary=20 --set units=12", [7], 3, 20),
    ("gru --input-shape ?,2 --classes 3 --set units=8 --set depth=2 --set bidirectional=1", [7, 2], 3, 0),
    ("transformer-encoder --input-shape 7 --classes 3 --set vocabulary=20 --set width=16", [7], 3, 20),
)


def check_presets(tally, folder):
    """Each learns classes that one number gives away."""
    for arguments, shape, classes, ids in PRESETS:
        name, source, size = arguments.split()[0], random.Random(7), 1
        for dim in shape:
            size *= dim
        rows = []
        for _ in range(120):
            label = source.randrange(classes)
            if ids:
                example = [source.randrange(ids) for _ in range(size - 1)] + [label]
            else:
                example = [round(source.gauss(0, 0.3) + (1.5 if i % classes == label else 0), 3) for i in range(size)]
            rows.append(json.dumps({"x": example, "y": label}))
        (folder / "preset.jsonl").write_text("\n".join(rows) + "\n")
        code, _, err = run(folder, "create", *arguments.split(), "--seed", 4, "-o", "preset.onnx")
        check(tally, f"create {name}", code == 0, err)
        code, out, err = run(folder, "train", "preset.onnx", "--data", "preset.jsonl", "--epochs", 12, "--rate", 0.003,
                             "--batch", 8, "-o", "taught.onnx")
        losses = [float(x) for x in re.findall(r"^epoch .*?  loss ([0-9.e+-]+)", out, re.M)]
        check(tally, f"{name} learns", code == 0 and len(losses) == 12 and losses[-1] < 0.7 * losses[0],
              f"{losses} {err}")


def check_next_token(tally, folder):
    """gpt: ids at each step; the rule is that the next is three more."""
    source, rows = random.Random(5), []
    for _ in range(200):
        start = source.randrange(30)
        steps = [(start + 3 * i) % 30 for i in range(10)]
        rows.append(json.dumps({"ids": steps[:9], "next": steps[1:]}))
    (folder / "text.jsonl").write_text("\n".join(rows) + "\n")
    for shape in ("9", "?"):
        run(folder, "create", "gpt", "--input-shape", shape, "--set", "vocabulary=30", "--set", "width=16", "--set",
            "heads=2", "--set", "depth=1", "--set", "dropout=0", "-o", "gpt.onnx")
        code, out, err = run(folder, "train", "gpt.onnx", "--data", "text.jsonl", "--epochs", 15, "--rate", 0.01,
                             "--metric", "accuracy", "-o", "taught.onnx")
        found = re.findall(r"accuracy ([0-9.]+)", out)
        check(tally, f"gpt of {shape} learns", code == 0 and found and max(map(float, found)) > 0.95, f"{out} {err}")
    (folder / "bad.jsonl").write_text('{"ids": [1, 2, 3], "next": [2, 3, 4.5]}\n' * 20)
    code, out, err = run(folder, "train", "gpt.onnx", "--data", "bad.jsonl", "-o", "taught.onnx")
    check(tally, "ids are whole", code != 0 and "expected a class id" in err, err)


def check_refusals(tally, folder):
    ring_or_middle(folder / "numbers.csv", 100, 1, lambda inside: 1 + inside)
    (folder / "holes.csv").write_text("a,b,kind\n1,2,x\n3,,y\n")
    good = ["train", "net.onnx", "--data", "train.csv", "-o", "no.onnx"]
    rows = [
        ("no model", ["train", "--data", "train.csv", "-o", "x"], 64, "name the model"),
        ("no data", ["train", "net.onnx", "-o", "x"], 64, "--data"),
        ("no output", ["train", "net.onnx", "--data", "train.csv"], 64, "-o"),
        ("unknown option", [*good, "--rat", 1], 64, "no option '--rat'"),
        ("rate", [*good, "--rate", -1], 64, "--rate: expected a number"),
        ("batch", [*good, "--batch", 0], 64, "--batch: expected a number from 1"),
        ("optimiser", [*good, "--optimiser", "sgdd"], 65, "--optimiser: there is no 'sgdd'"),
        ("loss", [*good, "--loss", "bce"], 65, "'ce' does"),
        ("metric", [*good, "--metric", "accurcy"], 65, "--metric: there is no 'accurcy'"),
        ("metric of another task", [*good, "--metric", "r2"], 65, "--metric r2 is not defined"),
        ("file", ["train", "net.onnx", "--data", "none.csv", "-o", "x"], 66, "none.csv"),
        ("model", ["train", "none.onnx", "--data", "train.csv", "-o", "x"], 66, "none.onnx"),
        ("column", [*good, "--target", "sort"], 65, "no column 'sort'"),
        ("label", ["train", "net.onnx", "--data", "numbers.csv", "-o", "x"], 65, "label 2 at position"),
        ("a hole", ["train", "net.onnx", "--data", "holes.csv", "-o", "x"], 65, "holes.csv"),
        ("width", ["train", "line.onnx", "--data", "train.csv", "--inputs", "east", "-o", "x"], 65,
         "takes 2 numbers for each example"),
        ("pattern", [*good, "--learns", "nothing*"], 65, "matches 'nothing*'"),
        ("resume", [*good, "--resume"], 64, "--checkpoint"),
        ("diverging", [*good, "--optimiser", "sgd", "--rate", 1000, "--epochs", 50], 65, "no step could be taken"),
    ]
    for name, arguments, code, says in rows:
        got, _, err = run(folder, *arguments)
        check(tally, name, got == code and says in err, "%d: %s" % (got, err))
    check(tally, "nothing was written", not (folder / "no.onnx").exists())


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_learning(tally, folder)
        check_bits(tally, folder)
        check_examples_in_a_file(tally, folder)
        check_adapters(tally, folder)
        check_regression(tally, folder)
        check_real_data(tally, folder)
        check_search(tally, folder)
        check_tables(tally, folder)
        check_text(tally, folder)
        check_presets(tally, folder)
        check_next_token(tally, folder)
        check_refusals(tally, folder)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
