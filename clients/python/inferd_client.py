# SPDX-License-Identifier: Apache-2.0
"""Calls to an inference server that speaks the Open Inference Protocol v2. Standard library only.

    client = Client("http://127.0.0.1:8080")
    answer = client.predict("iris", {"X": [[5.1, 3.5, 1.4, 0.2]]})
    answer["probabilities"].values      # [0.97, 0.02, 0.01], row-major
    answer["probabilities"].shape       # [1, 3]

An input is a nested list, an array.array, anything with the buffer protocol's format and shape (a NumPy
array), or a Tensor. Type and free dimensions come from the model's metadata where the input does not say
them. A Client keeps its connection open; use it from one thread at a time.
"""
import array
import http.client
import json
import os
import socket
import struct
import sys
import urllib.parse

# datatype: (struct code, buffer formats that are it)
_TYPES = {
    "BOOL": ("?", "?"), "UINT8": ("B", "B"), "UINT16": ("H", "H"), "UINT32": ("I", "IL"), "UINT64": ("Q", "QL"),
    "INT8": ("b", "b"), "INT16": ("h", "h"), "INT32": ("i", "il"), "INT64": ("q", "ql"), "FP16": ("e", "e"),
    "FP32": ("f", "f"), "FP64": ("d", "d"),
}
_HEADER_LENGTH = "Inference-Header-Content-Length"


