#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine.py [--build DIR] [--models a,b] [--batches 1,8,32] [--threads 1,2] [--peers ort,torch] [--rounds N]
[--seconds S] [--case-seconds S] [--json FILE] [--floor]: one network at a time on inferd, ONNX Runtime and PyTorch, which
take turns in one run. Outputs are compared before anything is timed. Prints medians over rounds of each round's median run, and medians of
each round's ratios, one line a case:

bench engine model= batch= threads= inferd_ms= ort_ms= torch_ms= ratio_ort= ratio_torch= gflops= peak_share= gbs=
read_share= max_diff=

peak_share is the part of the multiply-adds that these threads were seen to reach; gbs counts each weight once (and is
what matters for small batches), read_share compares it with reading as many bytes and doing nothing else.
A case whose rounds take longer than --case-seconds has three of them; all cases take about twenty minutes. Outputs that
differ end the run with an error; so does --floor when the figures that inferd promises are not reached."""
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
BENCH = ROOT / "bench"
ROUNDS_MIN = 3
FLOOR_MEAN, FLOOR_WORST = 1.0, 1.25  # of inferd / ONNX Runtime; PyTorch is to be beaten everywhere
SETTLE = 0.1  # seconds: ONNX Runtime's threads were seen spinning for 0.055 s after their last run
import peers  # noqa: E402


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

    def prepare(self, inputs):
        for index, x in enumerate(inputs.values()):
            path = self.folder / "input"
            x.tofile(path)
            self.ask(f"input {index} {path} {','.join(map(str, x.shape))}")

    def outputs(self):
        import numpy
        path = self.folder / "outputs"
        self.ask(f"outputs {path}")
        return numpy.fromfile(path, dtype=numpy.float32)

    def time(self, seconds):
        return float(self.ask(f"time {seconds}").split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def median_run(run, seconds):
    """As bench/timing.c does it for inferd."""
    samples, start = [], time.perf_counter()
    before = start
    while before < start + seconds or (len(samples) < 3 and before < start + 2 * seconds):
        run()
        after = time.perf_counter()
        samples.append(after - before)
        before = after
    return statistics.median(samples)


def joined(arrays):
    import numpy
    return numpy.concatenate([array.ravel() for array in arrays])


class OnnxRuntime:
    def __init__(self, model, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def prepare(self, inputs):
        """Bound to fixed buffers, so that no call pays for the way through Python's arrays."""
        self.binding = self.session.io_binding()
        for name, x in inputs.items():
            self.binding.bind_cpu_input(name, x)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)

    def outputs(self):
        self.session.run_with_iobinding(self.binding)
        return joined(self.binding.copy_outputs_to_cpu())

    def time(self, seconds):
        return median_run(lambda: self.session.run_with_iobinding(self.binding), seconds)


class Torch:
    def __init__(self, module, threads):
        import torch
        self.torch, self.threads, self.module = torch, threads, module

    def prepare(self, inputs):
        self.inputs = [self.torch.from_numpy(x) for x in inputs.values()]

    def run(self):
        with self.torch.no_grad():
            return self.module(*self.inputs)

    def outputs(self):
        result = self.run()
        return joined([part.numpy() for part in (result if isinstance(result, tuple) else (result,))])

    def time(self, seconds):
        peers.torch_threads(self.threads)
        return median_run(self.run, seconds)


def check(case, contenders):
    """The greatest difference between inferd and a peer, relative to the greatest output."""
    import numpy
    mine = contenders["inferd"].outputs()
    worst = 0.0
    for name, contender in contenders.items():
        theirs = contender.outputs()
        if theirs.shape != mine.shape:
            raise SystemExit(f"{case}: {name} has another shape")
        worst = max(worst, float(numpy.abs(theirs - mine).max() / max(1.0, numpy.abs(theirs).max())))
    if not worst <= 1e-4:
        raise SystemExit(f"{case}: outputs differ by {worst}")
    return worst


def measure(args, contenders):
    """Medians of milliseconds and of inferd's ratio to each, the rounds interleaved."""
    rounds = {who: [] for who in contenders}
    start = time.perf_counter()
    for number in range(args.rounds):
        if number >= ROUNDS_MIN and time.perf_counter() - start > args.case_seconds:
            break
        for who, contender in contenders.items():
            time.sleep(SETTLE)
            rounds[who].append(contender.time(args.seconds))
    result = {f"{who}_ms": statistics.median(times) * 1e3 for who, times in rounds.items()}
    for who in args.peers:
        result[f"ratio_{who}"] = statistics.median(a / b for a, b in zip(rounds["inferd"], rounds[who]))
    return result


def run_model(args, name, threads, folder):
    import networks
    import torch
    peers.torch_threads(threads)
    model = networks.export(name, args.build)
    contenders = {"inferd": Inferd(args.build, model, threads, folder)}
    if "ort" in args.peers:
        contenders["ort"] = OnnxRuntime(model, threads)
    if "torch" in args.peers:
        contenders["torch"] = Torch(networks.network(name), threads)
    inferd = contenders["inferd"]
    peak = float(inferd.ask("peak 0.2")) * threads
    for batch in args.batches:
        case = f"model={name} batch={batch} threads={threads}"
        inputs = networks.inputs(name, batch)
        for contender in contenders.values():
            contender.prepare(inputs)
        difference = check(case, contenders)
        result = measure(args, contenders)
        flops, parameters = map(int, inferd.ask("size").split())
        used = min(2 * flops, 4 * parameters)
        result["gflops"] = flops / result["inferd_ms"] / 1e6
        result["peak_share"] = result["gflops"] / peak
        result["gbs"] = used / result["inferd_ms"] / 1e6
        result["read_share"] = result["gbs"] / float(inferd.ask(f"read {used} 0.1"))
        result["max_diff"] = difference
        print(f"bench engine {case} " + " ".join(f"{key}={value:.4g}" for key, value in result.items()), flush=True)
        yield {"model": name, "batch": batch, "threads": threads, **result}
    inferd.close()


def case_name(result):
    return f"{result['model']}/b{result['batch']}/t{result['threads']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(item) for item in text.split(",")]  # noqa: E731
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--models", help="default: all")
    parser.add_argument("--batches", type=numbers, default=[1, 8, 32])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--peers", type=lambda text: [item for item in text.split(",") if item], default=["ort", "torch"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--case-seconds", type=float, default=20)
    parser.add_argument("--floor", action="store_true", help="fail unless the promised figures are reached")
    parser.add_argument("--json", help="write all results there as well")
    args = parser.parse_args()
    peers.enter_venv(args.build)
    import networks
    sys.path.remove(str(BENCH))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models.split(",") if args.models else networks.NETWORKS:
            for threads in args.threads:
                results.extend(run_model(args, name, threads, folder))
    reached = True
    for who in args.peers:
        worst = max(results, key=lambda result: result[f"ratio_{who}"])
        mean = statistics.geometric_mean(result[f"ratio_{who}"] for result in results)
        limit = FLOOR_WORST if who == "ort" else 1.0
        over = [result for result in results if result[f"ratio_{who}"] > limit]
        print(f"bench engine geomean_ratio_{who}={mean:.3f} worst_ratio_{who}={worst[f'ratio_{who}']:.3f} "
              f"worst_case={case_name(worst)} cases={len(results)} over_{limit}={len(over)}")
        for result in over:
            print(f"bench engine over: {case_name(result)} ratio_{who}={result[f'ratio_{who}']:.3f}")
        reached = reached and not over and mean <= FLOOR_MEAN
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
    if args.floor and not reached:
        raise SystemExit("the floor is not reached")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
