#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a recurrent network that reads a digit row by row (8 steps of 8 pixels) with PyTorch and writes
examples/models/digits-gru/1/model.onnx and the held-out rows with PyTorch's own answers.

    apt-get install python3-torch python3-sklearn && python3 examples/digits-gru/train.py
"""
import pathlib
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import export_lib  # noqa: E402


class DigitsGRU(nn.Module):
    """[N, 8, 8] pixel rows from 0 to 16 to [N, 10] probabilities."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 10)

    def logits(self, rows):
        states, _ = self.gru(rows / 16.0)
        return self.head(states[:, -1, :])

    def forward(self, rows):
        return torch.softmax(self.logits(rows), dim=1)


def main():
    torch.manual_seed(2)
    torch.set_num_threads(1)
    data = load_digits()
    rows, labels = torch.tensor(data.images, dtype=torch.float32), torch.tensor(data.target)
    # The last rows were written by other people than the first: an honest test.
    training, held_out = np.arange(len(labels) - 360), np.arange(len(labels) - 360, len(labels))
    model = DigitsGRU()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40)
    for epoch in range(40):
        for batch in np.array_split(np.random.RandomState(epoch).permutation(training), 45):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model.logits(rows[batch]), labels[batch]).backward()
            optimiser.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        probabilities = model(rows[held_out]).numpy()
    torch.onnx.export(model, rows[:2], str(export_lib.model_path("digits-gru")), opset_version=14,
                      input_names=["rows"], output_names=["probabilities"],
                      dynamic_axes={"rows": {0: "batch"}, "probabilities": {0: "batch"}})
    export_lib.write_held_out("digits-gru", data.data[held_out].astype(np.int64), data.target[held_out],
                              probabilities, f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
