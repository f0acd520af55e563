#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [--build DIR] [--seed N] [--svg FILE]: digits that turn, little by little, under a served model.

The held-out digits of examples/digits pass three times, in random order, while they are rotated from 0 to 75
degrees. Each is first predicted, over HTTP, and then its label becomes known (prequential: the forecast is scored
before anything is learnt from it). Three daemons see the same stream:

  frozen    never learns
  nightly   learns every 150 examples from those of the last 150, in batches, several times over
  online    learns each example as its label arrives, and repeats a few from a reservoir of old ones

Prints the accuracy of each, over all and over the last third, and draws the accuracy over a sliding window.
Standard library only."""
import argparse
import http.client
import json
import math
import pathlib
import random
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
from daemon import Daemon  # noqa: E402

PASSES, TURN_DEGREES, NIGHT, WINDOW = 3, 75, 150, 150
CONFIG = {"training": {"learning_rate": 0.05, "learning_rate_max": 1, "clip_norm": 5}}


def read(name, convert):
    return [[convert(x) for x in line.split(",")]
            for line in (ROOT / "examples" / "digits" / name).read_text().split()]


def rotated(image, degrees):
    """8 x 8 pixels turned about their middle, bilinear, zero outside."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    out = []
    for y in range(8):
        for x in range(8):
            u = cosine * (x - 3.5) - sine * (y - 3.5) + 3.5
            v = sine * (x - 3.5) + cosine * (y - 3.5) + 3.5
            left, top = math.floor(u), math.floor(v)
            out.append(sum((1 - abs(u - i)) * (1 - abs(v - j)) * image[8 * j + i]
                           for i in (left, left + 1) for j in (top, top + 1) if 0 <= i < 8 and 0 <= j < 8))
    return out


def make_stream(seed):
    images, labels = read("inputs.csv", float), [row[0] for row in read("labels.csv", int)]
    chance, stream = random.Random(seed), []
    for _ in range(PASSES):
        order = list(range(len(images)))
        chance.shuffle(order)
        stream += [(images[i], labels[i]) for i in order]
    return [(rotated(image, TURN_DEGREES * k / len(stream)), label) for k, (image, label) in enumerate(stream)]


class Served:
    """The digits model in a daemon of its own."""

    def __init__(self, build, folder):
        shutil.copytree(ROOT / "examples" / "models" / "digits", folder / "models" / "digits")
        (folder / "models" / "digits" / "config.json").write_text(json.dumps(CONFIG))
        self.daemon = Daemon(build, "--model-repository", folder / "models", "--state-dir", folder / "state")
        self.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port)
        self.spec = self.post("", None)["inputs"][0]

    def post(self, path, body):
        self.connection.request("POST" if body else "GET", "/v2/models/digits" + path,
                                json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def inputs(self, images):
        return [{"name": self.spec["name"], "shape": [len(images)] + self.spec["shape"][1:], "datatype": "FP32",
                 "data": [x for image in images for x in image]}]

    def predict(self, image):
        scores = self.post("/infer", {"inputs": self.inputs([image])})["outputs"][0]["data"]
        return scores.index(max(scores))

    def learn(self, examples):
        labels = [label for _, label in examples]
        self.post("/finetune", {"inputs": self.inputs([image for image, _ in examples]),
                                "targets": [{"name": "label", "shape": [len(labels)], "datatype": "INT64",
                                             "data": labels}]})


def frozen(model, stream, chance):
    return [model.predict(image) == label for image, label in stream]


def nightly(model, stream, chance):
    hits = []
    for k, (image, label) in enumerate(stream):
        hits.append(model.predict(image) == label)
        if (k + 1) % NIGHT == 0:
            day = stream[k + 1 - NIGHT:k + 1]
            for _ in range(5):
                chance.shuffle(day)
                for at in range(0, NIGHT, 16):
                    model.learn(day[at:at + 16])
    return hits


def online(model, stream, chance):
    hits, reservoir = [], []
    for k, (image, label) in enumerate(stream):
        hits.append(model.predict(image) == label)
        model.learn([(image, label)] + chance.sample(reservoir, min(7, len(reservoir))))
        if len(reservoir) < 200:
            reservoir.append((image, label))
        else:
            reservoir[chance.randrange(200)] = (image, label)
    return hits


def smooth(hits):
    return [sum(hits[max(0, k - WINDOW):k + 1]) / len(hits[max(0, k - WINDOW):k + 1]) for k in range(len(hits))]


def draw(curves, path):
    width, height, left, top, colours = 640, 300, 48, 16, {"frozen": "#888", "nightly": "#d08020", "online": "#2070d0"}
    count = len(next(iter(curves.values())))

    def at(k, value):
        return f"{left + (width - left - 90) * k / count:.1f},{top + (height - top - 40) * (1 - value):.1f}"

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           f'font-size="12"><rect width="{width}" height="{height}" fill="#fff"/>']
    for tenth in range(0, 11, 2):
        x, y = at(0, tenth / 10).split(",")
        out.append(f'<path d="M{x} {y}H{width - 90}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">{tenth / 10:.1f}</text>')
    for quarter in range(4):
        x, y = at(count * quarter / 3, 0).split(",")
        out.append(f'<text x="{x}" y="{float(y) + 18:.0f}" text-anchor="middle">{TURN_DEGREES * quarter // 3}&#176;</text>')
    out.append(f'<text x="{(width - 40) / 2}" y="{height - 6}" text-anchor="middle">how far the digits have turned; '
               f'accuracy of the last {WINDOW} predictions</text>')
    for name, curve in curves.items():
        points = " ".join(at(k, curve[k]) for k in range(20, count, 4))
        x, y = at(count, curve[-1]).split(",")
        out.append(f'<polyline fill="none" stroke="{colours[name]}" stroke-width="2" points="{points}"/>'
                   f'<text x="{float(x) + 6:.0f}" y="{y}" fill="{colours[name]}" dominant-baseline="middle">{name}</text>')
    pathlib.Path(path).write_text("\n".join(out + ["</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg")
    arguments = parser.parse_args()
    stream, curves, last = make_stream(arguments.seed), {}, {}
    for way in (frozen, nightly, online):
        with tempfile.TemporaryDirectory() as folder:
            model = Served(arguments.build, pathlib.Path(folder))
            hits = way(model, list(stream), random.Random(arguments.seed))
            model.daemon.stop()
        curves[way.__name__] = smooth(hits)
        last[way.__name__] = sum(hits[-len(hits) // 3:]) / (len(hits) // 3)
        print(f"{way.__name__}: accuracy {sum(hits) / len(hits):.3f}, over the last third {last[way.__name__]:.3f}",
              flush=True)
    if arguments.svg:
        draw(curves, arguments.svg)
    if not last["online"] > max(last["frozen"], last["nightly"]):
        raise SystemExit("learning online was no better")


if __name__ == "__main__":
    main()
