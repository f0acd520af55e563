#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files beside it as NumPy, gzip and zipfile write them: element i of every array is i * 3 - 5, as
far as its type can hold that.

    apt-get install python3-numpy && python3 tests/proto/tables/make.py
"""
import gzip
import io
import pathlib
import struct
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent


def values(dtype, *shape):
    return (np.arange(int(np.prod(shape))) * 3 - 5).astype(dtype).reshape(shape)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def idx(code, dtype, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + values(dtype, *shape).tobytes()


def npz(name, method, members):
    """Without the time of day in it."""
    with zipfile.ZipFile(HERE / name, "w") as file:
        for member, array in members.items():
            info = zipfile.ZipInfo(member + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            with file.open(info, "w", force_zip64=True) as out:  # as numpy.savez does
                out.write(npy(array))


(HERE / "f4.npy").write_bytes(npy(values("<f4", 5, 2, 3)))
(HERE / "fortran.npy").write_bytes(npy(np.asfortranarray(values("<f8", 5, 2, 3))))
(HERE / "i2.npy").write_bytes(npy(values("<i2", 7)))
(HERE / "words.npy").write_bytes(npy(np.array(["ant", "", "b\u00e4r", "cat"])))
(HERE / "f4.npy.gz").write_bytes(gzip.compress(npy(values("<f4", 5, 2, 3)), mtime=0))
arrays = {"x": values("<f4", 4, 3), "y": values("<i8", 4), "z": np.asfortranarray(values("i1", 4, 2))}
npz("stored.npz", zipfile.ZIP_STORED, arrays)
npz("deflated.npz", zipfile.ZIP_DEFLATED, arrays)
(HERE / "u1.idx").write_bytes(idx(8, "u1", 4, 2, 2))
(HERE / "i4.idx").write_bytes(idx(12, ">i4", 6))
(HERE / "f8.idx").write_bytes(idx(14, ">f8", 3, 2))
two = idx(8, "u1", 4, 2, 2)
(HERE / "members.idx.gz").write_bytes(gzip.compress(two[:11], mtime=0) + gzip.compress(two[11:], mtime=0))
(HERE / "iris.csv.gz").write_bytes(gzip.compress(b"a,b,kind\n1.5,2,x\n-2,3,y\n", mtime=0))
