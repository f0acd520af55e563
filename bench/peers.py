# SPDX-License-Identifier: Apache-2.0
"""What the benches share: the peers, installed into a virtual environment beneath the build folder for the bench
alone, and the networks, exported by PyTorch."""
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


def mlp():
    import torch
    from torch import nn
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
                         nn.Linear(512, 10)), torch.zeros(1, 784)


def lenet5():
    import torch
    from torch import nn
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
                         nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
                         nn.Linear(84, 10)), torch.zeros(1, 1, 28, 28)


def resnet18():
    import torch
    import torchvision
    return torchvision.models.resnet18(weights=None), torch.zeros(1, 3, 224, 224)


NETWORKS = {"mlp": mlp, "lenet5": lenet5, "resnet18": resnet18}


def network(name):
    """The PyTorch module, seeded, in evaluation mode, and an example input."""
    import torch
    torch.manual_seed(0)
    module, example = NETWORKS[name]()
    return module.eval(), example


def export(name, folder):
    """FOLDER/NAME.onnx with input x, output y and a free batch dimension; made once."""
    import torch
    path = pathlib.Path(folder) / f"{name}.onnx"
    if not path.exists():
        module, example = network(name)
        torch.onnx.export(module, example, str(path), opset_version=13, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
    return path
