#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black box: models that come, go, change and break while clients predict; hard cases 97-102 as
far as HTTP sees them. Ends with "N passed, N failed"."""
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import onnx_writer as onnx  # noqa: E402
from daemon import Daemon, Tally, build_folder  # noqa: E402

RELOADS = 30


def scale(factor):
    rows = ["N", 2]
    return onnx.model([onnx.node("Mul", ["x", "k"], ["y"])], [onnx.value("x", onnx.FLOAT, rows)],
                      [onnx.value("y", onnx.FLOAT, rows)], [onnx.floats("k", [1], [factor])])


def put(root, name, data, version=1):
    """As careful tools do it: beside, then renamed."""
    folder = root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.new").write_bytes(data)
    (folder / "model.new").rename(folder / "model.onnx")


def control(daemon, name, verb, body=b"", connection=None):
    status, _, answer = daemon.request("POST", f"/v2/repository/models/{name}/{verb}", body,
                                       {"Content-Type": "application/json"}, connection)
    return status, answer.decode()


def predict(daemon, name, connection=None):
    """(status, factor, generation)."""
    status, answer = daemon.post_json(f"/v2/models/{name}/infer", {"inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 1]}]}, connection)
    if status != 200:
        return status, None, None
    return status, answer["outputs"][0]["data"][0], answer["parameters"]["generation"]


def index(daemon, body):
    return daemon.post_json("/v2/repository/index", body)


def check_index(tally, daemon):
    status, rows = index(daemon, {})
    found = {(row["name"], row.get("version")): row for row in rows}
    tally.check(status == 200 and found[("steady", "1")]["state"] == "READY", f"index: {rows}")
    tally.check(found[("broken", "1")]["state"] == "UNAVAILABLE" and found[("broken", "1")]["reason"],
                f"index, broken: {rows}")
    tally.check("unknown key" in found[("odd", None)]["reason"], f"index, bad config: {rows}")
    tally.check(not any(row["name"] in ("a b", "link", ".hidden") for row in rows), f"index, bad names: {rows}")
    status, rows = index(daemon, {"ready": True})
    tally.check(status == 200 and all(row["state"] == "READY" for row in rows), f"index, ready only: {rows}")
    for body in ({"redy": True}, {"ready": "yes"}, []):
        status, answer = index(daemon, body)
        tally.check(status == 400 and answer["error"], f"index {body}: {status} {answer}")


def check_control(tally, daemon):
    tally.check(control(daemon, "steady", "unload")[0] == 200, "unload")
    tally.check(predict(daemon, "steady")[0] == 404, "an unloaded model is not found")
    tally.check(daemon.get("/v2/models/steady/ready")[0] == 404, "nor is it ready")
    tally.check(daemon.get("/v2/health/ready")[0] == 200, "the server is ready nevertheless")
    tally.check(control(daemon, "steady", "unload", b'{"parameters":{"unload_dependents":true}}')[0] == 200,
                "unload again, with the parameter of the standard")
    tally.check(control(daemon, "steady", "load") [0] == 200 and predict(daemon, "steady")[0] == 200, "load")
    for name, expected in (("nobody", 404), ("..", 404), (".hidden", 404), ("%2e%2e%2fsteady", 404), ("link", 404),
                           ("broken", 422), ("odd", 422), ("x" * 200, 404)):
        status, answer = control(daemon, name, "load")
        tally.check(status == expected, f"load {name}: {status} {answer}")
    for body in (b"{", b"[]", b'{"parameters":{"config":"{}"}}', b'{"parameters":1}', b'{"x":1}'):
        status, answer = control(daemon, "steady", "load", body)
        tally.check(status == 400 and "error" in answer, f"load with {body}: {status} {answer}")
    tally.check(predict(daemon, "steady")[0] == 200, "it serves on")


def check_hangup(tally, daemon, root):
    """SIGHUP looks again."""
    put(root, "late", scale(9))
    daemon.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while time.monotonic() < until and predict(daemon, "late")[0] != 200:
        time.sleep(0.02)
    tally.check(predict(daemon, "late")[:2] == (200, 9), "SIGHUP finds a new model")


def check_storm(tally, daemon, root):
    """Generation g of "steady" multiplies by factors[g]: an answer of mixed weights would show."""
    _, factor, first = predict(daemon, "steady")
    factors = {first: factor}
    over, wrong = threading.Event(), []

    def client():
        connection = daemon.connect()
        while not over.is_set():
            status, factor, generation = predict(daemon, "steady", connection)
            if status != 200 or factors.get(generation) != factor:
                wrong.append((status, factor, generation))
            status, factor, _ = predict(daemon, "flighty", connection)
            if status not in (200, 404, 503) or (status == 200 and factor != 7):
                wrong.append((status, factor, "flighty"))

    def toggle():
        connection = daemon.connect()
        while not over.is_set():
            for verb in ("unload", "load", "load"):
                status, answer = control(daemon, "flighty", verb, connection=connection)
                if status != 200:
                    wrong.append((status, answer))

    threads = [threading.Thread(target=client) for _ in range(8)] + [threading.Thread(target=toggle)]
    for thread in threads:
        thread.start()
    for generation in range(first + 1, first + 1 + RELOADS):
        factors[generation] = generation
        put(root, "steady", scale(generation))
        status, answer = control(daemon, "steady", "load")
        tally.check(status == 200, f"reload {generation}: {status} {answer}")
        if generation % 5 == 0:
            put(root, "steady", b"torn" * 10)
            status, answer = control(daemon, "steady", "load")
            tally.check(status == 422 and "steady" in answer, f"broken reload: {status} {answer}")
    over.set()
    for thread in threads:
        thread.join()
    tally.check(not wrong, f"clients during reloads: {len(wrong)} wrong, first {wrong[:3]}")


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        put(root, "steady", scale(1))
        put(root, "flighty", scale(7))
        put(root, "broken", b"no model")
        put(root, "odd", scale(1))
        (root / "odd" / "config.json").write_text(json.dumps({"batch": 1}))
        put(root, "a b", scale(1))
        put(root, ".hidden", scale(1))
        (root / "link").symlink_to("steady")
        with Daemon(build_folder(), "--model-repository", root) as daemon:
            check_index(tally, daemon)
            check_control(tally, daemon)
            check_storm(tally, daemon, root)
            check_hangup(tally, daemon, root)
            tally.check(not any(folder in line for line in daemon.log), "the log shows no path of a model")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
