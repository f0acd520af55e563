#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black box: models that are put and deleted over HTTP, kept in the state directory, served and taught
like others. Ends with "N passed, N failed"."""
import json
import pathlib
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import onnx_writer as onnx  # noqa: E402
from daemon import Daemon, Tally, build_folder  # noqa: E402

SPEC = {"input": {"shape": [4]}, "task": "classification", "classes": ["a", "b", "c"], "seed": 1,
        "layers": [{"type": "dense", "units": 8, "activation": "relu"}, {"type": "dense", "units": 3}]}


def scale(factor):
    rows = ["N", 4]
    return onnx.model([onnx.node("Mul", ["input", "k"], ["y"])], [onnx.value("input", onnx.FLOAT, rows)],
                      [onnx.value("y", onnx.FLOAT, rows)], [onnx.floats("k", [1], [factor])])


def put(daemon, name, body, media="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, answer = daemon.request("PUT", f"/v2/models/{name}", data, {"Content-Type": media} if media else {})
    return status, json.loads(answer), headers


def delete(daemon, name):
    status, _, answer = daemon.request("DELETE", f"/v2/models/{name}")
    return status, json.loads(answer)


def infer(daemon, name, rows=1):
    status, answer = daemon.post_json(f"/v2/models/{name}/infer", {"inputs": [
        {"name": "input", "shape": [rows, 4], "datatype": "FP32", "data": [1, 2, 3, 4] * rows}]})
    return (status, answer["model_version"], answer["outputs"][0]["data"]) if status == 200 else (status, None, None)


def finetune(daemon, name):
    return daemon.post_json(f"/v2/models/{name}/finetune", {
        "inputs": [{"name": "input", "shape": [2, 4], "datatype": "FP32", "data": [1, 2, 3, 4, 4, 3, 2, 1]}],
        "targets": [{"name": "label", "shape": [2], "datatype": "INT64", "data": [0, 2]}]})


REFUSED = [  # body, media, status, words
    (b"", "application/json", 400, "the body is empty"),
    (b"{", "application/json", 400, "not valid JSON"),
    (b"[]", "application/json", 400, "a specification is an array"),
    ({**SPEC, "classes": 4}, "application/json", 400, "layers[1] (dense): gives [3]"),
    ({**SPEC, "layers": [{"type": "dense", "units": "8"}]}, "application/json", 400, "layers[0].units is a string"),
    ({"preset": "mlp", "options": {"deep": 3}}, "application/json", 400, "no option 'deep'"),
    ({"input": {"shape": [16777216]}, "layers": [{"type": "dense", "units": 16777216}]}, "application/json", 507,
     "parameters"),
    (b"no model", "application/octet-stream", 422, "not an ONNX file"),
    (scale(2)[:-7], "application/octet-stream", 422, ""),
    (b"x", "text/plain", 415, "Content-Type must be"),
]


def check_life(tally, daemon, state):
    status, answer, headers = put(daemon, "net", SPEC)
    tally.check(status == 201 and answer == {"name": "net", "version": "1", "created": True, "parameters": 67}, answer)
    tally.check(headers.get("Location") == "/v2/models/net/versions/1", headers)
    status, version, first = infer(daemon, "net")
    tally.check(status == 200 and version == "1" and abs(sum(first) - 1) < 1e-5, f"infer: {status} {first}")
    status, answer, _ = put(daemon, "net", SPEC)
    tally.check(status == 200 and answer["created"] is False and answer["version"] == "1", f"put again: {answer}")
    status, answer, _ = put(daemon, "net", {**SPEC, "seed": 2})
    tally.check(status == 200 and answer["created"] is True and answer["version"] == "2", f"put another: {answer}")
    status, version, second = infer(daemon, "net")
    tally.check(status == 200 and version == "2" and second != first, f"infer the second: {version}")
    tally.check(sorted(p.name for p in (state / "models").rglob("*")) == ["1", "2", "model.onnx", "model.onnx", "net"],
                "files of two versions and nothing else")
    status, answer, _ = put(daemon, "scale", scale(3), "application/octet-stream")
    tally.check(status == 201 and infer(daemon, "scale")[2] == [3, 6, 9, 12], f"an ONNX file: {answer}")
    status, answer, _ = put(daemon, "scale", scale(5), None)
    tally.check(status == 200 and infer(daemon, "scale")[2] == [5, 10, 15, 20], f"without a media type: {answer}")
    status, answer, _ = put(daemon, "preset", {"preset": "mlp", "input": {"shape": [4]}, "classes": 3})
    tally.check(status == 201, f"a preset: {answer}")


def check_refused(tally, daemon, state):
    before = sorted(str(p) for p in (state / "models").rglob("*"))
    for body, media, wanted, words in REFUSED:
        status, answer, _ = put(daemon, "net", body, media)
        tally.check(status == wanted and words in answer["error"], f"{body!r:.60}: {status} {answer}")
    tally.check(infer(daemon, "net")[1] == "2", "what was refused has changed nothing")
    tally.check(before == sorted(str(p) for p in (state / "models").rglob("*")), "and left nothing behind")
    for name in (".hidden", "a%20b", "x" * 65):
        tally.check(put(daemon, name, SPEC)[0] in (400, 404), f"name {name}")
    tally.check(put(daemon, "users", SPEC)[0] == 409, "the user's repository is not written")
    status, answer = delete(daemon, "users")
    tally.check(status == 409 and "not written" in answer["error"], f"nor deleted from: {answer}")
    tally.check(infer(daemon, "users")[2] == [7, 14, 21, 28], "it serves as before")
    tally.check(delete(daemon, "nobody")[0] == 404, "an unknown model")


def check_learning(tally, daemon, state):
    before = infer(daemon, "net")[2]
    status, answer = finetune(daemon, "net")
    tally.check(status == 200, f"finetune: {answer}")
    after = infer(daemon, "net")[2]
    tally.check(after != before and any((state / "learning").glob("net@2@*")), "it learns")
    return after


def check_restart(tally, daemon, learnt):
    tally.check(infer(daemon, "net")[2] == learnt, "what was learnt is there after a restart")
    tally.check(infer(daemon, "scale")[2] == [5, 10, 15, 20], "what was put is there after a restart")


def check_delete(tally, daemon, state):
    status, answer = delete(daemon, "net")
    tally.check(status == 200 and answer == {"name": "net", "removed": True}, f"delete: {answer}")
    tally.check(infer(daemon, "net")[0] == 404 and delete(daemon, "net")[0] == 404, "it is gone")
    tally.check(not any((state / "learning").glob("net@*")), "and what it learnt")
    tally.check(not (state / "models" / "net").exists() and not list((state / "models").glob(".*")), "and its files")
    status, answer, _ = put(daemon, "net", {**SPEC, "seed": 2})
    tally.check(status == 201 and answer["version"] == "1", f"it can be put again: {answer}")


def check_under_load(tally, daemon):
    """Predictions never fail while versions come."""
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            status, _, data = infer(daemon, "scale")
            if status != 200 or data[0] not in range(5, 40):
                wrong.append((status, data))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for factor in range(6, 26):
        put(daemon, "scale", scale(factor), "application/octet-stream")
    stop.set()
    for thread in threads:
        thread.join()
    tally.check(not wrong, f"predictions while versions came: {wrong[:3]}")
    tally.check(infer(daemon, "scale")[2][0] == 25, "the last version serves")


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as users, tempfile.TemporaryDirectory() as folder:
        state = pathlib.Path(folder) / "state"
        (pathlib.Path(users) / "users" / "1").mkdir(parents=True)
        (pathlib.Path(users) / "users" / "1" / "model.onnx").write_bytes(scale(7))
        with Daemon(build_folder(), "--model-repository", users, "--state-dir", state) as daemon:
            check_life(tally, daemon, state)
            check_refused(tally, daemon, state)
            learnt = check_learning(tally, daemon, state)
        (state / "models" / ".new-torn").mkdir()
        (state / "models" / ".gone-old").mkdir()  # a deletion that a crash cut short
        (state / "learning" / "old@1@feed").mkdir()
        with Daemon(build_folder(), "--state-dir", state) as daemon:
            check_restart(tally, daemon, learnt)
            check_under_load(tally, daemon)
            check_delete(tally, daemon, state)
            tally.check(not list((state / "models").glob(".*")) and not (state / "learning" / "old@1@feed").exists(),
                        "what crashes left behind is swept")
        with Daemon(build_folder(), "--model-repository", users) as daemon:
            status, answer, _ = put(daemon, "net", SPEC)
            tally.check(status == 409 and "--state-dir" in answer["error"], f"without a state directory: {answer}")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
