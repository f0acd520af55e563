#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""accuracy.py [--build DIR] [--only fashion,text] [--scale X] [--threads N]: how well `inferd create` and `inferd train`
learn from real data. --scale is a share of the epochs and steps that the numbers in docs/training.md were made with.

fashion  Fashion-MNIST (Debian's dataset-fashion-mnist) with a preset: accuracy on the test set, which nothing else saw
text     the GNU GPL's text, character by character: a GPT of PyTorch's making learns it in PyTorch and in inferd, from the
         same weights on the same batches; the mean loss of the last 50 steps of each

bench accuracy data= model= epochs= test_accuracy= seconds=
bench accuracy data= model= steps= inferd_loss= torch_loss= ratio="""
import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")
EPOCHS, STEPS, LAST = 10, 400, 50
sys.path.insert(0, str(ROOT / "bench"))
import peers  # noqa: E402


def fashion(args, folder):
    if not FASHION.exists():
        raise SystemExit("apt-get install dataset-fashion-mnist")
    inferd, epochs = str(pathlib.Path(args.build) / "inferd"), max(1, round(EPOCHS * args.scale))
    parts = {part: [word for kind in ("images-idx3", "labels-idx1")
                    for word in ("--data" if part == "train" else "--test", str(FASHION / f"{part}-{kind}-ubyte.gz"))]
             for part in ("train", "t10k")}
    begun = time.time()
    subprocess.run([inferd, "create", "resnet", "--input-shape", "1,28,28", "--classes", "10", "--set", "depth=8", "--set",
                    "width=24", "-o", f"{folder}/fashion.onnx"], check=True, stdout=subprocess.DEVNULL)
    said = subprocess.run([inferd, "train", f"{folder}/fashion.onnx", *parts["train"], *parts["t10k"], "--standardise", "all",
                           "--shift", "1", "--flip", "--epochs", str(epochs), "--batch", "64", "--schedule", "one-cycle",
                           "--rate", "0.01", "--validation", "0.05", "--metric", "accuracy", "--threads", str(args.threads),
                           "-o", f"{folder}/learned.onnx"], check=True, stdout=subprocess.PIPE, text=True).stdout
    accuracy = re.search(r"^test of .*\n *accuracy +([0-9.]+)", said, re.M)
    print(f"bench accuracy data=fashion-mnist model=resnet-8 epochs={epochs} test_accuracy={accuracy.group(1)} "
          f"seconds={time.time() - begun:.0f}", flush=True)


def text(args, folder):
    import torch
    import train
    spec = importlib.util.spec_from_file_location("make_text", ROOT / "tests" / "train" / "make_text.py")
    gpt = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpt)
    gpt.WINDOW, gpt.WIDTH, gpt.HEADS, gpt.LAYERS = 64, 64, 4, 2
    steps, batch, rate = max(LAST, round(STEPS * args.scale)), 16, 0.002
    torch.manual_seed(1)
    peers.torch_threads(args.threads)
    module = gpt.Gpt()
    with torch.no_grad():   # equal tensors would become one in the file, and learn as one
        for parameter in module.parameters():
            parameter += 1e-3 * torch.randn_like(parameter)
    letters = torch.tensor(list(TEXT.read_bytes()))
    model = train.export(module, "gpt", [torch.zeros(1, gpt.WINDOW, dtype=torch.int64)], folder)
    inferd = train.Inferd(args.build, model, args.threads, "adam", "ce", folder, rate)
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    losses = {"inferd": [], "torch": []}
    for _ in range(steps):
        at = torch.randint(len(letters) - gpt.WINDOW, (batch,))
        tokens, following = (torch.stack([letters[i + shift:i + shift + gpt.WINDOW] for i in at]) for shift in (0, 1))
        inferd.prepare([tokens], following)
        losses["inferd"].append(inferd.step())
        loss = torch.nn.functional.cross_entropy(module(tokens).view(-1, gpt.VOCABULARY), following.view(-1))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses["torch"].append(loss.item())
    inferd.close()
    mine, theirs = (sum(losses[who][-LAST:]) / LAST for who in ("inferd", "torch"))
    print(f"bench accuracy data=gpl-3 model=gpt steps={steps} inferd_loss={mine:.4f} torch_loss={theirs:.4f} "
          f"ratio={mine / theirs:.4f}", flush=True)


CASES = {"text": text, "fashion": fashion}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--only", type=lambda words: words.split(","), default=list(CASES))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    peers.enter_venv(args.build)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            CASES[name](args, folder)


if __name__ == "__main__":
    main()
