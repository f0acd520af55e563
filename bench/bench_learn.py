#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_learn.py [--build DIR] [--seconds S] [--rounds N] [--state DIR] [--only CASE]: what learning costs, on the
digits example.

  finetune-one    one client, one example an update, durable: p50 against 2 ms
  finetune-8      eight clients, one example an update: group commit; 3,000 examples a second against what is reached
  finetune-batch  eight clients, eight examples an update
  predict         predictions at a steady 70% of capacity: p99 with updates flat out beside them against p99 without
  swap            one client's predictions while each of 20 updates a second is published: p99 against p99 without

Each ratio is good where it is small; the goals are 1, 1, 1, 1.2 and 1.2. With and without alternate, round by round, and
the ratio is the median of the rounds'. The state directory is --state (default: beside the build), so its disk's
fdatasync() is measured and printed; with --state in memory (/dev/shm) what remains is the daemon's own work. Steady
means: connections that pause after each answer for a random time, so many that together they ask for 70% of what a
closed loop gets. wrk computes on the same cores."""
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
BATCH = 8
P50_MS, EXAMPLES_S = 2.0, 3000     # the goals


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
            "p99": data["p99_us"] / 1e3, "max": data["max_us"] / 1e3}


def body_of(rows, learns):
    images = (ROOT / "examples/digits/inputs.csv").read_text().split()[:rows]
    labels = (ROOT / "examples/digits/labels.csv").read_text().split()[:rows]
    body = {"inputs": [{"name": "image", "shape": [rows, 64], "datatype": "FP32",
                        "data": [float(x) for image in images for x in image.split(",")]}]}
    if learns:
        body["targets"] = [{"name": "label", "shape": [rows], "datatype": "INT64", "data": [int(x) for x in labels]}]
        body["parameters"] = {"learning_rate": 1e-4}
    return json.dumps(body)


def make_bodies(folder):
    infer, learn = folder / "infer.body", folder / "learn.body"
    infer.write_text(body_of(1, False))
    learn.write_text(body_of(1, True))
    (folder / "learn-batch.body").write_text(body_of(BATCH, True))
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
    batch = learn.with_name("learn-batch.body")
    for name, body, connections, rows in (("finetune-one", learn, 1, 1), ("finetune-8", learn, 8, 1),
                                          ("finetune-batch", batch, 8, BATCH)):
        if arguments.only and arguments.only != name:
            continue
        runs = [result(wrk(url + "/finetune", body, arguments.seconds, connections))
                for _ in range(arguments.rounds)]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        examples_s = middle["rps"] * rows
        ratio = middle["p50"] / P50_MS if connections == 1 else EXAMPLES_S / examples_s
        print(f"bench learn case={name} conns={connections} rows={rows} examples_s={examples_s:.0f} "
              f"p50_ms={middle['p50']:.3f} p99_ms={middle['p99']:.3f} fdatasync_ms={sync_ms:.3f} ratio={ratio:.2f}",
              flush=True)


def connections_for(url, infer, rate, seconds):
    """So many that pause: found by asking, as a pause is longer than it is meant to be."""
    connections = max(1, round(rate * PAUSE_MS / 1e3))
    for _ in range(2):
        got = result(wrk(url + "/infer", infer, seconds, connections, PAUSE_MS))["rps"]
        connections = max(1, min(1000, round(connections * rate / got)))
    return connections


def in_turns(url, infer, learn, arguments, connections, pause_ms, teachers, teach_pause_ms):
    alone, beside, updates = [], [], []
    for _ in range(arguments.rounds):
        alone.append(result(wrk(url + "/infer", infer, arguments.seconds, connections, pause_ms)))
        training = wrk(url + "/finetune", learn, arguments.seconds + 1, teachers, teach_pause_ms)
        time.sleep(0.5)
        beside.append(result(wrk(url + "/infer", infer, arguments.seconds, connections, pause_ms)))
        updates.append(result(training)["rps"])

    def middle(runs, key):
        return statistics.median(run[key] for run in runs)

    ratio = statistics.median(with_it["p99"] / without["p99"] for with_it, without in zip(beside, alone))
    return (f"rps={middle(alone, 'rps'):.0f} p99_ms={middle(alone, 'p99'):.3f} max_ms={middle(alone, 'max'):.3f} "
            f"training_rps={middle(beside, 'rps'):.0f} training_p99_ms={middle(beside, 'p99'):.3f} "
            f"training_max_ms={middle(beside, 'max'):.3f} updates_s={statistics.median(updates):.0f} ratio={ratio:.2f}")


def predict_beside(url, infer, learn, arguments):
    closed = result(wrk(url + "/infer", infer, arguments.seconds, 16))
    connections = connections_for(url, infer, 0.7 * closed["rps"], arguments.seconds)
    print(f"bench learn case=predict conns={connections} capacity_rps={closed['rps']:.0f} "
          + in_turns(url, infer, learn, arguments, connections, PAUSE_MS, 4, 0), flush=True)


def swap(url, infer, learn, arguments):
    print("bench learn case=swap conns=1 " + in_turns(url, infer, learn, arguments, 1, 0, 1, 50), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="one case")
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
            for case in (predict_beside, swap):
                if not arguments.only or case.__name__.startswith(arguments.only):
                    case(url, infer, learn, arguments)


if __name__ == "__main__":
    main()
