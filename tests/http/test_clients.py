#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inferctl and the Python module against the real daemon: every command and call, good and bad.
Ends with "N passed, N failed"."""
import array
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
sys.path.insert(0, str(HERE.parent.parent / "clients" / "python"))
import onnx_writer as onnx  # noqa: E402
from daemon import Daemon, Tally, build_folder, free_port  # noqa: E402
from inferd_client import Client, InferdError, Tensor  # noqa: E402

REFUSED, USAGE, UNREACHABLE = 1, 2, 3


def make_repository(root):
    rows = ["N", 2]
    onnx.write(root, "double", onnx.model([onnx.node("Add", ["x", "x"], ["y"])], [onnx.value("x", onnx.FLOAT, rows)],
                                          [onnx.value("y", onnx.FLOAT, rows)]))
    onnx.write(root, "cube", onnx.model([onnx.node("Neg", ["x"], ["y"])], [onnx.value("x", onnx.FLOAT, ["N", 2, 2])],
                                        [onnx.value("y", onnx.FLOAT, ["N", 2, 2])]))
    onnx.write(root, "whole", onnx.model([onnx.node("Neg", ["x"], ["y"])], [onnx.value("x", onnx.INT64, ["N", 1])],
                                         [onnx.value("y", onnx.INT64, ["N", 1])]))
    onnx.write(root, "broken", b"\x08\x08")


def npy(path, descr, shape, data):
    header = str({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)
    return path


class Inferctl:
    def __init__(self, url):
        self.url = url

    def __call__(self, *arguments):
        """(exit status, output, errors)."""
        done = subprocess.run([str(build_folder() / "inferctl"), "--url", self.url, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr


def check_commands(tally, ctl, folder):
    files = {
        "rows.csv": "a,b\r\n1,2\r\n3,4\r\n",
        "plain.csv": "1;2\n\n3;4",
        "rows.json": "[[1,2],[3,4]]\n",
        "bad.csv": "1,2\n3,x\n",
        "rows.txt": "1,2",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    npy(folder / "f4.npy", "<f4", (2, 2), struct.pack("<4f", 1, 2, 3, 4))
    npy(folder / "f8.npy", "<f8", (2, 2), struct.pack("<4d", 1, 2, 3, 4))
    npy(folder / "huge.npy", "<f8", (1, 2), struct.pack("<2d", 1, 1e300))
    npy(folder / "row.npy", "<i4", (2,), struct.pack("<2i", 1, 2))

    doubled = [2.0, 4.0, 6.0, 8.0]
    for value, expected in [
            ("[[1,2],[3,4]]", doubled), ("1,2,3,4", doubled), ("1,2", doubled[:2]), ("[1,2]", doubled[:2]),
            (f"@{folder}/rows.csv", doubled), (f"@{folder}/plain.csv", doubled), (f"@{folder}/rows.json", doubled),
            (f"@{folder}/f4.npy", doubled), (f"@{folder}/f8.npy", doubled), (f"@{folder}/row.npy", doubled[:2])]:
        for form in ([], ["--binary"]):
            status, out, errors = ctl("predict", "double", "--input", f"x={value}", "--output", "json", *form)
            found = json.loads(out)["outputs"][0] if status == 0 else errors
            tally.check(status == 0 and found["data"] == expected and found["shape"] == [len(expected) // 2, 2],
                        f"predict {value} {form}: {found}")

    status, out, _ = ctl("predict", "cube/1", "--input=x=1,2,3,4,5,6,7,8")
    tally.check(status == 0 and out == "y FP32 [2,2,2]\n  -1.0 -2.0 -3.0 -4.0\n  -5.0 -6.0 -7.0 -8.0\n",
                f"a table of flat values: {out}")
    status, out, _ = ctl("predict", "whole", "--input", "x=[[9007199254740993]]")
    tally.check(status == 0 and "-9007199254740993" in out, f"integers stay exact: {out}")

    for arguments, expected, text in [
            ((), USAGE, "no command"),
            (("frobnicate",), USAGE, "unknown command 'frobnicate'"),
            (("models", "--loud"), USAGE, "unknown option '--loud'"),
            (("models", "--binary"), USAGE, "usage: inferctl models"),
            (("models", "--output", "xml"), USAGE, "expected table or json"),
            (("predict",), USAGE, "usage: inferctl predict"),
            (("predict", "double", "--input"), USAGE, "--input needs a value"),
            (("predict", "double", "--input", "x"), USAGE, "expected NAME=VALUE"),
            (("predict", "double", "--input", "z=1"), USAGE, "no input 'z'"),
            (("predict", "double", "--input", "x=1,2,3"), USAGE, "x: 3 elements do not fit the shape [-1,2]"),
            (("predict", "double", "--input", "x=[[1,2],[3]]"), USAGE, "ragged"),
            (("predict", "double", "--input", "x=[1,2"), USAGE, "no JSON value"),
            (("predict", "double", "--input", "x=1,two"), USAGE, "element 1"),
            (("predict", "double", "--input", f"x=@{folder}/bad.csv"), USAGE, "element 3"),
            (("predict", "double", "--input", f"x=@{folder}/rows.txt"), USAGE, "expected .npy, .csv or .json"),
            (("predict", "double", "--input", f"x=@{folder}/none.npy"), USAGE, "No such file"),
            (("predict", "double", "--input", f"x=@{folder}/huge.npy"), USAGE, "does not fit FP32"),
            (("predict", "whole", "--input", "x=1.5"), USAGE, "not written as an integer"),
            (("predict", "none", "--input", "x=1"), REFUSED, "none"),
            (("predict", "double/7", "--input", "x=1,2"), REFUSED, "7"),
            (("predict", "double"), REFUSED, "x"),
            (("model", "../etc"), REFUSED, ""),
            (("ready", "none"), REFUSED, ""),
            (("load", "none"), REFUSED, "none"),
            (("load", "double/1"), USAGE, "all its versions"),
            (("bench", "double", "--concurrency", "0"), USAGE, "from 1 to 10000")]:
        status, out, errors = ctl(*arguments)
        tally.check(status == expected and text in errors, f"inferctl {arguments}: {status} {out}{errors}")


def check_administration(tally, ctl):
    status, out, _ = ctl("models")
    tally.check(status == 0 and "double" in out and "UNAVAILABLE" in out, f"models: {out}")
    status, out, _ = ctl("models", "--output=json")
    states = {row["name"]: row["state"] for row in json.loads(out)}
    tally.check(states["double"] == "READY" and states["broken"] == "UNAVAILABLE", f"models as JSON: {states}")
    status, out, _ = ctl("model", "double")
    tally.check(status == 0 and "inputs   x" in out and "FP32" in out and "[-1,2]" in out, f"model: {out}")
    status, out, _ = ctl("model", "double", "--output", "json")
    tally.check(json.loads(out)["name"] == "double", f"model as JSON: {out}")
    tally.check(ctl("ready")[:2] == (0, "ready\n"), "ready")
    tally.check(ctl("ready", "double")[:2] == (0, "ready\n"), "ready double")
    tally.check(ctl("unload", "double")[0] == 0, "unload")
    tally.check(ctl("ready", "double")[0] == REFUSED, "not ready once unloaded")
    tally.check(ctl("load", "double")[0] == 0 and ctl("ready", "double")[0] == 0, "load")
    status, out, _ = ctl("stats", "double")
    tally.check(status == 0 and json.loads(out)["model_stats"][0]["name"] == "double", f"stats: {out}")
    status, out, _ = ctl("metrics")
    tally.check(status == 0 and "# TYPE inferd_" in out, "metrics")
    for form in ([], ["--binary"]):
        status, out, errors = ctl("bench", "double", "--concurrency", 4, "--duration-s", 0.3, *form)
        fields = dict(field.split("=") for field in out.split()[1:])
        tally.check(status == 0 and int(fields["requests"]) > 10 and fields["refused"] == fields["failed"] == "0"
                    and 0 < float(fields["p50_ms"]) <= float(fields["p99_ms"]), f"bench: {out}{errors}")
    status, out, errors = ctl("bench", "double", "--duration-s", 0.1, "--input", "x=1,2,3,4")
    tally.check(status == 0, f"bench with values: {out}{errors}")
    tally.check(ctl("--help")[0] == 0, "help")
    unreachable = Inferctl(f"127.0.0.1:{free_port()}")
    status, _, errors = unreachable("ready")
    tally.check(status == UNREACHABLE and "127.0.0.1" in errors, f"nobody there: {status} {errors}")
    tally.check(Inferctl("ftp://x")("ready")[0] == USAGE, "a URL that is none")


def check_module(tally, url):
    with Client(url) as client:
        tally.check(client.live() and client.ready() and client.model_ready("double"), "live and ready")
        tally.check(client.metadata()["name"] == "inferd", "metadata")
        tally.check(client.model_metadata("double", 1)["inputs"][0]["name"] == "x", "model metadata")
        tally.check(any(row["name"] == "double" for row in client.models()), "models")
        tally.check(client.stats("double")["model_stats"][0]["name"] == "double", "stats")
        tally.check("# TYPE inferd_" in client.metrics(), "metrics")
        for binary in (False, True):
            for value, expected in [([[1, 2], [3, 4]], [[2.0, 4.0], [6.0, 8.0]]), ([1, 2], [[2.0, 4.0]]),
                                    (array.array("f", [1, 2, 3, 4]), [[2.0, 4.0], [6.0, 8.0]]),
                                    (array.array("d", [0.5, -0.25]), [[1.0, -0.5]]),
                                    (Tensor("FP32", [1, 2], [1, 2]), [[2.0, 4.0]]),
                                    ([[1e38, float("inf")]], [[2.0000000774905984e38, float("inf")]])]:
                answer = client.predict("double", {"x": value}, binary=binary, id="q", outputs=["y"])
                found = answer["y"].nested()
                close = all(abs(a - b) <= 1e-6 * abs(b) or a == b or (math.isinf(b) and math.isnan(a) and not binary)
                            for row, wanted in zip(found, expected) for a, b in zip(row, wanted))
                tally.check(close and len(found) == len(expected) and answer.id == "q"
                            and answer.model_version == "1", f"predict {value}, binary={binary}: {found}")
            answer = client.predict("whole", {"x": [[-2**62], [7]]}, binary=binary)
            tally.check(answer["y"].nested() == [[2**62], [-7]], "integers stay exact")
        client.unload("cube")
        try:
            tally.check(not client.model_ready("cube"), "an unloaded model is ready")
        except InferdError as error:
            tally.check(error.status == 404 and "cube" in str(error), f"unloaded: {error}")
        client.load("cube")
        tally.check(client.model_ready("cube"), "loaded again")
        for call, status in [(lambda: client.predict("none", {"x": [1]}), 404),
                             (lambda: client.predict("double", {"z": [1]}), 0),
                             (lambda: client.predict("double", {"x": Tensor("FP32", [1, 3], [1, 2, 3])}), 400),
                             (lambda: client.model_ready("none"), 404)]:
            try:
                call()
                tally.check(False, "an error was expected")
            except InferdError as error:
                tally.check(error.status == status and str(error), f"status {error.status}, expected {status}: {error}")
        try:
            client.predict("double", {"x": [[1, 2], [3]]})
            tally.check(False, "ragged lists were taken")
        except ValueError as error:
            tally.check("ragged" in str(error), f"ragged: {error}")
    try:
        Client(f"127.0.0.1:{free_port()}").ready()
        tally.check(False, "nobody was there")
    except InferdError as error:
        tally.check(error.status == 0, "nobody there")


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_repository(folder / "models")
        socket = folder / "inferd.sock"
        with Daemon(build_folder(), "--model-repository", folder / "models", "--listen", f"unix:{socket}") as daemon:
            url = f"http://127.0.0.1:{daemon.port}"
            check_administration(tally, Inferctl(url))
            check_commands(tally, Inferctl(url), folder)
            check_commands(tally, Inferctl(f"unix:{socket}"), folder)
            check_module(tally, url)
            check_module(tally, f"unix:{socket}")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
