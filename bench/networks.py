# SPDX-License-Identifier: Apache-2.0
"""The networks of bench/engine.py: PyTorch modules with random weights, spelled as people write them, and makers of
inputs for a given batch. Exported once, into the build folder."""
import pathlib

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

HEADS, WIDTH, LAYERS = 12, 384, 6


def normal(*shape):
    return lambda batch: torch.randn(batch, *shape)


def tokens(count, vocabulary):
    return lambda batch: torch.randint(vocabulary, (batch, count))


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def lenet5():
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
                         nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
                         nn.Linear(84, 10))


class Recurrent(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer(128, 256, batch_first=True)

    def forward(self, x):
        return self.layer(x)[0]


def split_heads(x):
    return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)


def join_heads(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], WIDTH)


class BertLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x, mask):
        q, k, v = (split_heads(linear(x)) for linear in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + mask, -1)
        x = self.norm1(x + self.out(join_heads(weights @ v)))
        return self.norm2(x + self.narrow(F.gelu(self.wide(x))))


class Bert(nn.Module):
    """An encoder over 128 tokens: ids and a mask in, hidden states out."""

    def __init__(self):
        super().__init__()
        self.word, self.place = nn.Embedding(30522, WIDTH), nn.Embedding(512, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, 1e-12)
        self.layers = nn.ModuleList(BertLayer() for _ in range(LAYERS))

    def forward(self, ids, mask):
        x = self.norm(self.word(ids) + self.place(torch.arange(ids.shape[1])[None]))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        return x


class GptLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x, past_k, past_v):
        q, k, v = (split_heads(part) for part in self.qkv(self.norm1(x)).split(WIDTH, 2))
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
        weights = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, -1)
        x = x + self.out(join_heads(weights @ v))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x)), approximate="tanh")), k, v


class Gpt(nn.Module):
    """A decoder that reads one token after 127 past ones; keys and values of each layer go in and out."""

    def __init__(self):
        super().__init__()
        self.word, self.place = nn.Embedding(50257, WIDTH), nn.Embedding(1024, WIDTH)
        self.layers, self.norm = nn.ModuleList(GptLayer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)

    def forward(self, ids, *past):
        x = self.word(ids) + self.place(torch.arange(past[0].shape[2], past[0].shape[2] + 1)[None])
        states = []
        for i, layer in enumerate(self.layers):
            x, k, v = layer(x, past[2 * i], past[2 * i + 1])
            states += [k, v]
        return (self.norm(x) @ self.word.weight.T, *states)


PAST = {f"past_{i}_{kind}": normal(HEADS, 127, WIDTH // HEADS) for i in range(LAYERS) for kind in "kv"}
NETWORKS = {
    "mlp": (mlp, {"x": normal(784)}),
    "lenet5": (lenet5, {"x": normal(1, 28, 28)}),
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), {"x": normal(3, 224, 224)}),
    "resnet50": (lambda: torchvision.models.resnet50(weights=None), {"x": normal(3, 224, 224)}),
    "mobilenetv2": (lambda: torchvision.models.mobilenet_v2(weights=None), {"x": normal(3, 224, 224)}),
    "lstm": (lambda: Recurrent(nn.LSTM), {"x": normal(64, 128)}),
    "gru": (lambda: Recurrent(nn.GRU), {"x": normal(64, 128)}),
    "bert": (Bert, {"x": tokens(128, 30522), "mask": lambda batch: torch.ones(batch, 128, dtype=torch.int64)}),
    "gpt": (Gpt, {"x": tokens(1, 50257), **PAST}),
}


def network(name):
    """The module, seeded, in evaluation mode. Normalising layers get statistics as of trained ones, so that
    activations of deep networks stay in range."""
    torch.manual_seed(0)
    module = NETWORKS[name][0]().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.8, 1.2)
    return module


def inputs(name, batch):
    """By name, in order: numpy arrays, the same each time."""
    torch.manual_seed(batch)
    return {key: make(batch).numpy() for key, make in NETWORKS[name][1].items()}


def export(name, folder):
    """FOLDER/NAME.onnx with input x (and more), output y (and more) and a free batch dimension; made once."""
    path = pathlib.Path(folder) / f"{name}.onnx"
    if not path.exists():
        module, example = network(name), {key: make(2) for key, make in NETWORKS[name][1].items()}
        outputs = ["y"] + [f"present{key[4:]}" for key in example if key.startswith("past")]
        torch.onnx.export(module, tuple(example.values()), str(path), opset_version=14, input_names=list(example),
                          output_names=outputs, dynamic_axes={key: {0: "batch"} for key in [*example, *outputs]})
    return path
