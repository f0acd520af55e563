#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine.py [--build DIR] [--models a,b] [--batches 1,8,32] [--threads 1,2] [--rounds N] [--seconds S] [--json FILE]:
one network at a time on inferd, ONNX Runtime and PyTorch, which take turns in one run. Outputs are compared before
anything is timed. Prints medians over rounds of each round's median run, one line a case:

bench engine model= batch= threads= inferd_ms= ort_ms= torch_ms= ratio_ort= ratio_torch= gflops= peak_gflops= max_diff="""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
import peers  # noqa: E402
sys.path.remove(str(ROOT / "bench"))  # where http.py would hide the standard library's package


class Inferd:
    """bench/engine_bench behind a pipe."""

    def __init__(self, build, model, threads, folder):
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen([str(pathlib.Path(build) / "bench" / "engine_bench"), str(model), str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.answer()[3:]

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("engine_bench failed")
        return line

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def prepare(self, x):
        path = self.folder / "input"
        x.tofile(path)
        self.ask(f"input {path} {','.join(map(str, x.shape))}")

    def output(self):
        import numpy
        path = self.folder / "output"
        self.ask(f"output {path}")
        return numpy.fromfile(path, dtype=numpy.float32)

    def time(self, seconds):
        return float(self.ask(f"time {seconds}").split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def median_run(run, seconds):
    samples, end = [], time.perf_counter() + seconds
    before = time.perf_counter()
    while len(samples) < 3 or before < end:
        run()
        after = time.perf_counter()
        samples.append(after - before)
        before = after
    return statistics.median(samples)


class OnnxRuntime:
    def __init__(self, model, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def prepare(self, x):
        """Bound to fixed buffers, so that no call pays for the way through Python's arrays."""
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("x", x)
        self.binding.bind_output("y")

    def output(self):
        self.session.run_with_iobinding(self.binding)
        return self.binding.copy_outputs_to_cpu()[0].ravel()

    def time(self, seconds):
        return median_run(lambda: self.session.run_with_iobinding(self.binding), seconds)


class Torch:
    def __init__(self, name, threads):
        import torch
        self.torch, self.threads, self.module = torch, threads, peers.network(name)[0]

    def prepare(self, x):
        self.x = self.torch.from_numpy(x)

    def run(self):
        with self.torch.no_grad():
            return self.module(self.x)

    def output(self):
        return self.run().numpy().ravel()

    def time(self, seconds):
        self.torch.set_num_threads(self.threads)
        return median_run(self.run, seconds)


def check(case, contenders):
    """The greatest difference between inferd and a peer, relative to the greatest output."""
    import numpy
    mine = contenders["inferd"].output()
    worst = 0.0
    for name, contender in contenders.items():
        theirs = contender.output()
        if theirs.shape != mine.shape:
            raise SystemExit(f"{case}: {name} has another shape")
        worst = max(worst, float(numpy.abs(theirs - mine).max() / max(1.0, numpy.abs(theirs).max())))
    if not worst <= 1e-4:
        raise SystemExit(f"{case}: outputs differ by {worst}")
    return worst


def run_model(args, name, threads, folder):
    import numpy
    import torch
    torch.set_num_threads(threads)
    model = peers.export(name, args.build)
    contenders = {"inferd": Inferd(args.build, model, threads, folder), "ort": OnnxRuntime(model, threads),
                  "torch": Torch(name, threads)}
    shape = peers.network(name)[1].shape[1:]
    peak = float(contenders["inferd"].ask("peak 0.3"))
    for batch in args.batches:
        case = f"model={name} batch={batch} threads={threads}"
        x = numpy.random.default_rng(batch).standard_normal((batch, *shape), dtype=numpy.float32)
        for contender in contenders.values():
            contender.prepare(x)
        difference = check(case, contenders)
        flops = int(contenders["inferd"].ask("flops"))
        rounds = {who: [] for who in contenders}
        for _ in range(args.rounds):
            for who, contender in contenders.items():
                rounds[who].append(contender.time(args.seconds))
        ms = {who: statistics.median(times) * 1e3 for who, times in rounds.items()}
        ratios = {who: statistics.median(a / b for a, b in zip(rounds["inferd"], rounds[who])) for who in rounds}
        result = {"inferd_ms": ms["inferd"], "ort_ms": ms["ort"], "torch_ms": ms["torch"], "ratio_ort": ratios["ort"],
                  "ratio_torch": ratios["torch"], "gflops": flops / ms["inferd"] / 1e6, "peak_gflops": peak * threads,
                  "max_diff": difference}
        print(f"bench engine {case} " + " ".join(f"{key}={value:.4g}" for key, value in result.items()), flush=True)
        yield {"model": name, "batch": batch, "threads": threads, **result}
    contenders["inferd"].close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(item) for item in text.split(",")]  # noqa: E731
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--models", default=",".join(peers.NETWORKS))
    parser.add_argument("--batches", type=numbers, default=[1, 8, 32])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--json", help="write all results there as well")
    args = parser.parse_args()
    peers.enter_venv(args.build)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models.split(","):
            for threads in args.threads:
                results.extend(run_model(args, name, threads, folder))
    logs = [r["ratio_ort"] for r in results]
    print(f"bench engine geomean_ratio_ort={statistics.geometric_mean(logs):.3f} worst_ratio_ort={max(logs):.3f}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
