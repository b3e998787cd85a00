"""What does it cost to watch somebody's training loop? A step without and with `watch`, in turn.

python benchmarks/watch.py
"""

import gc
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import NamedTuple

import torch
import torchvision
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benevolent import watch

#: Steps that are timed together.
BLOCK = 31
Optimizer = Callable[[nn.Module], torch.optim.Optimizer]


class Case(NamedTuple):
    """A network and one batch that it trains on.

    Attributes:
        name: in the table.
        make: makes the network.
        inputs: of the batch.
        labels: of the batch.
        blocks: number of blocks of steps that are timed.
        steps: number of steps in a block.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Tensor
    labels: Tensor
    blocks: int
    steps: int


class Loop:
    """A plain training loop, in blocks of steps."""

    def __init__(self, case: Case, device: str) -> None:
        torch.manual_seed(0)
        self.module = case.make().to(device)
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=0.01, momentum=0.9)
        self.inputs = case.inputs.to(device)
        self.labels = case.labels.to(device)
        self.path = None

    def train(self, steps: int) -> float:
        """Make some steps, and return the seconds that they took."""
        start = seconds(self.inputs.device)
        for _ in range(steps):
            output = self.module(self.inputs)
            logits = getattr(output, "logits", output)
            loss = nn.functional.cross_entropy(logits.flatten(0, -2), self.labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.path is not None:
                self.path.step(loss)
        return seconds(self.inputs.device) - start


class Sequences(nn.Module):
    """A transformer of four layers that predicts the token at every position; as wide as its vocabulary is large."""

    def __init__(self, width: int = 128, length: int = 64) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.embedding = nn.Embedding(width, width)
        self.position = nn.Parameter(torch.zeros(length, width))
        self.layers = nn.TransformerEncoder(layer, 4)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> SimpleNamespace:
        """Return an output with logits `(B, T, C)`."""
        return SimpleNamespace(logits=self.output(self.layers(self.embedding(tokens) + self.position)))


def perceptron() -> nn.Module:
    """Return an MLP for digits."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def conv_net() -> nn.Module:
    """Return a conv net of three layers for images of 28 x 28."""
    layers: list[nn.Module] = []
    for channels, before in ((16, 1), (32, 16), (32, 32)):
        layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def residual_network() -> nn.Module:
    """Return the ResNet-18 for images of 32 x 32: a first convolution of 3 x 3, and no pooling after it."""
    module = torchvision.models.resnet18(num_classes=10)
    module.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    module.maxpool = nn.Identity()
    return module


def cases() -> list[Case]:
    """Return the networks that are timed."""
    digits = load_digits()
    pixels = torch.tensor(digits.data[:32] / 16, dtype=torch.float32)
    classes = torch.tensor(digits.target[:32])
    labels = torch.arange(64) % 10
    tokens = torch.arange(16 * 64).view(16, 64) % 128
    return [
        Case("MLP 64-64-64-10, digits, batch 32", perceptron, pixels, classes, 40, BLOCK),
        Case("conv net, 28 x 28, batch 64", conv_net, torch.rand(64, 1, 28, 28), labels, 20, BLOCK),
        Case("ResNet-18, 32 x 32, batch 64", residual_network, torch.rand(64, 3, 32, 32), labels, 6, 2),
        Case("transformer, 16 x 64 tokens", Sequences, tokens, tokens.flatten(), 8, 4),
    ]


def seconds(device: torch.device) -> float:
    """Return a time: of this process on a CPU, where other work does not count, and of the clock on a GPU."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def tensor_bytes() -> int:
    """Return the size of all tensors there are, each memory counted once."""
    storages = {}
    for thing in gc.get_objects():
        if type(thing) in (Tensor, nn.Parameter):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def milliseconds_per_step(case: Case, device: str) -> tuple[float, float, float]:
    """Return the time of a step without and with `watch`, and the memory that it keeps, in copies of the parameters.

    The loops are run in turn, so that both see the same machine; the fastest block of each counts.
    """
    bare, watched = Loop(case, device), Loop(case, device)
    size = sum(value.nbytes for value in watched.module.parameters())
    with ExitStack() as stack:
        for loop in (bare, watched):
            loop.train(1)  # makes gradients and the optimizer's memory
        before = tensor_bytes()
        watched.path = stack.enter_context(watch(watched.module, watched.optimizer, BLOCK))
        watched.train(1)
        kept = tensor_bytes() - before
        times = []
        for _ in range(case.blocks):
            times.append((bare.train(case.steps), watched.train(case.steps)))
    fastest = [min(column) / case.steps * 1e3 for column in zip(*times, strict=True)]
    return fastest[0], fastest[1], kept / size


def main() -> None:
    """Print the share of the step that `watch` takes."""
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    title = f"Cost of a step, {torch.cuda.get_device_name() if device == 'cuda' else 'one thread'}"
    table = Table("network", "ms without", "ms with", "watch", "kept memory / parameters", title=title)
    for case in cases():
        bare, watched, kept = milliseconds_per_step(case, device)
        table.add_row(case.name, f"{bare:.3f}", f"{watched:.3f}", f"{watched / bare - 1:+.1%}", f"{kept:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
