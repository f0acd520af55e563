# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models for tests, written by hand: protobuf is tags and lengths. Standard library only."""
import struct

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64 = range(1, 14)
BFLOAT16 = 16


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field, number):
    return varint(field << 3) + varint(number)


def blob(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, dtype, dims, raw):
    return b"".join(integer(1, dim) for dim in dims) + integer(2, dtype) + blob(8, name) + blob(9, raw)


def floats(name, dims, items):
    return tensor(name, FLOAT, dims, struct.pack(f"<{len(items)}f", *items))


def value(name, dtype, dims):
    """ValueInfoProto; a dimension that is text is a symbol."""
    shape = b"".join(blob(1, blob(2, dim) if isinstance(dim, str) else integer(1, dim)) for dim in dims)
    return blob(1, name) + blob(2, blob(1, integer(1, dtype) + blob(2, shape)))


def attribute_int(name, number):
    return blob(1, name) + integer(3, number) + integer(20, 2)


def node(op_type, inputs, outputs, attributes=()):
    return (b"".join(blob(1, name) for name in inputs) + b"".join(blob(2, name) for name in outputs)
            + blob(4, op_type) + b"".join(blob(5, attribute) for attribute in attributes))


def model(nodes, inputs, outputs, initializers=(), opset=17):
    graph = (b"".join(blob(1, item) for item in nodes) + blob(2, "test")
             + b"".join(blob(5, item) for item in initializers) + b"".join(blob(11, item) for item in inputs)
             + b"".join(blob(12, item) for item in outputs))
    return integer(1, 8) + blob(7, graph) + blob(8, integer(2, opset))


def write(repository, name, data, version=1):
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
