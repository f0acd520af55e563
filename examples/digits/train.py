#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a small convolutional network on the UCI optical digits (8x8 pixels, 0 to 16) with PyTorch and
writes examples/models/digits/1/model.onnx and the held-out rows with PyTorch's own answers.

    apt-get install python3-torch python3-sklearn && python3 examples/digits/train.py
"""
import pathlib
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import export_lib  # noqa: E402


class Digits(nn.Module):
    """[N, 64] pixels from 0 to 16, as in the data set, to [N, 10] probabilities."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(64, 10)

    def logits(self, pixels):
        return self.head(self.features((pixels / 16.0).reshape(-1, 1, 8, 8)))

    def forward(self, pixels):
        return torch.softmax(self.logits(pixels), dim=1)


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    data = load_digits()
    pixels, labels = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    # The last rows were written by other people than the first: an honest test.
    training, held_out = np.arange(len(labels) - 360), np.arange(len(labels) - 360, len(labels))
    model = Digits()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
    for epoch in range(30):
        model.train()
        for batch in np.array_split(np.random.RandomState(epoch).permutation(training), 45):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model.logits(pixels[batch]), labels[batch]).backward()
            optimiser.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        probabilities = model(pixels[held_out]).numpy()
    torch.onnx.export(model, pixels[:1], str(export_lib.model_path("digits")), opset_version=13,
                      input_names=["image"], output_names=["probabilities"],
                      dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}})
    export_lib.write_held_out("digits", data.data[held_out].astype(np.int64), data.target[held_out],
                              probabilities, f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
