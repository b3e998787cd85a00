"""Compare stacks with a serial loop of plain PyTorch: milliseconds per run and step, on one thread.

    python benchmarks/kernels.py

The serial loop trains one ordinary module after the other with `torch.optim.SGD`, on the same batches; ours records the
dynamics too. Random inputs; the fastest of several rounds taken in turn. The thresholds of
`trainables/stack/kernel_choice.py` come from the second table (`--candidates`), which times other kernels and sizes.
"""

import copy
import itertools
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from stacking import BATCH, make_stack, orders, shared
from torch import Tensor, nn

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_choice import choose_kernel
from benevolent.trainables.stack.kernel_names import Kernel, KernelChoice
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.training.malloc import keep_freed_memory

#: Name, network, shape of an input, networks.
CASES = (
    ("MLP on 64 inputs", {"width": 64}, (64,), 8),
    ("MLP on 784 inputs", {"width": 64}, (784,), 8),
    ("3-layer conv, 1 x 28 x 28", {"family": "puzzles_cnn"}, (1, 28, 28), 8),
    ("3-layer conv, 3 x 32 x 32", {"family": "puzzles_cnn"}, (3, 32, 32), 8),
    ("5-layer conv + BatchNorm, 1 x 28 x 28", {"family": "puzzles_bn"}, (1, 28, 28), 8),
    ("5-layer conv + BatchNorm, 3 x 32 x 32", {"family": "puzzles_bn"}, (3, 32, 32), 8),
    ("LeNet-5, 1 x 28 x 28", {"family": "lenet5"}, (1, 28, 28), 8),
    ("LeNet-5, 1 x 28 x 28, alone", {"family": "lenet5"}, (1, 28, 28), 1),
    ("ResNet-56, 3 x 32 x 32", {"family": "resnet", "depth": 56}, (3, 32, 32), 1),
)
#: Rounds whose fastest counts, and steps of each round, for networks whose step takes long and for others.
SLOW, FAST = (10, 2), (12, 20)


class Case:
    """Networks of one architecture, to be trained in stacks or one after the other."""

    def __init__(self, model: dict, shape: tuple[int, ...], networks: int) -> None:
        self.rounds, steps = SLOW if len(shape) == 3 else FAST
        self.inputs = torch.randn(steps * BATCH, *shape)
        self.labels = torch.randint(0, 10, (networks, steps * BATCH))
        self.stack = make_stack(networks, model, DataConfig(), self.inputs)
        self.order = orders(self.stack, steps * BATCH, 0)
        self.choice = choose_kernel(self.stack, shared(self.inputs, networks), self.labels, BATCH)
        modules = [copy.deepcopy(self.stack.network.module).train().requires_grad_() for _ in range(networks)]
        self.serial_loop = [(one, torch.optim.SGD(one.parameters(), lr=0.05, momentum=0.9)) for one in modules]
        self.steps = steps * networks

    def serial(self) -> None:
        """Train one network after the other."""
        for (module, optimizer), labels, order in zip(self.serial_loop, self.labels, self.order, strict=True):
            for batch in order.split(BATCH):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(self.inputs[batch]), labels[batch]).backward()
                optimizer.step()

    def ours(self, choice: KernelChoice) -> Callable[[], None]:
        """Return a function that trains the networks in stacks."""

        def epoch() -> None:
            parts: list[tuple[Stack, Tensor, Tensor]] = list(
                zip(
                    self.stack.slices(choice.size),
                    self.labels.split(choice.size),
                    self.order.split(choice.size),
                    strict=True,
                )
            )
            for part, labels, order in parts:
                batches = Batches(shared(self.inputs, len(part)), labels, order, BATCH, epoch=0)
                part.train_epoch(batches, choice.kernel)

        return epoch

    def milliseconds(self, *ways: Callable[[], None]) -> list[float]:
        """Return the least time of each way per run and step."""
        best = [float("inf")] * len(ways)
        for _ in range(self.rounds):
            for index, way in enumerate(ways):
                start = time.perf_counter()
                way()
                best[index] = min(best[index], (time.perf_counter() - start) / self.steps * 1e3)
        return best


def chosen() -> Table:
    """Compare the chosen kernels with the serial loop."""
    table = Table("network", "K", "chosen", "ours", "serial", "ratio", title="ms per run and step, one thread")
    for name, model, shape, networks in CASES:
        case = Case(model, shape, networks)
        ours, serial = case.milliseconds(case.ours(case.choice), case.serial)
        choice = f"{case.choice.kernel}, {case.choice.size} at once"
        table.add_row(name, str(networks), choice, f"{ours:.3f}", f"{serial:.3f}", f"{ours / serial:.2f}")
    return table


def candidates() -> Table:
    """Compare other kernels and sizes with the serial loop, for the convolutional networks."""
    kernels: tuple[Kernel, ...] = ("batched", "channels_last", "loop")
    choices = [KernelChoice(kernel, size) for kernel, size in itertools.product(kernels, (1, 2, 4, 8))]
    titles = [f"{choice.kernel} {choice.size}" for choice in choices]
    table = Table("network", "values a step", *titles, title="time against the serial loop")
    for name, model, shape, networks in CASES:
        if networks > 1 and len(shape) == 3:
            case = Case(model, shape, networks)
            *ours, serial = case.milliseconds(*(case.ours(choice) for choice in choices), case.serial)
            values = BATCH * case.stack.network.activations(shape)
            table.add_row(name, f"{values:,}", *(f"{one / serial:.2f}" for one in ours))
    return table


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as where cohorts are trained; the serial loop has it too
    console = Console(width=160)
    console.print(chosen())
    if "--candidates" in sys.argv[1:]:
        console.print(candidates())
    console.print(f"torch {torch.__version__} on {processor()}, batches of {BATCH}")


if __name__ == "__main__":
    main()
