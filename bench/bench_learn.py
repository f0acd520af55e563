#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_learn.py [--build DIR] [--seconds S] [--rounds N]: what learning costs, on the digits example.

  finetune-one   one client, one example an update, durable
  finetune-8     eight clients: group commit
  predict        predictions at a steady 70% of capacity, with and without updates flat out beside them, in turns

The state directory is --state (default: beside the build), so its disk's fdatasync() is measured and printed; with
--state in memory (/dev/shm) what remains is the daemon's own work. Steady means: connections that pause after each
answer, so many that together they ask for 70% of what a closed loop gets."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
from daemon import Daemon  # noqa: E402

PAUSE_MS = 5


def fdatasync_ms(folder):
    """Median of 100 writes of 4 KiB, each synced."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for i in range(100):
            os.pwrite(file.fileno(), b"x" * 4096, 4096 * i)
            start = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - start)
    return statistics.median(times) * 1e3


def wrk(url, body, seconds, connections, pause_ms=0):
    environment = {**os.environ, "HEADERS": "Content-Type: application/json", "BODY": str(body),
                   "PAUSE_MS": str(pause_ms)}
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                             "-s", str(ROOT / "bench" / "post.lua"), url],
                            env=environment, stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate()
    data = json.loads(out.strip().rsplit("\n", 1)[1])
    if process.returncode or data["failed"]:
        raise SystemExit(f"{data['failed']} requests failed")
    return {"rps": data["requests"] / (data["duration_us"] / 1e6), "p50": data["p50_us"] / 1e3,
            "p99": data["p99_us"] / 1e3}


def make_bodies(folder):
    image = (ROOT / "examples/digits/inputs.csv").read_text().split("\n", 1)[0]
    label = (ROOT / "examples/digits/labels.csv").read_text().split("\n", 1)[0]
    tensor = {"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [float(x) for x in image.split(",")]}
    target = {"name": "label", "shape": [1], "datatype": "INT64", "data": [int(label)]}
    infer, learn = folder / "infer.body", folder / "learn.body"
    infer.write_text(json.dumps({"inputs": [tensor]}))
    learn.write_text(json.dumps({"inputs": [tensor], "targets": [target], "parameters": {"learning_rate": 1e-4}}))
    return infer, learn


def check(url, infer, learn):
    """An update is answered as durable and is what predictions say next: before anything is timed."""
    def post(path, body):
        request = urllib.request.Request(url + path, body.read_bytes(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())["parameters"]

    taught = post("/finetune", learn)
    if not taught["durable"] or post("/infer", infer)["generation"] != taught["generation"]:
        raise SystemExit(f"not durable and live: {taught}; nothing was timed")


def learn_alone(url, learn, arguments, sync_ms):
    for name, connections in (("finetune-one", 1), ("finetune-8", 8)):
        runs = [result(wrk(url + "/finetune", learn, arguments.seconds, connections))
                for _ in range(arguments.rounds)]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"bench learn case={name} conns={connections} examples_s={middle['rps']:.0f} "
              f"p50_ms={middle['p50']:.3f} p99_ms={middle['p99']:.3f} fdatasync_ms={sync_ms:.3f}", flush=True)


def predict_beside(url, infer, learn, arguments):
    closed = result(wrk(url + "/infer", infer, arguments.seconds, 16))
    connections = max(1, round(0.7 * closed["rps"] * (PAUSE_MS + closed["p50"] / 16) / 1e3))
    alone, beside, updates = [], [], []
    for _ in range(arguments.rounds):
        alone.append(result(wrk(url + "/infer", infer, arguments.seconds, connections, PAUSE_MS)))
        training = wrk(url + "/finetune", learn, arguments.seconds + 1, 4)
        time.sleep(0.5)
        beside.append(result(wrk(url + "/infer", infer, arguments.seconds, connections, PAUSE_MS)))
        updates.append(result(training)["rps"])
    p99, p99_beside = (statistics.median(run["p99"] for run in runs) for runs in (alone, beside))
    print(f"bench learn case=predict conns={connections} capacity_rps={closed['rps']:.0f} "
          f"rps={statistics.median(run['rps'] for run in alone):.0f} p99_ms={p99:.3f} "
          f"training_rps={statistics.median(run['rps'] for run in beside):.0f} training_p99_ms={p99_beside:.3f} "
          f"updates_s={statistics.median(updates):.0f} ratio={p99_beside / p99:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--state", help="where to keep what is learnt (default: a folder in the build)")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.build) / "bench-work"
    folder.mkdir(exist_ok=True)
    infer, learn = make_bodies(folder)
    with tempfile.TemporaryDirectory(dir=arguments.state or folder) as state:
        with Daemon(arguments.build, "--model-repository", ROOT / "examples/models", "--state-dir", state) as daemon:
            url = f"http://127.0.0.1:{daemon.port}/v2/models/digits"
            check(url, infer, learn)
            learn_alone(url, learn, arguments, fdatasync_ms(state))
            predict_beside(url, infer, learn, arguments)


if __name__ == "__main__":
    main()
