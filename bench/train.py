#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train.py [--build DIR] [--models a,b] [--batches 32] [--threads 1,2] [--optimisers momentum,adam] [--rounds N]
[--seconds S]: a training step of one network at a time on inferd and PyTorch, which take turns in one run. The losses of
the first three steps are compared before anything is timed. Prints medians over rounds, one line a case:

bench train model= optimiser= batch= threads= inferd_ms= torch_ms= ratio= inferd_mb= max_diff=

Then, unless --no-memory is given, the peak memory of a process that only trains: of inferd's all of it, of
PyTorch's what it took beyond its libraries.

bench train memory model= optimiser= batch= inferd_mb= torch_mb= ratio= torch_libraries_mb=

With two threads, also how the work is shared: CPU time of the thread that steps, waiting included, and of both. Two whole
cores gain at most both / own, whatever this machine's two CPUs are (often two threads of one core):

bench train shares model= optimiser= batch= own_ms= both_ms= gain_most="""
import argparse
import copy
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETTLE = 0.1
RATE = 1e-4
MEMORY_STEPS = 5
SHARE_STEPS_MAX = 200
sys.path.insert(0, str(ROOT / "bench"))
import peers  # noqa: E402

# name: loss, batch unless asked for otherwise
MODELS = {"mlp": ("ce", 32), "lenet5": ("ce", 32), "resnet18": ("ce", 8), "lstm": ("mse", 32), "bertmini": ("mse", 8)}


class Inferd:
    """bench/train_bench behind a pipe."""

    def __init__(self, build, model, threads, optimiser, loss, folder, rate=RATE, spin_us=200):
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            [str(pathlib.Path(build) / "bench" / "train_bench"), str(model), str(threads), optimiser, loss,
             str(rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "INFERD_BENCH_SPIN_US": str(spin_us)})
        self.answer()

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("train_bench failed")
        return line

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def prepare(self, inputs, target):
        for index, x in enumerate([*inputs, target]):
            path = self.folder / "tensor"
            x.numpy().tofile(path)
            which = f"input {index}" if index < len(inputs) else "target"
            self.ask(f"{which} {path} {','.join(map(str, x.shape))}")

    def step(self):
        return float(self.ask("step"))

    def time(self, seconds):
        return float(self.ask(f"time {seconds}").split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Torch:
    def __init__(self, module, threads, optimiser, loss):
        import torch
        self.torch, self.threads, self.module = torch, threads, module.train()
        self.optimiser = (torch.optim.SGD(module.parameters(), lr=RATE, momentum=0.9) if optimiser == "momentum"
                          else torch.optim.Adam(module.parameters(), lr=RATE))
        self.loss = torch.nn.functional.cross_entropy if loss == "ce" else torch.nn.functional.mse_loss

    def prepare(self, inputs, target):
        self.inputs, self.target = inputs, target

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(self.module(*self.inputs), self.target)
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def time(self, seconds):
        peers.torch_threads(self.threads)
        samples, end = [], time.perf_counter() + seconds
        before = time.perf_counter()
        while len(samples) < 3 or before < end:
            self.step()
            after = time.perf_counter()
            samples.append(after - before)
            before = after
        return statistics.median(samples)


def network(name):
    import networks
    if name == "bertmini":
        networks.HEADS, networks.WIDTH, networks.LAYERS = 4, 256, 4
        return networks.Bert()
    return networks.NETWORKS[name][0]()


def seeded(name):
    import torch
    torch.manual_seed(1)
    module = network(name)
    # Equal tensors would become one in the file, and learn as one.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1e-3 * torch.randn_like(parameter)
    return module


def make_inputs(name, batch):
    import networks
    return [make(batch) for make in networks.NETWORKS["bert" if name == "bertmini" else name][1].values()]


def make_target(loss, module, inputs):
    import torch
    with torch.no_grad():
        shape = copy.deepcopy(module).eval()(*inputs).shape
    return torch.randint(shape[1], inputs[0].shape[:1]) if loss == "ce" else torch.randn(shape)


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status says nothing")


def measure_torch(name, optimiser, batch):
    """In a process of its own: peak memory before and after some steps."""
    import networks  # noqa: F401
    import torch
    torch.nn.functional.relu(torch.zeros(8, 8) @ torch.zeros(8, 8)).sum().item()
    before = peak_bytes()
    loss = MODELS[name][0]
    contender = Torch(seeded(name), 1, optimiser, loss)
    inputs = make_inputs(name, batch)
    with torch.no_grad():
        shape = contender.module(*inputs).shape
    contender.prepare(inputs, torch.randint(shape[1], (batch,)) if loss == "ce" else torch.randn(shape))
    for _ in range(MEMORY_STEPS):
        contender.step()
    print(before, peak_bytes())


def run_memory(args, name, optimiser, batch, folder):
    loss, usual = MODELS[name]
    batch = batch or usual
    module = seeded(name)
    inputs = make_inputs(name, batch)
    inferd = Inferd(args.build, export(module, name, inputs, folder), 1, optimiser, loss, folder)
    inferd.prepare(inputs, make_target(loss, module, inputs))
    for _ in range(MEMORY_STEPS):
        inferd.step()
    mine = int(inferd.ask("peak"))
    inferd.close()
    answer = subprocess.run([sys.executable, __file__, "--measure-torch", f"{name},{optimiser},{batch}"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split()
    libraries, peak = (int(word) for word in answer[-2:])
    print(f"bench train memory model={name} optimiser={optimiser} batch={batch} inferd_mb={mine / 1e6:.1f} "
          f"torch_mb={(peak - libraries) / 1e6:.1f} ratio={mine / (peak - libraries):.3f} "
          f"torch_libraries_mb={libraries / 1e6:.1f}", flush=True)


def run_shares(args, name, optimiser, batch, folder):
    loss, usual = MODELS[name]
    batch = batch or usual
    module = seeded(name)
    inputs = make_inputs(name, batch)
    inferd = Inferd(args.build, export(module, name, inputs, folder), 2, optimiser, loss, folder, spin_us=0)
    inferd.prepare(inputs, make_target(loss, module, inputs))
    inferd.step()
    steps = min(max(5, round(args.seconds * args.rounds / max(inferd.time(0), 1e-4))), SHARE_STEPS_MAX)
    own, both = (float(word) / steps * 1e3 for word in inferd.ask(f"cpu {steps}").split())
    inferd.close()
    print(f"bench train shares model={name} optimiser={optimiser} batch={batch} own_ms={own:.4g} both_ms={both:.4g} "
          f"gain_most={both / own:.2f}", flush=True)


def export(module, name, inputs, folder):
    """As exporters leave a network that is to be trained further: nothing folded."""
    import torch
    path = pathlib.Path(folder) / f"{name}.onnx"
    names = ["x", "mask"][:len(inputs)]
    torch.onnx.export(copy.deepcopy(module).eval(), tuple(inputs), str(path), input_names=names, output_names=["y"],
                      opset_version=17, dynamic_axes={n: {0: "batch"} for n in [*names, "y"]}, do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE)
    return path


def run_case(args, name, optimiser, batch, threads, folder):
    import torch
    peers.torch_threads(threads)
    loss, usual = MODELS[name]
    batch = batch or usual
    module = seeded(name)
    inputs = make_inputs(name, batch)
    target = make_target(loss, module, inputs)
    inferd = Inferd(args.build, export(module, name, inputs, folder), threads, optimiser, loss, folder)
    contenders = {"inferd": inferd, "torch": Torch(module, threads, optimiser, loss)}
    for contender in contenders.values():
        contender.prepare(inputs, target)
    difference = 0.0
    for _ in range(3):
        mine, theirs = (contender.step() for contender in contenders.values())
        difference = max(difference, abs(mine - theirs) / abs(theirs))
    if not difference <= 1e-3:
        raise SystemExit(f"{name} with {optimiser}: losses differ by {difference}")
    rounds = {who: [] for who in contenders}
    for _ in range(args.rounds):
        for who, contender in contenders.items():
            time.sleep(SETTLE)
            rounds[who].append(contender.time(args.seconds))
    ratio = statistics.median(a / b for a, b in zip(rounds["inferd"], rounds["torch"]))
    print(f"bench train model={name} optimiser={optimiser} batch={batch} threads={threads} "
          f"inferd_ms={statistics.median(rounds['inferd']) * 1e3:.4g} "
          f"torch_ms={statistics.median(rounds['torch']) * 1e3:.4g} ratio={ratio:.3f} "
          f"inferd_mb={int(inferd.ask('memory')) / 1e6:.1f} max_diff={difference:.2g}", flush=True)
    inferd.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--models", type=words, default=list(MODELS))
    parser.add_argument("--batch", type=int, default=0, help="default: 32, of the larger networks 8")
    parser.add_argument("--threads", type=lambda text: [int(item) for item in text.split(",")], default=[1, 2])
    parser.add_argument("--optimisers", type=words, default=["momentum", "adam"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--only-memory", action="store_true")
    parser.add_argument("--measure-torch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure_torch:
        name, optimiser, batch = args.measure_torch.split(",")
        measure_torch(name, optimiser, int(batch))
        return
    peers.enter_venv(args.build)
    # PyTorch's BLAS reads its number of threads once, when it starts.
    if os.environ.get("OPENBLAS_NUM_THREADS") != str(args.threads[0]) or len(args.threads) > 1:
        for threads in args.threads:
            subprocess.run([sys.executable, *sys.argv, "--threads", str(threads)], check=True,
                           env={**os.environ, "OPENBLAS_NUM_THREADS": str(threads)})
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models:
            for optimiser in args.optimisers:
                if not args.only_memory:
                    run_case(args, name, optimiser, args.batch, args.threads[0], folder)
                if args.threads[0] == 2:
                    run_shares(args, name, optimiser, args.batch, folder)
                if not args.no_memory and args.threads[0] == 1:
                    run_memory(args, name, optimiser, args.batch, folder)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
