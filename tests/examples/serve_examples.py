#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_examples.py BUILD [--footprint] [--valgrind]: every held-out row of every example through the real daemon, one
by one and from 64 clients at once, as JSON and as binary tensors; the answers must be the exporter's: the
same classes, values within 1e-5, and the accuracy that it measured. Ends with "N passed, N failed"."""
import array
import csv
import json
import pathlib
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from daemon import ROOT, Daemon, Tally  # noqa: E402

# name, input, shape of one row, output
EXAMPLES = [("digits", "image", [64], "probabilities"), ("digits-gru", "rows", [8, 8], "probabilities"),
            ("iris", "X", [4], "probabilities")]
CLIENTS = 64
TOLERANCE = 1e-5


def read_rows(path, kind):
    with open(path, encoding="ascii") as file:
        return [[kind(x) for x in row] for row in csv.reader(file)]


class Example:
    def __init__(self, name, input_name, row_shape, output_name):
        folder = ROOT / "examples" / name
        self.name, self.input_name, self.row_shape, self.output_name = name, input_name, row_shape, output_name
        self.inputs = read_rows(folder / "inputs.csv", float)
        self.labels = [row[0] for row in read_rows(folder / "labels.csv", int)]
        self.expected = read_rows(folder / "expected.csv", float)
        self.metrics = json.loads((folder / "metrics.json").read_text())
        self.path = f"/v2/models/{name}/infer"

    def json_rows(self, daemon, connection, first, count):
        rows = self.inputs[first:first + count]
        document = {"inputs": [{"name": self.input_name, "shape": [len(rows), *self.row_shape], "datatype": "FP32",
                                "data": [x for row in rows for x in row]}],
                    "outputs": [{"name": self.output_name}]}
        status, answer = daemon.post_json(self.path, document, connection)
        assert status == 200, (status, answer)
        output, = answer["outputs"]
        return regroup(output["data"], output["shape"])

    def binary_rows(self, daemon, connection, first, count):
        rows = self.inputs[first:first + count]
        tensor = array.array("f", (x for row in rows for x in row)).tobytes()
        header = json.dumps({"inputs": [{"name": self.input_name, "shape": [len(rows), *self.row_shape],
                                         "datatype": "FP32", "parameters": {"binary_data_size": len(tensor)}}],
                             "outputs": [{"name": self.output_name, "parameters": {"binary_data": True}}]}).encode()
        status, headers, body = daemon.request(
            "POST", self.path, header + tensor, {"Inference-Header-Content-Length": str(len(header)),
                                                 "Content-Type": "application/octet-stream"}, connection)
        assert status == 200, (status, body[:500])
        length = int({k.lower(): v for k, v in headers.items()}["inference-header-content-length"])
        output, = json.loads(body[:length])["outputs"]
        count = output["parameters"]["binary_data_size"] // 4
        assert len(body) == length + 4 * count
        return regroup(struct.unpack(f"<{count}f", body[length:]), output["shape"])


def regroup(flat, shape):
    width = len(flat) // shape[0]
    return [flat[i * width:(i + 1) * width] for i in range(shape[0])]


def judge(tally, example, how, answers):
    """All rows of one way of asking, against the exporter's answers."""
    argmax = lambda row: max(range(len(row)), key=row.__getitem__)  # noqa: E731
    worst = max(abs(a - e) for got, want in zip(answers, example.expected) for a, e in zip(got, want))
    accuracy = sum(argmax(row) == label for row, label in zip(answers, example.labels)) / len(answers)
    tally.check(len(answers) == len(example.expected), f"{example.name} {how}: {len(answers)} answers")
    tally.check(worst <= TOLERANCE, f"{example.name} {how}: differs by {worst:g} from the exporter")
    tally.check([argmax(r) for r in answers] == [argmax(r) for r in example.expected],
                f"{example.name} {how}: not the exporter's classes")
    tally.check(accuracy == example.metrics["accuracy"],
                f"{example.name} {how}: accuracy {accuracy}, the exporter measured {example.metrics['accuracy']}")
    print(f"{example.name} {how}: {len(answers)} rows, largest difference {worst:.2e}, accuracy {accuracy:.4f}")


def ask_concurrently(daemon, ask, count):
    answers, errors, lock = [None] * count, [], threading.Lock()
    queue = iter(range(count))

    def client():
        connection = daemon.connect()
        try:
            while True:
                with lock:
                    row = next(queue, None)
                if row is None:
                    return
                answers[row] = ask(daemon, connection, row, 1)[0]
        except Exception as error:  # noqa: BLE001  (a thread's failure is the test's)
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def serve(tally, daemon, example):
    for kind, ask in ("JSON", example.json_rows), ("binary", example.binary_rows):
        connection = daemon.connect()
        count = len(example.inputs)
        judge(tally, example, f"{kind}, one by one",
              [ask(daemon, connection, row, 1)[0] for row in range(count)])
        judge(tally, example, f"{kind}, all in requests of 16",
              [r for first in range(0, count, 16) for r in ask(daemon, connection, first, 16)])
        judge(tally, example, f"{kind}, {CLIENTS} clients", ask_concurrently(daemon, ask, count))
    status, answer = daemon.post_json(f"/v1/models/{example.name}:predict",
                                      {"instances": [regroup_row(r, example.row_shape) for r in example.inputs[:16]]})
    rows = [r[example.output_name] if isinstance(r, dict) else r for r in answer["predictions"]]
    worst = max(abs(a - e) for got, want in zip(rows, example.expected) for a, e in zip(got, want))
    tally.check(status == 200 and worst <= TOLERANCE, f"{example.name} TF Serving rows: {status}, {worst:g}")


def regroup_row(row, shape):
    return row if len(shape) == 1 else regroup(row, shape)


def footprint(tally, build):
    """How small and how soon: the best of five starts, for the machine may be busy."""
    ready, resident = [], []
    for _ in range(5):
        with Daemon(build, "--model-repository", ROOT / "examples" / "models") as daemon:
            ready.append(daemon.ready_s * 1000)
            resident.append(daemon.resident_kib())
    stripped = pathlib.Path(build) / "inferd.stripped"
    subprocess.run(["strip", "-o", stripped, pathlib.Path(build) / "inferd"], check=True)
    size = stripped.stat().st_size
    stripped.unlink()
    print(f"ready in {min(ready):.0f} ms, idle {min(resident)} KiB resident, binary {size // 1024} KiB stripped")
    tally.check(min(ready) < 100, f"ready in {min(ready):.0f} ms, expected less than 100")
    tally.check(min(resident) < 32 * 1024, f"{min(resident)} KiB resident, expected less than 32 MiB")
    tally.check(size < 4 << 20, f"the stripped binary has {size} bytes, expected less than 4 MiB")


def main():
    build, flags = sys.argv[1], sys.argv[2:]
    wrapper = ()
    if "--valgrind" in flags:
        wrapper = ("valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
                   "--trace-children=no")
    tally = Tally()
    if "--footprint" in flags:
        footprint(tally, build)
    with Daemon(build, "--model-repository", ROOT / "examples" / "models", wrapper=wrapper) as daemon:
        print(f"ready in {daemon.ready_s * 1000:.0f} ms, resident {daemon.resident_kib()} KiB")
        for spec in EXAMPLES:
            serve(tally, daemon, Example(*spec))
        print(f"resident {daemon.resident_kib()} KiB after all")
    tally.check(daemon.process.returncode == 0, "the daemon ends with 0 after SIGTERM")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
