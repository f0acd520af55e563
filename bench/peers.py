# SPDX-License-Identifier: Apache-2.0
"""The peers of the benches, installed into a virtual environment beneath the build folder for the bench alone."""
import ctypes
import os
import pathlib
import subprocess
import sys

PACKAGES = ["onnxruntime", "fastapi", "uvicorn[standard]"]


def enter_venv(build):
    """Runs this script again inside the bench's own environment (Debian's PyTorch stays visible)."""
    home = pathlib.Path(build).resolve() / "bench-venv"
    python = home / "bin" / "python"
    if pathlib.Path(sys.prefix) == home:
        return
    if not (home / "ready").exists():
        print(f"installing {' '.join(PACKAGES)} for the bench", file=sys.stderr)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "-q", "numpy<2", *PACKAGES], check=True)
        (home / "ready").touch()
    os.execv(python, [str(python), *sys.argv])



def torch_threads(count):
    """PyTorch's threads, and those of the OpenBLAS beneath Debian's: it has its own, which PyTorch does not set, so that
    "one thread" was seen to multiply matrices on two."""
    import torch
    torch.set_num_threads(count)
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "openblas" in line and ".so" in line}
    for path in paths:
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_set_num_threads"):
            library.openblas_set_num_threads(count)
