#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the cases dynamo-* of this folder: the networks of tests/fixtures/make.py as PyTorch's newer exporter
(dynamo=True, torch.export and onnxscript) writes them, in the opset it prefers and in others, with PyTorch's own
outputs for batches of 1, 3 and 32, laid out as ONNX's backend suite lays out its cases.

    pip install torch onnxscript && python3 tests/exporters/make_dynamo.py [--to DIR] [CASE...]
"""
import argparse
import importlib.util
import json
import pathlib
import shutil

import onnx
import torch

HERE = pathlib.Path(__file__).resolve().parent
BATCHES = [1, 3, 32]
# Network of the fixtures, opset. 18 is what the exporter writes by itself; from 23 on attention is one node.
CASES = [("lenet5", 18), ("resnet", 18), ("resnet-bottleneck", 20), ("mobilenet", 18), ("efficientnet", 21),
         ("densenet", 18), ("unet", 18), ("vit", 18), ("vit", 23), ("rnn", 18), ("lstm", 18), ("lstm-bidirectional", 20),
         ("lstm-state", 18), ("gru", 18), ("gru-bidirectional", 22), ("bert", 18), ("bert", 23), ("gpt", 18),
         ("gpt", 23), ("transformer", 18), ("transformer", 23), ("alexnet", 18), ("vgg", 19)]


def fixtures():
    spec = importlib.util.spec_from_file_location("make", HERE.parent / "fixtures" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flat(results):
    return results if isinstance(results, tuple) else (results,)


def make(networks, name, opset, to):
    build, _, inputs, axes = networks.FIXTURES[name]
    torch.manual_seed(sum(map(ord, name)))
    with torch.no_grad():
        module = networks.settle(build())
    folder = to / f"dynamo-{name}-{opset}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    batch = torch.export.Dim("batch", min=1, max=1024)
    shapes = {n: {axes.get(n, 0): batch} for n in inputs}
    example = {n: source(2) for n, source in inputs.items()}
    parameters = list(module.forward.__code__.co_varnames[1:1 + len(inputs)])
    if isinstance(module, torch.nn.Sequential):
        parameters = ["input"]
    program = torch.onnx.export(module, tuple(example.values()), dynamo=True, opset_version=opset, verbose=False,
                                dynamic_shapes=dict(zip(parameters, shapes.values())), input_names=list(inputs))
    model = program.model_proto
    # Where each node came from in Python is longer than the networks.
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    onnx.save(model, folder / "model.onnx")
    for number, size in enumerate(BATCHES):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        arguments = [source(size) for source in inputs.values()]
        with torch.no_grad():
            results = flat(module(*arguments))
        for kind, tensors in ("input", arguments), ("output", results):
            for i, tensor in enumerate(tensors):
                proto = onnx.numpy_helper.from_array(tensor.detach().contiguous().numpy())
                (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())
    (folder / "data.json").write_text(json.dumps({"rtol": 1e-4, "atol": 1e-4}) + "\n")
    print(f"{folder.name}: {sorted({n.op_type for n in model.graph.node})}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=pathlib.Path, default=HERE)
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    networks = fixtures()
    # It looks at a mask's values, which no exporter can follow.
    torch.nn.modules.transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: bool(is_causal)
    for name, opset in CASES:
        if not arguments.cases or f"{name}-{opset}" in arguments.cases:
            make(networks, name, opset, arguments.to)


if __name__ == "__main__":
    main()
