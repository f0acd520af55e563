#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_http.py [--build DIR] [--seconds S] [--rounds N]: the daemon under wrk, beside a FastAPI server with ONNX Runtime,
beside itself without batching, and beside its own no-op route. All servers are up; one is loaded at a time; rounds
are interleaved; medians are printed. Every answer is checked against ONNX Runtime before anything is timed.

One line a case: cpu_us is the server's CPU for a request, overhead_us the part of it that is not the network's
computation, mean_batch the rows of a run."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(ROOT / "bench"))
import peers  # noqa: E402
from daemon import Daemon, free_port  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


class Case:
    """One way of asking one server."""

    def __init__(self, name, url, body=None, headers="", pid=None, stats=None):
        self.name, self.url, self.body, self.headers, self.pid = name, url, body, headers, pid
        self.stats, self.runs = stats, []

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def counters(self):
        """(seconds of network computation, rows computed, runs) so far."""
        if not self.stats:
            return 0.0, 0, 0
        model, = json.loads(urllib.request.urlopen(self.stats).read())["model_stats"]
        compute = sum(batch["compute_infer"]["ns"] for batch in model["batch_stats"])
        return compute / 1e9, model["inference_count"], model["execution_count"]

    def run(self, seconds, connections):
        environment = {**os.environ, "HEADERS": self.headers}
        if self.body:
            environment["BODY"] = str(self.body)
        cpu, counters = self.cpu_s(), self.counters()
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                              "-s", str(ROOT / "bench" / "post.lua"), self.url],
                             env=environment, capture_output=True, text=True, check=True).stdout
        result = json.loads(out.strip().rsplit("\n", 1)[1])
        if result["failed"]:
            raise SystemExit(f"{self.name}: {result['failed']} requests failed")
        cpu = self.cpu_s() - cpu
        compute, rows, batches = (b - a for a, b in zip(counters, self.counters()))
        count = result["requests"]
        self.runs.append({"rps": count / (result["duration_us"] / 1e6), "p50_ms": result["p50_us"] / 1e3,
                          "p99_ms": result["p99_us"] / 1e3, "cpu_us": cpu / count * 1e6,
                          "overhead_us": (cpu - compute) / count * 1e6,
                          "mean_batch": rows / batches if batches else 0})

    def median(self, key):
        return statistics.median(run[key] for run in self.runs)


def make_bodies(folder, row):
    """The same 784 floats as JSON (17 digits as Python widens float32), JSON (4 decimals) and binary."""
    import numpy as np
    bodies = {}
    for name, data in ("json", [float(x) for x in row]), ("json-short", [round(float(x), 4) for x in row]):
        bodies[name] = folder / f"{name}.body"
        bodies[name].write_text(json.dumps({"inputs": [{"name": "x", "shape": [1, 784], "datatype": "FP32",
                                                        "data": data}]}))
    raw = np.asarray(row, np.float32).tobytes()
    header = json.dumps({"inputs": [{"name": "x", "shape": [1, 784], "datatype": "FP32",
                                     "parameters": {"binary_data_size": len(raw)}}],
                         "parameters": {"binary_data_output": True}}).encode()
    bodies["binary"] = folder / "binary.body"
    bodies["binary"].write_bytes(header + raw)
    bodies["raw"] = folder / "raw.body"
    bodies["raw"].write_bytes(raw)
    return bodies, len(header)


def check_answers(cases, expected):
    """Each case's own request, once, against ONNX Runtime's answer."""
    import numpy as np
    for case in cases:
        if not case.body:
            continue
        headers = dict(line.split(": ") for line in case.headers.splitlines())
        request = urllib.request.Request(case.url, case.body.read_bytes(), headers)
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            length = answer.headers.get("Inference-Header-Content-Length")
        if body[:1] == b"{" and length is None:
            got = json.loads(body)["outputs"][0]["data"]
        else:
            got = np.frombuffer(body[int(length or 0):], np.float32)
        worst = float(np.abs(np.asarray(got) - expected).max())
        if worst > (1e-3 if "short" in case.name else 1e-5):
            raise SystemExit(f"{case.name}: differs from ONNX Runtime by {worst:g}; nothing was timed")


def wait_for(url, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} did not come up")


def report(case, connections, peer):
    line = (f"bench http case={case.name} conns={connections} rps={case.median('rps'):.0f} "
            f"p50_ms={case.median('p50_ms'):.3f} p99_ms={case.median('p99_ms'):.3f} cpu_us={case.median('cpu_us'):.1f}")
    if case.stats:
        line += f" overhead_us={case.median('overhead_us'):.1f} mean_batch={case.median('mean_batch'):.1f}"
    if peer:
        line += f" peer={peer.name} peer_rps={peer.median('rps'):.0f} ratio={case.median('rps') / peer.median('rps'):.2f}"
    print(line, flush=True)


def measure(arguments):
    import numpy as np
    import onnxruntime
    folder = pathlib.Path(arguments.build) / "bench-work"
    folder.mkdir(exist_ok=True)
    import networks
    model = networks.export("mlp", folder)
    row = np.random.RandomState(0).rand(784).astype(np.float32)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: row[None]})[0].ravel()
    bodies, header_length = make_bodies(folder, row)
    json_header = "Content-Type: application/json\n"
    binary_header = f"Content-Type: application/octet-stream\nInference-Header-Content-Length: {header_length}\n"
    peer_port = free_port()
    peer = subprocess.Popen([sys.executable, str(ROOT / "bench" / "peer_server.py"), str(model), str(peer_port)],
                            env={**os.environ, "OMP_NUM_THREADS": "1"})
    quiet = ("--access-log=off",)
    try:
        with Daemon(arguments.build, model, *quiet) as batching, \
                Daemon(arguments.build, model, "--batch-size-max=1", *quiet) as single:
            wait_for(f"http://127.0.0.1:{peer_port}/infer")

            def ours(name, daemon, kind, header):
                return Case(name, f"http://127.0.0.1:{daemon.port}/v2/models/model/infer", bodies[kind], header,
                            daemon.process.pid, f"http://127.0.0.1:{daemon.port}/v2/models/model/stats")

            def theirs(name, path, kind, header):
                return Case(name, f"http://127.0.0.1:{peer_port}/{path}", bodies[kind], header, peer.pid)

            noop = Case("noop", f"http://127.0.0.1:{batching.port}/v2/health/live", pid=batching.process.pid)
            plan = [(noop, None),
                    (ours("mlp-json", batching, "json", json_header), theirs("fastapi-ort", "infer", "json", json_header)),
                    (ours("mlp-json-short", batching, "json-short", json_header),
                     theirs("fastapi-ort", "infer", "json-short", json_header)),
                    (ours("mlp-binary", batching, "binary", binary_header),
                     theirs("fastapi-ort-raw", "binary", "raw", binary_header)),
                    (ours("mlp-json-one-by-one", single, "json", json_header), None),
                    (ours("mlp-binary-one-by-one", single, "binary", binary_header), None)]
            cases = [case for pair in plan for case in pair if case]
            check_answers(cases, expected)
            for connections in (64, 1):
                for case in cases:
                    case.runs.clear()
                for step in range(arguments.rounds):
                    for case in cases:
                        case.run(arguments.seconds, connections)
                    print(f"round {step + 1} of {arguments.rounds} at {connections} connections", file=sys.stderr)
                for case, other in plan:
                    report(case, connections, other or (noop if case is not noop else None))
    finally:
        peer.terminate()
        peer.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    peers.enter_venv(arguments.build)
    measure(arguments)


if __name__ == "__main__":
    main()
