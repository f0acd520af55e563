#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes gpt.onnx and text_curve.h beside itself: a small GPT and the losses of PyTorch's training of it, character by
character, on the text of this project's LICENSE.

    /usr/bin/python3 tests/train/make_text.py    (needs torch)"""
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, WINDOW, STRIDE, POINT = 300, 16, 32, 7, 50
VOCABULARY, WIDTH, HEADS, LAYERS = 128, 32, 2, 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, mask):
        q, k, v = (part.view(-1, WINDOW, HEADS, WIDTH // HEADS).transpose(1, 2)
                   for part in self.qkv(self.norm1(x)).split(WIDTH, 2))
        weights = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + mask, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(-1, WINDOW, WIDTH))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.place = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(0.02 * torch.randn(WINDOW, WIDTH))
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY)
        self.register_buffer("mask", torch.triu(torch.full((WINDOW, WINDOW), -1e9), 1))

    def forward(self, ids):
        x = self.word(ids) + self.place
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.norm(x))


def main():
    torch.manual_seed(1)
    model = Gpt()
    # Equal tensors would become one in the file, and learn as one.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1e-3 * torch.randn_like(parameter)
    text = torch.tensor(list((HERE.parent.parent / "LICENSE").read_bytes()))
    windows = (len(text) - 1) // WINDOW
    torch.onnx.export(model, torch.zeros(1, WINDOW, dtype=torch.int64), str(HERE / "gpt.onnx"), opset_version=17,
                      input_names=["tokens"], output_names=["next"], do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE,
                      dynamic_axes={"tokens": {0: "batch"}, "next": {0: "batch"}})
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    losses = []
    for step in range(STEPS):
        at = torch.arange(step * BATCH, (step + 1) * BATCH) * STRIDE % windows * WINDOW
        tokens, following = (torch.stack([text[i + shift:i + shift + WINDOW] for i in at]) for shift in (0, 1))
        loss = F.cross_entropy(model(tokens).view(-1, VOCABULARY), following.view(-1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    means = [sum(losses[i:i + POINT]) / POINT for i in range(0, STEPS, POINT)]
    rows = ", ".join("%.6f" % mean for mean in means)
    (HERE / "text_curve.h").write_text(
        "/* SPDX-License-Identifier: Apache-2.0\n * Written by tests/train/make_text.py with PyTorch %s: do not edit. */\n"
        "static const double means[] = {%s};\n" % (torch.__version__.split("+")[0], rows))
    print(rows)


if __name__ == "__main__":
    main()