class InferdError(Exception):
    """The server refused (status is its HTTP status) or did not answer (status is 0)."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Tensor:
    """datatype as the protocol names it, shape, and values: row-major, flat; bytes or str for BYTES."""

    def __init__(self, datatype, shape, values):
        self.datatype, self.shape, self.values = datatype, list(shape), values

    def __repr__(self):
        return f"Tensor({self.datatype!r}, {self.shape!r}, {self.values!r})"

    def nested(self):
        """The values as nested lists; the bare value when there is no dimension."""
        values = list(self.values)
        for size in reversed(self.shape[1:]):
            values = [values[i:i + size] for i in range(0, len(values), size)] if size else [[]] * self.shape[0]
        return values if self.shape else values[0]


class Answer(dict):
    """Outputs by name, and what came with them."""
    model_name = model_version = id = None
    parameters = {}


def _flatten(value):
    """(shape, flat values) of nested lists or tuples."""
    shape, level = [], [value]
    while level and isinstance(level[0], (list, tuple)):
        size = len(level[0])
        if any(not isinstance(row, (list, tuple)) or len(row) != size for row in level):
            raise ValueError("ragged: lists of different lengths side by side")
        shape.append(size)
        level = [item for row in level for item in row]
    if any(isinstance(item, (list, tuple)) for item in level):
        raise ValueError("ragged: lists and values side by side")
    return shape, level


def _from_buffer(value):
    view = memoryview(value)
    code = view.format.lstrip("<=@")
    for datatype, (_, formats) in _TYPES.items():
        if code in formats and struct.calcsize(_TYPES[datatype][0]) == view.itemsize:
            flat = array.array(view.format, view.tobytes()) if code not in "?e" else \
                list(struct.unpack(f"<{view.nbytes // view.itemsize}{code}", view.tobytes()))
            return Tensor(datatype, view.shape, flat)
    raise ValueError(f"no tensor has elements of buffer format '{view.format}'")


def _fit(shape, count, wanted):
    """The shape the model wants for these elements: as it is, as one row, or filled up."""
    if len(shape) == len(wanted):
        return shape
    if len(shape) + 1 == len(wanted) and all(w in (-1, size) for size, w in zip(shape, wanted[1:])):
        return [1] + shape
    known = 1
    for size in wanted:
        known *= size if size >= 0 else 1
    if wanted.count(-1) == 1 and known and count % known == 0:
        return [count // known if size < 0 else size for size in wanted]
    return shape


def _pack(tensor):
    if tensor.datatype == "BYTES":
        items = [item.encode() if isinstance(item, str) else bytes(item) for item in tensor.values]
        return b"".join(struct.pack("<I", len(item)) + item for item in items)
    code = _TYPES[tensor.datatype][0]
    return struct.pack(f"<{len(tensor.values)}{code}", *tensor.values)


def _unpack(datatype, shape, data):
    count = 1
    for size in shape:
        count *= size
    if datatype != "BYTES":
        if datatype not in _TYPES:
            raise InferdError(0, f"the answer has an output of {datatype}, which cannot be unpacked: ask for JSON")
        return list(struct.unpack(f"<{count}{_TYPES[datatype][0]}", data))
    values, at = [], 0
    for _ in range(count):
        length = struct.unpack_from("<I", data, at)[0]
        values.append(data[at + 4:at + 4 + length])
        at += 4 + length
    return values


def _as_json(tensor):
    values = tensor.values
    if tensor.datatype == "BYTES":
        return [item.decode() if isinstance(item, bytes) else item for item in values]
    return list(values)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    def __init__(self, url=None, timeout_s=30):
        """url: http://host:port, https://..., host:port or unix:/path.sock; INFERD_URL if not given."""
        self.url = (url or os.environ.get("INFERD_URL") or "http://127.0.0.1:8080").rstrip("/")
        self.prefix = ""
        if self.url.startswith("unix:"):
            self.connection = _UnixConnection(self.url[5:], timeout_s)
        else:
            parts = urllib.parse.urlsplit(self.url if "://" in self.url else "http://" + self.url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ValueError(f"'{self.url}' is no http, https or unix URL")
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self.connection = kind(parts.netloc, timeout=timeout_s)
            self.prefix = parts.path.rstrip("/")
        self.models_known = {}

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def live(self):
        return self._ask("/v2/health/live")

    def ready(self):
        return self._ask("/v2/health/ready")

    def model_ready(self, model, version=None):
        return self._ask(self._path(model, version, "/ready"))

    def metadata(self):
        return self._json("GET", "/v2")

    def model_metadata(self, model, version=None):
        return self._json("GET", self._path(model, version))

    def stats(self, model, version=None):
        return self._json("GET", self._path(model, version, "/stats"))

    def models(self):
        """The repository's index: a list of {name, version, state, reason}."""
        return self._json("POST", "/v2/repository/index", b"{}")

    def metrics(self):
        """Prometheus text."""
        return self._exchange("GET", "/metrics")[2].decode()

    def load(self, model):
        self._exchange("POST", f"/v2/repository/models/{urllib.parse.quote(model, safe='')}/load", b"{}")
        self.models_known.clear()

    def unload(self, model):
        self._exchange("POST", f"/v2/repository/models/{urllib.parse.quote(model, safe='')}/unload", b"{}")
        self.models_known.clear()

    def predict(self, model, inputs, version=None, outputs=None, binary=False, id=None, parameters=None):
        """inputs: {name: value}; outputs: names, all if not given. Returns an Answer."""
        tensors = {name: self._tensor(model, version, name, value) for name, value in inputs.items()}
        request, tail = {}, b""
        if id is not None:
            request["id"] = id
        if parameters or binary:
            request["parameters"] = {**(parameters or {}), **({"binary_data_output": True} if binary else {})}
        request["inputs"] = []
        for name, tensor in tensors.items():
            entry = {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
            if binary and tensor.datatype != "BF16":
                data = _pack(tensor)
                entry["parameters"] = {"binary_data_size": len(data)}
                tail += data
            else:
                entry["data"] = _as_json(tensor)
            request["inputs"].append(entry)
        if outputs is not None:
            request["outputs"] = [{"name": name} for name in outputs]
        header = json.dumps(request).encode()
        headers = {"Content-Type": "application/json"}
        if binary:
            headers = {"Content-Type": "application/octet-stream", _HEADER_LENGTH: str(len(header))}
        return self._answer(*self._exchange("POST", self._path(model, version, "/infer"), header + tail, headers)[1:])

    def _answer(self, headers, body):
        length = int(headers.get(_HEADER_LENGTH, len(body)))
        document, at = json.loads(body[:length]), length
        answer = Answer()
        answer.model_name, answer.model_version = document.get("model_name"), document.get("model_version")
        answer.id, answer.parameters = document.get("id"), document.get("parameters", {})
        for output in document["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size")
            if size is None:
                values = _flatten(output["data"])[1]
                if None in values:                 # not finite: JSON has no word for it
                    values = [float("nan") if value is None else value for value in values]
            else:
                values = _unpack(output["datatype"], output["shape"], body[at:at + size])
                at += size
            answer[output["name"]] = Tensor(output["datatype"], output["shape"], values)
        return answer

    def _spec(self, model, version, name):
        key = (model, version)
        if key not in self.models_known:
            self.models_known[key] = {spec["name"]: spec for spec in self.model_metadata(model, version)["inputs"]}
        spec = self.models_known[key].get(name)
        if spec is None:
            raise InferdError(0, f"model '{model}' has no input '{name}'")
        return spec

    def _tensor(self, model, version, name, value):
        if isinstance(value, Tensor):
            return value
        spec = self._spec(model, version, name)
        if isinstance(value, (bytes, bytearray, str)):
            value = [value]
        if not _is_buffer(value):
            shape, flat = _flatten(value)
            tensor = Tensor(spec["datatype"], shape, flat)
        else:
            tensor = _from_buffer(value)
            tensor.datatype = spec["datatype"]
        tensor.shape = _fit(tensor.shape, len(tensor.values), spec["shape"])
        return tensor

    def _path(self, model, version=None, suffix=""):
        path = "/v2/models/" + urllib.parse.quote(model, safe="")
        if version is not None:
            path += "/versions/" + urllib.parse.quote(str(version), safe="")
        return path + suffix

    def _send(self, method, path, body, headers):
        """One exchange; once more if a kept connection had been closed meanwhile."""
        for kept in (self.connection.sock is not None, False):
            try:
                self.connection.request(method, self.prefix + path, body=body, headers=headers or {})
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                self.connection.close()
                if not kept:
                    raise InferdError(0, f"{self.url}: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                raise InferdError(0, f"{self.url}: {error}") from error
        raise AssertionError

    def _exchange(self, method, path, body=None, headers=None):
        if body is not None and headers is None:
            headers = {"Content-Type": "application/json"}
        status, answer_headers, data = self._send(method, path, body, headers)
        if status == 200:
            return status, answer_headers, data
        try:
            text = json.loads(data)["error"]
        except (ValueError, KeyError, TypeError):
            text = f"the server answered {status} to {method} {path}"
        raise InferdError(status, text)

    def _json(self, method, path, body=None):
        return json.loads(self._exchange(method, path, body)[2])

    def _ask(self, path):
        try:
            self._exchange("GET", path)
        except InferdError as error:
            if error.status in (400, 503):
                return False
            raise
        return True


def _is_buffer(value):
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _main(arguments):
    """inferd_client.py MODEL '{"input": [[1, 2]]}': the answer as JSON."""
    if len(arguments) != 2:
        print(_main.__doc__, file=sys.stderr)
        return 2
    try:
        with Client() as client:
            answer = client.predict(arguments[0], json.loads(arguments[1]))
    except (InferdError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({name: tensor.nested() for name, tensor in answer.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
