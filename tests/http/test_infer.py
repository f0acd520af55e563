#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black box: predictions over HTTP, good and bad, by the Open Inference Protocol and TensorFlow
Serving's v1. Hard cases 65-78: each bad request gets its status and a text that names the field; afterwards the
daemon lives, its memory is bounded, and a good request is answered. Ends with "N passed, N failed"."""
import concurrent.futures
import json
import math
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import onnx_writer as onnx  # noqa: E402
from daemon import Daemon, Tally, build_folder  # noqa: E402

RSS_GROWTH_KIB = 64 * 1024
BATCH_MAX, QUEUE_ROWS = 8, 64
EXACT_TYPES = {"BOOL": (onnx.BOOL, "?", [True, False, True]), "UINT8": (onnx.UINT8, "B", [0, 1, 255]),
               "UINT16": (onnx.UINT16, "H", [0, 1, 65535]), "UINT32": (onnx.UINT32, "I", [0, 1, 2**32 - 1]),
               "UINT64": (onnx.UINT64, "Q", [0, 1, 2**64 - 1]), "INT8": (onnx.INT8, "b", [-128, 0, 127]),
               "INT16": (onnx.INT16, "h", [-32768, 0, 32767]), "INT32": (onnx.INT32, "i", [-2**31, 0, 2**31 - 1]),
               "INT64": (onnx.INT64, "q", [-2**63, 0, 2**63 - 1]), "FP16": (onnx.FLOAT16, "e", [-65504.0, 0.5, 1.0]),
               "FP32": (onnx.FLOAT, "f", [-1.5, 0.25, 3.4028234663852886e38]),
               "FP64": (onnx.DOUBLE, "d", [-1e300, 0.1, 5e-324])}


def make_repository(root):
    rows = ["N", 2]
    onnx.write(root, "scale", onnx.model([onnx.node("Mul", ["x", "k"], ["y"])], [onnx.value("x", onnx.FLOAT, rows)],
                                         [onnx.value("y", onnx.FLOAT, rows)], [onnx.floats("k", [1], [2.0])]))
    onnx.write(root, "sum", onnx.model(
        [onnx.node("Add", ["a", "b"], ["sum"]), onnx.node("Sub", ["a", "b"], ["difference"])],
        [onnx.value("a", onnx.FLOAT, rows), onnx.value("b", onnx.FLOAT, rows)],
        [onnx.value("sum", onnx.FLOAT, rows), onnx.value("difference", onnx.FLOAT, rows)]))
    onnx.write(root, "table", onnx.model(
        [onnx.node("Gather", ["t", "x"], ["y"])], [onnx.value("x", onnx.INT64, ["N", 1])],
        [onnx.value("y", onnx.FLOAT, ["N", 1])], [onnx.floats("t", [4], [0.0, 10.0, 20.0, 30.0])]))
    onnx.write(root, "fixed", onnx.model([onnx.node("Abs", ["x"], ["y"])], [onnx.value("x", onnx.FLOAT, [3])],
                                         [onnx.value("y", onnx.FLOAT, [3])]))
    onnx.write(root, "broken", b"\x08\x08 this is no model")
    for name, (dtype, _, _) in EXACT_TYPES.items():
        onnx.write(root, f"same-{name}", onnx.model([onnx.node("Identity", ["x"], ["y"])],
                                                    [onnx.value("x", dtype, ["N"])], [onnx.value("y", dtype, ["N"])]))
    onnx.write(root, "same-BYTES", onnx.model([onnx.node("Identity", ["x"], ["y"])],
                                              [onnx.value("x", onnx.STRING, ["N"])],
                                              [onnx.value("y", onnx.STRING, ["N"])]))
    onnx.write(root, "versioned", (root / "scale" / "1" / "model.onnx").read_bytes(), 1)
    onnx.write(root, "versioned", (root / "scale" / "1" / "model.onnx").read_bytes(), 2)
    (root / "versioned" / "config.json").write_text('{"version_policy": "all", "labels": {"stable": 1}}')


def one(name="x", shape=(1, 2), datatype="FP32", data=(1, 2), **more):
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": list(data), **more}


def request(*inputs, **more):
    return {"inputs": list(inputs), **more}


# hard case, model, body (a document, or text as it is), status, what the error must name
BAD = [
    ("65 missing input", "sum", request(one("a")), 400, "'b'"),
    ("65 unknown input", "scale", request(one("z")), 400, "'z'"),
    ("65 extra input", "scale", request(one("x"), one("z")), 400, "'z'"),
    ("65 input twice", "scale", request(one("x"), one("x")), 400, "'x'"),
    ("65 unknown output", "scale", request(one(), outputs=[{"name": "z"}]), 400, "'z'"),
    ("65 output twice", "scale", request(one(), outputs=[{"name": "y"}, {"name": "y"}]), 400, "'y'"),
    ("65 no inputs", "scale", request(), 400, "x"),
    ("66 rank 0", "scale", request(one(shape=(), data=[1])), 400, "x"),
    ("66 rank 1", "scale", request(one(shape=[2])), 400, "[2]"),
    ("66 rank 9", "scale", request(one(shape=[1] * 9, data=[1])), 400, "shape"),
    ("67 dimension 0", "scale", request(one(shape=[0, 2], data=[])), 400, "[0,2]"),
    ("67 dimension -1", "scale", request(one(shape=[-1, 2])), 400, "shape"),
    ("67 dimension -5", "scale", request(one(shape=[-5, 2])), 400, "shape"),
    ("67 dimension 1.5", "scale", request(one(shape=[1.5, 2])), 400, "shape"),
    ("68 product overflows to 32", "scale", request(one(shape=[2**4, 2**60 + 2], data=[1] * 32)), 400, ""),
    ("68 product overflows to 8", "scale", request(one(shape=[2**2, 2**60 + 2], data=[1] * 8)), 400, ""),
    ("68 dimension 2^63", "scale", request(one(shape=[2**63, 2])), 400, ""),
    ("69 one element less", "scale", request(one(data=[1])), 400, "data"),
    ("69 one element more", "scale", request(one(data=[1, 2, 3])), 400, "data"),
    ("70 ragged", "scale", request(one(shape=[2, 2], data=[[1, 2], [3]])), 400, "data"),
    ("70 ragged, right count", "scale", request(one(shape=[2, 2], data=[[1, 2, 3], [4]])), 400, "data"),
    ("71 another datatype", "scale", request(one(datatype="FP64")), 400, "expected FP32"),
    ("71 unknown datatype", "scale", request(one(datatype="FLOAT")), 400, "FLOAT"),
    ("71 lower case datatype", "scale", request(one(datatype="fp32")), 400, "fp32"),
    ("71 string for a number", "scale", request(one(data=["1", "2"])), 400, "data"),
    ("71 float for an integer", "table", request(one(shape=[1, 1], datatype="INT64", data=[1.5])), 400, "data"),
    ("71 bool for a number", "scale", request(one(data=[True, False])), 400, "data"),
    ("71 null", "scale", request(one(data=[None, 1])), 400, "data"),
    ("72 more rows than a queue holds", "scale", request(one(shape=[65, 2], data=[1] * 130)), 400, "64"),
    ("72 rows of inputs differ", "sum", request(one("a"), one("b", shape=[2, 2], data=[1] * 4)), 400, "rows"),
    ("72 wrong width", "scale", request(one(shape=[1, 3], data=[1] * 3)), 400, "expected [-1,2]"),
    ("74 index out of range", "table", request(one(shape=[1, 1], datatype="INT64", data=[4])), 400, ""),
    ("74 index below range", "table", request(one(shape=[1, 1], datatype="INT64", data=[-5])), 400, ""),
    ("74 index 2^63 - 1", "table", request(one(shape=[1, 1], datatype="INT64", data=[2**63 - 1])), 400, ""),
    ("76 number beyond FP32", "scale", '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1e39,1]}]}',
     400, "data"),
    ("76 integer beyond INT64", "table", request(one(shape=[1, 1], datatype="INT64", data=[2**63])), 400, "data"),
    ("77 timeout -1", "scale", request(one(), parameters={"timeout": -1}), 400, "timeout"),
    ("77 timeout 2^63", "scale", request(one(), parameters={"timeout": 2**63}), 400, ""),
    ("77 timeout is text", "scale", request(one(), parameters={"timeout": "soon"}), 400, "timeout"),
    ("unloadable model", "broken", request(one()), 503, "unavailable"),
    ("unknown model", "nobody", request(one()), 404, "'nobody'"),
]

BAD_VERSIONS = ["0", "-1", "latest", "99999999999999999999", "01", "3", "%2e%2e", "1x"]


def infer_path(model, version=None):
    return f"/v2/models/{model}/infer" if version is None else f"/v2/models/{model}/versions/{version}/infer"


def post(daemon, path, body, headers=None, connection=None):
    """(status, headers in lower case, decoded JSON or bytes)."""
    body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    status, got, answer = daemon.request("POST", path, body, headers or {"Content-Type": "application/json"}, connection)
    got = {name.lower(): text for name, text in got.items()}
    return status, got, json.loads(answer) if got.get("content-type") == "application/json" else answer


def post_binary(daemon, path, document, blobs, header_length=None):
    header = json.dumps(document).encode()
    length = len(header) if header_length is None else header_length
    return post(daemon, path, header + blobs, {"Inference-Header-Content-Length": str(length),
                                               "Content-Type": "application/octet-stream"})


def is_well(tally, daemon, what, rss_kib):
    tally.check(daemon.get("/v2/health/live")[0] == 200, f"{what}: live afterwards")
    tally.check(daemon.resident_kib() < rss_kib + RSS_GROWTH_KIB, f"{what}: memory is bounded")
    status, _, answer = post(daemon, infer_path("scale"), request(one()))
    tally.check(status == 200 and answer["outputs"][0]["data"] == [2, 4], f"{what}: a good request is answered")


def check_bad(tally, daemon):
    rss_kib = daemon.resident_kib()
    for what, model, body, expected, names in BAD:
        status, _, answer = post(daemon, infer_path(model), body)
        text = answer.get("error", "") if isinstance(answer, dict) else ""
        tally.check(status == expected and text and names in text, f"{what}: {status} {answer}")
    is_well(tally, daemon, "bad requests", rss_kib)


def check_bad_binary(tally, daemon):
    good = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    cases = [("75 not a multiple", {**good, "parameters": {"binary_data_size": 7}}, b"\0" * 7, None),
             ("75 not the shape's size", {**good, "parameters": {"binary_data_size": 12}}, b"\0" * 12, None),
             ("75 body shorter", good, b"\0" * 4, None), ("75 body longer", good, b"\0" * 12, None),
             ("75 negative size", {**good, "parameters": {"binary_data_size": -8}}, b"\0" * 8, None),
             ("75 data and binary", {**good, "data": [1, 2]}, b"\0" * 8, None),
             ("75 header beyond the body", good, b"\0" * 8, 100000), ("75 header negative", good, b"\0" * 8, -1),
             ("75 header of 20 digits", good, b"\0" * 8, 10**19), ("75 header is text", good, b"\0" * 8, "ten"),
             ("75 header cuts the JSON", good, b"\0" * 8, 5)]
    rss_kib = daemon.resident_kib()
    for what, tensor, blobs, header_length in cases:
        status, _, answer = post_binary(daemon, infer_path("scale"), request(tensor), blobs, header_length)
        tally.check(status == 400 and answer["error"], f"{what}: {status} {answer}")
    status, _, answer = post(daemon, infer_path("scale"), request(good))
    tally.check(status == 400 and answer["error"], f"binary size without the header: {status} {answer}")
    is_well(tally, daemon, "bad binary requests", rss_kib)


def check_versions(tally, daemon):
    for version in BAD_VERSIONS:
        status, _, answer = post(daemon, infer_path("versioned", version), request(one()))
        tally.check(status == 404, f"78 version {version}: {status} {answer}")
    for version in (None, "1", "2"):
        status, _, answer = post(daemon, infer_path("versioned", version), request(one()))
        tally.check(status == 200 and answer["model_version"] == (version or "2"), f"version {version}: {answer}")
    status, _, answer = post(daemon, "/v1/models/versioned/labels/stable:predict", {"instances": [[1, 2]]})
    tally.check(status == 200 and answer == {"predictions": [[2, 4]]}, f"label: {status} {answer}")
    status, _, answer = post(daemon, "/v1/models/versioned/labels/canary:predict", {"instances": [[1, 2]]})
    tally.check(status == 404 and "canary" in answer["error"], f"unknown label: {status} {answer}")


def check_special_values(tally, daemon):
    """Not-finite numbers pass through in binary; in JSON, which has no word for them, they are null."""
    values = [math.nan, math.inf, -math.inf, 1e-45, 3.4028234663852886e38 / 2, -0.0]
    blobs = struct.pack("<6f", *values)
    tensor = {"name": "x", "shape": [3, 2], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
    status, headers, answer = post_binary(daemon, infer_path("scale"),
                                          request(tensor, parameters={"binary_data_output": True}), blobs)
    length = int(headers.get("inference-header-content-length", 0))
    got = struct.unpack("<6f", answer[length:]) if status == 200 and len(answer) == length + 24 else ()
    tally.check(len(got) == 6 and math.isnan(got[0]) and got[1:3] == (math.inf, -math.inf) and got[4] > 3e38
                and math.copysign(1, got[5]) < 0, f"73 values in binary: {status} {got}")
    status, _, body = daemon.request("POST", infer_path("scale"), json.dumps(request(one(data=[1, 2]))).replace(
        "[1, 2]}", "[NaN, -Infinity]}"), {"Content-Type": "application/json"})
    tally.check(status == 200 and b"[null,null]" in body, f"73 values in JSON: {status} {body}")
    status, answer = daemon.post_json("/v1/models/scale:predict", {"instances": [[3e38, 1.0]]})
    tally.check(status == 200 and answer["predictions"][0][0] is None, f"73 overflow in rows: {status} {answer}")


def check_nan_tokens(tally, folder):
    """The setting for clients that expect Triton's and TensorFlow Serving's spelling."""
    with Daemon(build_folder(), "--model-repository", folder, "--json-nan-tokens=yes") as daemon:
        for path, body in ((infer_path("scale"), json.dumps(request(one(data=[1, 2]))).replace("[1, 2]}", "[NaN, -Infinity]}")),
                           ("/v1/models/scale:predict", '{"instances": [[NaN, -Infinity]]}')):
            status, _, body = daemon.request("POST", path, body, {"Content-Type": "application/json"})
            tally.check(status == 200 and b"NaN,-Infinity" in body, f"73 tokens from {path}: {status} {body}")


def check_types(tally, daemon):
    for name, (_, code, items) in EXACT_TYPES.items():
        path, tensor = infer_path(f"same-{name}"), one(shape=[3], datatype=name, data=items)
        status, _, answer = post(daemon, path, request(tensor))
        blobs = struct.pack(f"<3{code}", *items)
        tally.check(status == 200 and answer["outputs"][0]["datatype"] == name
                    and struct.pack(f"<3{code}", *answer["outputs"][0]["data"]) == blobs,
                    f"{name} as JSON: {status} {answer}")
        binary = {"name": "x", "shape": [3], "datatype": name, "parameters": {"binary_data_size": len(blobs)}}
        status, headers, answer = post_binary(daemon, path, request(binary, outputs=[
            {"name": "y", "parameters": {"binary_data": True}}]), blobs)
        length = int(headers.get("inference-header-content-length", -1))
        tally.check(status == 200 and answer[length:] == blobs, f"{name} as binary: {status} {answer}")
    strings = ["", "text", "snow \u2603 and \u0000", "\U0001f600"]
    status, _, answer = post(daemon, infer_path("same-BYTES"), request(one(shape=[4], datatype="BYTES", data=strings)))
    tally.check(status == 200 and answer["outputs"][0]["data"] == strings, f"BYTES as JSON: {status} {answer}")
    blobs = b"".join(struct.pack("<I", len(text)) + text for text in (b"", b"\xff\x00\xfe", b"x" * 1000))
    binary = {"name": "x", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": len(blobs)}}
    status, headers, answer = post_binary(daemon, infer_path("same-BYTES"), request(
        binary, parameters={"binary_data_output": True}), blobs)
    length = int(headers.get("inference-header-content-length", -1))
    tally.check(status == 200 and answer[length:] == blobs, f"BYTES as binary: {status} {answer[:200]}")


def check_forms(tally, daemon):
    """What a request may ask for besides."""
    status, headers, answer = post(daemon, infer_path("sum"), request(
        one("b", shape=[2, 2], data=[[1, 2], [3, 4]]), one("a", shape=[2, 2], data=[10, 20, 30, 40]), id="17",
        outputs=[{"name": "difference"}]))
    tally.check(status == 200 and answer["id"] == "17" and answer["outputs"] == [
        {"name": "difference", "datatype": "FP32", "shape": [2, 2], "data": [9, 18, 27, 36]}],
        f"inputs in any order, nested, one output: {answer}")
    tally.check(headers.get("inferd-generation") == "1" and answer["parameters"]["generation"] == 1,
                f"generation: {headers} {answer}")
    status, headers, answer = post(daemon, infer_path("scale"), struct.pack("<2f", 3, 4), {
        "Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
    length = int(headers.get("inference-header-content-length", 0))
    tally.check(status == 200 and answer[length:] == struct.pack("<2f", 6, 8), f"raw request: {status} {answer}")
    status, _, answer = post(daemon, infer_path("scale"), request(one(shape=[2, 2], data=[1, 5, 7, 3]), outputs=[
        {"name": "y", "parameters": {"classification": 1}}]))
    tally.check(status == 200 and answer["outputs"][0]["data"] == ["10.000000:1", "14.000000:0"]
                and answer["outputs"][0]["shape"] == [2, 1], f"classification: {status} {answer}")
    for parameters in ({"timeout": 0}, {"timeout": 10**7}, {"priority": 1}, {"priority": 10**9}):
        status, _, answer = post(daemon, infer_path("scale"), request(one(), parameters=parameters))
        tally.check(status == 200, f"{parameters}: {status} {answer}")
    rows = QUEUE_ROWS                    # several runs, one answer
    status, _, answer = post(daemon, infer_path("scale"), request(one(shape=[rows, 2], data=range(2 * rows))))
    tally.check(status == 200 and answer["outputs"][0]["data"] == [2 * i for i in range(2 * rows)],
                f"{rows} rows at once: {status}")
    status, _, answer = post(daemon, infer_path("fixed"), request(one(shape=[3], data=[-1, 0, 1])))
    tally.check(status == 200 and answer["outputs"][0]["data"] == [1, 0, 1], f"a model without rows: {answer}")


def check_v1(tally, daemon):
    path = "/v1/models/sum:predict"
    good = [({"instances": [{"a": [1, 2], "b": [3, 4]}]}, {"predictions": [{"sum": [4, 6], "difference": [-2, -2]}]}),
            ({"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}, {"outputs": {"sum": [[4, 6]], "difference": [[-2, -2]]}})]
    for body, expected in good:
        status, headers, answer = post(daemon, path, body)
        tally.check(status == 200 and answer == expected, f"v1 {body}: {status} {answer}")
        tally.check(headers.get("inferd-generation") == "1", f"v1 generation: {headers}")
    status, _, answer = post(daemon, "/v1/models/scale:predict", {"instances": [[1, 2], [3, 4]]})
    tally.check(status == 200 and answer == {"predictions": [[2, 4], [6, 8]]}, f"v1 rows: {status} {answer}")
    bad = [("both forms", {"instances": [[1, 2]], "inputs": [[1, 2]]}), ("neither form", {}),
           ("no rows", {"instances": []}), ("ragged", {"instances": [[1, 2], [3]]}), ("wrong width", {"instances": [[1]]}),
           ("text", {"instances": [["a", "b"]]}), ("missing input", {"instances": [{"a": [1, 2]}]}),
           ("not an object", [])]
    for what, body in bad:
        status, _, answer = post(daemon, path if what == "missing input" else "/v1/models/scale:predict", body)
        tally.check(status == 400 and answer["error"], f"v1 {what}: {status} {answer}")
    status, _, answer = post(daemon, "/v1/models/nobody:predict", {"instances": [[1, 2]]})
    tally.check(status == 404 and "nobody" in answer["error"], f"v1 unknown model: {status} {answer}")


def check_clients_at_once(tally, daemon):
    """Everybody gets his own answer, good and bad ones beside each other, and batches form."""
    def client(number):
        connection, wrong = daemon.connect(), 0
        for turn in range(40):
            x = number * 1000 + turn
            status, _, answer = post(daemon, infer_path("scale"), request(one(data=[x, -x])), connection=connection)
            wrong += status != 200 or answer["outputs"][0]["data"] != [2 * x, -2 * x]
            index = (number + turn) % 5
            status, _, answer = post(daemon, infer_path("table"), request(
                one(shape=[1, 1], datatype="INT64", data=[index])), connection=connection)
            wrong += (status != 400) if index == 4 else (status != 200 or answer["outputs"][0]["data"] != [10 * index])
        return wrong

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        wrong = sum(pool.map(client, range(32)))
    tally.check(wrong == 0, f"32 clients at once: {wrong} wrong answers")


def check_metrics(tally, daemon):
    status, _, body = daemon.get("/metrics")
    text = body.decode()
    for series in ('inferd_requests_total{model="scale",version="1",protocol="v2_json"}',
                   'inferd_requests_total{model="scale",version="1",protocol="v2_binary"}',
                   'inferd_requests_total{model="sum",version="1",protocol="v1"}',
                   'inferd_request_errors_total{reason="unknown_input"}',
                   'inferd_request_errors_total{reason="wrong_shape"}',
                   'inferd_model_load_failures_total{model="broken",version="1",reason="bad_model"}',
                   'inferd_request_duration_seconds_count{model="scale",version="1",phase="compute"}'):
        line = next((line for line in text.splitlines() if line.startswith(series + " ")), series + " 0")
        tally.check(status == 200 and float(line.rsplit(" ", 1)[1]) > 0, f"metrics: {line}")
    status, _, body = daemon.get("/v2/models/scale/stats")
    stats = json.loads(body)["model_stats"][0]
    tally.check(stats["inference_stats"]["success"]["count"] > 0 and stats["execution_count"] > 0, f"stats: {stats}")
    status, _, answer = post(daemon, "/v2/repository/index", {})
    broken = [row for row in answer if row["name"] == "broken"]
    tally.check(len(broken) == 1 and broken[0]["state"] == "UNAVAILABLE" and broken[0]["reason"], f"index: {broken}")
    tally.check(any("model=broken" in line and "error" in line for line in daemon.log), "the log names the broken model")


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        make_repository(pathlib.Path(folder))
        with Daemon(build_folder(), "--model-repository", folder, "--batch-size-max", BATCH_MAX, "--queue-rows-max",
                    QUEUE_ROWS) as daemon:
            for check in (check_bad, check_bad_binary, check_versions, check_special_values, check_types, check_forms,
                          check_v1, check_clients_at_once, check_metrics):
                check(tally, daemon)
        check_nan_tokens(tally, folder)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
